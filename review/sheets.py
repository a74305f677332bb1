"""An answer with everything people said about its words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from django.db.models import Exists, OuterRef, Q, Subquery
from django.utils.safestring import SafeString

from feedback.models import Feedback, Output, Reason, User
from review.anchoring import Mark
from review.edits import first_come, fold, is_in_conflict
from review.models import Annotation, Comment, Event, Evidence, QueueItem
from review.places import places_of, places_of_feedback
from review.reanchoring import Place
from review.rendering import Rendered, render
from review.widening import difference
from review.word_diff import Piece, word_diff

# Cards beside one answer; the newest are shown.
MOST_CARDS = 200
# Code points of the marked words in a card's name.
SHORT_QUOTE = 60
# Of a note on the whole answer.
_WHOLE = Place("exact", None, None, 1.0)


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


def sheet(*, output: Output, to: User) -> Sheet:
    """Render an output's answer and place what the person may see of what was said on it.

    What was said on later versions than the output's is left out.

    A fixed number of queries, however much was said.
    """
    # Read first: what happens meanwhile is then told again, and not lost.
    events = Event.objects.filter(output=OuterRef("pk")).order_by("-id").values("id")[:1]
    blind = QueueItem.objects.blind_to(to).filter(output=OuterRef("pk"))
    rests = Evidence.objects.filter(annotation__output=OuterRef("pk"))
    [(event, is_blind, has_evidence)] = Output.objects.filter(pk=output.pk).values_list(
        Subquery(events), Exists(blind), Exists(rests)
    )
    rendered = render(output.text)
    said = list(
        Feedback.objects.explicit()
        .filter(Q(output_version=None) | Q(output_version__lte=output.version), output=output)
        .prefetch_related("reasons")
        .order_by("-id")[: MOST_CARDS + 1]
    )
    written = _annotations(output, by=to if is_blind else None, with_evidence=has_evidence)
    _name(written)
    left_out = (len(said) > MOST_CARDS) + (len(written) > MOST_CARDS)
    said, written = said[:MOST_CARDS], written[:MOST_CARDS]
    spans = places_of_feedback(output, said, rendered)
    places = places_of(output, written, rendered)
    cards = [
        *(_of_feedback(one, spans.get(one.pk), rendered) for one in said),
        *(_of_annotation(one, places[one.pk], rendered) for one in written),
    ]
    _compare_suggestions(output, cards)
    return Sheet(
        output=output,
        version=output.version,
        rendered=rendered,
        cards=_in_order(cards),
        stamp=Stamp(
            version=output.version,
            event=event or 0,
            feedback=max((one.pk for one in said), default=0),
            is_blind=is_blind,
        ),
        num_left_out=left_out,
    )


def _annotations(output: Output, *, by: User | None, with_evidence: bool) -> list[Annotation]:
    """The newest annotations with their replies and evidence; of one person only, if given.

    Whether others' are hidden is the same for all of an output, and so is asked only once.
    """
    found = Annotation.objects.filter(output=output, output_version__lte=output.version)
    replies = Comment.objects.filter(annotation__output=output)
    evidence = Evidence.objects.filter(annotation__output=output)
    if by:
        found, replies = found.filter(author=by), replies.filter(author=by)
        evidence = evidence.filter(added_by=by)
    newest = list(found.order_by("-id")[: MOST_CARDS + 1])
    replied: dict[int, list[Comment]] = defaultdict(list)
    rests: dict[int, list[Evidence]] = defaultdict(list)
    for reply in replies.order_by("created_at", "id"):
        replied[reply.annotation_id].append(reply)
    for one in evidence.order_by("id") if with_evidence else ():
        rests[one.annotation_id].append(one)
    for note in newest:
        note.seen_replies = replied[note.pk]  # type: ignore[attr-defined]
        note.seen_evidence = rests[note.pk]  # type: ignore[attr-defined]
    return newest


def _name(annotations: Sequence[Annotation]) -> None:
    """Fetch the people and reasons of annotations and replies: each once, as there are few."""
    replies: list[Comment] = [
        reply
        for one in annotations
        for reply in one.seen_replies  # type: ignore[attr-defined]
    ]
    people = User.objects.in_bulk(
        {one.author_id for one in annotations}
        | {one.author_id for one in replies}
        | {one.resolved_by_id for one in annotations if one.resolved_by_id}
        | {one.decided_by_id for one in annotations if one.decided_by_id}
    )
    reasons = Reason.objects.in_bulk({one.reason_id for one in annotations if one.reason_id})
    for note in annotations:
        note.author = people[note.author_id]
        note.reason = reasons.get(note.reason_id or 0)
        note.resolved_by = people.get(note.resolved_by_id or 0)
        note.decided_by = people.get(note.decided_by_id or 0)
    for reply in replies:
        reply.author = people[reply.author_id]


def _compare_suggestions(output: Output, cards: Iterable[Card]) -> None:
    """Tell what each suggestion replaces, and what is in its way."""
    noted = [(card, card.annotation) for card in cards if card.annotation]
    proposing = [(card, note) for card, note in noted if note.is_suggestion]
    current = [note for _, note in proposing if note.output_version == output.version]
    accepted = [note for note in current if note.decision == Annotation.Decision.ACCEPTED]
    for card, note in proposing:
        edit = note.edit
        if note.output_version != output.version:
            card.replaced = note.exact
            continue
        card.replaced = fold(output.text[edit.start : edit.end])
        if not note.decision:
            others = (other for other in accepted if is_in_conflict(edit, other.edit))
            card.in_the_way = [other.pk for other in others]


def _in_order(cards: Iterable[Card]) -> list[Card]:
    """By place, then notes on the whole answer, then what has lost its place; oldest first."""

    def order(card: Card) -> tuple[bool, bool, int, datetime, str]:
        return card.is_lost, card.start is None, card.start or 0, card.at, card.id

    ordered = sorted(cards, key=order)
    for number, card in enumerate(ordered, start=1):
        card.number = number
    return ordered


def _of_feedback(feedback: Feedback, placed: tuple[Place, str] | None, rendered: Rendered) -> Card:
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
        found=_found(place, rendered),
    )


def _of_annotation(annotation: Annotation, place: Place, rendered: Rendered) -> Card:
    return Card(
        id=f"a{annotation.pk}",
        at=annotation.created_at,
        reasons=[annotation.reason] if annotation.reason else [],
        annotation=annotation,
        replies=annotation.seen_replies,  # type: ignore[attr-defined]
        evidence=annotation.seen_evidence,  # type: ignore[attr-defined]
        version=annotation.output_version,
        quote=annotation.exact,
        start=place.start,
        end=place.end,
        anchor=place.state,
        found=_found(place, rendered),
        is_confirmed=place.is_confirmed,
    )


def _found(place: Place, rendered: Rendered) -> str:
    if place.state == "exact" or place.start is None:
        return ""
    return rendered.canonical[place.start : place.end]
