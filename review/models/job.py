"""What a worker does to many rows, and can take back."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from feedback.models import Stepped, User


class Job(Stepped):
    """One act on all rows that matched a filter as it began, or on those of them that were picked.

    A worker goes through them by id, up to `until`, a chunk in a transaction; `after` says how far
    it came. The same `request_key` of one person is one job.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"
        UNDOING = "undoing", "Being undone"
        UNDONE = "undone", "Undone"

    ACTIVE = ("waiting", "running", "undoing")

    filter = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.WAITING)
    until = models.BigIntegerField()
    after = models.BigIntegerField(default=0)
    num_matching = models.PositiveIntegerField()
    num_seen = models.PositiveIntegerField(default=0)
    num_undone = models.PositiveIntegerField(default=0)
    num_conflicts = models.PositiveIntegerField(default=0)
    request_key = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField()
    undone_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(
                fields=["project", "created_by", "request_key"],
                condition=Q(request_key__isnull=False),
                name="%(app_label)s_%(class)s_once",
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
                name="%(class)s_active",
            ),
            models.Index(fields=["project", "-created_at", "-id"], name="%(class)s_by_time"),
        ]

    @property
    def is_undoable(self) -> bool:
        """Whether it has ended and is not undone."""
        return self.status in {self.Status.DONE, self.Status.CANCELLED, self.Status.FAILED}
