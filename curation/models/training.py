"""Training sets: fine-tuning data and its frozen releases."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from feedback.models import Feedback, Output, Project, User
from review.models import Review


class TrainingSetQuerySet(models.QuerySet["TrainingSet"]):
    def visible_to(self, user: User) -> TrainingSetQuerySet:
        """Training sets of the projects the user is a member of."""
        return self.filter(project__memberships__user=user)


class TrainingSet(models.Model):
    """A named collection of examples for fine-tuning."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="training_sets")
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TrainingSetQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "slug"], name="%(app_label)s_%(class)s_slug"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ExampleQuerySet(models.QuerySet["Example"]):
    def kept(self) -> ExampleQuerySet:
        """Examples that belong in the next release."""
        return self.filter(removed_at=None)


class Example(models.Model):
    """One reviewed output as training material.

    `prompt` is the list of chat messages before the answer; `chosen` the answer to learn,
    `rejected` the one to unlearn, empty when there is none.
    """

    training_set = models.ForeignKey(TrainingSet, models.CASCADE, related_name="examples")
    prompt = models.JSONField()
    chosen = models.TextField()
    rejected = models.TextField(blank=True)
    output = models.ForeignKey(
        Output, models.SET_NULL, null=True, blank=True, related_name="training_examples"
    )
    review = models.ForeignKey(
        Review, models.SET_NULL, null=True, blank=True, related_name="training_examples"
    )
    feedback = models.ManyToManyField(Feedback, blank=True, related_name="training_examples")
    created_by = models.ForeignKey(User, models.PROTECT, related_name="training_examples")
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)

    objects = ExampleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(chosen=""), name="%(app_label)s_%(class)s_says"),
            models.CheckConstraint(
                condition=~Q(rejected=F("chosen")), name="%(app_label)s_%(class)s_differs"
            ),
            models.UniqueConstraint(
                fields=["training_set", "review"],
                condition=Q(review__isnull=False, removed_at=None),
                name="%(app_label)s_%(class)s_review_once",
            ),
        ]

    def __str__(self) -> str:
        return f"example {self.pk}"


class Release(models.Model):
    """A frozen version of a training set."""

    training_set = models.ForeignKey(TrainingSet, models.CASCADE, related_name="releases")
    number = models.PositiveIntegerField()
    content_hash = models.CharField(max_length=64)
    num_train = models.PositiveIntegerField()
    num_validation = models.PositiveIntegerField()
    released_by = models.ForeignKey(User, models.PROTECT, related_name="releases")
    released_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["training_set", "number"], name="%(app_label)s_%(class)s_number"
            ),
            models.CheckConstraint(
                condition=Q(number__gte=1), name="%(app_label)s_%(class)s_number_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.training_set_id} r{self.number}"


class ReleasedExample(models.Model):
    """What one example said in one release; never changed."""

    class Split(models.TextChoices):
        TRAIN = "train", "Train"
        VALIDATION = "validation", "Validation"

    release = models.ForeignKey(Release, models.CASCADE, related_name="examples")
    example = models.ForeignKey(Example, models.CASCADE, related_name="released")
    split = models.CharField(max_length=10, choices=Split.choices)
    position = models.PositiveIntegerField()
    prompt = models.JSONField()
    chosen = models.TextField()
    rejected = models.TextField(blank=True)
    lineage = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["release", "example"], name="%(app_label)s_%(class)s_once"
            ),
            models.UniqueConstraint(
                fields=["release", "split", "position"], name="%(app_label)s_%(class)s_position"
            ),
            models.CheckConstraint(
                condition=Q(split__in=["train", "validation"]),
                name="%(app_label)s_%(class)s_split_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.example_id} in release {self.release_id}"
