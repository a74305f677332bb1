"""Comments anchored to a span of an answer, with their threads, places and evidence."""

from __future__ import annotations

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from feedback.models import Output, Project, Reason, User
from review.edits import Edit
from review.models.queue import QueueItem
from review.models.review import Review


class AnnotationQuerySet(models.QuerySet["Annotation"]):
    def visible_to(self, user: User) -> AnnotationQuerySet:
        """Annotations of the projects the user is a member of."""
        return self.filter(project__memberships__user=user)

    def seen_by(self, user: User) -> AnnotationQuerySet:
        """The user's own, and others' on outputs that the user need not judge without them."""
        blind = QueueItem.objects.blind_to(user).filter(output=OuterRef("output"))
        return self.filter(Q(author=user) | ~Exists(blind))

    def revealed(self) -> AnnotationQuerySet:
        """Those on outputs that nobody is still to judge without knowing them."""
        return self.filter(~Exists(QueueItem.objects.blind().filter(output=OuterRef("output"))))

    def decidable_by(self, user: User) -> AnnotationQuerySet:
        """The user's own, and others' whose author need not judge the output without the user."""
        judged = Review.objects.filter(item=OuterRef("pk"), reviewer=OuterRef(OuterRef("author")))
        blind = QueueItem.objects.blind().filter(~Exists(judged), output=OuterRef("output"))
        return self.filter(Q(author=user) | ~Exists(blind))

    def suggestions(self) -> AnnotationQuerySet:
        """Those that propose other words, in the order of the answer."""
        return self.filter(replacement__isnull=False).order_by("edit_start", "id")

    def unembedded(self, *, model: str) -> AnnotationQuerySet:
        """Those with a text of their own that lacks a vector of that model."""
        worded = ~Q(comment="") | Q(replacement__gt="")
        lacking = Q(embedded_with__lt=model) | Q(embedded_with__gt=model)
        return self.filter(lacking, worded, deleted_at=None)

    def unanchored(self) -> AnnotationQuerySet:
        """Annotations made on a former version that have no place in the current one yet."""
        there = Anchor.objects.filter(
            annotation=OuterRef("pk"), output_version=OuterRef("output__version")
        )
        return self.filter(output_version__lt=F("output__version")).filter(~Exists(there))


class Annotation(models.Model):
    """A comment, reason or replacement for a span of one version of an answer: a thread's root.

    `start` and `end` are code points of the canonical text, half open; `source_start` and
    `source_end` the same place in the answer as sent, when it can be told. `exact`, `prefix`,
    `suffix` and `text_sha256` let the place be found again, or known lost; its places in later
    versions are Anchors.

    A suggestion has a `replacement`, Markdown for `edit_start` to `edit_end` of the answer as
    sent: the marked words, widened so that no markup is cut. It counts once it is accepted.
    A deleted annotation that was replied to keeps its place, and has no words any more.
    `changed_at` is when anything of the thread changed last.
    """

    class Decision(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Rejected"

    project = models.ForeignKey(Project, models.CASCADE, related_name="annotations")
    output = models.ForeignKey(Output, models.CASCADE, related_name="annotations")
    output_version = models.PositiveIntegerField()
    author = models.ForeignKey(User, models.PROTECT, related_name="annotations")
    reason = models.ForeignKey(
        Reason, models.RESTRICT, null=True, blank=True, related_name="annotations"
    )
    comment = models.TextField(blank=True)
    replacement = models.TextField(null=True, blank=True)  # noqa: DJ001  (empty means: delete it)
    edit_start = models.PositiveIntegerField(null=True, blank=True)
    edit_end = models.PositiveIntegerField(null=True, blank=True)
    decision = models.CharField(max_length=8, choices=Decision.choices, blank=True, default="")
    decided_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    source_start = models.PositiveIntegerField(null=True, blank=True)
    source_end = models.PositiveIntegerField(null=True, blank=True)
    exact = models.TextField()
    prefix = models.TextField(blank=True)
    suffix = models.TextField(blank=True)
    text_sha256 = models.CharField(max_length=64)
    renderer_version = models.PositiveIntegerField()
    request_key = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    resolved_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(default=timezone.now)
    embedded_with = models.CharField(max_length=200, blank=True, default="")

    objects = AnnotationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(end__gt=F("start")), name="%(app_label)s_%(class)s_half_open"
            ),
            models.CheckConstraint(
                condition=Q(source_start=None, source_end=None)
                | Q(source_start__isnull=False, source_end__gt=F("source_start")),
                name="%(app_label)s_%(class)s_source_half_open",
            ),
            models.CheckConstraint(
                condition=Q(reason__isnull=False)
                | ~Q(comment="")
                | Q(replacement__isnull=False)
                | Q(deleted_at__isnull=False),
                name="%(app_label)s_%(class)s_says_something",
            ),
            models.CheckConstraint(
                condition=Q(replacement=None, edit_start=None, edit_end=None)
                | Q(
                    replacement__isnull=False,
                    edit_start__isnull=False,
                    edit_end__gte=F("edit_start"),
                ),
                name="%(app_label)s_%(class)s_edit_with_replacement",
            ),
            models.CheckConstraint(
                condition=Q(decision="", decided_at=None)
                | Q(
                    decision__in=["accepted", "rejected"],
                    decided_at__isnull=False,
                    replacement__isnull=False,
                ),
                name="%(app_label)s_%(class)s_decision_on_suggestion",
            ),
            # What replies refer to with both, so that each is of its annotation's project.
            models.UniqueConstraint(
                fields=["id", "project"], name="%(app_label)s_%(class)s_of_a_project"
            ),
            models.UniqueConstraint(
                fields=["output", "author", "request_key"],
                condition=Q(request_key__isnull=False),
                name="%(app_label)s_%(class)s_once",
            ),
        ]
        indexes = [
            models.Index(fields=["output", "start", "id"], name="annotation_in_text"),
            models.Index(fields=["project", "-created_at", "-id"], name="annotation_by_time"),
            models.Index(
                fields=["embedded_with", "-id"],
                condition=(~Q(comment="") | Q(replacement__gt="")) & Q(deleted_at=None),
                name="annotation_embedded_with",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.start}–{self.end} of {self.output_id}"

    @property
    def is_suggestion(self) -> bool:
        """Whether it proposes other words."""
        return self.replacement is not None

    @property
    def edit(self) -> Edit:
        """What a suggestion does to its version of the answer."""
        if self.replacement is None or self.edit_start is None or self.edit_end is None:
            raise ValueError("This proposes no other words.")
        return Edit(self.pk, self.edit_start, self.edit_end, self.replacement)


class Anchor(models.Model):
    """An annotation's place in a later version of its answer, or that it has none there.

    What was found by comparing texts counts as found; a moved place is only a proposal until
    somebody confirms it. `score` is how much of the words is still there, 0 to 1.
    """

    class State(models.TextChoices):
        EXACT = "exact", "As it was"
        CHANGED = "changed", "The words have changed"
        MOVED = "moved", "The words have moved"
        DETACHED = "detached", "The words are gone"

    annotation = models.ForeignKey(Annotation, models.CASCADE, related_name="anchors")
    output_version = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=State.choices)
    start = models.PositiveIntegerField(null=True, blank=True)
    end = models.PositiveIntegerField(null=True, blank=True)
    source_start = models.PositiveIntegerField(null=True, blank=True)
    source_end = models.PositiveIntegerField(null=True, blank=True)
    exact = models.TextField(blank=True)
    score = models.FloatField()
    renderer_version = models.PositiveIntegerField()
    confirmed_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["annotation", "output_version"], name="%(app_label)s_%(class)s_version"
            ),
            models.CheckConstraint(
                condition=Q(state="detached", start=None, end=None)
                | Q(
                    state__in=["exact", "changed", "moved"],
                    start__isnull=False,
                    end__gt=F("start"),
                ),
                name="%(app_label)s_%(class)s_place_unless_detached",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.annotation_id} in version {self.output_version}: {self.state}"


class CommentQuerySet(models.QuerySet["Comment"]):
    def seen_by(self, user: User) -> CommentQuerySet:
        """The user's own, and others' on outputs that the user need not judge without them."""
        blind = QueueItem.objects.blind_to(user).filter(output=OuterRef("annotation__output"))
        return self.filter(Q(author=user) | ~Exists(blind))

    def revealed(self) -> CommentQuerySet:
        """Those on outputs that nobody is still to judge without knowing them."""
        blind = QueueItem.objects.blind().filter(output=OuterRef("annotation__output"))
        return self.filter(~Exists(blind))

    def unembedded(self, *, model: str) -> CommentQuerySet:
        """Those with words that lack a vector of that model."""
        lacking = Q(embedded_with__lt=model) | Q(embedded_with__gt=model)
        return self.filter(lacking, deleted_at=None)


class Comment(models.Model):
    """A reply in an annotation's thread. A deleted one keeps its place, without words."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    annotation = models.ForeignKey(Annotation, models.CASCADE, related_name="replies")
    author = models.ForeignKey(User, models.PROTECT, related_name="comments")
    text = models.TextField(blank=True)
    request_key = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    embedded_with = models.CharField(max_length=200, blank=True, default="")

    objects = CommentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(deleted_at=None) & ~Q(text="") | Q(deleted_at__isnull=False, text=""),
                name="%(app_label)s_%(class)s_words_unless_deleted",
            ),
            models.UniqueConstraint(
                fields=["annotation", "author", "request_key"],
                condition=Q(request_key__isnull=False),
                name="%(app_label)s_%(class)s_once",
            ),
        ]
        indexes = [
            models.Index(fields=["annotation", "created_at", "id"], name="comment_in_thread"),
            models.Index(
                fields=["embedded_with", "-id"],
                condition=Q(deleted_at=None),
                name="comment_embedded_with",
            ),
        ]

    def __str__(self) -> str:
        return f"reply to {self.annotation_id}"


class Mention(models.Model):
    """A member named with @ in an annotation (`reply` is empty) or in a reply to it."""

    annotation = models.ForeignKey(Annotation, models.CASCADE, related_name="mentions")
    reply = models.ForeignKey(
        Comment, models.CASCADE, null=True, blank=True, related_name="mentions"
    )
    user = models.ForeignKey(User, models.CASCADE, related_name="mentions")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["annotation", "reply", "user"],
                nulls_distinct=False,
                name="%(app_label)s_%(class)s_once",
            ),
        ]
        indexes = [models.Index(fields=["user", "-created_at", "-id"], name="mention_of_user")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.annotation_id}"


class EvidenceQuerySet(models.QuerySet["Evidence"]):
    def seen_by(self, user: User) -> EvidenceQuerySet:
        """The user's own, and others' on outputs that the user need not judge without them."""
        blind = QueueItem.objects.blind_to(user).filter(output=OuterRef("annotation__output"))
        return self.filter(Q(added_by=user) | ~Exists(blind))


class Evidence(models.Model):
    """Words of a retrieved document that an annotation rests on.

    `document` is the position in the output's documents, `start` and `end` code points of its
    text, half open.
    """

    annotation = models.ForeignKey(Annotation, models.CASCADE, related_name="evidence")
    document = models.PositiveIntegerField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    exact = models.TextField()
    text_sha256 = models.CharField(max_length=64)
    added_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    objects = EvidenceQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "evidence"
        constraints = [
            models.UniqueConstraint(
                fields=["annotation", "document", "start", "end"],
                name="%(app_label)s_%(class)s_once",
            ),
            models.CheckConstraint(
                condition=Q(end__gt=F("start")), name="%(app_label)s_%(class)s_half_open"
            ),
        ]

    def __str__(self) -> str:
        return f"document {self.document} for {self.annotation_id}"
