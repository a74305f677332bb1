"""Says how much outputs want a review, and by which scoring: the one place to ask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from feedback.models import Output, Project
from review import priority
from review.evidence import evidence_on
from review.priority import Part


@dataclass(frozen=True, kw_only=True)
class Score:
    """Points from 0 to 100 that the parts add up to, by the scoring of this version.

    At `look_again_at` the points change by themselves; None when time changes nothing.
    """

    points: float
    parts: list[Part]
    version: str
    look_again_at: datetime | None = None


def version(*, project: Project) -> str:
    """The version of the scoring that the project's items are ranked by."""
    return priority.VERSION


def scores(*, project: Project, outputs: Iterable[Output], now: datetime) -> dict[int, Score]:
    """The score of each output of the project, by its id.

    The outputs need `at` and `confidence` only. A fixed number of queries.
    """
    rows = {output.pk: output for output in outputs}
    told = {}
    for pk, evidence in evidence_on(outputs=rows.values(), now=now).items():
        found = priority.parts(evidence)
        told[pk] = Score(
            points=priority.total(found),
            parts=found,
            version=version(project=project),
            look_again_at=_next_day(rows[pk], now) if priority.ages(evidence) else None,
        )
    return told


def _next_day(output: Output, now: datetime) -> datetime:
    """When the output is a whole day older."""
    days = max((now - output.at).days, 0)
    return output.at + timedelta(days=days + 1)
