"""Vectors of texts, one model's apart from another's."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from pgvector.django import HalfVectorField

from feedback.models.feedback import Feedback
from feedback.models.output import Output
from feedback.models.project import Project


class Embedding(models.Model):
    """The unit vector of one text of one row, made by the model named `model`."""

    class Part(models.TextChoices):
        QUERY = "query", "Query"
        ANSWER = "answer", "Answer"
        COMMENT = "comment", "Comment"
        CORRECTION = "correction", "Correction"

    project = models.ForeignKey(Project, models.CASCADE, related_name="embeddings")
    output = models.ForeignKey(
        Output, models.CASCADE, null=True, blank=True, related_name="embeddings"
    )
    feedback = models.ForeignKey(
        Feedback, models.CASCADE, null=True, blank=True, related_name="embeddings"
    )
    part = models.CharField(max_length=10, choices=Part.choices)
    model = models.CharField(max_length=200)
    text_sha256 = models.CharField(max_length=64)
    vector = HalfVectorField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(output__isnull=False, feedback=None, part__in=["query", "answer"])
                | Q(output=None, feedback__isnull=False, part__in=["comment", "correction"]),
                name="%(app_label)s_%(class)s_one_target",
            ),
            models.UniqueConstraint(
                fields=["output", "part", "model"],
                name="%(app_label)s_%(class)s_of_output",
            ),
            models.UniqueConstraint(
                fields=["feedback", "part", "model"],
                name="%(app_label)s_%(class)s_of_feedback",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "model", "part"], name="embedding_scope"),
            models.Index(fields=["text_sha256"], name="embedding_of_text"),
        ]

    def __str__(self) -> str:
        return f"{self.part} of {self.output_id or self.feedback_id}"
