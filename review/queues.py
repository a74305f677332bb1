"""Work lists: who holds what."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, Value

from feedback.models import User
from review.models import Claim, Event, Queue, QueueItem, Review, Skip
from review.models.queue import ClaimQuerySet

LONGEST_REASON = 500


class QueueError(ValueError):
    """A queue, or a skip, that cannot be as asked for; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class HeldError(Exception):
    """Every place on the item is held by somebody else; `claim` is the one that ends first."""

    def __init__(self, claim: Claim) -> None:
        super().__init__("Somebody else is reviewing this.")
        self.claim = claim


class DoneError(Exception):
    """The item needs no review of this reviewer any more."""


class LeaseLostError(Exception):
    """The place was handed on, given back or finished; nothing was written."""


@transaction.atomic
def claim_next(*, queue: Queue, by: User, now: datetime) -> Claim | None:
    """Hand the reviewer the item of the queue that most wants a review; None when none is left.

    A reviewer who holds an item of the queue gets that one again. Never an item they reviewed or
    skipped, nor a second place on one item. A place whose lease ran out is handed out like a
    free one, with a higher fence.
    """
    _one_at_a_time(by)
    held = Claim.objects.held_by(by, at=now).filter(item__queue=queue).order_by("claimed_at")
    if mine := held.select_related("item").first():
        return mine
    # Rows that another reviewer's statement has locked are passed over, so nobody waits.
    best = (
        _open_to(by, now)
        .filter(item__queue=queue)
        .filter(~Exists(Skip.objects.filter(item=OuterRef("item"), reviewer=by)))
        .order_by("-item__rank", "item", "place")
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("item")
        .first()
    )
    return best and _hold(best, queue, by, now)


@transaction.atomic
def claim(*, item: QueueItem, by: User, now: datetime) -> Claim:
    """Hand the reviewer this item, even one they skipped; their own hold is returned as it is.

    Raises HeldError when others hold every place, DoneError when the item is done or the
    reviewer has reviewed it.
    """
    _one_at_a_time(by)
    places = list(
        Claim.objects.select_for_update(of=("self",))
        .filter(item=item, finished_at=None)
        .select_related("item", "reviewer")
        .order_by("place")
    )
    if not places:
        raise DoneError("This item is done.")
    if Review.objects.filter(item=item, reviewer=by).exists():
        raise DoneError("You have reviewed this item.")
    mine = next((place for place in places if place.reviewer_id == by.pk), None)
    if mine and mine.lease_until and mine.lease_until > now:
        return mine
    free = [place for place in places if place.lease_until is None or place.lease_until <= now]
    if not free:
        raise HeldError(min(places, key=lambda place: place.lease_until or now))
    return _hold(mine or free[0], item.queue, by, now)


@transaction.atomic
def renew(*, item: QueueItem, by: User, fence: int, now: datetime) -> Claim:
    """Start the lease anew. A lease that ran out but was not handed on is renewed too.

    Raises LeaseLostError when the place is no longer the reviewer's.
    """
    place = locked_place(item=item, by=by, fence=fence)
    place.lease_until = now + timedelta(seconds=item.queue.lease_seconds)
    place.save(update_fields=["lease_until"])
    return place


@transaction.atomic
def release(*, item: QueueItem, by: User, fence: int, now: datetime) -> None:
    """Give the place back. Raises LeaseLostError when it is no longer the reviewer's."""
    _give_back(locked_place(item=item, by=by, fence=fence))
    _log(item.queue.project_id, "released", "queue_item", item.pk, by, now)


@transaction.atomic
def skip(
    *, item: QueueItem, by: User, reason: str, now: datetime, fence: int | None = None
) -> Skip:
    """Pass the item over for good, and give back the reviewer's hold on it if there is one.

    Raises QueueError without a reason, LeaseLostError when a fence is given that is not that of
    the reviewer's hold.
    """
    reason = _words("reason", reason, LONGEST_REASON, "Say why you skip this.")
    if fence is not None:
        locked_place(item=item, by=by, fence=fence)
    for place in Claim.objects.select_for_update().filter(item=item, reviewer=by, finished_at=None):
        _give_back(place)
    skipped, _ = Skip.objects.update_or_create(
        item=item, reviewer=by, defaults={"reason": reason, "skipped_at": now}
    )
    _log(item.queue.project_id, "skipped", "queue_item", item.pk, by, now)
    return skipped


@transaction.atomic
def unskip(*, item: QueueItem, by: User, now: datetime) -> bool:
    """Take a skip back, and hold the item again if a place is free; False when there is none."""
    gone, _ = Skip.objects.filter(item=item, reviewer=by).delete()
    if not gone:
        return False
    _log(item.queue.project_id, "unskipped", "queue_item", item.pk, by, now)
    with suppress(HeldError, DoneError):
        claim(item=item, by=by, now=now)
    return True


def hold_again(*, place: Claim, by: User, now: datetime) -> None:
    """Hand a finished place back to its reviewer; needs it locked, in a transaction."""
    place.finished_at = None
    place.save(update_fields=["finished_at"])
    _hold(place, place.item.queue, by, now)


@dataclass(frozen=True, kw_only=True)
class Around:
    """Where an item is among the open ones of its queue, and the ids of those beside it.

    `place` counts from 1; it is None for an item that is not open.
    """

    place: int | None
    num_open: int
    before: int | None
    after: int | None


def around(*, item: QueueItem) -> Around:
    """Look around an item in the order in which its queue is worked off. Two queries."""
    others = QueueItem.objects.open().filter(queue=item.queue_id)
    ahead = Q(rank__gt=item.rank) | Q(rank=item.rank, pk__lt=item.pk)
    behind = Q(rank__lt=item.rank) | Q(rank=item.rank, pk__gt=item.pk)
    counts = others.aggregate(all=Count("pk"), ahead=Count("pk", filter=ahead))
    is_open = item.status == QueueItem.Status.OPEN
    before = others.filter(ahead).order_by("rank", "-pk").values_list(Value("before"), "pk")
    after = others.filter(behind).order_by("-rank", "pk").values_list(Value("after"), "pk")
    next_to = dict(before[:1].union(after[:1], all=True))
    return Around(
        place=counts["ahead"] + 1 if is_open else None,
        num_open=counts["all"],
        before=next_to.get("before"),
        after=next_to.get("after"),
    )


def locked_place(*, item: QueueItem, by: User, fence: int) -> Claim:
    """The reviewer's unfinished place with this fence, locked; needs a transaction.

    Raises LeaseLostError when there is none: the fence grew with the next holder.
    """
    place = (
        Claim.objects.select_for_update()
        .filter(item=item, reviewer=by, fence=fence, finished_at=None)
        .first()
    )
    if place is None:
        raise LeaseLostError("You no longer hold this item.")
    return place


def _open_to(reviewer: User, now: datetime) -> ClaimQuerySet:
    """Free places on open items that the reviewer has neither reviewed nor another place on."""
    reviewed = Review.objects.filter(item=OuterRef("item"), reviewer=reviewer)
    elsewhere = Claim.objects.filter(item=OuterRef("item"), reviewer=reviewer).exclude(
        pk=OuterRef("pk")
    )
    return Claim.objects.claimable(at=now).filter(
        ~Exists(reviewed), ~Exists(elsewhere), item__status=QueueItem.Status.OPEN
    )


def _hold(place: Claim, queue: Queue, by: User, now: datetime) -> Claim:
    place.reviewer = by
    place.fence += 1
    place.claimed_at = now
    place.lease_until = now + timedelta(seconds=queue.lease_seconds)
    place.save(update_fields=["reviewer", "fence", "claimed_at", "lease_until"])
    _log(queue.project_id, "claimed", "queue_item", place.item_id, by, now)
    return place


def _give_back(place: Claim) -> None:
    place.reviewer = place.claimed_at = place.lease_until = None
    place.save(update_fields=["reviewer", "claimed_at", "lease_until"])


def _one_at_a_time(reviewer: User) -> None:
    """Let one claim of a reviewer wait for their other one, as from two open tabs."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"claim:{reviewer.pk}"]
        )


def _words(path: str, text: str, longest: int, missing: str) -> str:
    text = text.strip()
    if not text:
        raise QueueError(path, missing)
    if len(text) > longest or "\x00" in text:
        raise QueueError(path, f"Give at most {longest} printable characters.")
    return text


def _log(
    project_id: int, verb: str, target_type: str, target_id: int, by: User | None, now: datetime
) -> None:
    Event.objects.create(
        project_id=project_id,
        actor=by,
        verb=verb,
        target_type=target_type,
        target_id=target_id,
        at=now,
    )
