"""Keeps vectors of what reviewers wrote beside answers, so that it is found by meaning."""

from __future__ import annotations

from feedback.embedding import BATCH_ROWS, Encoder, embed_rows
from feedback.nearest import Vectors
from review.models import Annotation, AnnotationEmbedding, Comment

VECTORS = Vectors("annotation", AnnotationEmbedding)
OF_REPLIES = Vectors("reply", AnnotationEmbedding)


def embed_annotations(*, encoder: Encoder, limit: int = BATCH_ROWS) -> int:
    """Embed up to `limit` annotations, and as many replies, that lack vectors; return how many.

    The newest come first. One that is changed or removed while the model works keeps waiting, or
    is left without.
    """
    part = AnnotationEmbedding.Part
    num_annotations = embed_rows(
        rows=Annotation.objects.unembedded(model=encoder.model_id),
        table=AnnotationEmbedding,
        target="annotation",
        parts={"comment": part.COMMENT, "replacement": part.REPLACEMENT},
        encoder=encoder,
        limit=limit,
    )
    num_replies = embed_rows(
        rows=Comment.objects.unembedded(model=encoder.model_id),
        table=AnnotationEmbedding,
        target="reply",
        parts={"text": part.REPLY},
        encoder=encoder,
        limit=limit,
    )
    return num_annotations + num_replies


def forget(changed: Annotation | Comment) -> None:
    """Have an annotation or reply whose texts changed embedded anew. Expects their transaction.

    Until then nobody finds it by what it said before.
    """
    changed.embeddings.all().delete()
    type(changed).objects.filter(pk=changed.pk).update(embedded_with="")
