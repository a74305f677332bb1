"""Training sets: fine-tuning data and its frozen releases."""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest, Least

from feedback.models import Feedback, Output, Project, Stepped, User
from review.models import Annotation, Review


class TrainingSetQuerySet(models.QuerySet["TrainingSet"]):
    def visible_to(self, user: User) -> TrainingSetQuerySet:
        """Training sets of the projects the user is a member of."""
        return self.filter(project__memberships__user=user)


class TrainingSet(models.Model):
    """A named collection of examples, for fine-tuning or to test by.

    `filter` says which reviewed outputs a release takes in first, null for none: see ReviewFilter.
    """

    class Purpose(models.TextChoices):
        TRAINING = "training", "Fine-tuning"
        EVALUATION = "evaluation", "Evaluation"

    project = models.ForeignKey(Project, models.CASCADE, related_name="training_sets")
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    purpose = models.CharField(max_length=10, choices=Purpose.choices, default=Purpose.TRAINING)
    filter = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TrainingSetQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "slug"], name="%(app_label)s_%(class)s_slug"
            ),
            models.CheckConstraint(
                condition=Q(purpose__in=["training", "evaluation"]),
                name="%(app_label)s_%(class)s_purpose_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ExampleQuerySet(models.QuerySet["Example"]):
    def kept(self) -> ExampleQuerySet:
        """Examples that belong in the next release."""
        return self.filter(removed_at=None)

    def kept_at(self, at: datetime) -> ExampleQuerySet:
        """Examples that belonged in a release begun at that time, less those erased since."""
        return self.filter(Q(removed_at=None) | Q(removed_at__gt=at), erased_at=None)

    def pairs_with(self, output: int | None) -> ExampleQuerySet:
        """Pairs of which an output, by its id, is either answer; none without one."""
        either = Q(output=output) | Q(rejected_output=output)
        return self.none() if output is None else self.filter(either, is_pair=True)


class Example(models.Model):
    """One reviewed output as training material.

    `prompt` is the list of chat messages before the answer, and `tools` what the model could call;
    `chosen` the answer to learn, `rejected` the one to unlearn, either empty when there is none.
    One that was read from a file has no review, and perhaps a `group` that no split tears apart.
    A pair is two answers to one question, to learn which is preferred and neither by itself: it has
    no review of its own, but an output and perhaps a review of each of them.
    One that was erased says nothing any more; its row tells which one is revoked.
    """

    training_set = models.ForeignKey(TrainingSet, models.CASCADE, related_name="examples")
    prompt = models.JSONField()
    tools = models.JSONField(default=list, blank=True)
    chosen = models.TextField(blank=True)
    rejected = models.TextField(blank=True)
    output = models.ForeignKey(
        Output, models.SET_NULL, null=True, blank=True, related_name="training_examples"
    )
    review = models.ForeignKey(
        Review, models.SET_NULL, null=True, blank=True, related_name="training_examples"
    )
    feedback = models.ManyToManyField(Feedback, blank=True, related_name="training_examples")
    annotations = models.ManyToManyField(Annotation, blank=True, related_name="training_examples")
    group = models.CharField(max_length=200, blank=True)
    is_pair = models.BooleanField(default=False)
    chosen_review = models.ForeignKey(
        Review, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    rejected_output = models.ForeignKey(
        Output, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    rejected_review = models.ForeignKey(
        Review, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_by = models.ForeignKey(User, models.PROTECT, related_name="training_examples")
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True)

    objects = ExampleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(chosen="", rejected="") | Q(erased_at__isnull=False),
                name="%(app_label)s_%(class)s_says",
            ),
            models.CheckConstraint(
                condition=~Q(rejected=F("chosen")) | Q(erased_at__isnull=False),
                name="%(app_label)s_%(class)s_differs",
            ),
            models.CheckConstraint(
                condition=Q(erased_at=None)
                | Q(
                    prompt=[], tools=[], chosen="", rejected="", group="", removed_at__isnull=False
                ),
                name="%(app_label)s_%(class)s_erased_says_nothing",
            ),
            models.UniqueConstraint(
                fields=["training_set", "review"],
                condition=Q(review__isnull=False, removed_at=None),
                name="%(app_label)s_%(class)s_review_once",
            ),
            models.CheckConstraint(
                condition=Q(is_pair=True)
                | Q(chosen_review=None, rejected_output=None, rejected_review=None),
                name="%(app_label)s_%(class)s_other_is_of_pair",
            ),
            models.CheckConstraint(
                condition=Q(is_pair=False)
                | Q(erased_at__isnull=False)
                | ~Q(chosen="") & ~Q(rejected="") & Q(review=None),
                name="%(app_label)s_%(class)s_pair_is_of_two",
            ),
            models.UniqueConstraint(
                "training_set",
                Least("output", "rejected_output"),
                Greatest("output", "rejected_output"),
                condition=Q(output__isnull=False, rejected_output__isnull=False, removed_at=None),
                name="%(app_label)s_%(class)s_pair_once",
            ),
        ]

    def __str__(self) -> str:
        return f"example {self.pk}"


class ReleaseQuerySet(models.QuerySet["Release"]):
    def done(self) -> ReleaseQuerySet:
        """Releases that are whole."""
        return self.filter(status=Release.Status.DONE)

    def active(self) -> ReleaseQuerySet:
        """Releases that a worker has something to do about."""
        return self.filter(status__in=Release.ACTIVE)

    def unfinished(self) -> ReleaseQuerySet:
        """Releases that are being made, or wait to be checked again."""
        return self.filter(status__in=[*Release.ACTIVE, Release.Status.HELD])


class Release(Stepped):
    """A frozen version of a training set, or one that is being made.

    It takes the examples up to `until` that were kept at `released_at`. A worker takes in what the
    set's filter matches, freezes the examples, writes the files and hashes them; `checkpoint` says
    how far it came. Where the gates have not seen what was taken in, it is held until they have.
    Once it is done nothing of it changes, unless some of it is erased: then its files are written
    anew without that, `num_erased` counts the rows, and `former_hashes` has the content hashes that
    it had before.
    """

    class Status(models.TextChoices):
        COLLECTING = "collecting", "Collecting"
        FREEZING = "freezing", "Freezing"
        WRITING = "writing", "Writing"
        HASHING = "hashing", "Hashing"
        HELD = "held", "To be checked again"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Stopped"
        FAILED = "failed", "Failed"

    ACTIVE = ("collecting", "freezing", "writing", "hashing")

    training_set = models.ForeignKey(TrainingSet, models.CASCADE, related_name="releases")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.COLLECTING)
    formats = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    until = models.BigIntegerField(default=0)
    num_examples = models.PositiveIntegerField(default=0)
    num_done = models.PositiveIntegerField(default=0)
    checkpoint = models.JSONField(default=dict, blank=True)
    content_hash = models.CharField(max_length=64, blank=True, default="")
    num_erased = models.PositiveIntegerField(default=0)
    former_hashes = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    num_train = models.PositiveIntegerField(default=0)
    num_validation = models.PositiveIntegerField(default=0)
    num_test = models.PositiveIntegerField(default=0)
    released_by = models.ForeignKey(User, models.PROTECT, related_name="releases")
    released_at = models.DateTimeField()

    objects = ReleaseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["training_set"],
                condition=Q(status__in=["collecting", "held", "freezing", "writing", "hashing"])
                & Q(former_hashes=[]),
                name="%(app_label)s_%(class)s_one_at_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(status="done") | ~Q(content_hash=""),
                name="%(app_label)s_%(class)s_done_is_hashed",
            ),
            models.UniqueConstraint(
                fields=["training_set", "number"], name="%(app_label)s_%(class)s_number"
            ),
            models.CheckConstraint(
                condition=Q(number__gte=1), name="%(app_label)s_%(class)s_number_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.training_set_id} r{self.number}"

    @property
    def is_unfinished(self) -> bool:
        """Whether it is being made, or waits to be checked again."""
        return self.is_active or self.status == self.Status.HELD

    @property
    def is_held(self) -> bool:
        """Whether it waits for somebody to have the examples checked again."""
        return self.status == self.Status.HELD and not self.is_checked_again

    @property
    def is_checked_again(self) -> bool:
        """Whether it goes on by itself once a check of the examples has ended."""
        return self.status == self.Status.HELD and bool(self.checkpoint.get("goes_on"))

    @property
    def is_rewritten(self) -> bool:
        """Whether it was whole before, and something of it was erased."""
        return bool(self.former_hashes)

    @property
    def share_done(self) -> float:
        """How far it is, of 1: freezing is a quarter of the work, writing the rest."""
        part = self.num_done / self.num_examples if self.num_examples else 0.0
        begun, weight = {
            self.Status.COLLECTING: (0.0, 0.0),
            self.Status.FREEZING: (0.0, 0.25),
            self.Status.WRITING: (0.25, 0.7),
        }.get(self.Status(self.status), (0.95, 0.0))
        return min(begun + weight * part, 1.0)


class ReleaseFile(models.Model):
    """One file of a release, by its path in the folder; never changed.

    `format` and `split` are empty for what stands beside the rows.
    """

    release = models.ForeignKey(Release, models.CASCADE, related_name="files")
    path = models.CharField(max_length=200)
    format = models.CharField(max_length=40, blank=True)
    split = models.CharField(max_length=10, blank=True)
    num_rows = models.PositiveIntegerField(default=0)
    num_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["release", "path"], name="%(app_label)s_%(class)s_path"
            ),
        ]

    def __str__(self) -> str:
        return self.path


class GroupSplit(models.Model):
    """The split that a group of examples has in a set for good, since the release that chose it."""

    training_set = models.ForeignKey(TrainingSet, models.CASCADE, related_name="+")
    group = models.CharField(max_length=200)
    split = models.CharField(max_length=10)
    release = models.ForeignKey(Release, models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["training_set", "group"], name="%(app_label)s_%(class)s_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group} in {self.split}"


class Revocation(models.Model):
    """Says that an example is not to be used any more, in whatever release it is."""

    class Reason(models.TextChoices):
        CONSENT = "consent", "Consent withdrawn"
        ERASED = "erased", "Erased on request"
        WRONG = "wrong", "Found to be wrong"

    example = models.OneToOneField(Example, models.CASCADE, related_name="revocation")
    reason = models.CharField(max_length=10, choices=Reason.choices)
    revoked_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(reason__in=["consent", "erased", "wrong"]),
                name="%(app_label)s_%(class)s_reason_known",
            ),
        ]

    def __str__(self) -> str:
        return f"revocation of {self.example_id}"


class ReleasedExampleQuerySet(models.QuerySet["ReleasedExample"]):
    def there(self) -> ReleasedExampleQuerySet:
        """Those that were not erased."""
        return self.filter(erased_at=None)


class ReleasedExample(models.Model):
    """What one example said in one release; never changed, and only emptied if it is erased."""

    class Split(models.TextChoices):
        TRAIN = "train", "Train"
        VALIDATION = "validation", "Validation"
        TEST = "test", "Test"

    release = models.ForeignKey(Release, models.CASCADE, related_name="examples")
    example = models.ForeignKey(Example, models.CASCADE, related_name="released")
    split = models.CharField(max_length=10, choices=Split.choices)
    position = models.PositiveIntegerField()
    prompt = models.JSONField()
    tools = models.JSONField(default=list, blank=True)
    chosen = models.TextField(blank=True)
    rejected = models.TextField(blank=True)
    lineage = models.JSONField()
    erased_at = models.DateTimeField(null=True, blank=True)

    objects = ReleasedExampleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["release", "example"], name="%(app_label)s_%(class)s_once"
            ),
            models.UniqueConstraint(
                fields=["release", "split", "position"], name="%(app_label)s_%(class)s_position"
            ),
            models.CheckConstraint(
                condition=Q(split__in=["train", "validation", "test"]),
                name="%(app_label)s_%(class)s_split_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.example_id} in release {self.release_id}"

    @property
    def is_pair(self) -> bool:
        """Whether it teaches a preference alone."""
        return "rejected_output" in self.lineage
