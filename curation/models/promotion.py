"""Promotion of many reviews at once, and what became of each on its way."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, OuterRef, Q

from curation.models.context import ContextEntry, ContextLibrary, EntryKind
from curation.models.training import Example, TrainingSet
from feedback.models import Project, User
from review.models import Job, QueueItem, Review


class PromotionJob(Job):
    """One promotion of every review whose output matches a filter, or of those that were picked.

    `num_made` and `num_refused` count placings, of which a review has one for each library and
    training set.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="promotion_jobs")
    # One that a curator accepted; it is no bulk promotion.
    is_of_candidate = models.BooleanField(default=False)
    only_unpromoted = models.BooleanField(default=False)
    picked_reviews = ArrayField(models.BigIntegerField(), null=True, blank=True)
    libraries = models.ManyToManyField(ContextLibrary, blank=True, related_name="+")
    training_sets = models.ManyToManyField(TrainingSet, blank=True, related_name="+")
    kind = models.CharField(max_length=13, choices=EntryKind.choices, default=EntryKind.EXAMPLE)
    why = models.TextField(blank=True)
    num_made = models.PositiveIntegerField(default=0)
    num_refused = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="promotion_jobs")

    def __str__(self) -> str:
        return f"promotion {self.pk}"


class PlacingQuerySet(models.QuerySet["Placing"]):
    def made(self) -> PlacingQuerySet:
        """Those that made an entry or an example, undone or not."""
        return self.filter(problem="")

    def in_force(self) -> PlacingQuerySet:
        """Those that made something and were not asked to be taken back yet."""
        return self.made().filter(outcome="")

    def seen_by(self, user: User) -> PlacingQuerySet:
        """Of the user's own reviews, and others' of outputs that the user need not judge unaware.

        What became of a review tells what it says.
        """
        blind = QueueItem.objects.blind_to(user).filter(output=OuterRef("review__output"))
        return self.filter(Q(review__reviewer=user) | ~Exists(blind))


class Placing(models.Model):
    """One review on its way into one library or training set: what was made, or why nothing was.

    `before` and `after` are the handover on that route as it was, empty where there was none;
    `made_sha256` is that of what was made, without its vector, so that a change is noticed.
    """

    class Outcome(models.TextChoices):
        NONE = "", "In force"
        UNDONE = "undone", "Undone"
        CONFLICT = "conflict", "Left as it is"

    job = models.ForeignKey(PromotionJob, models.CASCADE, related_name="placings")
    review = models.ForeignKey(Review, models.CASCADE, related_name="placings")
    library = models.ForeignKey(
        ContextLibrary, models.CASCADE, null=True, blank=True, related_name="+"
    )
    training_set = models.ForeignKey(
        TrainingSet, models.CASCADE, null=True, blank=True, related_name="+"
    )
    entry = models.ForeignKey(
        ContextEntry, models.SET_NULL, null=True, blank=True, related_name="placings"
    )
    example = models.ForeignKey(
        Example, models.SET_NULL, null=True, blank=True, related_name="placings"
    )
    made_sha256 = models.CharField(max_length=64, blank=True, default="")
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    problem = models.CharField(max_length=300, blank=True, default="")
    outcome = models.CharField(max_length=8, choices=Outcome.choices, blank=True, default="")
    conflict = models.CharField(max_length=200, blank=True, default="")

    objects = PlacingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(library__isnull=False, training_set=None, example=None)
                | Q(library=None, training_set__isnull=False, entry=None),
                name="%(app_label)s_%(class)s_one_place",
            ),
            models.CheckConstraint(
                condition=Q(problem="") | Q(made_sha256="", outcome=""),
                name="%(app_label)s_%(class)s_refused_makes_nothing",
            ),
        ]
        indexes = [models.Index(fields=["job", "id"], name="placing_of_job")]

    def __str__(self) -> str:
        return f"review {self.review_id} into {self.library_id or self.training_set_id}"
