"""What annotations are found by: their words, and the vectors of their texts."""

from __future__ import annotations

from django.db import models
from pgvector.django import HalfVectorField

from feedback.models import Project
from feedback.models.words import Words
from review.models.annotation import Annotation


class AnnotationWords(Words):
    """The words of an annotation's comment, marked words and replacement."""

    annotation = models.OneToOneField(
        Annotation, models.DO_NOTHING, primary_key=True, db_column="id", related_name="+"
    )

    class Meta:
        managed = False
        db_table = "review_annotation"

    def __str__(self) -> str:
        return f"words of {self.annotation_id}"


class AnnotationEmbedding(models.Model):
    """The unit vector of one text of one annotation, made by the model named `model`."""

    class Part(models.TextChoices):
        COMMENT = "comment", "Comment"
        REPLACEMENT = "replacement", "Replacement"

    project = models.ForeignKey(Project, models.CASCADE, related_name="annotation_embeddings")
    annotation = models.ForeignKey(Annotation, models.CASCADE, related_name="embeddings")
    part = models.CharField(max_length=11, choices=Part.choices)
    model = models.CharField(max_length=200)
    text_sha256 = models.CharField(max_length=64)
    vector = HalfVectorField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["annotation", "part", "model"], name="%(app_label)s_%(class)s_once"
            ),
            models.CheckConstraint(
                condition=models.Q(part__in=["comment", "replacement"]),
                name="%(app_label)s_%(class)s_known_part",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "model"], name="annotation_embedding_scope"),
            models.Index(fields=["text_sha256"], name="annotation_embedding_of_text"),
        ]

    def __str__(self) -> str:
        return f"{self.part} of {self.annotation_id}"
