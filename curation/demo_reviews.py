"""What the demo project's invented reviewers decide: it follows from what annotators said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from feedback.models import Feedback, Output, User
from review.annotations import annotate
from review.corrections import corrected
from review.models import Queue, Review
from review.priority import REASONS
from review.queues import claim_next
from review.rendering import render
from review.triage import submit_review

# From reading one answer to the next; the decision is made before that.
PACE = timedelta(minutes=6)
# What an answer's faults cost to be called so; beyond repair it is rejected, not corrected.
MAJOR, CRITICAL, BEYOND_REPAIR = 30, 80, 100
# Code points of a correction that fits among others in a prompt.
SHORT = 200
LONGEST_COMMENT = 600
MOST_ANNOTATIONS = 3
# Of an answer that would do, had others not corrected it.
AS_CORRECTED = "Right as it was corrected."


@dataclass(frozen=True)
class Reviewer:
    """An invented reviewer: what is wrong may cost this many points before they object."""

    user: User
    tolerance: int


@dataclass(frozen=True)
class Judgement:
    """What submit_review takes; without routes, those that the rules propose."""

    verdict: str
    severity: str = ""
    comment: str = ""
    correction: str = ""
    reasons: tuple[str, ...] = ()
    routes: tuple[str, ...] | None = None


def judge(said: Sequence[Feedback], *, tolerance: int) -> Judgement:
    """The verdict that follows from the feedback on an answer; expects its reasons prefetched.

    Each reason costs what it weighs in an item's priority; being ranked below the middle by
    volunteers costs up to that of two major ones. A short correction of what is not dangerous is
    worth an example in prompts, whatever the rules propose.
    """
    given = [reason.slug for feedback in said for reason in feedback.reasons.all()]
    ranked = min((one.score or 0.0 for one in said if one.name == "rank"), default=0.0)
    cost = sum(REASONS[slug] for slug in given) - round(40 * min(ranked, 0))
    if cost <= tolerance:
        return Judgement(Review.Verdict.ACCEPT)
    correction = next((one.correction for one in said if one.correction), "")
    if cost >= BEYOND_REPAIR:
        correction = ""
    severity = Review.Severity.MINOR
    if cost >= MAJOR:
        severity = Review.Severity.CRITICAL if cost >= CRITICAL else Review.Severity.MAJOR
    is_example = 0 < len(correction) <= SHORT and severity != Review.Severity.CRITICAL
    return Judgement(
        verdict=Review.Verdict.FIX if correction else Review.Verdict.REJECT,
        severity=severity,
        comment=_comment(said),
        correction=correction,
        reasons=tuple(dict.fromkeys(given)),
        routes=(Review.Route.LIBRARY, Review.Route.TRAINING) if is_example else None,
    )


def work(*, queue: Queue, by: Reviewer, num: int, start: datetime) -> None:
    """Let the reviewer decide on up to so many items of the queue, one after the other."""
    for turn in range(num):
        at = start + turn * PACE
        claim = claim_next(queue=queue, by=by.user, now=at)
        if claim is None:
            return
        said = _said_about(claim.item.output)
        judgement = judge(said, tolerance=by.tolerance)
        output = claim.item.output
        if (
            judgement.verdict == Review.Verdict.ACCEPT
            and corrected(output=output, version=output.version, to=by.user).accepted
        ):
            judgement = replace(judgement, verdict=Review.Verdict.FIX, comment=AS_CORRECTED)
        if judgement.verdict != Review.Verdict.ACCEPT:
            _point_out(claim.item.output, by.user, said, at)
        submit_review(
            item=claim.item,
            by=by.user,
            fence=claim.fence,
            verdict=judgement.verdict,
            severity=judgement.severity,
            comment=judgement.comment,
            correction=judgement.correction,
            reasons=judgement.reasons,
            routes=judgement.routes,
            now=at + PACE / 2,
        )


def _said_about(output: Output) -> list[Feedback]:
    said = Feedback.objects.explicit().filter(output=output)
    return list(said.prefetch_related("reasons").order_by("at", "pk"))


def _point_out(output: Output, by: User, said: Sequence[Feedback], now: datetime) -> None:
    """Annotate the first words that annotators pointed at, with their reason and explanation."""
    rendered = render(output.text)
    pointed = [one for one in said if one.span_start is not None and one.span_end is not None]
    for one in pointed[:MOST_ANNOTATIONS]:
        place = rendered.source_to_canonical(one.span_start or 0, one.span_end or 0)
        reason = next(iter(one.reasons.all()), None)
        if place is None or reason is None or not rendered.canonical[slice(*place)].strip():
            continue
        annotate(
            output=output,
            version=output.version,
            by=by,
            start=place[0],
            end=place[1],
            exact=rendered.canonical[slice(*place)],
            reason=reason.slug,
            comment=one.comment,
            now=now,
        )


def _comment(said: Sequence[Feedback]) -> str:
    """An annotator's explanation, cut where it is long; a ranking when there is none."""
    for words in (one.comment for one in said if one.comment):
        return words if len(words) <= LONGEST_COMMENT else words[: LONGEST_COMMENT - 1] + "…"
    return next((f"Volunteers put it at {one.label}." for one in said if one.name == "rank"), "")
