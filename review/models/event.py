"""The append-only log of what people did."""

from __future__ import annotations

from django.db import models

from feedback.models import Project, User


class Event(models.Model):
    """Who did what to what, when. Holds ids only, never user text."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="events")
    actor = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="events")
    verb = models.CharField(max_length=60)
    target_type = models.CharField(max_length=60)
    target_id = models.BigIntegerField()
    data = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["project", "-at", "-id"], name="event_by_time"),
            models.Index(fields=["target_type", "target_id"], name="event_of_target"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.target_type} {self.target_id}"
