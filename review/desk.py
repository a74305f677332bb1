"""All that a reviewer needs to decide on one item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from feedback.models import Output, Reason, User
from review.models import Claim, QueueItem, Review
from review.sheets import Sheet, sheet
from review.trail import Trail, trail


class Standing(StrEnum):
    """What an item is to one reviewer."""

    MINE = "mine"
    FREE = "free"
    HELD = "held"
    REVIEWED = "reviewed"
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Who holds an item; `claim` is the reviewer's own, or the other's that ends first."""

    standing: Standing
    claim: Claim | None = None


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One item with its hold, session, answer, reviews, and the reasons to choose from."""

    item: QueueItem
    hold: Hold
    trail: Trail
    sheet: Sheet
    reviews: Sequence[Review]
    reasons: Sequence[Reason]
    num_open: int


def open_desk(*, item: QueueItem, by: User, now: datetime) -> Desk:
    """Gather an item's desk: a fixed number of queries, however much was said on it."""
    output = item.output
    return Desk(
        item=item,
        hold=hold(item=item, by=by, now=now),
        trail=trail(output=output),
        sheet=sheet(output=output, to=by),
        reviews=visible_reviews(output=output, to=by),
        reasons=reasons(output=output),
        num_open=item.queue.items.open().count(),
    )


def hold(*, item: QueueItem, by: User, now: datetime) -> Hold:
    """Say who holds the item, as its reviewer sees it."""
    places = list(Claim.objects.filter(item=item).select_related("reviewer").order_by("place"))
    open_places = [place for place in places if place.finished_at is None]
    if any(place.finished_at and place.reviewer_id == by.pk for place in places):
        return Hold(standing=Standing.REVIEWED)
    if not open_places:
        return Hold(standing=Standing.DONE)
    running = [place for place in open_places if place.lease_until and place.lease_until > now]
    mine = next((place for place in running if place.reviewer_id == by.pk), None)
    if mine:
        return Hold(standing=Standing.MINE, claim=mine)
    if len(running) < len(open_places):
        return Hold(standing=Standing.FREE)
    return Hold(
        standing=Standing.HELD, claim=min(running, key=lambda place: place.lease_until or now)
    )


def reasons(*, output: Output) -> list[Reason]:
    """The reasons of the project's current taxonomy, in the order of their digits."""
    return list(Reason.objects.current().filter(taxonomy__project=output.project_id))


def visible_reviews(*, output: Output, to: User) -> list[Review]:
    """The output's reviews, newest first.

    While several reviewers are to judge it independently, each sees only their own.
    """
    found = Review.objects.filter(output=output).seen_by(to).select_related("reviewer")
    return list(found.prefetch_related("reasons").order_by("-created_at", "-id"))
