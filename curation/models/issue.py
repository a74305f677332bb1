"""What the product's makers are asked to change, and what became of it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from feedback.models import Project, User
from review.models import Theme


class IssueQuerySet(models.QuerySet["Issue"]):
    def unsettled(self) -> IssueQuerySet:
        """Issues that are open, for the first time or again."""
        return self.exclude(status=Issue.Status.CLOSED)

    def watched(self) -> IssueQuerySet:
        """Issues that were closed as fixed and have a theme to tell whether it stays so."""
        return self.filter(
            status=Issue.Status.CLOSED, resolution=Issue.Resolution.FIXED, theme__isnull=False
        )


class Issue(models.Model):
    """What is to be changed in the product, mostly because of a theme.

    `evidence` is what curation.issue_evidence counted when it was opened, frozen: numbers, roles
    and model versions, and no text of users. `baseline` is how common the theme's complaints were
    in the weeks before it was closed, with the keys of curation.issue_evidence.rate_of; None until
    the first look after that.
    """

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        CLOSED = "closed", "Closed"
        REOPENED = "reopened", "Came back"

    class Resolution(models.TextChoices):
        FIXED = "fixed", "Fixed"
        DROPPED = "dropped", "Not to be fixed"

    project = models.ForeignKey(Project, models.CASCADE, related_name="issues")
    number = models.PositiveIntegerField()
    theme = models.ForeignKey(Theme, models.SET_NULL, null=True, blank=True, related_name="issues")
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.OPEN)
    resolution = models.CharField(max_length=7, choices=Resolution.choices, blank=True)
    evidence = models.JSONField(default=dict)
    baseline = models.JSONField(null=True, blank=True)
    opened_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="opened_issues")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField()

    objects = IssueQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "number"], name="%(app_label)s_%(class)s_number"
            ),
            models.UniqueConstraint(
                fields=["theme"],
                condition=~Q(status="closed"),
                name="%(app_label)s_%(class)s_one_open_a_theme",
            ),
            models.CheckConstraint(condition=~Q(title=""), name="%(app_label)s_%(class)s_titled"),
            models.CheckConstraint(
                condition=Q(
                    status="closed", closed_at__isnull=False, resolution__in=["fixed", "dropped"]
                )
                | Q(status__in=["open", "reopened"], closed_at=None, resolution=""),
                name="%(app_label)s_%(class)s_status_known",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "status", "-changed_at", "-id"], name="issue_by_change")
        ]

    def __str__(self) -> str:
        return f"P-{self.number} {self.title}"


class IssueChange(models.Model):
    """That an issue was opened, closed or came back: who said so, why, and what it rests on.

    `by` is None where a tracker or the watch did it; `tracker` is which. `evidence` has numbers
    alone.
    """

    class Kind(models.TextChoices):
        OPENED = "opened", "Opened"
        CLOSED = "closed", "Closed"
        REOPENED = "reopened", "Opened again"

    class Source(models.TextChoices):
        PERSON = "person", "A person"
        TRACKER = "tracker", "A tracker"
        WATCH = "watch", "The watch"

    issue = models.ForeignKey(Issue, models.CASCADE, related_name="changes")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    source = models.CharField(max_length=7, choices=Source.choices)
    by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    resolution = models.CharField(max_length=7, choices=Issue.Resolution.choices, blank=True)
    comment = models.TextField(blank=True)
    evidence = models.JSONField(default=dict)
    tracker = models.ForeignKey(
        "curation.Tracker", models.SET_NULL, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["opened", "reopened"], resolution="")
                | Q(kind="closed", resolution__in=["fixed", "dropped"]),
                name="%(app_label)s_%(class)s_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(source="person") | Q(source__in=["tracker", "watch"], by=None),
                name="%(app_label)s_%(class)s_source_known",
            ),
        ]
        indexes = [models.Index(fields=["issue", "at", "id"], name="change_of_issue")]

    def __str__(self) -> str:
        return f"{self.issue_id} {self.kind}"
