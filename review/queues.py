"""Work lists: who holds what."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Value
from psycopg.types.json import Jsonb

from feedback import statements
from feedback.models import Membership, User
from review import picking
from review.models import Claim, Event, Queue, QueueItem, Review, Skip
from review.models.queue import ClaimQuerySet
from review.notifications import notify_taken

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
    skipped, nor one that was sent back to the queue after they decided on its answer, nor a second
    place on one item. A place whose lease ran out is handed out like a free one, with a higher
    fence. Who does not see the queue is handed nothing.
    """
    _one_at_a_time(by)
    if not queue.is_seen_by(by):
        return None
    if mine := picking.held(queue=queue, by=by, now=now):
        return mine
    best = picking.pick(queue=queue, by=by, now=now)
    return best and _hold(best, queue, by, now)


@transaction.atomic
def claim(*, item: QueueItem, by: User, now: datetime) -> Claim:
    """Hand the reviewer this item, even one they skipped; their own hold is returned as it is.

    Raises HeldError when others hold every place, DoneError when the item is done or disputed, or
    the reviewer has reviewed it, or its answer before that was sent back to the queue.
    """
    places = _open_places(item, by)
    if places[0].place == Claim.ADJUDICATION:
        raise DoneError("A third person decides on this item.")
    return _take(places, item.queue, by, now)


@transaction.atomic
def steal(*, item: QueueItem, by: User, now: datetime) -> Claim:
    """Hand the item over also from under a running lease; whoever loses it is told.

    A free place, or one whose lease ran out, is taken first; of held ones the one that ends
    first. Raises DoneError when the item is done, or the reviewer has reviewed it, or its answer
    before that was sent back to the queue.
    """
    places = _open_places(item, by)
    try:
        return _take(places, item.queue, by, now)
    except HeldError as error:
        return _hold(error.claim, item.queue, by, now)


@transaction.atomic
def adjudicate(*, item: QueueItem, by: User, now: datetime) -> Claim:
    """Hand a disputed or escalated item to a third person, whose review will count.

    Raises HeldError when somebody else is deciding, DoneError when nothing is to be decided or the
    user has reviewed the item.
    """
    places = _open_places(item, by)
    if places[0].place != Claim.ADJUDICATION:
        raise DoneError("The reviewers of this item do not disagree, and escalated nothing.")
    return _take(places, item.queue, by, now)


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
    _log(item, item.queue, "released", by, now)


@transaction.atomic
def skip(
    *, item: QueueItem, by: User, reason: str, now: datetime, fence: int | None = None
) -> Skip:
    """Pass the item over for good, and give back the reviewer's hold on it if there is one.

    Never a review: its place waits for one of somebody else. Raises QueueError without a reason,
    LeaseLostError when a fence is given that is not that of the reviewer's hold, DoneError when
    the reviewer has reviewed the item.
    """
    reason = _words("reason", reason, LONGEST_REASON, "Say why you skip this.")
    if fence is not None:
        locked_place(item=item, by=by, fence=fence)
    # A submit holds this place: the item is skipped before it, or not any more.
    for place in Claim.objects.select_for_update().filter(item=item, reviewer=by, finished_at=None):
        _give_back(place)
    if Review.objects.filter(item=item, reviewer=by).exists():
        raise DoneError("You have reviewed this item.")
    skipped, _ = Skip.objects.update_or_create(
        item=item, reviewer=by, defaults={"reason": reason, "skipped_at": now}
    )
    _log(item, item.queue, "skipped", by, now)
    return skipped


@transaction.atomic
def unskip(*, item: QueueItem, by: User, now: datetime) -> bool:
    """Take a skip back, and hold the item again if a place is free; False when there is none."""
    # Before the skip, in the order in which submitting locks the two.
    list(Claim.objects.select_for_update().filter(item=item, reviewer=by, finished_at=None))
    gone, _ = Skip.objects.filter(item=item, reviewer=by).delete()
    if not gone:
        return False
    _log(item, item.queue, "unskipped", by, now)
    with suppress(HeldError, DoneError):
        claim(item=item, by=by, now=now)
    return True


@transaction.atomic
def take_back(*, queue: Queue, by: User | None, now: datetime) -> None:
    """Give back the places of the queue whose holders do not see it."""
    if not queue.is_restricted:
        return
    # It may be everybody's again by now.
    held = Claim.objects.filter(item__queue=queue, item__queue__is_restricted=True)
    lost = held.exclude(reviewer__in=queue.named.values("user"))
    seeing = moderators(project=queue.project_id).values("user")
    _take_back(lost.exclude(reviewer__in=seeing), by, now)


@transaction.atomic
def take_back_third(*, now: datetime) -> None:
    """Give back the places for a third person whose holders are no moderators any more."""
    deciding = moderators(project=OuterRef("item__queue__project")).filter(
        user=OuterRef("reviewer")
    )
    _take_back(Claim.objects.filter(~Exists(deciding), place=Claim.ADJUDICATION), None, now)


def moderators(*, project: int | F) -> QuerySet[Membership]:
    """The memberships of who sees every queue of a project, and decides as a third person."""
    roles = Membership.reaching(Membership.Role.MODERATOR)
    return Membership.objects.filter(project=project, role__in=roles)


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

    Raises LeaseLostError when there is none: the fence grew with the next holder; and for the
    place of a third person when the reviewer is no moderator any more.
    """
    place = (
        Claim.objects.select_for_update()
        .filter(item=item, reviewer=by, fence=fence, finished_at=None)
        .first()
    )
    if place is None or (
        place.place == Claim.ADJUDICATION
        and not moderators(project=item.queue.project_id).filter(user=by).exists()
    ):
        raise LeaseLostError("You no longer hold this item.")
    return place


def hold_form(*, queue_id: int, may_change: bool = False) -> None:
    """Let no change of the queue's form go between here and the end of the transaction.

    Any number of reviews are stored at once; who changes the form waits for them, alone.
    """
    function = "pg_advisory_xact_lock" + ("" if may_change else "_shared")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtextextended(%s, 0))", [f"form:{queue_id}"])


def _open_places(item: QueueItem, by: User) -> list[Claim]:
    """The item's unfinished places, locked. Raises DoneError when none is for this reviewer."""
    _one_at_a_time(by)
    if not item.queue.is_seen_by(by):
        raise DoneError("Others review this.")
    places = list(
        Claim.objects.select_for_update(of=("self",))
        .filter(item=item, finished_at=None)
        .select_related("item", "reviewer")
        .order_by("place")
    )
    if not places:
        raise DoneError("This item is done.")
    mine = Review.objects.filter(reviewer=by)
    if mine.filter(item=item).exists():
        raise DoneError("You have reviewed this item.")
    sent_back = mine.filter(
        output=item.output_id,
        output__escalations__returned_to=item.queue_id,
        output__escalations__settled_at__gte=F("created_at"),
    )
    if places[0].place != Claim.ADJUDICATION and sent_back.exists():
        raise DoneError("You decided on this before it was sent back. Now somebody else does.")
    return places


def _take(places: Sequence[Claim], queue: Queue, by: User, now: datetime) -> Claim:
    """Hold one of the places. Raises HeldError when others hold all of them."""
    mine = next((place for place in places if place.reviewer_id == by.pk), None)
    if mine and mine.lease_until and mine.lease_until > now:
        return mine
    free = [place for place in places if place.lease_until is None or place.lease_until <= now]
    if not free:
        raise HeldError(min(places, key=lambda place: place.lease_until or now))
    return _hold(mine or free[0], queue, by, now)


def _hold(place: Claim, queue: Queue, by: User, now: datetime) -> Claim:
    """Start a lease under a new fence; whoever had the place is told."""
    lost_by = place.reviewer_id if place.reviewer_id != by.pk else None
    was_held = bool(place.lease_until and place.lease_until > now)
    place.reviewer = by
    place.fence += 1
    place.claimed_at = now
    place.lease_until = now + timedelta(seconds=queue.lease_seconds)
    verb, data = "claimed", {}
    if lost_by is not None:
        verb, data = "took_over", {"from": lost_by, "was_held": was_held}
    lease = [by.pk, place.fence, now, place.lease_until, place.pk]
    event = [queue.project_id, place.item.output_id, by.pk, verb, place.item_id, Jsonb(data), now]
    statements.run(_HOLD, [*lease, *event])
    if lost_by is not None:
        notify_taken(item=place.item, queue=queue, to=lost_by, by=by, now=now)
    return place


# The lease and its event go in one statement, for every claim waits for it.
_HOLD = (
    f"WITH held AS (UPDATE {Claim._meta.db_table} SET reviewer_id = %s, fence = %s, "  # noqa: S608
    "claimed_at = %s, lease_until = %s WHERE id = %s) "
    f"INSERT INTO {Event._meta.db_table} "
    "(project_id, output_id, actor_id, verb, target_type, target_id, data, at) "
    "VALUES (%s, %s, %s, %s, 'queue_item', %s, %s, %s) RETURNING id"
)


def _take_back(places: ClaimQuerySet, by: User | None, now: datetime) -> None:
    """Give back those of the places that somebody holds; needs a transaction."""
    held = places.filter(finished_at=None, reviewer__isnull=False)
    for place in held.select_for_update(of=("self",)).select_related("item__queue"):
        held_by = place.reviewer_id
        _give_back(place)
        _log(place.item, place.item.queue, "took_back", by, now, {"from": held_by})


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
    item: QueueItem,
    queue: Queue,
    verb: str,
    by: User | None,
    now: datetime,
    data: dict[str, object] | None = None,
) -> None:
    Event.objects.create(
        project_id=queue.project_id,
        output_id=item.output_id,
        actor=by,
        verb=verb,
        target_type="queue_item",
        target_id=item.pk,
        data=data or {},
        at=now,
    )
