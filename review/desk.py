"""All that a reviewer needs to decide on one item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Prefetch

from feedback.models import Output, Reason, User
from review.gathering import sheet
from review.models import AddedReason, Annotation, Claim, Draft, QueueItem, Review
from review.models.review import ReviewQuerySet
from review.queues import Around, around
from review.sheets import Sheet


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
    """One item with its hold, answer, reviews, and the reasons to choose from."""

    item: QueueItem
    hold: Hold
    sheet: Sheet
    reviews: Sequence[Review]
    reasons: Sequence[Reason]


def open_desk(*, item: QueueItem, by: User, now: datetime) -> Desk:
    """Gather an item's desk: a fixed number of queries, however much was said on it."""
    output = item.output
    shown = sheet(output=output, to=by)
    reviews = Review.objects.filter(output=output)
    return Desk(
        item=item,
        hold=hold(item=item, by=by, now=now),
        sheet=shown,
        reviews=_newest(reviews.filter(reviewer=by) if shown.stamp.is_blind else reviews),
        reasons=reasons(output=output),
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


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the form of a decision starts from, and where its item is in the queue.

    `draft` is the reviewer's own; `marked` are slugs of the reasons that they gave on words.
    """

    draft: Draft | None
    marked: Sequence[str]
    around: Around


def entry(*, item: QueueItem, by: User) -> Entry:
    """Gather what the reviewer has entered on the item. Four queries."""
    marked = (
        Annotation.objects.filter(output=item.output_id, author=by, deleted_at=None)
        .filter(reason__in=Reason.objects.current())
        .order_by("reason__position")
        .values_list("reason__slug", flat=True)
        .distinct()
    )
    return Entry(
        draft=Draft.objects.filter(item=item, reviewer=by).exclude(revision=0).first(),
        marked=list(marked),
        around=around(item=item),
    )


def reasons(*, output: Output) -> list[Reason]:
    """The reasons of the project's current taxonomy, in the order of their digits."""
    return list(Reason.objects.current().filter(taxonomy__project=output.project_id))


def visible_reviews(*, output: Output, to: User) -> list[Review]:
    """The output's reviews, newest first.

    While several reviewers are to judge it independently, each sees only their own.
    """
    return _newest(Review.objects.filter(output=output).seen_by(to))


def _newest(reviews: ReviewQuerySet) -> list[Review]:
    found = reviews.select_related("reviewer").prefetch_related(
        "reasons", Prefetch("added_reasons", AddedReason.objects.told())
    )
    return list(found.order_by("-created_at", "-id"))
