"""Finds the texts nearest to a vector: by an index where it pays, else by comparing them all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.db import connection
from django.db.models import Model, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Cast
from django.db.models.lookups import Exact
from pgvector.django import CosineDistance, HalfVectorField

from feedback.models import Embedding, Project
from feedback.scope import Scope

Kind = Literal["output", "feedback"]
KINDS: tuple[Kind, ...] = ("output", "feedback")


@dataclass(frozen=True)
class Vectors:
    """Where the vectors of rows of one kind are kept, by the field that names the row.

    `table` has `project`, `part`, `model` and `vector` besides. No row has more than two parts.
    """

    kind: str
    table: type[Model]


OWN = {kind: Vectors(kind, Embedding) for kind in KINDS}

# Up to so many rows all are compared, in some 20 ms. An index that is filtered finds few of few:
# 87 % at 1 % selectivity where it was measured, however far it looks.
EXACT_ROWS = 10_000
# Rows of a model from which on an index is kept.
INDEXED_ROWS = 20_000
# How many neighbours a vector has in the index above the lowest level, where it has twice as many,
# and of how many they are chosen. Where more than these are about as near, as the wordings of one
# question are, to some no neighbour leads: of 333 such, 5 % of the nearest ten were out of reach
# at 128, however many a search kept in view. And what of them is on the level above should be fewer
# than the links there, or none leads on to others.
LINKS, EF_CONSTRUCTION = 24, 400
# Kilobytes that a row takes while the index is built, and how many megabytes at least and at most:
# what is more is built on disk, in twice the time.
ROW_KB, LEAST_MEMORY_MB, MOST_MEMORY_MB = 2, 64, 2_048
# How many a search keeps in view, and how many it may look at for those that match.
EF_SEARCH, MOST_SCANNED = 400, 200_000


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
    return nearest_of(
        vectors=OWN[kind],
        project=scope.project,
        among=None
        if scope.is_everything
        else scope.outputs()
        if kind == "output"
        else scope.feedback(),
        vector=vector,
        model=model,
        limit=limit,
    )


def nearest_of(
    *,
    vectors: Vectors,
    project: Project,
    among: QuerySet[Any] | None,
    vector: Sequence[float],
    model: str,
    limit: int,
) -> list[Near]:
    """As `nearest`, of the rows `among` these, None for all of the project."""
    rows = _of(vectors, model).filter(project=project)
    is_many = False
    if not is_indexed(kind=vectors.kind, model=model):
        if among is not None:
            rows = rows.filter(**{f"{vectors.kind}__in": among.values("pk")})
    elif among is None:
        is_many = rows[: EXACT_ROWS + 1].count() > EXACT_ROWS
    else:
        # Two parts at most: half as many of what they belong to.
        most = EXACT_ROWS // 2
        few = list(among.order_by().values_list("pk", flat=True)[: most + 1])
        is_many = len(few) > most
        # By name: a million rows are not held against the filter twice.
        rows = rows if is_many else rows.filter(**{f"{vectors.kind}__in": few})
    if is_many:
        return _by_index(rows, among, vectors.kind, vector, limit)
    # The indexes are on the vector with its length, so none of them serves this.
    distance = CosineDistance("vector", vector)
    return _once(rows.annotate(distance=distance).order_by("distance", "pk"), vectors.kind, limit)


def _of(vectors: Vectors, model: str) -> QuerySet[Any]:
    rows: QuerySet[Any] = vectors.table._default_manager.all()
    return rows.filter(model=model, **{f"{vectors.kind}__isnull": False})


def _by_index(
    rows: QuerySet[Any],
    among: QuerySet[Any] | None,
    kind: str,
    vector: Sequence[float],
    limit: int,
) -> list[Near]:
    if among is not None:
        # Asked of each row that the index comes to; joined, it would be asked of all at first.
        one = among.filter(pk=OuterRef(f"{kind}_id")).order_by()
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


def _once(rows: QuerySet[Any], kind: str, limit: int) -> list[Near]:
    """The first of the ordered rows, each of what they belong to by its nearest part."""
    seen: dict[int, Near] = {}
    # Nothing has more than two parts.
    for pk, part, distance in rows.values_list(f"{kind}_id", "part", "distance")[: 2 * limit]:
        seen.setdefault(pk, Near(pk, part, 1 - float(distance)))
    return list(seen.values())[:limit]


def is_indexed(*, kind: str, model: str) -> bool:
    """Whether there is an index of the model's vectors that can be used."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid",
            [_index_name(kind, model)],
        )
        return bool((cursor.fetchone() or [0])[0])


def ensure_indexes(*, model: str, of: Iterable[Vectors] = OWN.values()) -> list[str]:
    """Build the indexes that are missing and worth it, beside the writing; return of which kinds.

    Needs to be outside of a transaction. While another builds, nothing is done.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended('vector indexes', 0))")
        if cursor.fetchone() != (True,):
            return []
        try:
            return [
                vectors.kind
                for vectors in of
                if not is_indexed(kind=vectors.kind, model=model) and _build(vectors, model)
            ]
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended('vector indexes', 0))")


def _build(vectors: Vectors, model: str) -> bool:
    rows = _of(vectors, model)
    num_rows = rows.order_by().count()
    if num_rows < INDEXED_ROWS:
        return False
    memory = max(LEAST_MEMORY_MB, min(MOST_MEMORY_MB, num_rows * ROW_KB // 1_000))
    dimensions = len(rows.values_list("vector", flat=True)[:1].get())
    name = connection.ops.quote_name(_index_name(vectors.kind, model))
    literal = model.replace("'", "''").replace("%", "%%")
    with connection.cursor() as cursor:
        # One that was stopped while it was built is there, and of no use.
        cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        cursor.execute(f"SET maintenance_work_mem = '{memory}MB'")
        try:
            cursor.execute(
                f"CREATE INDEX CONCURRENTLY {name} ON {vectors.table._meta.db_table} "
                f"USING hnsw ((vector::halfvec({dimensions})) halfvec_cosine_ops) "
                f"WITH (m = {LINKS}, ef_construction = {EF_CONSTRUCTION}) "
                f"WHERE model = '{literal}' AND {vectors.kind}_id IS NOT NULL"
            )
        finally:
            cursor.execute("RESET maintenance_work_mem")
    return True


def _index_name(kind: str, model: str) -> str:
    return f"embedding_near_{kind}_{hashlib.sha256(model.encode()).hexdigest()[:12]}"
