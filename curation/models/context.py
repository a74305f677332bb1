"""Context libraries: what is served back to prompts."""

from __future__ import annotations

import uuid
from datetime import date

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.db.models.functions import Coalesce
from pgvector.django import HalfVectorField

from feedback.models import Feedback, Output, Project, User
from review.models import Annotation, Review


class ContextLibraryQuerySet(models.QuerySet["ContextLibrary"]):
    def visible_to(self, user: User) -> ContextLibraryQuerySet:
        """Libraries of the projects the user is a member of."""
        return self.filter(project__memberships__user=user)


class ContextLibrary(models.Model):
    """A named set of instructions, examples and clarifications, published in versions."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="context_libraries")
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # What is served: the version published last, unless it was rolled back.
    live = models.ForeignKey(
        "LibraryVersion", models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = ContextLibraryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "slug"], name="%(app_label)s_%(class)s_slug"
            ),
        ]

    def __str__(self) -> str:
        return self.name


# What an entry says, and to whom: the columns that a draft and a published entry share.
ENTRY_CONTENT = (
    *("kind", "query", "answer", "why"),
    *("roles", "environments", "for_models", "expires_on"),
)


class EntryKind(models.TextChoices):
    INSTRUCTION = "instruction", "Instruction"
    EXAMPLE = "example", "Example"
    CLARIFICATION = "clarification", "Clarification"


class ContextEntryQuerySet(models.QuerySet["ContextEntry"]):
    def kept(self) -> ContextEntryQuerySet:
        """Entries that belong in the next version."""
        return self.filter(removed_at=None)

    def unembedded(self, *, model: str) -> ContextEntryQuerySet:
        """Entries whose query lacks a vector of that model."""
        return self.filter(Q(embedded_with__lt=model) | Q(embedded_with__gt=model))

    def compared_to(self, version: LibraryVersion | None) -> ContextEntryQuerySet:
        """Entries of the draft or of the version, each with its `state`, one of ContextEntry.State.

        Without a version every entry of the draft is new.
        """
        published = PublishedEntry.objects.filter(version=version, entry=OuterRef("pk"))
        # Two that never expire are equal, and two nulls are not.
        same = Q(expires_on=OuterRef("expires_on")) | Q(expires_on=None, entry__expires_on=None)
        unchanged = published.filter(
            same, **{name: OuterRef(name) for name in ENTRY_CONTENT if name != "expires_on"}
        )
        states = ContextEntry.State
        return (
            self.annotate(is_published=Exists(published))
            .filter(Q(removed_at=None) | Q(is_published=True))
            .annotate(
                state=Case(
                    When(removed_at__isnull=False, then=Value(states.REMOVED)),
                    When(is_published=False, then=Value(states.ADDED)),
                    When(Exists(unchanged), then=Value(states.UNCHANGED)),
                    default=Value(states.CHANGED),
                )
            )
        )


class ContextEntry(models.Model):
    """One draft entry of a library, with its way back to review, annotations, feedback, output."""

    class State(models.TextChoices):
        """What the next version does to an entry."""

        ADDED = "added", "added"
        CHANGED = "changed", "changed"
        REMOVED = "removed", "removed"
        UNCHANGED = "unchanged", "unchanged"

    library = models.ForeignKey(ContextLibrary, models.CASCADE, related_name="entries")
    kind = models.CharField(max_length=13, choices=EntryKind.choices, default=EntryKind.EXAMPLE)
    query = models.TextField(blank=True)
    answer = models.TextField()
    why = models.TextField(blank=True)
    roles = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    environments = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    for_models = ArrayField(
        models.CharField(max_length=200), default=list, blank=True, db_column="models"
    )
    output = models.ForeignKey(
        Output, models.SET_NULL, null=True, blank=True, related_name="context_entries"
    )
    review = models.ForeignKey(
        Review, models.SET_NULL, null=True, blank=True, related_name="context_entries"
    )
    feedback = models.ManyToManyField(Feedback, blank=True, related_name="context_entries")
    annotations = models.ManyToManyField(Annotation, blank=True, related_name="context_entries")
    created_by = models.ForeignKey(User, models.PROTECT, related_name="context_entries")
    created_at = models.DateTimeField()
    # Who answers for what it says; without one, who made it.
    owner = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="owned_entries"
    )
    # The last day, in UTC, on which it is served.
    expires_on = models.DateField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)
    vector = HalfVectorField(null=True, blank=True)
    embedded_with = models.CharField(max_length=200, blank=True, default="")

    objects = ContextEntryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["instruction", "example", "clarification"]),
                name="%(app_label)s_%(class)s_kind_known",
            ),
            models.CheckConstraint(
                condition=~Q(kind="example") | ~Q(query=""),
                name="%(app_label)s_%(class)s_example_has_query",
            ),
            models.CheckConstraint(condition=~Q(answer=""), name="%(app_label)s_%(class)s_says"),
            models.UniqueConstraint(
                fields=["library", "review"],
                condition=Q(review__isnull=False, removed_at=None),
                name="%(app_label)s_%(class)s_review_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class LibraryVersion(models.Model):
    """A published, immutable state of a library.

    Only erasure takes entries out of it, which `num_erased` counts; its hash stays what it was
    published with.
    """

    library = models.ForeignKey(ContextLibrary, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    content_hash = models.CharField(max_length=64)
    published_by = models.ForeignKey(User, models.PROTECT, related_name="published_versions")
    # The second person; without one, it was published by one alone.
    approved_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="approved_versions"
    )
    published_at = models.DateTimeField()
    note = models.TextField(blank=True)
    num_erased = models.PositiveIntegerField(default=0)
    # Published by itself without what was erased: nobody meant anything by it.
    follows_erasure = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["library", "number"], name="%(app_label)s_%(class)s_number"
            ),
            models.CheckConstraint(
                condition=Q(number__gte=1), name="%(app_label)s_%(class)s_number_positive"
            ),
            models.CheckConstraint(
                condition=Q(approved_by=None) | ~Q(approved_by=F("published_by")),
                name="%(app_label)s_%(class)s_second_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.library_id} v{self.number}"

    def can_be_served_with(self, model: str) -> bool:
        """Whether its vectors are that embedding model's, or it has none left. One query."""
        made_with = self.entries.order_by("position").values_list("model", flat=True).first()
        return made_with in {None, model}


class PublishedEntryQuerySet(models.QuerySet["PublishedEntry"]):
    def compared_to(self, former: LibraryVersion | None) -> PublishedEntryQuerySet:
        """Entries of a version, each with its `state` since a former one, of ContextEntry.State.

        None of them is removed. Without a former version every entry is new.
        """
        before = PublishedEntry.objects.filter(version=former, entry=OuterRef("entry"))
        # Two that never expire are equal, and two nulls are not.
        never = Value(date.max)
        unchanged = before.annotate(until=Coalesce("expires_on", never)).filter(
            until=Coalesce(OuterRef("expires_on"), never),
            **{name: OuterRef(name) for name in ENTRY_CONTENT if name != "expires_on"},
        )
        states = ContextEntry.State
        return self.annotate(
            state=Case(
                When(~Exists(before), then=Value(states.ADDED)),
                When(Exists(unchanged), then=Value(states.UNCHANGED)),
                default=Value(states.CHANGED),
            )
        )


class PublishedEntry(models.Model):
    """What one entry said in one version; never changed, whatever becomes of the entry."""

    version = models.ForeignKey(LibraryVersion, models.CASCADE, related_name="entries")
    entry = models.ForeignKey(ContextEntry, models.CASCADE, related_name="published")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=13, choices=EntryKind.choices)
    query = models.TextField(blank=True)
    answer = models.TextField()
    why = models.TextField(blank=True)
    roles = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    environments = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    for_models = ArrayField(
        models.CharField(max_length=200), default=list, blank=True, db_column="models"
    )
    expires_on = models.DateField(null=True, blank=True)
    # What it adds to a prompt without its kind's heading; where it is missing it is counted.
    num_tokens = models.PositiveIntegerField(null=True, blank=True)
    model = models.CharField(max_length=200)
    vector = HalfVectorField()

    objects = PublishedEntryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "entry"], name="%(app_label)s_%(class)s_once"
            ),
            models.UniqueConstraint(
                fields=["version", "position"], name="%(app_label)s_%(class)s_position"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.entry_id} in version {self.version_id}"


class Exposure(models.Model):
    """Which entries were served to one request, or that they were held out.

    The `token` comes back with the output. It follows from the request and from what answered it,
    so that the same request has the same; how often it came is counted. Without a session it is
    compared with nothing: the request named none, or got nothing because the version was stopped.
    """

    token = models.UUIDField(default=uuid.uuid4, unique=True)
    project = models.ForeignKey(Project, models.CASCADE, related_name="exposures")
    version = models.ForeignKey(LibraryVersion, models.CASCADE, related_name="exposures")
    session_external_id = models.CharField(max_length=200, blank=True)
    entry_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)
    is_held_out = models.BooleanField(default=False)
    num_tokens = models.PositiveIntegerField()
    num_calls = models.PositiveIntegerField(default=1)
    served_at = models.DateTimeField()
    last_served_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(is_held_out=False) | Q(entry_ids=[]),
                name="%(app_label)s_%(class)s_held_out_serves_nothing",
            )
        ]
        indexes = [models.Index(fields=["version", "-served_at"], name="exposure_of_version")]

    def __str__(self) -> str:
        return str(self.token)
