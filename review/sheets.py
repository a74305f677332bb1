"""An answer with everything people said about its words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from django.utils.safestring import SafeString

from feedback.models import Feedback, Output, Reason
from review.anchoring import Mark
from review.edits import first_come, is_in_conflict
from review.models import Annotation, Comment, Evidence
from review.rendering import Rendered
from review.widening import difference
from review.word_diff import Piece, word_diff

# Cards beside one answer; the newest are shown.
MOST_CARDS = 200
# Code points of the marked words in a card's name.
SHORT_QUOTE = 60


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """What a page knows of an output: its version, the last event and feedback on it.

    `is_blind` is whether others' comments were kept from it.
    """

    version: int
    event: int
    feedback: int
    is_blind: bool = False

    def __str__(self) -> str:
        return f"{self.version}-{self.event}-{self.feedback}-{int(self.is_blind)}"

    @classmethod
    def read(cls, text: str) -> Stamp | None:
        """The stamp that a page sent back; None for what is none."""
        parts = text.split("-")
        if len(parts) != 4 or not all(
            part.isascii() and part.isdecimal() and len(part) < 19 for part in parts
        ):
            return None
        version, event, feedback, blind = map(int, parts)
        return cls(version=version, event=event, feedback=feedback, is_blind=bool(blind))


@dataclass(kw_only=True)
class Card:
    """A note beside an answer: an annotation with its replies, or explicit feedback.

    `start` and `end` are its place in the canonical text, None for a note on the whole answer,
    and for one whose words are not there any more. `quote` has the words that were marked;
    `anchor` is what became of them in the current version: exact, changed, moved or detached.
    Others than exact ones are only a guess until they are confirmed; `found` has the words that
    are there now. `number` counts the cards from 1 in the order of the text. Of a suggestion
    `replaced` is the Markdown that it replaces, and `in_the_way` the accepted ones (ids of
    annotations) that it is in conflict with.
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
    found: str = ""
    annotation: Annotation | None = None
    feedback: Feedback | None = None
    replies: Sequence[Comment] = ()
    evidence: Sequence[Evidence] = ()
    number: int = 0
    replaced: str = ""
    in_the_way: Sequence[int] = ()

    @property
    def category(self) -> int:
        """The position of the first reason, 0 for none."""
        return self.reasons[0].position if self.reasons else 0

    @property
    def change(self) -> Sequence[Piece]:
        """What a suggestion does to the Markdown; compared when a card is drawn, and only then."""
        note = self.annotation
        return [] if note is None else word_diff(self.replaced, note.replacement or "")

    @property
    def short_quote(self) -> str:
        """As much of the marked words as a card shows."""
        return self.quote if len(self.quote) <= 160 else f"{self.quote[:159]}…"

    @property
    def state(self) -> str:
        """One of open, resolved and deleted."""
        if self.annotation and self.annotation.deleted_at:
            return "deleted"
        return "resolved" if self.annotation and self.annotation.resolved_at else "open"

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
    def author(self) -> str:
        """Who said it."""
        if self.annotation:
            return self.annotation.author.get_username()
        if self.feedback is None:
            return ""
        return self.feedback.author_external_id or self.feedback.get_annotator_kind_display()

    @property
    def name(self) -> str:
        """What it is called when it is read out, after its number."""
        short = self.quote if len(self.quote) <= SHORT_QUOTE else f"{self.quote[:SHORT_QUOTE]}…"
        parts = [
            *(reason.name for reason in self.reasons),
            "suggestion" if self.annotation and self.annotation.is_suggestion else "",
            self.state,
            f"by {self.author}",
            f"on “{' '.join(short.split())}”" if short else "on the whole answer",
        ]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A version of an answer, rendered, with its cards in the order of the text."""

    output: Output
    version: int
    rendered: Rendered
    cards: Sequence[Card]
    stamp: Stamp
    num_left_out: int = 0
    # Another one for any other rows; empty for a sheet that is not of the database.
    digest: str = ""

    @cached_property
    def html(self) -> SafeString:
        """The sanitised HTML with the marks of the cards."""
        return SafeString(self.rendered.painted(self.marks))

    @property
    def marks(self) -> list[Mark]:
        """What is painted over the words of the cards."""
        return list(self._marks.values())

    @cached_property
    def _marks(self) -> dict[str, Mark]:
        found = {}
        for card in self.cards:
            if card.is_painted and card.start is not None and card.end is not None:
                mark = Mark(card.id, card.start, card.end, card.category, card.state == "resolved")
                found[card.id] = self._proposing(card, mark)
        return found

    def _proposing(self, card: Card, mark: Mark) -> Mark:
        """The mark with what a suggestion on this version takes out and puts in."""
        note = card.annotation
        if note is None or not note.is_suggestion or note.output_version != self.version:
            return mark
        if note.decision == Annotation.Decision.REJECTED:
            return mark
        found = difference(self.output.text, self.rendered, note.edit)
        return replace(
            mark,
            start=min(mark.start, found.start),
            end=max(mark.end, found.end),
            cut=(found.start, found.end),
            insertion=found.insertion,
        )

    def mark_of(self, card: Card) -> Mark | None:
        """What is painted for a card, if anything is."""
        return self._marks.get(card.id)

    @cached_property
    def num_cards(self) -> int:
        """Cards beside it."""
        return len(self.cards)

    @property
    def authors(self) -> list[str]:
        """Who said something, by name."""
        return sorted({card.author for card in self.cards})

    @property
    def num_words(self) -> int:
        """Words of the answer, as white space tells them apart."""
        return len(self.rendered.canonical.split())

    @cached_property
    def suggestions(self) -> list[Annotation]:
        """The suggestions on this version."""
        return [
            card.annotation
            for card in self.cards
            if card.annotation
            and card.annotation.is_suggestion
            and card.annotation.output_version == self.version
        ]

    @property
    def num_applied(self) -> int:
        """Suggestions on this version that the corrected answer has."""
        accepted = [one for one in self.suggestions if one.decision == Annotation.Decision.ACCEPTED]
        accepted.sort(key=lambda one: (one.decided_at, one.pk))
        return len(first_come(one.edit for one in accepted))

    def rivals(self, ids: Iterable[str]) -> set[str]:
        """The cards of suggestions that want the place of one of these cards."""
        wanted = set(ids)
        edits = [one.edit for one in self.suggestions if f"a{one.pk}" in wanted]
        return {
            f"a{one.pk}"
            for one in self.suggestions
            if any(is_in_conflict(one.edit, edit) for edit in edits)
        }

    @property
    def num_open(self) -> int:
        """Cards of what is neither settled nor removed."""
        return sum(card.state == "open" for card in self.cards)

    @property
    def num_resolved(self) -> int:
        """Cards of settled threads."""
        return sum(card.state == "resolved" for card in self.cards)

    @property
    def num_detached(self) -> int:
        """Cards whose words are not found in this version."""
        return sum(card.is_lost for card in self.cards)
