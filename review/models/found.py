"""What annotations and replies are found by: their words, and the vectors of their texts."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from pgvector.django import HalfVectorField

from feedback.models import Project
from feedback.models.words import Words
from review.models.annotation import Annotation, Comment


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


class CommentWords(Words):
    """The words of a reply."""

    comment = models.OneToOneField(
        Comment, models.DO_NOTHING, primary_key=True, db_column="id", related_name="+"
    )

    class Meta:
        managed = False
        db_table = "review_comment"

    def __str__(self) -> str:
        return f"words of {self.comment_id}"


class AnnotationEmbedding(models.Model):
    """The unit vector of one text of one annotation or reply, by the model named `model`."""

    class Part(models.TextChoices):
        COMMENT = "comment", "Comment"
        REPLACEMENT = "replacement", "Replacement"
        REPLY = "reply", "Reply"

    project = models.ForeignKey(Project, models.CASCADE, related_name="annotation_embeddings")
    annotation = models.ForeignKey(
        Annotation, models.CASCADE, null=True, blank=True, related_name="embeddings"
    )
    reply = models.ForeignKey(
        Comment, models.CASCADE, null=True, blank=True, related_name="embeddings"
    )
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
            models.UniqueConstraint(
                fields=["reply", "part", "model"], name="%(app_label)s_%(class)s_of_reply"
            ),
            models.CheckConstraint(
                condition=Q(
                    annotation__isnull=False, reply=None, part__in=["comment", "replacement"]
                )
                | Q(annotation=None, reply__isnull=False, part="reply"),
                name="%(app_label)s_%(class)s_one_target",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "model"], name="annotation_embedding_scope"),
            models.Index(fields=["text_sha256"], name="annotation_embedding_of_text"),
        ]

    def __str__(self) -> str:
        return f"{self.part} of {self.annotation_id or self.reply_id}"
