"""A session turn by turn, with what its user did and said at each answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q

from feedback.models import Feedback, Output, Session

# Turns shown around the one under review.
BEFORE, AFTER = 100, 50


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One question and answer; `signals` were seen, `said` is explicit feedback."""

    output: Output
    signals: Sequence[Feedback]
    said: Sequence[Feedback]

    @property
    def ratings(self) -> list[str]:
        """The explicit scores, as "up" and "down"."""
        return [
            "up" if one.score > 0 else "down"
            for one in self.said
            if one.score is not None and one.score != 0
        ]

    @property
    def num_said(self) -> int:
        """How many said more than a score."""
        return sum(1 for one in self.said if one.comment or one.correction or one.label)


@dataclass(frozen=True, kw_only=True)
class Trail:
    """The turns around one output; `has_earlier` and `has_later` when some are left out."""

    session: Session
    turns: Sequence[Turn]
    tags: Sequence[str]
    on_session: Sequence[Feedback]
    has_earlier: bool = False
    has_later: bool = False


def trail(*, output: Output) -> Trail:
    """The session of an output: at most BEFORE turns before it and AFTER after. Five queries."""
    session = output.session
    outputs = Output.objects.filter(session=session).exclude(pk=output.pk)
    earlier = Q(at__lt=output.at) | Q(at=output.at, pk__lt=output.pk)
    before = list(outputs.filter(earlier).order_by("-at", "-id")[: BEFORE + 1])
    after = list(outputs.exclude(earlier).order_by("at", "id")[: AFTER + 1])
    shown = [*reversed(before[:BEFORE]), output, *after[:AFTER]]
    return Trail(
        session=session,
        turns=turns(outputs=shown),
        tags=tag_names(session=session),
        on_session=list(Feedback.objects.filter(session=session, output=None).order_by("at", "id")),
        has_earlier=len(before) > BEFORE,
        has_later=len(after) > AFTER,
    )


def turns(*, outputs: Iterable[Output]) -> list[Turn]:
    """A turn for each output, in order. One query."""
    found = list(outputs)
    signals: dict[int, list[Feedback]] = defaultdict(list)
    said: dict[int, list[Feedback]] = defaultdict(list)
    for one in Feedback.objects.filter(output__in=found).order_by("at", "id"):
        (signals if one.is_implicit else said)[one.output_id or 0].append(one)
    return [
        Turn(output=output, signals=signals[output.pk], said=said[output.pk]) for output in found
    ]


def tag_names(*, session: Session) -> list[str]:
    """The session's tags, by name."""
    return list(session.tags.order_by("name").values_list("name", flat=True))
