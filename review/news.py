"""What happened on an answer since a page was drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.safestring import SafeString

from feedback.models import Output, User
from review.gathering import sheet
from review.models import Event
from review.sheets import Card, Sheet, Stamp


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What happened on a sheet: blocks, cards with where to put them, ids of cards that went.

    Blocks are the painted insides of leaf blocks by their start. The place of a card is empty
    when it replaces itself, else htmx's words for putting it in. With `is_all` nothing is told
    apart: the whole sheet has to be shown anew. With `is_outdated` the page shows another
    version of the answer.
    """

    sheet: Sheet
    is_all: bool = False
    blocks: Mapping[int, SafeString] = field(default_factory=dict)
    cards: Sequence[tuple[Card, str]] = ()
    gone: Sequence[str] = ()
    is_outdated: bool = False

    def __bool__(self) -> bool:
        return bool(self.blocks or self.cards or self.gone or self.is_all or self.is_outdated)


def changes(*, output: Output, to: User, since: Stamp, also: Iterable[str] = ()) -> Changes:
    """Tell what a page that knows an output up to a stamp has to change; empty when nothing.

    `also` names cards to bring in any case. On another version of the answer than the page's
    only that is told, and these cards.
    """
    shown = sheet(output=output, to=to)
    wanted = set(also)
    if since.version != output.version:
        # What was said of the new version is not on the page, and has no place there.
        found = [
            (card, "")
            for card in shown.cards
            if card.id in wanted and card.version != output.version
        ]
        return Changes(sheet=shown, cards=found, is_outdated=True)
    if since.is_blind != shown.stamp.is_blind:
        return Changes(sheet=shown, is_all=True)
    happened = _happened(output, to, since, is_blind=shown.stamp.is_blind)
    fresh = {card.id for card in shown.cards if card.feedback and card.feedback.pk > since.feedback}
    wanted |= shown.rivals(happened.touched)
    cards: list[tuple[Card, str]] = []
    spans = list(happened.left)
    previous = ""
    for card in shown.cards:
        if card.id in happened.touched | fresh | wanted:
            put = f"afterend:#{previous}" if previous else "afterbegin:#margin"
            cards.append((card, put if card.id in happened.new | fresh else ""))
            if mark := shown.mark_of(card):
                spans.append((mark.start, mark.end))
        previous = card.id
    return Changes(
        sheet=shown,
        blocks={
            at: SafeString(html)
            for at, html in shown.rendered.painted_blocks(shown.marks, spans).items()
        },
        cards=cards,
        gone=sorted(happened.gone - {card.id for card in shown.cards}),
    )


@dataclass(frozen=True, kw_only=True)
class _Happened:
    """Ids of cards that were touched, of those that are new, of those that went; places left."""

    touched: set[str]
    new: set[str]
    gone: set[str]
    left: list[tuple[int, int]]


def _happened(output: Output, to: User, since: Stamp, *, is_blind: bool) -> _Happened:
    found = _Happened(touched=set(), new=set(), gone=set(), left=[])
    events = Event.objects.filter(
        output=output, id__gt=since.event, target_type="annotation"
    ).order_by("id")
    for verb, target, data in events.values_list("verb", "target_id", "data"):
        card = f"a{target}"
        found.touched.add(card)
        if verb == "annotated":
            found.new.add(card)
        if "author" in data and is_blind and data["author"] != to.pk:
            continue
        if "start" in data:
            found.left.append((data["start"], data["end"]))
        if verb == "removed" and card not in found.new:
            found.gone.add(card)
    return found
