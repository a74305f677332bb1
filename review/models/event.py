"""The append-only log of what people did."""

from __future__ import annotations

from django.db import models

from feedback.models import Output, Project, User


class Event(models.Model):
    """Who did what to what, when. Holds ids only, never user text.

    `output` is the answer it was about, if it was about one: what a page of that answer asks for.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="events")
    actor = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="events")
    output = models.ForeignKey(
        Output, models.SET_NULL, null=True, blank=True, related_name="events"
    )
    verb = models.CharField(max_length=60)
    target_type = models.CharField(max_length=60)
    target_id = models.BigIntegerField()
    data = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["project", "-at", "-id"], name="event_by_time"),
            models.Index(fields=["target_type", "target_id"], name="event_of_target"),
            models.Index(
                fields=["output", "id"],
                condition=models.Q(output__isnull=False),
                name="event_on_output",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.target_type} {self.target_id}"
