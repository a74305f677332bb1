"""What decisions ask for beyond themselves."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce

from feedback.models import Project, User
from review.models.review import Review

# What has no due time comes after all that has.
NEVER = datetime(9999, 12, 31, tzinfo=UTC)


class HandoverQuerySet(models.QuerySet["Handover"]):
    def counting(self) -> HandoverQuerySet:
        """Those of decisions that count."""
        return self.filter(review__is_authoritative=True)

    def waiting(self) -> HandoverQuerySet:
        """Those that are not done, taken or not."""
        return self.exclude(status=Handover.Status.DONE)


class Handover(models.Model):
    """That a review is to be taken up on a route, and whether it was.

    Its reviewer asked for it where `Review.routes` names the route; else it was added later, by
    `added_by`.

    It is done once what the review settled was promoted there, or closed with a comment that says
    why not or where. It waits since `opened_at`, and anew where what was promoted is removed.
    Escalations have a table of their own.
    """

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        TAKEN = "taken", "Taken"
        DONE = "done", "Done"

    project = models.ForeignKey(Project, models.CASCADE, related_name="handovers")
    review = models.ForeignKey(Review, models.CASCADE, related_name="handovers")
    route = models.CharField(max_length=10)
    status = models.CharField(max_length=5, choices=Status.choices, default=Status.OPEN)
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, blank=True)
    due_order = models.GeneratedField(
        expression=Coalesce("due_at", Value(NEVER)),
        output_field=models.DateTimeField(),
        db_persist=True,
    )
    added_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    taken_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    taken_at = models.DateTimeField(null=True, blank=True)
    done_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    done_at = models.DateTimeField(null=True, blank=True)
    is_promoted = models.BooleanField(default=False)
    comment = models.TextField(blank=True)

    objects = HandoverQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["review", "route"], name="%(app_label)s_%(class)s_once"
            ),
            models.CheckConstraint(
                condition=Q(route__in=["library", "training", "issue"]),
                name="%(app_label)s_%(class)s_route_known",
            ),
            models.CheckConstraint(
                condition=Q(status="open", taken_at=None, done_at=None)
                | Q(status="taken", taken_at__isnull=False, done_at=None)
                | Q(status="done", done_at__isnull=False),
                name="%(app_label)s_%(class)s_status_known",
            ),
            models.CheckConstraint(
                condition=~Q(status="done") | Q(is_promoted=True) | ~Q(comment=""),
                name="%(app_label)s_%(class)s_says_why",
            ),
        ]
        indexes = [
            models.Index(
                fields=["project", "route", "status", "due_order", "opened_at", "id"],
                name="handover_by_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.route} of {self.review_id}"
