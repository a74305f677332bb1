"""An answer with everything people said about its words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.utils.safestring import SafeString

from feedback.models import Feedback, Output, Reason
from review.anchoring import Mark
from review.models import Annotation
from review.places import places_of, places_of_feedback
from review.reanchoring import Place
from review.rendering import Rendered, render

# Cards beside one answer; the newest are shown.
MOST_CARDS = 200
# Of a note on the whole answer.
_WHOLE = Place("exact", None, None, 1.0)


@dataclass(frozen=True, kw_only=True)
class Card:
    """A note beside an answer: an annotation, or explicit feedback.

    `start` and `end` are its place in the canonical text, None for a note on the whole answer,
    and for one whose words are not there any more. `quote` has the words that were marked;
    `anchor` is what became of them in the current version: exact, changed, moved or detached.
    Others than exact ones are only a guess until they are confirmed.
    """

    id: str
    at: datetime
    reasons: Sequence[Reason]
    start: int | None = None
    end: int | None = None
    quote: str = ""
    anchor: str = "exact"
    is_confirmed: bool = False
    version: int | None = None
    annotation: Annotation | None = None
    feedback: Feedback | None = None

    @property
    def category(self) -> int:
        """The position of the first reason, 0 for none."""
        return self.reasons[0].position if self.reasons else 0

    @property
    def is_lost(self) -> bool:
        """Whether its words are nowhere in the current version."""
        return self.anchor == "detached"

    @property
    def is_guess(self) -> bool:
        """Whether a person has yet to say that these are the words."""
        return self.anchor != "exact" and not self.is_confirmed

    @property
    def is_painted(self) -> bool:
        """Whether its words are marked in the text; moved ones are once they are confirmed."""
        return self.start is not None and not (self.anchor == "moved" and self.is_guess)

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
                if card.is_painted and card.start is not None and card.end is not None
            )
        )

    @property
    def num_words(self) -> int:
        """Words of the answer, as white space tells them apart."""
        return len(self.rendered.canonical.split())


def sheet(*, output: Output) -> Sheet:
    """Render an output's answer and place what was said on it. Five queries."""
    rendered = render(output.text)
    feedback = (
        Feedback.objects.explicit()
        .filter(output=output)
        .prefetch_related("reasons")
        .order_by("-id")
    )
    annotations = (
        Annotation.objects.filter(output=output)
        .select_related("author", "reason")
        .prefetch_related("evidence")
        .order_by("-id")
    )
    said = list(feedback[: MOST_CARDS + 1])
    written = list(annotations[: MOST_CARDS + 1])
    left_out = (len(said) > MOST_CARDS) + (len(written) > MOST_CARDS)
    said, written = said[:MOST_CARDS], written[:MOST_CARDS]
    spans = places_of_feedback(output, said, rendered)
    places = places_of(output, written, rendered)
    cards = [
        *(_of_feedback(one, spans.get(one.pk)) for one in said),
        *(_of_annotation(one, places[one.pk]) for one in written),
    ]
    return Sheet(output=output, rendered=rendered, cards=_in_order(cards), num_left_out=left_out)


def _in_order(cards: Iterable[Card]) -> list[Card]:
    """By place, then notes on the whole answer, then what has lost its place; oldest first."""

    def order(card: Card) -> tuple[bool, bool, int, datetime]:
        return card.is_lost, card.start is None, card.start or 0, card.at

    return sorted(cards, key=order)


def _of_feedback(feedback: Feedback, placed: tuple[Place, str] | None) -> Card:
    place, words = placed or (_WHOLE, "")
    return Card(
        id=f"f{feedback.pk}",
        at=feedback.at,
        reasons=sorted(feedback.reasons.all(), key=lambda reason: reason.position),
        feedback=feedback,
        version=feedback.output_version,
        quote=words,
        start=place.start,
        end=place.end,
        anchor=place.state,
    )


def _of_annotation(annotation: Annotation, place: Place) -> Card:
    return Card(
        id=f"a{annotation.pk}",
        at=annotation.created_at,
        reasons=[annotation.reason] if annotation.reason else [],
        annotation=annotation,
        version=annotation.output_version,
        quote=annotation.exact,
        start=place.start,
        end=place.end,
        anchor=place.state,
        is_confirmed=place.is_confirmed,
    )
