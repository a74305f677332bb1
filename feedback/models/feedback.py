"""Judgements and signals on outputs and sessions, whoever they come from."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from feedback.models.output import Output
from feedback.models.project import Project, User
from feedback.models.reason import Reason
from feedback.models.session import Session


class FeedbackQuerySet(models.QuerySet["Feedback"]):
    def visible_to(self, user: User) -> FeedbackQuerySet:
        """Feedback of the projects the user is a member of."""
        return self.filter(project__memberships__user=user)

    def explicit(self) -> FeedbackQuerySet:
        """What somebody said, as against what was seen of their behaviour."""
        return self.filter(is_implicit=False)

    def signals(self) -> FeedbackQuerySet:
        """What was seen of a user's behaviour."""
        return self.filter(is_implicit=True)

    def unembedded(self, *, model: str) -> FeedbackQuerySet:
        """Feedback with words that lack a vector of that model. Wordless rows are never listed."""
        return self.filter(Q(embedded_with__lt=model) | Q(embedded_with__gt=model)).exclude(
            comment="", correction=""
        )


class Feedback(models.Model):
    """One judgement or signal on an output, or on a whole session, from a user, reviewer or code.

    `key` is unique within project and kind: the sender's id when there is one, else a digest of
    what makes the row one (target, name, annotator, author, identifier).
    """

    # The name of feedback that ranks answers to one question.
    RANK = "rank"

    class AnnotatorKind(models.TextChoices):
        HUMAN = "HUMAN", "Human"
        LLM = "LLM", "Model"
        CODE = "CODE", "Code"

    class Signal(models.TextChoices):
        COPY = "copy", "copied"
        REGENERATE = "regenerate", "regenerated"
        REPHRASE = "rephrase", "asked again"
        FOLLOW_UP = "follow_up", "followed up"
        ABANDON = "abandon", "left"
        DWELL = "dwell", "read"
        ACCEPT = "accept", "accepted"
        EDIT = "edit", "edited"

    project = models.ForeignKey(Project, models.CASCADE, related_name="feedback")
    session = models.ForeignKey(Session, models.CASCADE, related_name="feedback")
    output = models.ForeignKey(
        Output, models.CASCADE, null=True, blank=True, related_name="feedback"
    )
    external_id = models.CharField(max_length=200)
    key = models.CharField(max_length=210)
    is_implicit = models.BooleanField(default=False)
    name = models.CharField(max_length=200)
    identifier = models.CharField(max_length=200, blank=True)
    score = models.FloatField(null=True, blank=True)
    label = models.CharField(max_length=200, blank=True)
    value = models.JSONField(null=True, blank=True)
    comment = models.TextField(blank=True)
    correction = models.TextField(blank=True)
    span_start = models.PositiveIntegerField(null=True, blank=True)
    span_end = models.PositiveIntegerField(null=True, blank=True)
    output_version = models.PositiveIntegerField(null=True, blank=True)
    annotator_kind = models.CharField(max_length=5, choices=AnnotatorKind.choices)
    author_external_id = models.CharField(max_length=200, blank=True)
    author_role = models.CharField(max_length=200, blank=True)
    confidence = models.FloatField(null=True, blank=True)
    at = models.DateTimeField()
    metadata = models.JSONField(default=dict, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(null=True, blank=True)
    embedded_with = models.CharField(max_length=200, blank=True, default="")
    reasons = models.ManyToManyField(Reason, through="FeedbackReason", related_name="feedback")

    objects = FeedbackQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "is_implicit", "key"], name="%(app_label)s_%(class)s_key"
            ),
            models.CheckConstraint(
                condition=Q(annotator_kind__in=["HUMAN", "LLM", "CODE"]),
                name="%(app_label)s_%(class)s_annotator_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(is_implicit=False)
                | Q(
                    name__in=[
                        "copy",
                        "regenerate",
                        "rephrase",
                        "follow_up",
                        "abandon",
                        "dwell",
                        "accept",
                        "edit",
                    ]
                ),
                name="%(app_label)s_%(class)s_signal_known",
            ),
            models.CheckConstraint(
                condition=Q(span_start=None, span_end=None)
                | Q(
                    span_start__isnull=False,
                    span_end__gt=F("span_start"),
                    output__isnull=False,
                    output_version__isnull=False,
                ),
                name="%(app_label)s_%(class)s_span_half_open",
            ),
            models.CheckConstraint(
                condition=Q(confidence=None) | Q(confidence__gte=0, confidence__lte=1),
                name="%(app_label)s_%(class)s_confidence_range",
            ),
        ]
        indexes = [
            models.Index(fields=["output", "at", "id"], name="feedback_on_output"),
            models.Index(fields=["session", "at", "id"], name="feedback_in_session"),
            models.Index(fields=["project", "-at", "-id"], name="feedback_by_time"),
            models.Index(
                fields=["embedded_with", "-id"],
                condition=~Q(comment="", correction=""),
                name="feedback_embedded_with",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.external_id}"

    @property
    def is_rank(self) -> bool:
        """Whether a person put the answer in an order with others to the same question."""
        return self.name == self.RANK and self.annotator_kind == self.AnnotatorKind.HUMAN

    @property
    def rank_in_words(self) -> str:
        """The rank as it was labelled, else its place or score."""
        if self.label:
            return self.label
        return f"ranked {self.value}" if self.value is not None else f"scored {self.score or 0:g}"


class FeedbackReason(models.Model):
    """One reason given in one feedback."""

    feedback = models.ForeignKey(Feedback, models.CASCADE, related_name="feedback_reasons")
    reason = models.ForeignKey(Reason, models.RESTRICT, related_name="feedback_reasons")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["feedback", "reason"], name="%(app_label)s_%(class)s_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason_id} in {self.feedback_id}"
