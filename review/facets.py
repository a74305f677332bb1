"""How many outputs there are of each value of a field, under a filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, F, QuerySet, Value, When

from feedback.filters import OutputFilter
from feedback.models import Feedback, FeedbackReason, Output, Project
from feedback.models.output import OutputQuerySet
from feedback.search import TIME_LIMIT_MS
from feedback.timeouts import time_limit
from review.models import Review, ThemeMembership

# Values of a field that are shown, the commonest.
SHOWN = 6


@dataclass(frozen=True)
class Choice:
    """A value of a field, how many outputs have it, and whether the filter asks for it."""

    value: str
    number: int
    is_on: bool


@dataclass(frozen=True)
class Facet:
    """A field with its values."""

    name: str
    choices: list[Choice]


def facets(*, project: Project, wanted: OutputFilter) -> list[Facet]:
    """The fields that have values: for each how many outputs would match it alone.

    What the filter asks for in a field is not counted by in that field. Raises TooSlowError.
    """
    told = []
    with time_limit(TIME_LIMIT_MS):
        for name, counted in _COUNTED.items():
            others = wanted.with_values(name, ())
            rows = counted(others.apply(Output.objects.filter(project=project)))
            common = rows.order_by("-how_many", "of").values_list("of", "how_many")
            numbers = {str(value): number for value, number in common[: SHOWN + 1] if value}
            chosen = wanted.values(name)
            shown = dict.fromkeys([*list(numbers)[:SHOWN], *chosen])
            choices = [
                Choice(
                    value,
                    numbers[value] if value in numbers else _count(project, others, name, value),
                    value in chosen,
                )
                for value in shown
            ]
            if choices:
                told.append(Facet(name, choices))
    return told


def _count(project: Project, others: OutputFilter, name: str, value: str) -> int:
    alone = others.with_values(name, [value])
    return alone.apply(Output.objects.filter(project=project)).count()


def _of_column(column: str) -> Callable[[OutputQuerySet], QuerySet[Any, Any]]:
    return lambda outputs: outputs.values(of=F(column)).annotate(how_many=Count("pk"))


def _tags(outputs: OutputQuerySet) -> QuerySet[Any, Any]:
    return outputs.values(of=F("session__session_tags__tag__name")).annotate(how_many=Count("pk"))


def _on(
    rows: QuerySet[Any], output: str, value: Any, outputs: OutputQuerySet
) -> QuerySet[Any, Any]:
    """Of rows about outputs: how many of the outputs each value is about."""
    about = rows.filter(**{f"{output}__in": outputs.values("pk")})
    counted: QuerySet[Any, Any] = about.values(of=value).annotate(
        how_many=Count(output, distinct=True)
    )
    return counted


_SIGN = Case(When(score__lt=0, then=Value("negative")), When(score__gt=0, then=Value("positive")))
_COUNTED: Mapping[str, Callable[[OutputQuerySet], QuerySet[Any, Any]]] = {
    "theme": lambda outputs: _on(
        ThemeMembership.objects.all(), "feedback__output", F("theme__number"), outputs
    ),
    "model": _of_column("model"),
    "score": lambda outputs: _on(Feedback.objects.explicit(), "output", _SIGN, outputs),
    "signal": lambda outputs: _on(Feedback.objects.signals(), "output", F("name"), outputs),
    "role": _of_column("session__user_role"),
    "environment": _of_column("session__environment"),
    "reason": lambda outputs: _on(
        FeedbackReason.objects.all(), "feedback__output", F("reason__slug"), outputs
    ),
    "verdict": lambda outputs: _on(
        Review.objects.authoritative().revealed(), "output", F("verdict"), outputs
    ),
    "tag": _tags,
}
