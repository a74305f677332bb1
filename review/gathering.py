"""Gathers what people said on an answer; again only when something of it changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from django.db.models import Exists, OuterRef, Q, Subquery

from feedback.models import Feedback, Output, Reason, User
from review.edits import fold, is_in_conflict
from review.models import Annotation, Comment, Event, Evidence, QueueItem
from review.models.ranks import of_peers
from review.places import places_of, places_of_feedback
from review.reanchoring import Place
from review.rendering import Rendered, render
from review.row_versions import row_versions
from review.sheets import MOST_CARDS, Card, Sheet, Stamp

# Of a note on the whole answer.
_WHOLE = Place("exact", None, None, 1.0)
# Answers that a process keeps as they were gathered: one or two megabytes each at the most.
MOST_KEPT = 32


def sheet(*, output: Output, to: User) -> Sheet:
    """Render an output's answer and place what the person may see of what was said on it.

    What was said on later versions than the output's is left out. Nobody may change what comes
    back, since the next one who asks gets the same while no row of it has changed.

    A fixed number of queries, however much was said; two while nothing has changed.
    """
    # Read first: what happens meanwhile is then told again, and not lost.
    events = Event.objects.filter(output=OuterRef("pk")).order_by("-id").values("id")[:1]
    blind = QueueItem.objects.blind_to(to).filter(output=OuterRef("pk"))
    beside = QueueItem.objects.blind_to(to).filter(output__session=OuterRef("session"))
    [(event, is_blind, is_beside_blind)] = Output.objects.filter(pk=output.pk).values_list(
        Subquery(events), Exists(blind), Exists(beside)
    )
    return _gathered(
        _Wanted(
            rows=row_versions(output),
            output=output.pk,
            version=output.version,
            event=event or 0,
            only=to.pk if is_blind else None,
            unaware=to.pk if is_beside_blind else None,
            answer=output,
        )
    )


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What is gathered: `only` that of one person, the answer as of a version, as the rows are.

    `unaware` is who may not know how others ranked it.
    """

    rows: str
    output: int
    version: int
    event: int
    only: int | None
    unaware: int | None
    answer: Output = field(compare=False)


@lru_cache(maxsize=MOST_KEPT)
def _gathered(wanted: _Wanted) -> Sheet:
    output = wanted.answer
    rendered = render(output.text)
    about = Feedback.objects.explicit().filter(
        Q(output_version=None) | Q(output_version__lte=output.version), output=output
    )
    if wanted.unaware:
        about = about.exclude(of_peers(wanted.unaware))
    said = list(about.prefetch_related("reasons").order_by("-id")[: MOST_CARDS + 1])
    written = _annotations(output, only=wanted.only)
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
            event=wanted.event,
            feedback=max((one.pk for one in said), default=0),
            is_blind=wanted.only is not None,
        ),
        num_left_out=left_out,
        digest=wanted.rows,
    )


def _annotations(output: Output, *, only: int | None) -> list[Annotation]:
    """The newest annotations with their replies and evidence; of one person only, if given.

    Whether others' are hidden is the same for all of an output, and so is asked only once.
    """
    found = Annotation.objects.filter(output=output, output_version__lte=output.version)
    replies = Comment.objects.filter(annotation__output=output)
    evidence = Evidence.objects.filter(annotation__output=output)
    if only:
        found, replies = found.filter(author=only), replies.filter(author=only)
        evidence = evidence.filter(added_by=only)
    newest = list(found.order_by("-id")[: MOST_CARDS + 1])
    replied: dict[int, list[Comment]] = defaultdict(list)
    rests: dict[int, list[Evidence]] = defaultdict(list)
    for reply in replies.order_by("created_at", "id"):
        replied[reply.annotation_id].append(reply)
    for one in evidence.order_by("id"):
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
