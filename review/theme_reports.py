"""Reads themes for their pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db.models import Count, QuerySet
from django.db.models.functions import TruncWeek

from feedback.models import Feedback, FeedbackReason, Reason, User
from review.models import Queue, QueueItem, Theme, ThemeMembership

WEEKS = 12
# Series a chart tells apart; older model versions are counted together.
MOST_VERSIONS = 4
EARLIER = "earlier"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A theme as a list shows it: feedback per week, its commonest reasons, open items."""

    theme: Theme
    per_week: list[int]
    reasons: list[tuple[Reason, int]] = field(default_factory=list)
    num_open: int = 0


@dataclass(frozen=True, kw_only=True)
class Weeks:
    """Feedback per week and model version; `counts` has a row per version, the oldest first."""

    mondays: list[date]
    versions: list[str]
    counts: list[list[int]]

    @property
    def table(self) -> list[tuple[str, list[int]]]:
        """Each version with its counts."""
        return list(zip(self.versions, self.counts, strict=True))


@dataclass(frozen=True, kw_only=True)
class Origins:
    """Who said it: feedback by the user's role and environment, the commonest first."""

    rows: list[tuple[str, int]]
    num_sessions: int


def summaries(*, themes: Sequence[Theme], to: User, now: datetime) -> list[Summary]:
    """What a list says of each theme to the user, in order: two queries for any number of themes.

    The open items are those of the queues that they see.
    """
    weeks = {week for theme in themes for week in theme.per_week}
    mondays = _mondays(map(date.fromisoformat, weeks), now)
    reasons = Reason.objects.in_bulk({pk for theme in themes for pk, _ in theme.reason_counts})
    num_open = dict(
        QueueItem.objects.open()
        .visible_to(to)
        .filter(theme__in=themes)
        .values_list("theme")
        .annotate(Count("output", distinct=True))
    )
    return [
        Summary(
            theme=theme,
            per_week=[theme.per_week.get(monday.isoformat(), 0) for monday in mondays],
            reasons=[(reasons[pk], number) for pk, number in theme.reason_counts if pk in reasons],
            num_open=num_open.get(theme.pk, 0),
        )
        for theme in themes
    ]


def weekly(*, theme: Theme, now: datetime) -> list[int]:
    """The theme's feedback in each of its last WEEKS weeks. No query."""
    mondays = _mondays(map(date.fromisoformat, theme.per_week), now)
    return [theme.per_week.get(monday.isoformat(), 0) for monday in mondays]


def reasons_of(*, theme: Theme) -> list[tuple[Reason, int]]:
    """How often each reason was given in the theme, the commonest first."""
    counted = (
        FeedbackReason.objects.filter(feedback__theme_membership__theme=theme)
        .values_list("reason")
        .annotate(number=Count("pk"))
        .order_by("-number", "reason")
    )
    found = dict(counted)
    reasons = Reason.objects.in_bulk(found)
    return [(reasons[pk], number) for pk, number in found.items()]


def weeks_of(*, theme: Theme, now: datetime) -> Weeks:
    """The theme's feedback in the last WEEKS weeks that have some, by model version."""
    counted: dict[tuple[str, date], int] = {
        (version or "unknown", week.date()): number
        for version, week, number in Feedback.objects.filter(theme_membership__theme=theme)
        .annotate(week=TruncWeek("at"))
        .values_list("output__model_version", "week")
        .annotate(Count("pk"))
    }
    mondays = _mondays((week for _, week in counted), now)
    in_time = {key: number for key, number in counted.items() if key[1] in mondays}
    first_seen: dict[str, date] = {}
    for version, week in counted:
        first_seen[version] = min(week, first_seen.get(version, week))
    seen = {version for version, _ in in_time}
    versions = sorted(seen, key=lambda version: (first_seen[version], version))
    names = versions[-MOST_VERSIONS:]
    if len(versions) > MOST_VERSIONS:
        names = [EARLIER, *versions[-MOST_VERSIONS + 1 :]]
    rows = {name: Counter[date]() for name in names}
    for (version, week), number in in_time.items():
        rows[version if version in rows else EARLIER][week] += number
    return Weeks(
        mondays=mondays,
        versions=names,
        counts=[[rows[name][monday] for monday in mondays] for name in names],
    )


def origins_of(*, theme: Theme) -> Origins:
    """Who the theme's feedback comes from."""
    said = Feedback.objects.filter(theme_membership__theme=theme)
    counted = (
        said.values_list("session__user_role", "session__environment")
        .annotate(number=Count("pk"))
        .order_by("-number", "session__user_role")
    )
    return Origins(
        rows=[
            (", ".join(part for part in (role, place) if part) or "unknown", number)
            for role, place, number in counted
        ],
        num_sessions=said.aggregate(number=Count("session", distinct=True))["number"],
    )


def queues_of(*, theme: Theme, to: User) -> list[tuple[Queue, int]]:
    """The queues the user sees with open items of the theme, and how many; the fullest first."""
    counted = dict(
        QueueItem.objects.open()
        .visible_to(to)
        .filter(theme=theme)
        .values_list("queue")
        .annotate(number=Count("pk"))
        .order_by("-number")
    )
    queues = Queue.objects.in_bulk(counted)
    return [(queues[pk], number) for pk, number in counted.items()]


def members(theme: Theme) -> QuerySet[ThemeMembership]:
    """The theme's feedback with its output and author, thin."""
    return (
        ThemeMembership.objects.filter(theme=theme)
        .select_related("feedback", "feedback__output")
        .prefetch_related("feedback__reasons")
        .only(
            "theme",
            "similarity",
            "feedback__external_id",
            "feedback__comment",
            "feedback__correction",
            "feedback__author_role",
            "feedback__author_external_id",
            "feedback__at",
            "feedback__output__external_id",
            "feedback__output__query",
            "feedback__output__model_version",
        )
    )


def _mondays(weeks: Iterable[date], now: datetime) -> list[date]:
    """The last WEEKS weeks up to the newest that is not to come: senders may give any time."""
    last = max((week for week in weeks if week <= now.date()), default=None)
    if last is None or last < date.min + timedelta(weeks=WEEKS):
        return []
    return [last - timedelta(weeks=back) for back in reversed(range(WEEKS))]
