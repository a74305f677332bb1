"""What a person is told of by e-mail."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from feedback.models import User


class Digest(models.Model):
    """How often a person is mailed what is new to them, and when next; without a row, never."""

    class Every(models.TextChoices):
        NEVER = "never", "Never"
        DAILY = "daily", "Every day"
        WEEKLY = "weekly", "Every Monday"

    user = models.OneToOneField(User, models.CASCADE, related_name="digest")
    every = models.CharField(max_length=6, choices=Every.choices, default=Every.NEVER)
    next_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(every="never", next_at=None)
                | Q(every__in=["daily", "weekly"], next_at__isnull=False),
                name="%(app_label)s_%(class)s_due",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="digest_due"),
        ]

    def __str__(self) -> str:
        return f"{self.every} to {self.user_id}"


class DigestMail(models.Model):
    """One e-mail, about the notifications that point to it: each is in one, and mailed once.

    Before it is handed to the mail server it is marked as being sent. Where it broke off then
    nobody knows whether it went, so it is not sent again.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"

    user = models.ForeignKey(User, models.CASCADE, related_name="digest_mails")
    status = models.CharField(max_length=7, choices=Status.choices, default=Status.WAITING)
    num_tries = models.PositiveSmallIntegerField(default=0)
    made_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status="sent", sent_at__isnull=False)
                | Q(status__in=["waiting", "sending", "failed"], sent_at=None),
                name="%(app_label)s_%(class)s_sent",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(status="waiting"), name="digestmail_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.status} mail to {self.user_id}"
