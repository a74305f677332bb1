"""Chroma, embedded, with the vectors of a project: what others search with.

It is an extra, `bench`; without it the benchmark fails.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feedback.models import Project

BATCH = 2_000
COLUMNS = ("model", "model_version", "prompt_version")
# As feedback.nearest builds and asks its own index.
INDEX = {
    "space": "cosine",
    "ef_construction": 400,
    "max_neighbors": 24,
    "ef_search": 400,
    "num_threads": 2,
}


class Collection:
    """The vectors, with what a filter asks for."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def nearest(self, written: str, limit: int) -> Callable[[str, list[float]], list[int]]:
        """A way to find the outputs nearest to a vector, with the same filter."""
        column, _, value = written.partition(":")
        where = {column: value} if column else None

        def find(_: str, vector: list[float]) -> list[int]:
            found = self._rows.query(
                query_embeddings=[vector], n_results=limit, where=where, include=[]
            )
            return [int(one) for one in found["ids"][0]]

        return find


@contextmanager
def filled(project: Project, model: str, *, is_wanted: bool) -> Iterator[Collection | None]:
    """A collection of the project's vectors on disk for as long; None when it is not wanted."""
    if not is_wanted:
        yield None
        return
    import chromadb

    with tempfile.TemporaryDirectory(prefix="postil-chroma-") as folder:
        settings = chromadb.Settings(anonymized_telemetry=False)
        client = chromadb.PersistentClient(path=folder, settings=settings)
        rows = client.create_collection(
            "vectors", configuration={"hnsw": INDEX}, embedding_function=None
        )
        started = time.monotonic()
        for ids, vectors, metadata in _batches(project, model):
            rows.add(ids=ids, embeddings=vectors, metadatas=metadata)
        print(f"  Chroma took them in {time.monotonic() - started:.0f} s", flush=True)
        yield Collection(rows)


def _batches(project: Project, model: str) -> Iterator[tuple[list[str], list[Any], list[Any]]]:
    from feedback.models import Embedding

    fields = [f"output__{name}" for name in COLUMNS]
    after = 0
    while True:
        found = list(
            Embedding.objects.filter(project=project, model=model, pk__gt=after)
            .order_by("pk")
            .values_list("pk", "output_id", "vector", *fields)[:BATCH]
        )
        if not found:
            return
        after = found[-1][0]
        yield (
            [str(output) for _, output, *_ in found],
            [list(vector) for _, _, vector, *_ in found],
            [dict(zip(COLUMNS, row[3:], strict=True)) for row in found],
        )
