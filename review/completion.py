"""Proposes filters for what somebody is writing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from feedback.filter_syntax import Term
from feedback.models import Output, Project, Reason, Tag
from feedback.timeouts import TooSlowError, time_limit
from review.filters import ReviewFilter
from review.models import Theme

MOST = 8
TIME_LIMIT_MS = 1_000

_COLUMNS = {
    "model": "model",
    "model_version": "model_version",
    "prompt_version": "prompt_version",
    "environment": "session__environment",
    "role": "session__user_role",
}


def completions(*, project: Project, text: str) -> list[tuple[str, Term]]:
    """Filters that the text's last piece may be the beginning of.

    Each with what stands before it in the text. A name of a field proposes its values, from two
    letters on.
    """
    before, _, piece = text.rpartition(" ")
    is_excluded = piece.startswith("-")
    name, colon, values = piece.removeprefix("-").partition(":")
    head, _, begun = values.rpartition(",")
    if "\x00" in piece or '"' in values or (not colon and len(name) < 2):
        return []
    names = [
        one for one in ReviewFilter.fields if one == name or (not colon and one.startswith(name))
    ]
    earlier = tuple(one for one in head.split(",") if one)
    proposed = []
    try:
        with time_limit(TIME_LIMIT_MS):
            for one in names:
                proposed += [
                    Term(one, (*earlier, value), is_excluded)
                    for value in islice(_values(project, one, begun), MOST)
                    if value not in earlier
                ]
    except TooSlowError:
        return []
    return [(before, term) for term in proposed[:MOST]]


def _values(project: Project, name: str, begun: str) -> Iterator[str]:
    """Values of a field that begin so."""
    field = ReviewFilter.fields[name]
    if field.choices:
        yield from (value for value in field.choices if value.startswith(begun))
    elif name in _COLUMNS:
        column = _COLUMNS[name]
        outputs = Output.objects.filter(project=project, **{f"{column}__istartswith": begun})
        found = outputs.exclude(**{column: ""}).order_by(column).values_list(column, flat=True)
        yield from found.distinct()[:MOST]
    elif name == "tag":
        tags = Tag.objects.current().filter(project=project, name__istartswith=begun)
        yield from tags.order_by("name").values_list("name", flat=True)[:MOST]
    elif name == "reason":
        reasons = Reason.objects.current().filter(taxonomy__project=project)
        yield from reasons.filter(slug__istartswith=begun).values_list("slug", flat=True)[:MOST]
    elif name == "theme":
        numbers = Theme.objects.current().filter(project=project).order_by("-size")
        yield from (
            str(number)
            for number in numbers.values_list("number", flat=True)[:200]
            if str(number).startswith(begun)
        )
