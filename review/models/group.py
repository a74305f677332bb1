"""Items of a queue that are nearly the same."""

from __future__ import annotations

from django.db import models

from feedback.models import User


class ItemGroupQuerySet(models.QuerySet["ItemGroup"]):
    def visible_to(self, user: User) -> ItemGroupQuerySet:
        """Groups of the projects the user is a member of."""
        return self.filter(queue__project__memberships__user=user)


class ItemGroup(models.Model):
    """Items of one queue whose questions and answers are nearly the same.

    The first of its items leads: every other one was the same as it when it joined. An item stays
    when it is done; one whose answer changes is placed anew. A group is of one queue with its items
    (foreign key of both columns).
    """

    queue = models.ForeignKey("review.Queue", models.CASCADE, related_name="groups")
    created_at = models.DateTimeField()

    objects = ItemGroupQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["id", "queue"], name="%(app_label)s_%(class)s_of_a_queue"
            ),
        ]

    def __str__(self) -> str:
        return f"group {self.pk} of {self.queue_id}"
