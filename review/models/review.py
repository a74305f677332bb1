"""Reviewers' decisions."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from feedback.models import Output, Project, Reason, User
from review.models.queue import QueueItem


class ReviewQuerySet(models.QuerySet["Review"]):
    def visible_to(self, user: User) -> ReviewQuerySet:
        """Reviews of the projects the user is a member of."""
        return self.filter(project__memberships__user=user)

    def seen_by(self, user: User) -> ReviewQuerySet:
        """The user's own, and others' of outputs that the user need not judge without them."""
        blind = QueueItem.objects.blind_to(user).filter(output=OuterRef("output"))
        return self.filter(Q(reviewer=user) | ~Exists(blind))

    def authoritative(self) -> ReviewQuerySet:
        """The one decision per output that counts."""
        return self.filter(is_authoritative=True)

    def overruled(self) -> ReviewQuerySet:
        """Those whose reviewer chose other routes than a rule proposed, in whatever order."""
        return self.filter(routing_rule__isnull=False).exclude(
            routes__contains=F("proposed_routes"), routes__contained_by=F("proposed_routes")
        )

    def revealed(self) -> ReviewQuerySet:
        """Reviews of outputs that nobody is still to judge without knowing them."""
        return self.filter(~Exists(QueueItem.objects.blind().filter(output=OuterRef("output"))))


class Review(models.Model):
    """One reviewer's decision on one version of one output.

    `place` is that of the claim on its item, which takes no second review (foreign key of both
    columns on the claim's).
    `correction` is the answer with the accepted suggestions applied, empty when there are none;
    `edit_distance` how many code points differ (Levenshtein). `edits` has one object for each of
    those suggestions: `annotation`, `start` and `end` in the answer as sent, `exact`,
    `replacement`, and the slug of its `reason` or null.
    `proposed_routes` is what `routing_rule` said when it was submitted, null where no rule spoke.
    """

    class Verdict(models.TextChoices):
        ACCEPT = "accept", "Good"
        FIX = "fix", "Fix"
        REJECT = "reject", "Reject"

    class Severity(models.TextChoices):
        MINOR = "minor", "Minor"
        MAJOR = "major", "Major"
        CRITICAL = "critical", "Critical"

    class Route(models.TextChoices):
        LIBRARY = "library", "Library"
        TRAINING = "training", "Training set"
        ISSUE = "issue", "Product issue"
        ESCALATE = "escalate", "Escalate"

    project = models.ForeignKey(Project, models.CASCADE, related_name="reviews")
    output = models.ForeignKey(Output, models.CASCADE, related_name="reviews")
    output_version = models.PositiveIntegerField()
    item = models.ForeignKey(
        QueueItem, models.SET_NULL, null=True, blank=True, related_name="reviews"
    )
    place = models.PositiveSmallIntegerField(null=True, blank=True)
    reviewer = models.ForeignKey(User, models.PROTECT, related_name="reviews", db_index=False)
    verdict = models.CharField(max_length=6, choices=Verdict.choices)
    severity = models.CharField(max_length=8, choices=Severity.choices, blank=True)
    confidence = models.FloatField(null=True, blank=True)
    comment = models.TextField(blank=True)
    correction = models.TextField(blank=True)
    edit_distance = models.PositiveIntegerField(null=True, blank=True)
    edits = models.JSONField(default=list, blank=True)
    routes = ArrayField(
        models.CharField(max_length=10, choices=Route.choices), default=list, blank=True
    )
    routing_rule = models.ForeignKey(
        "review.RoutingRule", models.SET_NULL, null=True, blank=True, related_name="reviews"
    )
    proposed_routes = ArrayField(
        models.CharField(max_length=10, choices=Route.choices), null=True, blank=True
    )
    is_authoritative = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    reasons = models.ManyToManyField(Reason, through="ReviewReason", related_name="reviews")

    objects = ReviewQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["reviewer", "item"], name="%(app_label)s_%(class)s_one_each"
            ),
            models.UniqueConstraint(
                fields=["item", "place"],
                condition=Q(item__isnull=False),
                name="%(app_label)s_%(class)s_one_a_place",
            ),
            models.CheckConstraint(
                condition=Q(item=None) | Q(place__isnull=False),
                name="%(app_label)s_%(class)s_in_a_place",
            ),
            models.UniqueConstraint(
                fields=["output"],
                condition=Q(is_authoritative=True),
                name="%(app_label)s_%(class)s_one_authoritative",
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=["accept", "fix", "reject"]),
                name="%(app_label)s_%(class)s_verdict_known",
            ),
            models.CheckConstraint(
                condition=Q(severity__in=["", "minor", "major", "critical"]),
                name="%(app_label)s_%(class)s_severity_known",
            ),
            models.CheckConstraint(
                condition=Q(confidence=None) | Q(confidence__gte=0, confidence__lte=1),
                name="%(app_label)s_%(class)s_confidence_range",
            ),
            models.CheckConstraint(
                condition=Q(routing_rule=None) | Q(proposed_routes__isnull=False),
                name="%(app_label)s_%(class)s_rule_proposes",
            ),
        ]
        indexes = [models.Index(fields=["project", "-created_at", "-id"], name="review_by_time")]

    def __str__(self) -> str:
        return f"{self.verdict} of {self.output_id} by {self.reviewer_id}"


class ReviewReason(models.Model):
    """One reason given in one review."""

    review = models.ForeignKey(Review, models.CASCADE, related_name="review_reasons")
    reason = models.ForeignKey(Reason, models.RESTRICT, related_name="review_reasons")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["review", "reason"], name="%(app_label)s_%(class)s_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason_id} in {self.review_id}"


class Draft(models.Model):
    """What a reviewer has entered on an item and not yet submitted.

    `revision` grows with every save: a save that names an older one comes from another tab.
    `fields` are the form's, by name; `output_version` the version of the answer beside it.
    """

    item = models.ForeignKey(QueueItem, models.CASCADE, related_name="drafts")
    reviewer = models.ForeignKey(User, models.CASCADE, related_name="drafts")
    output_version = models.PositiveIntegerField()
    revision = models.PositiveIntegerField(default=1)
    fields = models.JSONField(default=dict, blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item", "reviewer"], name="%(app_label)s_%(class)s_one_each"
            ),
        ]

    def __str__(self) -> str:
        return f"draft of {self.reviewer_id} on {self.item_id}"
