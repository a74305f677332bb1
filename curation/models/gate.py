"""What training sets are held to before a release, and what was found of it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from curation.gates import BLOCKING, CONSENT_NAMES, LABELS, Gate, Rules
from curation.models.training import Example, ReleasedExample, TrainingSet
from feedback.models import User

GATES = [(gate.value, LABELS[gate]) for gate in Gate]


def _blocking() -> list[str]:
    return [gate.value for gate in BLOCKING]


def _consent_names() -> list[str]:
    return list(CONSENT_NAMES)


class GateRules(models.Model):
    """What one training set is held to; without a row, what curation.gates.Rules says.

    Shares are from 0 to 1. `blocking` are the gates that hold a release up; the others only tell.
    """

    training_set = models.OneToOneField(TrainingSet, models.CASCADE, related_name="gate_rules")
    token_limit = models.PositiveIntegerField(default=Rules.token_limit)
    least_agreement = models.FloatField(default=Rules.least_agreement)
    most_of_user = models.FloatField(default=Rules.most_of_user)
    most_of_reviewer = models.FloatField(default=Rules.most_of_reviewer)
    consent_names = ArrayField(models.CharField(max_length=200), default=_consent_names, blank=True)
    own_contacts = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    split_by_theme = models.BooleanField(default=Rules.split_by_theme)
    blocking = ArrayField(
        models.CharField(max_length=10, choices=GATES), default=_blocking, blank=True
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(token_limit__gte=1), name="%(app_label)s_%(class)s_tokens_positive"
            ),
            models.CheckConstraint(
                condition=Q(least_agreement__gte=0, least_agreement__lte=1)
                & Q(most_of_user__gt=0, most_of_user__lte=1)
                & Q(most_of_reviewer__gt=0, most_of_reviewer__lte=1),
                name="%(app_label)s_%(class)s_shares",
            ),
        ]

    def __str__(self) -> str:
        return f"rules of {self.training_set_id}"

    def rules(self) -> Rules:
        """The same as plain values."""
        return Rules(
            token_limit=self.token_limit,
            least_agreement=self.least_agreement,
            most_of_user=self.most_of_user,
            most_of_reviewer=self.most_of_reviewer,
            consent_names=tuple(self.consent_names),
            own_contacts=tuple(self.own_contacts),
            split_by_theme=self.split_by_theme,
            blocking=tuple(self.blocking),
        )


class GateCheckQuerySet(models.QuerySet["GateCheck"]):
    def unfinished(self) -> GateCheckQuerySet:
        """Checks that wait or run."""
        return self.filter(status__in=["waiting", "running"])

    def done(self) -> GateCheckQuerySet:
        """Checks that came to an end."""
        return self.filter(status="done")


class GateCheck(models.Model):
    """All gates over the kept examples of a set at one time. The set's last one is kept.

    `contents` tells the examples that were checked from others, `rules` are what they were held to.
    `figures` has for each gate what it measured; `fence` is that of the worker who is at it.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Stopped"

    training_set = models.ForeignKey(TrainingSet, models.CASCADE, related_name="gate_checks")
    status = models.CharField(max_length=7, choices=Status.choices, default=Status.WAITING)
    rules = models.JSONField(default=dict)
    contents = models.CharField(max_length=64, blank=True)
    figures = models.JSONField(default=dict)
    step = models.CharField(max_length=20, blank=True)
    num_examples = models.PositiveIntegerField(default=0)
    num_done = models.PositiveIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="gate_checks")
    asked_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = GateCheckQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["training_set"],
                condition=Q(status__in=["waiting", "running"]),
                name="%(app_label)s_%(class)s_one_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(num_done__lte=F("num_examples")), name="%(app_label)s_%(class)s_so_far"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["waiting", "running", "done", "failed", "stopped"]),
                name="%(app_label)s_%(class)s_status_known",
            ),
        ]

    def __str__(self) -> str:
        return f"check {self.pk} of {self.training_set_id}"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status not in {self.Status.WAITING, self.Status.RUNNING}


class GateFindingQuerySet(models.QuerySet["GateFinding"]):
    def still_there(self) -> GateFindingQuerySet:
        """Of rows that are still in the set, and so is the row they fail together with."""
        gone = Example.objects.filter(pk=OuterRef("other")).exclude(removed_at=None)
        return self.filter(~Exists(gone), example__removed_at=None)

    def open(self) -> GateFindingQuerySet:
        """Of rows that are still there and that nobody let pass."""
        passed = GatePass.objects.filter(
            example=OuterRef("example"), gate=OuterRef("gate"), key=OuterRef("key")
        )
        return self.still_there().filter(~Exists(passed))


class GateFinding(models.Model):
    """A row that fails a gate, and why; `other` is the row it fails together with."""

    check_run = models.ForeignKey(GateCheck, models.CASCADE, related_name="findings")
    gate = models.CharField(max_length=10, choices=GATES)
    example = models.ForeignKey(Example, models.CASCADE, related_name="gate_findings")
    other = models.ForeignKey(
        Example, models.CASCADE, null=True, blank=True, related_name="gate_findings_of_others"
    )
    why = models.CharField(max_length=300)
    key = models.CharField(max_length=200, blank=True)

    objects = GateFindingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(gate__in=[gate.value for gate in Gate]),
                name="%(app_label)s_%(class)s_gate_known",
            ),
        ]
        indexes = [models.Index(fields=["check_run", "gate", "example"], name="finding_of_gate")]

    def __str__(self) -> str:
        return f"{self.example_id} fails {self.gate}"


class GatePass(models.Model):
    """A curator's word that a row may pass a gate it fails, and why.

    It holds for what the curator has seen: a failure with another `key` is another.
    """

    example = models.ForeignKey(Example, models.CASCADE, related_name="gate_passes")
    gate = models.CharField(max_length=10, choices=GATES)
    key = models.CharField(max_length=200, blank=True)
    reason = models.TextField()
    passed_by = models.ForeignKey(User, models.PROTECT, related_name="gate_passes")
    passed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["example", "gate", "key"], name="%(app_label)s_%(class)s_once"
            ),
            models.CheckConstraint(
                condition=~Q(reason=""), name="%(app_label)s_%(class)s_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.example_id} may pass {self.gate}"


class CheckedGroup(models.Model):
    """The split of a session that its own hash would put elsewhere, as a check found best."""

    check_run = models.ForeignKey(GateCheck, models.CASCADE, related_name="groups")
    group = models.CharField(max_length=200)
    split = models.CharField(max_length=10, choices=ReleasedExample.Split.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["check_run", "group"], name="%(app_label)s_%(class)s_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group} in {self.split}"
