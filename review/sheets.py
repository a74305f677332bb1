"""An answer with everything people said about its words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.utils.safestring import SafeString

from feedback.models import Feedback, Output, Reason
from review.anchoring import AnchorError, Mark, Selector, verify
from review.models import Annotation
from review.rendering import RENDERER_VERSION, Rendered, render

# Cards beside one answer; the newest are shown.
MOST_CARDS = 200


@dataclass(frozen=True, kw_only=True)
class Card:
    """A note beside an answer: an annotation, or explicit feedback.

    `start` and `end` are its place in the canonical text, None for a note on the whole answer,
    and for one whose words are not there any more; then `lost` says why.
    """

    id: str
    at: datetime
    reasons: Sequence[Reason]
    start: int | None = None
    end: int | None = None
    quote: str = ""
    lost: str = ""
    annotation: Annotation | None = None
    feedback: Feedback | None = None

    @property
    def category(self) -> int:
        """The position of the first reason, 0 for none."""
        return self.reasons[0].position if self.reasons else 0

    @property
    def comment(self) -> str:
        """What its author wrote."""
        if self.annotation:
            return self.annotation.comment
        return self.feedback.comment if self.feedback else ""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """The current version of an answer, rendered, with its cards in the order of the text."""

    output: Output
    rendered: Rendered
    cards: Sequence[Card]
    num_left_out: int = 0

    @cached_property
    def html(self) -> SafeString:
        """The sanitised HTML with the marks of the cards."""
        return SafeString(
            self.rendered.painted(
                Mark(card.id, card.start, card.end, card.category)
                for card in self.cards
                if card.start is not None and card.end is not None
            )
        )

    @property
    def num_words(self) -> int:
        """Words of the answer, as white space tells them apart."""
        return len(self.rendered.canonical.split())


def sheet(*, output: Output) -> Sheet:
    """Render an output's answer and place what was said on it. Four queries."""
    rendered = render(output.text)
    feedback = (
        Feedback.objects.explicit()
        .filter(output=output)
        .prefetch_related("reasons")
        .order_by("-id")
    )
    annotations = (
        Annotation.objects.filter(output=output).select_related("author", "reason").order_by("-id")
    )
    said = list(feedback[: MOST_CARDS + 1])
    written = list(annotations[: MOST_CARDS + 1])
    cards = [
        *(_of_feedback(one, output, rendered) for one in said[:MOST_CARDS]),
        *(_of_annotation(one, output, rendered) for one in written[:MOST_CARDS]),
    ]
    left_out = (len(said) > MOST_CARDS) + (len(written) > MOST_CARDS)
    return Sheet(output=output, rendered=rendered, cards=_in_order(cards), num_left_out=left_out)


def _in_order(cards: Iterable[Card]) -> list[Card]:
    """By place, then notes on the whole answer, then what has lost its place; oldest first."""

    def order(card: Card) -> tuple[bool, bool, int, datetime]:
        return bool(card.lost), card.start is None, card.start or 0, card.at

    return sorted(cards, key=order)


def _of_feedback(feedback: Feedback, output: Output, rendered: Rendered) -> Card:
    reasons = sorted(feedback.reasons.all(), key=lambda reason: reason.position)
    place: tuple[int, int] | None = None
    lost = ""
    if feedback.span_start is not None and feedback.span_end is not None:
        if feedback.output_version == output.version:
            place = rendered.source_to_canonical(feedback.span_start, feedback.span_end)
            lost = "" if place else "On no words."
        else:
            lost = f"On version {feedback.output_version} of the answer."
    return Card(
        id=f"f{feedback.pk}",
        at=feedback.at,
        reasons=reasons,
        feedback=feedback,
        lost=lost,
        start=place[0] if place else None,
        end=place[1] if place else None,
        quote=rendered.canonical[slice(*place)] if place else "",
    )


def _of_annotation(annotation: Annotation, output: Output, rendered: Rendered) -> Card:
    reasons = [annotation.reason] if annotation.reason else []
    lost = ""
    if annotation.output_version != output.version:
        lost = f"On version {annotation.output_version} of the answer."
    elif annotation.renderer_version != RENDERER_VERSION:
        lost = "Made when answers were shown in another way."
    else:
        selector = Selector(
            start=annotation.start,
            end=annotation.end,
            exact=annotation.exact,
            prefix=annotation.prefix,
            suffix=annotation.suffix,
        )
        try:
            verify(rendered.canonical, selector)
        except AnchorError:
            lost = "These words are not in the answer any more."
    return Card(
        id=f"a{annotation.pk}",
        at=annotation.created_at,
        reasons=reasons,
        annotation=annotation,
        quote=annotation.exact,
        lost=lost,
        start=None if lost else annotation.start,
        end=None if lost else annotation.end,
    )
