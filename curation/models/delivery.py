"""What is to be sent to trackers, and how each attempt went."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Exists, OuterRef, Q

from curation.models.issue import IssueChange
from curation.models.tracker import Ticket


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def waiting(self) -> DeliveryQuerySet:
        """What is still to be sent."""
        return self.filter(status=Delivery.Status.WAITING)

    def under_way(self, *, at: datetime) -> DeliveryQuerySet:
        """What is being sent: an attempt has begun, and has time left."""
        begun = Attempt.objects.filter(
            delivery=OuterRef("pk"), number=OuterRef("num_attempts"), ended_at=None
        )
        return self.waiting().filter(Exists(begun), next_at__gt=at)

    def to_send_again(self, *, at: datetime) -> DeliveryQuerySet:
        """What was given up and can still be sent.

        Nothing later of its ticket was delivered, or is under way: that would arrive in between.
        """
        later = Delivery.objects.filter(ticket=OuterRef("ticket"), pk__gt=OuterRef("pk"))
        given_up = self.filter(status=Delivery.Status.FAILED, ticket__tracker__removed_at=None)
        return given_up.filter(
            ~Exists(later.filter(status=Delivery.Status.DONE)), ~Exists(later.under_way(at=at))
        )


class Delivery(models.Model):
    """A change of an issue that a ticket's tracker is to be told of, once.

    The body is written when it is sent: no text of users is kept here. `num_attempts` tells the
    attempts apart; one that is under way has until `next_at`.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DONE = "done", "Delivered"
        FAILED = "failed", "Given up"

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="deliveries")
    change = models.ForeignKey(IssueChange, models.CASCADE, related_name="deliveries")
    status = models.CharField(max_length=7, choices=Status.choices, default=Status.WAITING)
    num_attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField()
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["ticket", "change"], name="%(app_label)s_%(class)s_once"
            ),
            models.CheckConstraint(
                condition=Q(status="waiting", finished_at=None)
                | Q(status__in=["done", "failed"], finished_at__isnull=False),
                name="%(app_label)s_%(class)s_status_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at", "id"], condition=Q(status="waiting"), name="delivery_waiting"
            )
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.key}"


class Attempt(models.Model):
    """One attempt at a delivery: the answer's status, or why there was none. Nothing of its body.

    Without an end, nobody knows whether it arrived.
    """

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    fault = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "number"], name="%(app_label)s_%(class)s_number"
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} at {self.delivery_id}"
