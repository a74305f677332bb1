"""Counts what speaks for an issue: as numbers alone, so that they may be frozen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, QuerySet

from curation import complaints
from curation.models import Issue
from curation.progress import RECENT_DAYS
from curation.rates import Arm, interval
from feedback.models import Feedback
from feedback.timeouts import TooSlowError, time_limit
from review.models import Theme, ThemeMembership

TIME_LIMIT_MS = 5_000
# Of roles, model versions and reasons, so many of the commonest are told.
MOST_NAMES = 20
MOST_EXAMPLES = 10
# The weeks before a closing tell how common complaints were.
BASELINE_DAYS = 28

# Numbers by name, lists of [name, number], and `rate` as rate_of gives it, or None.
Evidence = dict[str, Any]


def said_of(*, theme: Theme | None, outputs: list[int]) -> QuerySet[Feedback]:
    """The feedback an issue is about: that of its theme, or what people said of some outputs."""
    if theme is not None:
        return Feedback.objects.filter(theme_membership__theme=theme)
    return Feedback.objects.explicit().filter(output__in=outputs)


def gather(*, theme: Theme | None, outputs: list[int], now: datetime) -> Evidence:
    """What speaks for an issue at the moment; `rate` is None without a theme, or if too slow."""
    said = said_of(theme=theme, outputs=outputs)
    numbers = said.aggregate(
        num_feedback=Count("pk"),
        num_outputs=Count("output", distinct=True),
        num_sessions=Count("session", distinct=True),
        first_at=Min("at"),
        last_at=Max("at"),
    )
    rate = recent_rate(theme=theme, now=now) if theme is not None else None
    return {
        "num_feedback": numbers["num_feedback"],
        "num_outputs": numbers["num_outputs"],
        "num_sessions": numbers["num_sessions"],
        "first_at": _iso(numbers["first_at"]),
        "last_at": _iso(numbers["last_at"]),
        "counted_at": now.isoformat(),
        "roles": _counted(said, "session__user_role"),
        "models": _counted(said, "output__model_version"),
        "reasons": _counted(said.filter(reasons__isnull=False), "reasons__slug"),
        "rate": rate,
    }


def examples_of(*, theme: Theme | None, outputs: list[int]) -> list[Feedback]:
    """Feedback in words that shows what an issue is about: the nearest to the middle of its theme,
    or the newest on its outputs.
    """
    if theme is None:
        said = said_of(theme=None, outputs=outputs).exclude(comment="", correction="")
        return list(said.order_by("-at", "-pk")[:MOST_EXAMPLES])
    nearest = ThemeMembership.objects.filter(theme=theme).select_related("feedback")
    nearest = nearest.exclude(feedback__comment="", feedback__correction="")
    return [one.feedback for one in nearest.order_by("-similarity", "pk")[:MOST_EXAMPLES]]


def recent_rate(*, theme: Theme, now: datetime) -> dict[str, float] | None:
    """How many outputs of the last RECENT_DAYS days were complained of; None if too slow."""
    since = now - timedelta(days=RECENT_DAYS)
    try:
        return rate_of(arm_of(theme=theme, since=since, until=now))
    except TooSlowError:
        return None


def baseline(*, issue: Issue) -> Arm:
    """What was complained of in the weeks before the issue was closed. Raises TooSlowError."""
    if issue.theme is None or issue.closed_at is None:
        return Arm()
    since = issue.closed_at - timedelta(days=BASELINE_DAYS)
    return arm_of(theme=issue.theme, since=since, until=issue.closed_at)


def arm_of(*, theme: Theme, since: datetime, until: datetime) -> Arm:
    """The outputs of that time and the complaints of the theme on them. Raises TooSlowError."""
    with time_limit(TIME_LIMIT_MS):
        counts = complaints.by_time(project=theme.project, since=since, middle=since, until=until)
    return counts.arm("after", theme=theme.pk)


def rate_of(arm: Arm) -> dict[str, float]:
    """An arm in numbers that can be kept: shares from 0 to 1 with the ends of the interval."""
    low, high = interval(arm)
    return {
        "outputs": int(arm.outputs),
        "complaints": int(arm.complaints),
        "sessions": arm.sessions,
        "rate": round(arm.rate, 6),
        "low": round(low, 6),
        "high": round(high, 6),
    }


def _counted(said: QuerySet[Feedback], field: str) -> list[list[Any]]:
    """Names with how often they occur, the commonest first."""
    counted = said.values_list(field).annotate(number=Count("pk")).order_by("-number", field)
    return [[name or "unknown", number] for name, number in counted[:MOST_NAMES]]


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def beside(*, then: Evidence, now: Evidence) -> dict[str, list[tuple[str, int, int]]]:
    """Roles, model versions and reasons with how often each occurred then and occurs now."""
    found = {}
    for kind in ("roles", "models", "reasons"):
        before = dict(map(tuple, then.get(kind, [])))
        after = dict(map(tuple, now.get(kind, [])))
        names = [*after, *(name for name in before if name not in after)]
        found[kind] = [(name, before.get(name, 0), after.get(name, 0)) for name in names]
    return found
