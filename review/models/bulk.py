"""Acts on many rows at once, and what they really changed."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from feedback.models import Output, Project, Reason, Session, User
from review.models.group import SpotCheck
from review.models.queue import Queue
from review.models.review import Review


def _needs(acts: Sequence[str], *names: str) -> Q:
    """That these acts have what is named, and nothing else that another act needs."""
    empty = {"tags": Q(tags__len=0), "route": Q(route="")}
    empty |= {name: Q(**{name: None}) for name in ("queue", "spot_check", "reason")}
    needs = Q(act__in=acts)
    for name, is_empty in empty.items():
        needs &= ~is_empty if name in names else is_empty
    return needs


class BulkJob(models.Model):
    """One act on every output that matches a filter, or on those of them that were picked.

    Deciding as one is about what its `spot_check` was drawn from, less the sample.

    A worker goes through them by id, up to `until`, a chunk in a transaction; `after` says how far
    it came. A chunk that raised is tried again, behind other jobs; `num_failures` counts that. When
    it was too often the job has failed, and `problem` says of what.
    """

    class Act(models.TextChoices):
        TAG_ADD = "tag_add", "Add tags"
        TAG_REMOVE = "tag_remove", "Remove tags"
        QUEUE_ADD = "queue_add", "Add to queue"
        QUEUE_REMOVE = "queue_remove", "Take out of queue"
        DECIDE = "decide", "Decide as one"
        REASON_ADD = "reason_add", "Add reason"
        ROUTE_ADD = "route_add", "Add route"

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"
        UNDOING = "undoing", "Being undone"
        UNDONE = "undone", "Undone"

    ACTIVE = ("waiting", "running", "undoing")

    project = models.ForeignKey(Project, models.CASCADE, related_name="bulk_jobs")
    act = models.CharField(max_length=12, choices=Act.choices)
    filter = models.JSONField(default=dict, blank=True)
    picked_outputs = ArrayField(models.BigIntegerField(), null=True, blank=True)
    picked_sessions = ArrayField(models.BigIntegerField(), default=list, blank=True)
    queue = models.ForeignKey(
        Queue, models.CASCADE, null=True, blank=True, related_name="bulk_jobs"
    )
    spot_check = models.OneToOneField(
        SpotCheck, models.CASCADE, null=True, blank=True, related_name="job"
    )
    tags = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    tag_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)
    reason = models.ForeignKey(Reason, models.RESTRICT, null=True, blank=True, related_name="+")
    route = models.CharField(max_length=10, choices=Review.Route.choices, blank=True, default="")
    made_tag_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.WAITING)
    until = models.BigIntegerField()
    after = models.BigIntegerField(default=0)
    num_matching = models.PositiveIntegerField()
    num_seen = models.PositiveIntegerField(default=0)
    num_changed = models.PositiveIntegerField(default=0)
    num_undone = models.PositiveIntegerField(default=0)
    num_conflicts = models.PositiveIntegerField(default=0)
    num_failures = models.PositiveSmallIntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True, default="")
    request_key = models.UUIDField(null=True, blank=True)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="bulk_jobs"
    )
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "created_by", "request_key"],
                condition=Q(request_key__isnull=False),
                name="%(app_label)s_%(class)s_once",
            ),
            models.CheckConstraint(
                condition=_needs(["tag_add", "tag_remove"], "tags")
                | _needs(["queue_add", "queue_remove"], "queue")
                | _needs(["decide"], "queue", "spot_check")
                | _needs(["reason_add"], "reason")
                | _needs(["route_add"], "route"),
                name="%(app_label)s_%(class)s_has_what_it_needs",
            ),
            models.CheckConstraint(
                condition=(Q(status="failed") & ~Q(problem=""))
                | (~Q(status="failed") & Q(problem="")),
                name="%(app_label)s_%(class)s_says_why_it_failed",
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(status__in=["waiting", "running", "undoing"]),
                name="bulkjob_active",
            ),
            models.Index(fields=["project", "-created_at", "-id"], name="bulkjob_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.act} {self.pk}"

    @property
    def is_active(self) -> bool:
        """Whether a worker has something to do about it."""
        return self.status in self.ACTIVE

    @property
    def is_undoable(self) -> bool:
        """Whether it has ended and is not undone."""
        return self.status in {self.Status.DONE, self.Status.CANCELLED, self.Status.FAILED}


class BulkChange(models.Model):
    """One row that a bulk act really changed: as it was before, and after; empty for no row."""

    class Outcome(models.TextChoices):
        NONE = "", "In force"
        UNDONE = "undone", "Undone"
        CONFLICT = "conflict", "Left as it is"

    job = models.ForeignKey(BulkJob, models.CASCADE, related_name="changes")
    output = models.ForeignKey(Output, models.CASCADE, null=True, related_name="+")
    session = models.ForeignKey(Session, models.CASCADE, null=True, related_name="+")
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, blank=True, default="")
    conflict = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        indexes = [models.Index(fields=["job", "id"], name="bulkchange_of_job")]

    def __str__(self) -> str:
        return f"change {self.pk} of {self.job_id}"
