"""Ranks rows by the words they share with a question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.contrib.postgres.search import SearchQuery
from django.db import connection
from django.db.models import Case, Func, IntegerField, Q, Value, When
from django.db.models.expressions import Combinable

from feedback.models import FeedbackWords, OutputWords, Project
from feedback.scope import Scope

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
    scope: Scope,
    table: type[OutputWords] | type[FeedbackWords],
    wanted: Lexemes,
    limit: int,
) -> list[tuple[int, float]]:
    """The rows that share most with the question, with the share of its weight they have.

    A lexeme weighs as much as BM25 has it weigh (Robertson and Zaragoza 2009, "The Probabilistic
    Relevance Framework", 3.2), by how many of the candidates have it. Of rows with the same
    lexemes shorter ones come first. The share is above 0 and at most 1.
    """
    if not wanted.values:
        return []
    rows = table.objects.filter(project=scope.project)
    if not scope.is_everything:
        rows = rows.filter(pk__in=scope.rows(table).values("pk"))
    rows = rows.filter(**{wanted.column: AnyLexeme(_telling(table, scope.project, wanted))})
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
    return _by_weight(groups, len(wanted.values))[:limit]


def _by_weight(
    groups: Sequence[tuple[int, int, list[int]]], num_lexemes: int
) -> list[tuple[int, float]]:
    num_rows = sum(number for _, number, _ in groups)
    weights = []
    for place in range(num_lexemes):
        having = sum(number for mask, number, _ in groups if mask >> place & 1)
        weights.append(math.log(1 + (num_rows - having + 0.5) / (having + 0.5)))
    shares = [
        (sum(w for place, w in enumerate(weights) if mask >> place & 1) / sum(weights), mask, ids)
        for mask, _, ids in groups
    ]
    return [(pk, share) for share, _, ids in sorted(shares, key=lambda one: -one[0]) for pk in ids]


def _telling(
    table: type[OutputWords] | type[FeedbackWords], project: Project, wanted: Lexemes
) -> list[str]:
    """The rarest lexemes, as many as have MOST_CANDIDATES rows by the planner's estimates."""
    column = table._meta.get_field(wanted.column).column  # type: ignore[union-attr]
    having = (
        f"SELECT 1 FROM {table._meta.db_table} "  # noqa: S608
        f"WHERE project_id = {int(project.pk)} AND {column} @@ %s::tsquery"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN (FORMAT JSON) " + " UNION ALL ".join([having] * len(wanted.values)),
            [_quoted(lexeme) for lexeme in wanted.values],
        )
        [told] = cursor.fetchone() or [[]]
    [plan] = orjson.loads(told) if isinstance(told, str) else told
    numbers = _estimates(plan["Plan"], len(wanted.values))
    rarest = sorted(zip(numbers, wanted.values, strict=True))
    telling = [rarest[0][1]]
    total = rarest[0][0]
    for number, lexeme in rarest[1:]:
        total += number
        if total > MOST_CANDIDATES:
            break
        telling.append(lexeme)
    return telling


def _estimates(plan: dict[str, Any], length: int) -> list[float]:
    """How many rows the planner expects of each branch."""
    if length == 1:
        return [plan["Plan Rows"]]
    while len(plan.get("Plans", [])) == 1:
        [plan] = plan["Plans"]
    return [branch["Plan Rows"] for branch in plan["Plans"]]
