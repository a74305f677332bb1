"""Ranks rows by the words they share with a question."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.contrib.postgres.search import SearchQuery
from django.db import connection
from django.db.models import Case, Func, IntegerField, Q, QuerySet, Value, When
from django.db.models.expressions import Combinable

from feedback.models import Project
from feedback.models.words import Words

# Rows that are weighed. Words so common that there are more only add to what rarer ones find.
MOST_CANDIDATES = 20_000
MOST_LEXEMES = 24


@dataclass(frozen=True)
class Lexemes:
    """What of a question is looked for: stems, or the plain words when it has no stem."""

    column: str
    values: tuple[str, ...]


def lexemes(question: str) -> Lexemes:
    """The lexemes of a question, the first ones of a long one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ARRAY(SELECT lexeme FROM unnest(to_tsvector('english', %(text)s)) "
            "ORDER BY positions[1]), "
            "ARRAY(SELECT lexeme FROM unnest(to_tsvector('simple', %(text)s)) "
            "ORDER BY positions[1])",
            {"text": question},
        )
        stems, plain = cursor.fetchone() or ([], [])
    return (
        Lexemes("stems", tuple(stems[:MOST_LEXEMES]))
        if stems
        else Lexemes("exact", tuple(plain[:MOST_LEXEMES]))
    )


class AnyLexeme(SearchQuery):
    """Matches rows that have one of the lexemes, taken as they are."""

    def __init__(self, lexemes: Sequence[str]) -> None:
        self.text = " | ".join(_quoted(lexeme) for lexeme in lexemes)
        super().__init__(self.text, search_type="raw")

    def as_sql(self, *_: Any, **__: Any) -> Any:
        return "%s::tsquery", [self.text]


def _quoted(lexeme: str) -> str:
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def ranked(
    *,
    project: Project,
    table: type[Words],
    among: QuerySet[Any] | None,
    wanted: Lexemes,
    limit: int,
) -> list[tuple[int, float]]:
    """The rows that share most with the question, with the share of its weight they have.

    Looked at are the rows `among` these, None for all of the project. A lexeme weighs as much as
    BM25 has it weigh (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework", 3.2):
    by how many of the project's rows the planner expects, and how many of the candidates have it,
    or where it is too common to fetch candidates by, how many the planner expects. Of rows with
    the same lexemes shorter ones come first. The share is above 0 and at most 1.
    """
    if not wanted.values:
        return []
    planned = _planned(table, project, wanted)
    rows = _rows(table).filter(project=project)
    if among is not None:
        rows = rows.filter(pk__in=among.values("pk"))
    rows = rows.filter(**{wanted.column: AnyLexeme(planned.telling)})
    mask: Combinable = Value(0)
    for place, lexeme in enumerate(wanted.values):
        has = Q(**{wanted.column: AnyLexeme([lexeme])})
        mask += Case(When(has, then=Value(1 << place)), default=Value(0))
    size = Func(wanted.column, function="length", output_field=IntegerField())
    sql, params = rows.values_list("pk", mask, size)[:MOST_CANDIDATES].query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT mask, count(*), (array_agg(id ORDER BY size, id DESC))[1:%s] "  # noqa: S608
            f"FROM ({sql}) AS candidates (id, mask, size) GROUP BY mask",
            [limit, *params],
        )
        groups = cursor.fetchall()
    having = [planned.common.get(lexeme, 0.0) for lexeme in wanted.values]
    return _by_weight(groups, having, planned.num_rows)[:limit]


def with_phrase(*, table: type[Words], pks: Collection[int], phrases: Sequence[str]) -> set[int]:
    """Those of the rows that have one of the phrases as it stands."""
    if not phrases or not pks:
        return set()
    has = Q()
    for phrase in phrases:
        has |= Q(exact=SearchQuery(phrase, config="simple", search_type="phrase"))
    return set(_rows(table).filter(has, pk__in=pks).values_list("pk", flat=True))


def _rows(table: type[Words]) -> QuerySet[Words]:
    return table._default_manager.all()


def _by_weight(
    groups: Sequence[tuple[int, int, list[int]]], expected: Sequence[float], num_rows: float
) -> list[tuple[int, float]]:
    num_rows = max(num_rows, sum(number for _, number, _ in groups))
    weights = []
    for place, planned in enumerate(expected):
        counted = sum(number for mask, number, _ in groups if mask >> place & 1)
        having = min(max(counted, planned), num_rows)
        weights.append(math.log(1 + (num_rows - having + 0.5) / (having + 0.5)))
    shares = [
        (sum(w for place, w in enumerate(weights) if mask >> place & 1) / sum(weights), mask, ids)
        for mask, _, ids in groups
    ]
    return [(pk, share) for share, _, ids in sorted(shares, key=lambda one: -one[0]) for pk in ids]


@dataclass(frozen=True)
class _Planned:
    """The rarest lexemes, as many as have MOST_CANDIDATES rows, by the planner's estimates.

    `common` has the number of rows of each of the others, `num_rows` is how many there are.
    """

    telling: list[str]
    common: dict[str, float]
    num_rows: float


def _planned(table: type[Words], project: Project, wanted: Lexemes) -> _Planned:
    column = table._meta.get_field(wanted.column).column  # type: ignore[union-attr]
    every = f"SELECT 1 FROM {table._meta.db_table} WHERE project_id = {int(project.pk)}"  # noqa: S608
    having = [f"{every} AND {column} @@ %s::tsquery"] * len(wanted.values)
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN (FORMAT JSON) " + " UNION ALL ".join([every, *having]),
            [_quoted(lexeme) for lexeme in wanted.values],
        )
        [told] = cursor.fetchone() or [[]]
    [plan] = orjson.loads(told) if isinstance(told, str) else told
    num_rows, *numbers = _estimates(plan["Plan"])
    rarest = sorted(zip(numbers, wanted.values, strict=True))
    telling, common = [rarest[0][1]], {}
    total = rarest[0][0]
    for number, lexeme in rarest[1:]:
        total += number
        if total > MOST_CANDIDATES:
            common[lexeme] = number
        else:
            telling.append(lexeme)
    return _Planned(telling, common, num_rows)


def _estimates(plan: dict[str, Any]) -> list[float]:
    """How many rows the planner expects of each branch."""
    while len(plan.get("Plans", [])) == 1:
        [plan] = plan["Plans"]
    return [branch["Plan Rows"] for branch in plan["Plans"]]
