"""Reads what the priority and the theme of outputs follow from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Q

from feedback.models import Feedback, FeedbackReason, Output
from review.models import ThemeMembership
from review.priority import Evidence


def evidence_on(*, outputs: Iterable[Output], now: datetime) -> dict[int, Evidence]:
    """What is known of each output, by its id: two queries for any number of outputs.

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
        )
    }
    reasons: dict[int, dict[str, str]] = defaultdict(dict)
    given = FeedbackReason.objects.filter(feedback__output__in=rows)
    for output, slug, name in given.values_list(
        "feedback__output", "reason__slug", "reason__name"
    ).distinct():
        reasons[output][slug] = name
    return {
        pk: Evidence(
            num_negative=told[pk]["negative"] if pk in told else 0,
            num_positive=told[pk]["positive"] if pk in told else 0,
            has_correction=bool(pk in told and told[pk]["corrections"]),
            reasons=reasons.get(pk, {}),
            signals=told[pk]["kinds"] if pk in told else (),
            confidence=output.confidence,
            days=(now - output.at).days,
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
