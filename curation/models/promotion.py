"""Promotion of many reviews at once, and what became of each on its way."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from curation.models.context import ContextEntry, ContextLibrary, EntryKind
from curation.models.training import Example, TrainingSet
from feedback.models import Project, User
from review.models import Review


class PromotionJob(models.Model):
    """One promotion of every review whose output matches a filter, or of those that were picked.

    A worker goes through them by id, up to `until`, a chunk in a transaction; `after` says how far
    it came. A chunk that raised is tried again, behind other jobs; `num_failures` counts that. When
    it was too often the job has failed, and `problem` says of what. `num_made` and `num_refused`
    count placings, of which a review has one for each library and training set.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"
        UNDOING = "undoing", "Being undone"
        UNDONE = "undone", "Undone"

    ACTIVE = ("waiting", "running", "undoing")

    project = models.ForeignKey(Project, models.CASCADE, related_name="promotion_jobs")
    filter = models.JSONField(default=dict, blank=True)
    # One that a curator accepted; it is no bulk promotion.
    is_of_candidate = models.BooleanField(default=False)
    only_unpromoted = models.BooleanField(default=False)
    picked_reviews = ArrayField(models.BigIntegerField(), null=True, blank=True)
    libraries = models.ManyToManyField(ContextLibrary, blank=True, related_name="+")
    training_sets = models.ManyToManyField(TrainingSet, blank=True, related_name="+")
    kind = models.CharField(max_length=13, choices=EntryKind.choices, default=EntryKind.EXAMPLE)
    why = models.TextField(blank=True)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.WAITING)
    until = models.BigIntegerField()
    after = models.BigIntegerField(default=0)
    num_matching = models.PositiveIntegerField()
    num_seen = models.PositiveIntegerField(default=0)
    num_made = models.PositiveIntegerField(default=0)
    num_refused = models.PositiveIntegerField(default=0)
    num_undone = models.PositiveIntegerField(default=0)
    num_conflicts = models.PositiveIntegerField(default=0)
    num_failures = models.PositiveSmallIntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True, default="")
    request_key = models.UUIDField(null=True, blank=True)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="promotion_jobs")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "created_by", "request_key"],
                condition=Q(request_key__isnull=False),
                name="%(app_label)s_%(class)s_once",
            ),
            models.CheckConstraint(
                condition=(Q(status="failed") & ~Q(problem=""))
                | (~Q(status="failed") & Q(problem="")),
                name="%(app_label)s_%(class)s_says_why_it_failed",
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(status__in=["waiting", "running", "undoing"]),
                name="promotionjob_active",
            ),
            models.Index(fields=["project", "-created_at", "-id"], name="promotionjob_by_time"),
        ]

    def __str__(self) -> str:
        return f"promotion {self.pk}"

    @property
    def is_active(self) -> bool:
        """Whether a worker has something to do about it."""
        return self.status in self.ACTIVE

    @property
    def is_undoable(self) -> bool:
        """Whether it has ended and is not undone."""
        return self.status in {self.Status.DONE, self.Status.CANCELLED, self.Status.FAILED}


class PlacingQuerySet(models.QuerySet["Placing"]):
    def made(self) -> PlacingQuerySet:
        """Those that made an entry or an example, undone or not."""
        return self.filter(problem="")

    def in_force(self) -> PlacingQuerySet:
        """Those that made something and were not asked to be taken back yet."""
        return self.made().filter(outcome="")


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
