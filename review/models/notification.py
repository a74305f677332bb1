"""What a person is told of."""

from __future__ import annotations

from django.db import models
from django.db.models import Exists, OuterRef, Q, TextField, Value
from django.db.models.functions import Cast, Concat

from feedback.models import Output, Project, User
from review.models.annotation import Annotation
from review.models.bulk import BulkJob
from review.models.digest import DigestMail
from review.models.queue import Queue, QueueItem, QueueReviewer


class NotificationQuerySet(models.QuerySet["Notification"]):
    def seen_by(self, user: User) -> NotificationQuerySet:
        """What concerns the user, of kinds that they want to be told of in the app."""
        unwanted = NotificationChoice.objects.filter(
            user=OuterRef("user"), kind=OuterRef("kind"), in_app=False
        )
        return self.concerning(user).filter(~Exists(unwanted))

    def concerning(self, user: User) -> NotificationQuerySet:
        """The user's, of projects they are still a member of, and of queues that they still see.

        What others said of an output stays hidden while the user is to judge it without them; what
        became of an item or a job does not.
        """
        blind = QueueItem.objects.blind_to(user).filter(output=OuterRef("output"))
        told = Q(annotation=None) | ~Exists(blind)
        queues = Queue.objects.visible_to(user)
        on_items = Q(item=None) | Q(item__queue__in=queues)
        on_jobs = Q(job__queue=None) | Q(job__queue__in=queues)
        named_in = QueueReviewer.objects.filter(user=user).values_list(
            Concat(Value(Notification.OF_QUEUE, TextField()), Cast("queue_id", TextField()))
        )
        on_naming = ~Q(kind=Notification.Kind.NAMED) | Q(subject__in=named_in)
        return self.filter(
            told, on_items, on_jobs, on_naming, user=user, project__memberships__user=user
        )

    def unread(self) -> NotificationQuerySet:
        """Those with something new in them."""
        return self.filter(read_at=None)


class Notification(models.Model):
    """That something happened, for one person: one row a thread, a kind and item, or a subject.

    A queue, and what an upper package tells of, has a `subject`, a name of its own, with what it is
    called and the path that leads there.

    `num` counts what happened since it was read, `actor` did the last of it. It holds no words:
    they are read where it leads. `mail` is the one that told of it, until more happens.
    """

    class Kind(models.TextChoices):
        MENTION = "mention", "Mention"
        REPLY = "reply", "Reply"
        DECIDED = "decided", "Suggestion decided"
        TAKEN = "taken", "Item taken over"
        DISPUTED = "disputed", "Dispute to decide"
        ESCALATED = "escalated", "Escalation to settle"
        SETTLED = "settled", "Own escalation settled"
        BULK = "bulk", "Bulk act done"
        APPROVAL = "approval", "Proposal to approve"
        ANSWERED = "answered", "Own proposal decided"
        PROMOTED = "promoted", "Bulk promotion done"
        RETURNED = "returned", "Product issue came back"
        NAMED = "named", "Named to review a queue"

    # What each kind is about: a thread, an item, a subject, or a job.
    ON_THREADS = ("mention", "reply", "decided")
    ON_ITEMS = ("taken", "disputed", "escalated", "settled")
    ON_SUBJECTS = ("approval", "answered", "promoted", "returned", "named")
    # What the subject of a queue begins with; its id follows.
    OF_QUEUE = "queue "

    user = models.ForeignKey(User, models.CASCADE, related_name="notifications")
    project = models.ForeignKey(Project, models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=9, choices=Kind.choices)
    output = models.ForeignKey(
        Output, models.CASCADE, null=True, blank=True, related_name="notifications"
    )
    annotation = models.ForeignKey(
        Annotation, models.CASCADE, null=True, blank=True, related_name="notifications"
    )
    item = models.ForeignKey(
        QueueItem, models.CASCADE, null=True, blank=True, related_name="notifications"
    )
    job = models.ForeignKey(
        BulkJob, models.CASCADE, null=True, blank=True, related_name="notifications"
    )
    subject = models.CharField(max_length=60, blank=True, default="")
    title = models.CharField(max_length=120, blank=True, default="")
    path = models.CharField(max_length=300, blank=True, default="")
    actor = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    mail = models.ForeignKey(
        DigestMail, models.SET_NULL, null=True, blank=True, related_name="notifications"
    )
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
                    kind__in=["mention", "reply", "decided"],
                    output__isnull=False,
                    annotation__isnull=False,
                    item=None,
                    job=None,
                    subject="",
                )
                | Q(
                    kind__in=["taken", "disputed", "escalated", "settled"],
                    output__isnull=False,
                    annotation=None,
                    item__isnull=False,
                    job=None,
                    subject="",
                )
                | Q(
                    kind="bulk",
                    output=None,
                    annotation=None,
                    item=None,
                    job__isnull=False,
                    subject="",
                )
                | (
                    Q(
                        kind__in=["approval", "answered", "promoted", "returned", "named"],
                        output=None,
                        annotation=None,
                        item=None,
                        job=None,
                    )
                    & ~Q(subject="")
                    & ~Q(path="")
                ),
                name="%(app_label)s_%(class)s_kind_known",
            ),
            models.UniqueConstraint(
                fields=["user", "item", "kind"], name="%(app_label)s_%(class)s_one_an_item"
            ),
            models.UniqueConstraint(
                fields=["user", "job"], name="%(app_label)s_%(class)s_one_a_job"
            ),
            models.UniqueConstraint(
                fields=["user", "kind", "subject"],
                condition=~Q(subject=""),
                name="%(app_label)s_%(class)s_one_a_subject",
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
        return (
            f"{self.kind} for {self.user_id} in "
            f"{self.annotation_id or self.item_id or self.job_id or self.subject}"
        )


class NotificationChoice(models.Model):
    """Where a person wants to be told of one kind of news; without a row, everywhere."""

    user = models.ForeignKey(User, models.CASCADE, related_name="notification_choices")
    kind = models.CharField(max_length=9, choices=Notification.Kind.choices)
    in_app = models.BooleanField(default=True)
    by_mail = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "kind"], name="%(app_label)s_%(class)s_once"),
            models.CheckConstraint(
                condition=Q(kind__in=Notification.Kind.values),
                name="%(app_label)s_%(class)s_kind_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.user_id}"
