"""Acts on many rows at once, and what they really changed."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from feedback.models import Output, Project, Reason, Session, User
from review.models.group import SpotCheck
from review.models.job import Job
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


class BulkJobQuerySet(models.QuerySet["BulkJob"]):
    def visible_to(self, user: User) -> BulkJobQuerySet:
        """Acts on what the user sees: not those on a queue that does not exist for them."""
        seen = Q(queue=None) | Q(queue__in=Queue.objects.visible_to(user))
        return self.filter(seen, project__memberships__user=user)


class BulkJob(Job):
    """One act on every output that matches a filter, or on those of them that were picked.

    Deciding as one is about what its `spot_check` was drawn from, less the sample.
    """

    class Act(models.TextChoices):
        TAG_ADD = "tag_add", "Add tags"
        TAG_REMOVE = "tag_remove", "Remove tags"
        QUEUE_ADD = "queue_add", "Add to queue"
        QUEUE_REMOVE = "queue_remove", "Take out of queue"
        DECIDE = "decide", "Decide as one"
        REASON_ADD = "reason_add", "Add reason"
        ROUTE_ADD = "route_add", "Add route"

    project = models.ForeignKey(Project, models.CASCADE, related_name="bulk_jobs")
    act = models.CharField(max_length=12, choices=Act.choices)
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
    num_changed = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="bulk_jobs"
    )

    objects = BulkJobQuerySet.as_manager()

    class Meta(Job.Meta):
        constraints = [
            *Job.Meta.constraints,
            models.CheckConstraint(
                condition=_needs(["tag_add", "tag_remove"], "tags")
                | _needs(["queue_add", "queue_remove"], "queue")
                | _needs(["decide"], "queue", "spot_check")
                | _needs(["reason_add"], "reason")
                | _needs(["route_add"], "route"),
                name="%(app_label)s_%(class)s_has_what_it_needs",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.act} {self.pk}"


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
