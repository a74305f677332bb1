"""What the pattern page shows: an answer, its marks and its cards, none of them stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.safestring import SafeString

from feedback.models import Feedback, Output, Project, Reason, Session, User
from feedback.taxonomy import DEFAULT_REASONS
from review.anchoring import Mark
from review.desk import Hold, Standing
from review.models import Annotation, Claim, Comment, Evidence, Queue, QueueItem, Review
from review.rendering import render
from review.sheets import Card, Sheet, Stamp

NOW = datetime(2026, 11, 24, 9, 29, tzinfo=UTC)
EARLIER = NOW.replace(hour=6)

ANSWER = """The museum opens at **ten** on weekdays and at noon on public holidays. \
Tickets are sold at the door until an hour before it closes, and members come in free of charge.

Ask for the audio guide: it is free for everybody under eighteen.
"""


def _reasons() -> list[Reason]:
    return [
        Reason(pk=position, slug=slug, name=name, definition=definition, position=position)
        for position, (slug, name, definition) in enumerate(DEFAULT_REASONS, start=1)
    ]


REASONS = _reasons()
ME = User(pk=1, username="mira", first_name="Mira", last_name="Okafor")
OTHER = User(pk=2, username="expert-2")
# No row has the id 0, so nothing real can come in.
PROJECT = Project(pk=0, slug="patterns", name="Almanac")
QUEUE = Queue(pk=0, project=PROJECT, slug="high-risk", name="High risk")
OUTPUT = Output(
    pk=0,
    project=PROJECT,
    session=Session(pk=0, project=PROJECT, external_id="7c41e9", started_at=NOW),
    external_id="output-1",
    query="When does the museum open?",
    text=ANSWER,
)
ITEM = QueueItem(pk=0, queue=QUEUE, output=OUTPUT, entered_at=NOW)


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """One thing to be shown, with the words for it."""

    caption: str
    html: str = ""
    card: Card | None = None
    context: dict[str, Any] | None = None


def marks() -> list[Specimen]:
    """The marks of an answer: how many overlap, and what became of them."""
    return [
        _marked("Two reasons on the same words", ("museum opens at ten", 1), ("at ten on", 6)),
        _marked(
            "Three", ("museum opens at ten", 1), ("opens at ten on", 6), ("at ten on weekdays", 3)
        ),
        _marked(
            "Four and more: the rest is counted",
            ("museum opens at ten", 1),
            ("opens at ten on", 6),
            ("at ten on weekdays", 3),
            ("at ten", 8),
            ("ten", 5),
        ),
        _marked("A comment without a reason", ("on weekdays", 0)),
        _marked("A suggestion: what goes, what comes", ("ten", 1), insertion="nine"),
        _marked("Resolved, when those are shown", ("at noon", 4), is_resolved=True),
        _marked("In use: its card is lit, too", ("at noon", 4), is_on=True),
    ]


def _marked(
    caption: str,
    *spans: tuple[str, int],
    insertion: str = "",
    is_resolved: bool = False,
    is_on: bool = False,
) -> Specimen:
    rendered = render(ANSWER.split(" Tickets", maxsplit=1)[0])
    painted = []
    for number, (words, category) in enumerate(spans, start=1):
        start = rendered.canonical.index(words)
        cut = (start, start + len(words)) if insertion else None
        painted.append(
            Mark(f"m{number}", start, start + len(words), category, is_resolved, cut, insertion)
        )
    html = rendered.painted(painted)
    if is_on:
        html = html.replace('class="hl', 'class="is-on hl')
    # The marks of a specimen lead to no card.
    html = html.replace(" aria-details=", " data-details=")
    return Specimen(caption=caption, html=SafeString(html))


def cards() -> list[Specimen]:
    """A card in every state."""
    plain: dict[str, Any] = {"comment": "Ten is the winter time. In June it opens at nine."}
    proposed: dict[str, Any] = {
        "replacement": "nine",
        "edit_start": 0,
        "edit_end": 3,
        "comment": "",
    }
    decided: dict[str, Any] = {"decided_by": ME, "decided_at": NOW}
    replies = [
        _reply(1, OTHER, "Says who?"),
        _reply(2, ME, "The timetable, row 4.", edited_at=NOW),
        _reply(3, OTHER, "", deleted_at=NOW),
    ]
    shown = [
        ("Open", _card(1, 1, **plain)),
        ("With replies: edited, removed", _card(2, 6, replies=replies, **plain)),
        ("Edited, and by you", _card(3, 4, author=ME, edited_at=NOW, **plain)),
        ("Resolved", _card(4, 8, resolved_by=ME, resolved_at=NOW, **plain)),
        ("Removed, but replied to", _card(5, 0, deleted_at=NOW, comment="", replies=replies[:1])),
        ("Words changed in the new version", _card(6, 3, anchor="changed", **plain)),
        ("Words moved: to be confirmed", _card(7, 5, anchor="moved", **plain)),
        ("Words gone", _card(8, 2, anchor="detached", start=None, end=None, **plain)),
        ("A suggestion, undecided", _card(9, 1, **proposed)),
        ("Accepted", _card(10, 1, decision="accepted", **decided, **proposed)),
        ("Rejected", _card(11, 1, decision="rejected", **decided, **proposed)),
        ("What a user of the product said", _said()),
    ]
    return [Specimen(caption=caption, card=card) for caption, card in shown]


def sheet() -> Sheet:
    """The answer with all its cards."""
    return Sheet(
        output=OUTPUT,
        version=1,
        rendered=render(ANSWER),
        cards=[one.card for one in cards() if one.card],
        stamp=Stamp(version=1, event=0, feedback=0),
    )


def _card(
    number: int,
    position: int,
    *,
    replies: list[Comment] | None = None,
    anchor: str = "exact",
    start: int | None = 20,
    end: int | None = 23,
    author: User = OTHER,
    **fields: Any,
) -> Card:
    note = Annotation(
        pk=number,
        project=PROJECT,
        output=OUTPUT,
        output_version=1,
        author=author,
        reason=REASONS[position - 1] if position else None,
        exact="ten",
        start=20,
        end=23,
        created_at=EARLIER,
        changed_at=NOW,
        **fields,
    )
    # As if fetched beforehand: the page asks the database for nothing.
    none = Evidence.objects.none()
    note._prefetched_objects_cache = {"evidence": none}  # type: ignore[attr-defined]  # noqa: SLF001
    return Card(
        id=f"a{number}",
        at=EARLIER,
        reasons=[note.reason] if note.reason else [],
        start=start,
        end=end,
        quote="ten",
        anchor=anchor,
        version=1,
        annotation=note,
        replies=replies or [],
        number=number,
        replaced="ten",
    )


def _reply(number: int, author: User, text: str, **fields: Any) -> Comment:
    at = EARLIER + timedelta(minutes=number)
    return Comment(pk=number, annotation_id=2, author=author, text=text, created_at=at, **fields)


def _said() -> Card:
    said = Feedback(
        pk=1,
        name="rating",
        score=-1,
        annotator_kind="HUMAN",
        author_external_id="u-1182",
        comment="It was closed when I came.",
        at=EARLIER,
    )
    return Card(id="f1", at=EARLIER, reasons=[], feedback=said, number=12)


def decisions() -> list[Specimen]:
    """The bar of the decision, by what the item is to its reviewer."""
    from review.views.deciding import CONFIDENCES, ROUTE_ICONS, SKIPS, Decision

    until = NOW + timedelta(minutes=12)
    claim = Claim(item=ITEM, reviewer=ME, fence=1, claimed_at=NOW, lease_until=until)
    theirs = Claim(item=ITEM, reviewer=OTHER, fence=1, claimed_at=NOW, lease_until=until)
    mine = Hold(standing=Standing.MINE, claim=claim)
    chosen = Decision(verdict="fix", severity="major", routes=["library"])
    shared: dict[str, Any] = {
        "item": ITEM,
        "confidences": CONFIDENCES,
        "severities": Review.Severity,
        "skips": SKIPS,
        "routes": [(one.value, one.label, ROUTE_ICONS[one]) for one in Review.Route],
        "seconds_left": 741,
        "typed": Decision(),
    }
    shown: list[tuple[str, dict[str, Any]]] = [
        ("Nobody has it", {"hold": Hold(standing=Standing.FREE)}),
        ("Somebody else has it", {"hold": Hold(standing=Standing.HELD, claim=theirs)}),
        ("Yours", {"hold": mine, "typed": chosen}),
        (
            "What cannot stand",
            {"hold": mine, "errors": {"reasons": "Give at least one reason for this verdict."}},
        ),
        ("Reviewed", {"hold": Hold(standing=Standing.REVIEWED)}),
    ]
    return [Specimen(caption=caption, context=shared | more) for caption, more in shown]
