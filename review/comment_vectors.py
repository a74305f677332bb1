"""Keeps vectors of what reviewers wrote beside answers, so that it is found by meaning."""

from __future__ import annotations

from feedback.embedding import BATCH_ROWS, Encoder, embed_rows
from feedback.nearest import Vectors
from review.models import Annotation, AnnotationEmbedding

VECTORS = Vectors("annotation", AnnotationEmbedding)


def embed_annotations(*, encoder: Encoder, limit: int = BATCH_ROWS) -> int:
    """Embed up to `limit` annotations that lack vectors, the newest first; return how many.

    One that is changed or removed while the model works keeps waiting, or is left without.
    """
    part = AnnotationEmbedding.Part
    return embed_rows(
        rows=Annotation.objects.unembedded(model=encoder.model_id),
        table=AnnotationEmbedding,
        target="annotation",
        parts={"comment": part.COMMENT, "replacement": part.REPLACEMENT},
        encoder=encoder,
        limit=limit,
    )


def forget(annotation: Annotation) -> None:
    """Have an annotation whose texts changed embedded anew. Expects their transaction.

    Until then nobody finds it by what it said before.
    """
    annotation.embeddings.all().delete()
    Annotation.objects.filter(pk=annotation.pk).update(embedded_with="")
