"""What a list of search results says of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from feedback.marking import Marked
from feedback.models import FeedbackReason, Output, Project, Reason, Session, SessionTag
from review.models import Provisional, Review


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A result with the reasons given in it, or in the feedback on it, and the decision on it.

    `carried` is the verdict that was carried over to it from answers like it, in words.
    """

    found: Marked
    output: Output | None
    reasons: Sequence[Reason]
    review: Review | None
    tags: Sequence[str]
    carried: str = ""


@dataclass(frozen=True, kw_only=True)
class Named:
    """What has an id of the sender's."""

    output: Output | None
    session: Session | None


def named(*, project: Project, identifier: str) -> Named:
    """The output and the session of the project that have this very id, which no text holds."""
    return Named(
        output=Output.objects.filter(project=project, external_id=identifier).first(),
        session=Session.objects.filter(project=project, external_id=identifier).first(),
    )


def findings(*, marked: Sequence[Marked]) -> list[Finding]:
    """A finding for each result, in order: four queries for any number."""
    targets = [one.hit.target for one in marked]
    outputs = [target.pk for target in targets if isinstance(target, Output)]
    reasons: dict[int, dict[int, Reason]] = defaultdict(dict)
    for given in (
        FeedbackReason.objects.filter(feedback__output__in=outputs)
        .select_related("reason", "feedback")
        .only(
            "reason__slug",
            "reason__name",
            "reason__position",
            "reason__definition",
            "feedback__output",
        )
        .order_by("reason__position", "reason")
    ):
        reasons[given.feedback.output_id or 0].setdefault(given.reason_id, given.reason)
    decisions = Review.objects.authoritative().revealed().filter(output__in=outputs)
    review = {one.output_id: one for one in decisions.only("output", "verdict", "severity")}
    provisional = Provisional.objects.revealed().filter(output__in=outputs)
    carried = {
        one.output_id: one.get_verdict_display() for one in provisional.only("output", "verdict")
    }
    tags: dict[int, list[str]] = defaultdict(list)
    sessions = [target.session_id for target in targets]
    for session, name in (
        SessionTag.objects.filter(session__in=sessions)
        .order_by("tag__name")
        .values_list("session", "tag__name")
    ):
        tags[session].append(name)
    return [
        Finding(
            found=one,
            output=target if isinstance(target, Output) else target.output,
            reasons=(
                list(reasons[target.pk].values())
                if isinstance(target, Output)
                else list(target.reasons.all())
            ),
            review=review.get(target.pk) if isinstance(target, Output) else None,
            tags=tags[target.session_id],
            carried=carried.get(target.pk, "") if isinstance(target, Output) else "",
        )
        for one, target in zip(marked, targets, strict=True)
    ]
