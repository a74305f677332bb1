"""Says how much outputs want a review, and by which scoring: the one place to ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from feedback.models import Output, Project
from review import examples, learned, priority
from review.evidence import evidence_on
from review.models import TriageModel
from review.priority import Evidence, Part


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
    used = _used(project)
    return str(used) if used else priority.VERSION


def scores(*, project: Project, outputs: Iterable[Output], now: datetime) -> dict[int, Score]:
    """The score of each output of the project, by its id.

    The learned model's where it is in use, else the rules'. The outputs need `at` and
    `confidence` only. A fixed number of queries.
    """
    rows = {output.pk: output for output in outputs}
    evidence = evidence_on(outputs=rows.values(), now=now)
    if rows and (used := _used(project)):
        return _learned(used, evidence, now)
    told = {}
    for pk, one in evidence.items():
        found = priority.parts(one)
        told[pk] = Score(
            points=priority.total(found),
            parts=found,
            version=priority.VERSION,
            look_again_at=_next_day(rows[pk], now) if priority.ages(one) else None,
        )
    return told


def _used(project: Project) -> TriageModel | None:
    """The project's learned model if it orders the items."""
    latest = TriageModel.objects.newest(project)
    return latest if latest and latest.is_used and latest.algorithm == examples.VERSION else None


def _learned(
    used: TriageModel, evidence: Mapping[int, Evidence], now: datetime
) -> dict[int, Score]:
    """A hundred times the probability that each answer is faulty, and why, in one part."""
    model = learned.Model.from_json(used.parameters)
    found = examples.examples_on(evidence=evidence, vectors=used.vectors)
    # What has no vectors yet gets them within seconds.
    waiting = set(
        Output.objects.unembedded(model=used.vectors)
        .filter(pk__in=found)
        .values_list("pk", flat=True)
    )
    told = {}
    for pk, judged in zip(found, learned.judge(model, list(found.values())), strict=True):
        points = round(100 * judged.probability)
        told[pk] = Score(
            points=points,
            parts=[{"name": "learned", "value": points, "words": judged.words}],
            version=str(used),
            look_again_at=now + timedelta(minutes=1) if pk in waiting else None,
        )
    return told


def _next_day(output: Output, now: datetime) -> datetime:
    """When the output is a whole day older."""
    days = max((now - output.at).days, 0)
    return output.at + timedelta(days=days + 1)
