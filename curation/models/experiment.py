"""How a version is given to sessions, and how that ended."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from curation.models.context import LibraryVersion
from feedback.models import User

# Percent of sessions without which no version is given to more: harm shows beside them alone. Where
# 6 % are complained of, it takes some 7,000 sessions to show twice as many; with 1 %, 30,000.
LEAST_HELD_OUT = 5


class ExperimentQuerySet(models.QuerySet["Experiment"]):
    def running(self) -> ExperimentQuerySet:
        """Those that go on."""
        return self.filter(status=Experiment.Status.RUNNING)


class Experiment(models.Model):
    """Which share of sessions gets a version, which gets nothing, and for how long.

    The rest of the sessions gets `baseline`, the last version that was neither stopped nor still
    tried when this one came; nothing where there is none. A session's lot is drawn with `salt`, so
    that it is independent of any other experiment.
    """

    class Status(models.TextChoices):
        RUNNING = "running", "running"
        ENDED = "ended", "ended"
        STOPPED = "stopped", "stopped as harmful"

    version = models.OneToOneField(LibraryVersion, models.CASCADE, related_name="experiment")
    baseline = models.ForeignKey(
        LibraryVersion, models.SET_NULL, null=True, blank=True, related_name="baseline_of"
    )
    salt = models.CharField(max_length=32)
    # Percent of sessions, stage by stage.
    stages = ArrayField(
        models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(100)])
    )
    stage = models.PositiveSmallIntegerField(default=0)
    stage_since = models.DateTimeField()
    hours_per_stage = models.PositiveIntegerField(default=24)
    held_out = models.PositiveSmallIntegerField(help_text="Percent of sessions that get nothing.")
    status = models.CharField(max_length=7, choices=Status.choices, default=Status.RUNNING)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="ended_experiments"
    )
    reason = models.TextField(blank=True)

    objects = ExperimentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(stages__len__gte=1, stage__lt=F("stages__len")),
                name="%(app_label)s_%(class)s_stage_known",
            ),
            models.CheckConstraint(
                condition=Q(held_out__lte=99), name="%(app_label)s_%(class)s_held_out_range"
            ),
            models.CheckConstraint(
                condition=Q(status="ended") | Q(stages__len=1) | Q(held_out__gte=LEAST_HELD_OUT),
                name="%(app_label)s_%(class)s_widens_beside_held_out",
            ),
            models.CheckConstraint(
                condition=Q(status="running", ended_at=None)
                | Q(status__in=["ended", "stopped"], ended_at__isnull=False),
                name="%(app_label)s_%(class)s_ends_with_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version_id} {self.status}"

    @property
    def served(self) -> int:
        """Percent of sessions that get the version at the present stage."""
        return int(self.stages[self.stage])

    @property
    def has_rest(self) -> bool:
        """Whether sessions are left at first that neither get the version nor are held out."""
        return int(self.stages[0]) + self.held_out < 100

    @property
    def is_at_last_stage(self) -> bool:
        """Whether no further sessions are added."""
        return self.stage == len(self.stages) - 1
