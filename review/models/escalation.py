"""What reviewers handed up."""

from __future__ import annotations

from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce

from feedback.models import Output, Project, User
from review.models.handover import NEVER
from review.models.queue import Queue, QueueItem
from review.models.review import Review


class EscalationQuerySet(models.QuerySet["Escalation"]):
    def open(self) -> EscalationQuerySet:
        """Those that no moderator has settled."""
        return self.filter(status=Escalation.Status.OPEN)


class Escalation(models.Model):
    """A review whose route is to escalate: for a moderator to settle, who did not review the item.

    It is settled by a `decision` in the item's place for a third person, by a comment, or by
    sending the output back to a queue, after which `review` does not count.
    """

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        DECIDED = "decided", "Decided"
        CLOSED = "closed", "Closed"
        RETURNED = "returned", "Sent back"

    project = models.ForeignKey(Project, models.CASCADE, related_name="escalations")
    output = models.ForeignKey(Output, models.CASCADE, related_name="escalations")
    item = models.ForeignKey(QueueItem, models.CASCADE, related_name="escalations")
    review = models.ForeignKey(Review, models.CASCADE, related_name="escalations")
    raised_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, blank=True)
    due_order = models.GeneratedField(
        expression=Coalesce("due_at", Value(NEVER)),
        output_field=models.DateTimeField(),
        db_persist=True,
    )
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.OPEN)
    settled_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    settled_at = models.DateTimeField(null=True, blank=True)
    comment = models.TextField(blank=True)
    decision = models.ForeignKey(
        Review, models.SET_NULL, null=True, blank=True, related_name="settles"
    )
    returned_to = models.ForeignKey(Queue, models.SET_NULL, null=True, blank=True, related_name="+")

    objects = EscalationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["output"],
                condition=Q(status="open"),
                name="%(app_label)s_%(class)s_one_open",
            ),
            models.UniqueConstraint(fields=["review"], name="%(app_label)s_%(class)s_once"),
            models.CheckConstraint(
                condition=Q(status="open", settled_at=None)
                | Q(status__in=["decided", "closed", "returned"], settled_at__isnull=False),
                name="%(app_label)s_%(class)s_settled",
            ),
            models.CheckConstraint(
                condition=~Q(status="closed") | ~Q(comment=""),
                name="%(app_label)s_%(class)s_says_why",
            ),
        ]
        indexes = [
            models.Index(
                fields=["project", "due_order", "raised_at", "id"], name="escalation_by_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} escalation of {self.output_id}"
