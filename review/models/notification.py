"""What a person is told of."""

from __future__ import annotations

from django.db import models
from django.db.models import Exists, OuterRef, Q

from feedback.models import Output, Project, User
from review.models.annotation import Annotation
from review.models.queue import QueueItem


class NotificationQuerySet(models.QuerySet["Notification"]):
    def seen_by(self, user: User) -> NotificationQuerySet:
        """The user's, of projects they are still a member of.

        What others said of an output stays hidden while the user is to judge it without them;
        who took an item over from them does not.
        """
        blind = QueueItem.objects.blind_to(user).filter(output=OuterRef("output"))
        told = Q(kind=Notification.Kind.TAKEN) | ~Exists(blind)
        return self.filter(told, user=user, project__memberships__user=user)

    def unread(self) -> NotificationQuerySet:
        """Those with something new in them."""
        return self.filter(read_at=None)


class Notification(models.Model):
    """That something happened, for one person: one row a thread or a lost item, however much did.

    `num` counts what happened since it was read, `actor` did the last of it. It holds no words:
    they are read where it leads.
    """

    class Kind(models.TextChoices):
        MENTION = "mention", "Mention"
        REPLY = "reply", "Reply"
        DECIDED = "decided", "Suggestion decided"
        TAKEN = "taken", "Item taken over"

    user = models.ForeignKey(User, models.CASCADE, related_name="notifications")
    project = models.ForeignKey(Project, models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    output = models.ForeignKey(Output, models.CASCADE, related_name="notifications")
    annotation = models.ForeignKey(
        Annotation, models.CASCADE, null=True, blank=True, related_name="notifications"
    )
    item = models.ForeignKey(
        QueueItem, models.CASCADE, null=True, blank=True, related_name="notifications"
    )
    actor = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    num = models.PositiveIntegerField(default=0)
    happened_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "annotation"], name="%(app_label)s_%(class)s_one_a_thread"
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=["mention", "reply", "decided"], annotation__isnull=False, item=None
                )
                | Q(kind="taken", annotation=None, item__isnull=False),
                name="%(app_label)s_%(class)s_kind_known",
            ),
            models.UniqueConstraint(
                fields=["user", "item"], name="%(app_label)s_%(class)s_one_an_item"
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-happened_at", "-id"], name="notification_by_time"),
            models.Index(
                fields=["user", "project"],
                condition=Q(read_at=None),
                name="notification_unread",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.user_id} in {self.annotation_id or self.item_id}"
