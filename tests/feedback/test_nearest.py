"""The index of vectors: when it is built, and that it finds what comparing all finds."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection

from feedback.filters import OutputFilter
from feedback.models import Embedding, Output
from feedback.nearest import ensure_indexes, is_indexed, nearest
from feedback.scope import Scope
from feedback.timeouts import time_limit
from tests.factories import NOW, make_project, make_session

DIMENSIONS = 384


class _Building:
    """Another connection that builds the indexes."""

    def __enter__(self) -> None:
        self.other = connection.copy()
        with self.other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended('vector indexes', 0))")

    def __exit__(self, *_: object) -> None:
        # A connection that is closed is gone a little later than its client thinks.
        with self.other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")
        self.other.close()


def directions(number: int, seed: int) -> list[list[float]]:
    source = random.Random(seed)  # noqa: S311
    return [[source.gauss(0, 1) for _ in range(DIMENSIONS)] for _ in range(number)]


@pytest.mark.django_db(transaction=True)
class TestIndex:
    def test_is_built_when_it_pays_and_finds_what_comparing_finds(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        project = make_project()
        session = make_session(project)
        outputs = Output.objects.bulk_create(
            Output(
                project=project, session=session, external_id=str(number), at=NOW,
                model="half" if number % 2 else "other",
            )
            for number in range(1_500)
        )  # fmt: skip
        Embedding.objects.bulk_create(
            Embedding(
                project=project, output=output, part="answer", model="it's", vector=vector,
                text_sha256="",
            )
            for output, vector in zip(outputs, directions(1_500, 1), strict=True)
        )  # fmt: skip
        assert ensure_indexes(model="it's") == []
        monkeypatch.setattr("feedback.nearest.INDEXED_ROWS", 1_000)
        with _Building():
            assert ensure_indexes(model="it's") == []
        assert ensure_indexes(model="it's") == ["output"]
        assert ensure_indexes(model="it's") == []
        try:
            for text in ("", "model:half"):
                scope = Scope(project=project, wanted=OutputFilter.parse(text))
                assert _recall(scope, monkeypatch) >= 0.98
        finally:
            _drop_indexes()
        assert not is_indexed(kind="output", model="it's")


def _recall(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> float:
    shares = []
    for vector in directions(20, 2):
        found = []
        for exact_rows in (10_000, 100):
            monkeypatch.setattr("feedback.nearest.EXACT_ROWS", exact_rows)
            with time_limit(5_000), _Plans() as plans:
                near = nearest(scope=scope, kind="output", vector=vector, model="it's", limit=10)
            found.append({one.pk for one in near})
            assert plans.has_index == (exact_rows == 100)
        shares.append(len(found[0] & found[1]) / len(found[0]))
    return sum(shares) / len(shares)


class _Plans:
    """Whether a vector index served the last query that sorts by distance."""

    has_index = False

    def __enter__(self) -> _Plans:
        self.wrapper = connection.execute_wrapper(self._explain)
        self.wrapper.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.wrapper.__exit__(None, None, None)

    def _explain(
        self, execute: Any, sql: str, params: Sequence[object], many: bool, context: Any
    ) -> Any:
        if "<=>" in sql:
            execute(f"EXPLAIN (FORMAT JSON) {sql}", params, many, context)
            self.has_index = "embedding_near" in json.dumps(context["cursor"].fetchone())
        return execute(sql, params, many, context)


def _drop_indexes() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE indexname LIKE 'embedding_near_%'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX {name}")
