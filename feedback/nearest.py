"""Finds the texts nearest to a vector: by an index where it pays, else by comparing them all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Cast
from django.db.models.lookups import Exact
from pgvector.django import CosineDistance, HalfVectorField

from feedback.models import Embedding
from feedback.scope import Scope

Kind = Literal["output", "feedback"]
KINDS: tuple[Kind, ...] = ("output", "feedback")

# Up to so many rows all are compared, in some 20 ms. An index that is filtered finds few of few:
# 87 % at 1 % selectivity where it was measured, however far it looks.
EXACT_ROWS = 10_000
# Rows of a model from which on an index is kept.
INDEXED_ROWS = 20_000
# How many the index keeps in view, and how many it may look at for those that match.
EF_SEARCH, MOST_SCANNED = 200, 200_000


@dataclass(frozen=True)
class Near:
    """A row by its nearest part, with its cosine similarity."""

    pk: int
    part: str
    similarity: float


def nearest(
    *, scope: Scope, kind: Kind, vector: Sequence[float], model: str, limit: int
) -> list[Near]:
    """The rows of the scope nearest to a unit vector, each once. Needs a transaction."""
    rows = Embedding.objects.filter(
        project=scope.project, model=model, **{f"{kind}__isnull": False}
    )
    if is_indexed(kind=kind, model=model) and not _are_few(rows, scope, kind):
        return _by_index(rows, scope, kind, vector, limit)
    if not scope.is_everything:
        rows = rows.filter(**{f"{kind}__in": _of(scope, kind).values("pk")})
    # The indexes are on the vector with its length, so none of them serves this.
    distance = CosineDistance("vector", vector)
    return _once(rows.annotate(distance=distance).order_by("distance", "pk"), kind, limit)


def _are_few(rows: QuerySet[Embedding], scope: Scope, kind: Kind) -> bool:
    if scope.is_everything:
        return rows[: EXACT_ROWS + 1].count() <= EXACT_ROWS
    # Two parts at most: half as many of what they belong to.
    return _of(scope, kind).order_by()[: EXACT_ROWS // 2 + 1].count() <= EXACT_ROWS // 2


def _of(scope: Scope, kind: Kind) -> QuerySet[Any]:
    return scope.outputs() if kind == "output" else scope.feedback()


def _by_index(
    rows: QuerySet[Embedding], scope: Scope, kind: Kind, vector: Sequence[float], limit: int
) -> list[Near]:
    if not scope.is_everything:
        # Asked of each row that the index comes to; joined, it would be asked of all at first.
        one = _of(scope, kind).filter(pk=OuterRef(f"{kind}_id")).order_by()
        is_meant = Subquery(one.annotate(yes=Value(1)).values("yes")[:1])
        rows = rows.filter(Exact(is_meant, 1))
    sized = Cast("vector", HalfVectorField(dimensions=len(vector)))
    rows = rows.annotate(distance=CosineDistance(sized, vector)).order_by("distance")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('hnsw.iterative_scan', 'strict_order', true), "
            "set_config('hnsw.ef_search', %s, true), "
            "set_config('hnsw.max_scan_tuples', %s, true), "
            "set_config('hnsw.scan_mem_multiplier', '4', true), "
            # Else the planner may fetch and sort all that match.
            "set_config('enable_sort', 'off', true)",
            [str(EF_SEARCH), str(MOST_SCANNED)],
        )
        found = _once(rows, kind, limit)
        cursor.execute("SELECT set_config('enable_sort', 'on', true)")
    return found


def _once(rows: QuerySet[Embedding], kind: Kind, limit: int) -> list[Near]:
    """The first of the ordered rows, each of what they belong to by its nearest part."""
    seen: dict[int, Near] = {}
    # Nothing has more than two parts.
    for pk, part, distance in rows.values_list(f"{kind}_id", "part", "distance")[: 2 * limit]:
        seen.setdefault(pk, Near(pk, part, 1 - float(distance)))
    return list(seen.values())[:limit]


def is_indexed(*, kind: Kind, model: str) -> bool:
    """Whether there is an index of the model's vectors that can be used."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid",
            [_index_name(kind, model)],
        )
        return bool((cursor.fetchone() or [0])[0])


def ensure_indexes(*, model: str) -> list[Kind]:
    """Build the indexes that are missing and worth it, beside the writing; return which.

    Needs to be outside of a transaction. While another builds, nothing is done.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended('vector indexes', 0))")
        if cursor.fetchone() != (True,):
            return []
        try:
            return [
                kind
                for kind in KINDS
                if not is_indexed(kind=kind, model=model) and _build(kind, model)
            ]
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended('vector indexes', 0))")


def _build(kind: Kind, model: str) -> bool:
    rows = Embedding.objects.filter(model=model, **{f"{kind}__isnull": False})
    if rows.order_by()[:INDEXED_ROWS].count() < INDEXED_ROWS:
        return False
    dimensions = len(rows.values_list("vector", flat=True)[:1].get())
    name = connection.ops.quote_name(_index_name(kind, model))
    literal = model.replace("'", "''").replace("%", "%%")
    with connection.cursor() as cursor:
        # One that was stopped while it was built is there, and of no use.
        cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        cursor.execute("SET maintenance_work_mem = '512MB'")
        try:
            cursor.execute(
                f"CREATE INDEX CONCURRENTLY {name} ON feedback_embedding "
                f"USING hnsw ((vector::halfvec({dimensions})) halfvec_cosine_ops) "
                "WITH (ef_construction = 128) "
                f"WHERE model = '{literal}' AND {kind}_id IS NOT NULL"
            )
        finally:
            cursor.execute("RESET maintenance_work_mem")
    return True


def _index_name(kind: Kind, model: str) -> str:
    return f"embedding_near_{kind}_{hashlib.sha256(model.encode()).hexdigest()[:12]}"
