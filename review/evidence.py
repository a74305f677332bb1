"""Reads what the priority and the theme of outputs follow from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Min, Q

from feedback.models import Feedback, FeedbackReason, Output
from review.models import Review, Theme, ThemeMembership
from review.priority import Evidence, ThemeEvidence

# Weeks that "lately" is, and those before it that it is held against.
RECENT_WEEKS, USUAL_WEEKS = 2, 4
# Routes after which an answer like it should not come again.
MENDS = [Review.Route.LIBRARY, Review.Route.TRAINING, Review.Route.ISSUE]


def evidence_on(*, outputs: Iterable[Output], now: datetime) -> dict[int, Evidence]:
    """What is known of each output, by its id: six queries for any number of outputs.

    The outputs need `at` and `confidence` only.
    """
    rows = {output.pk: output for output in outputs}
    told = {
        row["output"]: row
        for row in Feedback.objects.filter(output__in=rows)
        .values("output")
        .annotate(
            negative=Count("pk", filter=Q(is_implicit=False, score__lt=0)),
            positive=Count("pk", filter=Q(is_implicit=False, score__gt=0)),
            corrections=Count("pk", filter=Q(is_implicit=False) & ~Q(correction="")),
            kinds=ArrayAgg("name", filter=Q(is_implicit=True), distinct=True, default=[]),
            roles=ArrayAgg(
                "author_role",
                filter=Q(is_implicit=False, score__lt=0) & ~Q(author_role=""),
                distinct=True,
                default=[],
            ),
        )
    }
    reasons: dict[int, dict[str, str]] = defaultdict(dict)
    given = FeedbackReason.objects.filter(feedback__output__in=rows)
    for output, slug, name in given.values_list(
        "feedback__output", "reason__slug", "reason__name"
    ).distinct():
        reasons[output][slug] = name
    verdicts = dict(
        Review.objects.revealed()
        .filter(output__in=rows)
        .values_list("output")
        .annotate(Count("verdict", distinct=True))
    )
    nearest = themes_of(outputs=rows.values())
    themes = _themes(set(nearest.values()), now)
    return {
        pk: Evidence(
            num_negative=told[pk]["negative"] if pk in told else 0,
            num_positive=told[pk]["positive"] if pk in told else 0,
            has_correction=bool(pk in told and told[pk]["corrections"]),
            reasons=reasons.get(pk, {}),
            signals=told[pk]["kinds"] if pk in told else (),
            confidence=output.confidence,
            roles=told[pk]["roles"] if pk in told else (),
            days=(now - output.at).days,
            num_verdicts=verdicts.get(pk, 0),
            theme=themes[nearest[pk]].at(output.at) if pk in nearest else None,
        )
        for pk, output in rows.items()
    }


def themes_of(*, outputs: Iterable[Output]) -> dict[int, int]:
    """The id of the theme that the feedback on each output is nearest to, by the output's id."""
    nearest = (
        ThemeMembership.objects.filter(feedback__output__in=[output.pk for output in outputs])
        .order_by("feedback__output", "-similarity", "pk")
        .distinct("feedback__output")
    )
    return {
        output: theme
        for output, theme in nearest.values_list("feedback__output", "theme")
        if output is not None
    }


@dataclass(frozen=True, kw_only=True)
class _ThemeHistory:
    num_recent: int
    num_usual: float
    num_decided: int
    routed_at: datetime | None

    def at(self, answered_at: datetime) -> ThemeEvidence:
        return ThemeEvidence(
            num_recent=self.num_recent,
            num_usual=self.num_usual,
            num_decided=self.num_decided,
            has_come_back=self.routed_at is not None and self.routed_at < answered_at,
        )


def _themes(wanted: set[int], now: datetime) -> dict[int, _ThemeHistory]:
    """What happened in each theme, by its id: two queries."""
    theme = "output__feedback__theme_membership__theme"
    decided = {
        pk: (number, routed_at)
        for pk, number, routed_at in Review.objects.authoritative()
        .revealed()
        .filter(**{f"{theme}__in": wanted})
        .values_list(theme)
        .annotate(
            number=Count("output", distinct=True),
            routed_at=Min("created_at", filter=Q(routes__overlap=MENDS)),
        )
    }
    told = {}
    for pk, per_week in Theme.objects.filter(pk__in=wanted).values_list("pk", "per_week"):
        recent, usual = _pace(per_week, now.date())
        number, routed_at = decided.get(pk, (0, None))
        told[pk] = _ThemeHistory(
            num_recent=recent,
            num_usual=usual,
            num_decided=number,
            routed_at=routed_at,
        )
    return told


def _pace(per_week: dict[str, int], today: date) -> tuple[int, float]:
    """How much the last weeks brought, and as many of the weeks before on average."""
    monday = today - timedelta(days=today.weekday())
    numbers = [
        per_week.get((monday - timedelta(weeks=back)).isoformat(), 0)
        for back in range(RECENT_WEEKS + USUAL_WEEKS)
    ]
    return sum(numbers[:RECENT_WEEKS]), sum(numbers[RECENT_WEEKS:]) * RECENT_WEEKS / USUAL_WEEKS
