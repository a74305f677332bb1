"""Work lists: what goes in, and who holds what."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, Value
from django.utils.text import slugify

from feedback.filters import FilterError
from feedback.models import Output, Project, User
from review.evidence import evidence_on, themes_of
from review.filters import ReviewFilter
from review.models import Claim, Event, Queue, QueueItem, Review, Skip
from review.models.queue import ClaimQuerySet
from review.priority import parts, total

# Outputs put into a queue in one transaction.
FEED_ROWS = 2_000
# What a new queue is given at once; the rest comes when the queues are fed next.
FIRST_ROWS = 500

# How long a lease may be, in seconds: a minute to a day.
SHORTEST_LEASE, LONGEST_LEASE = 60, 86_400
MOST_REVIEWERS = 20
LONGEST_NAME = 120
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
def create_queue(
    *,
    project: Project,
    name: str,
    filter: Mapping[str, object],  # noqa: A002  (the glossary's word)
    by: User | None,
    now: datetime,
    lease_seconds: int = 900,
    reviewers_per_item: int = 1,
) -> Queue:
    """Create a queue over the outputs that match the filter, and put the first ones into it.

    The slug follows from the name. Raises QueueError naming the field that is not valid; a
    filter's field is named as ReviewFilter names it.
    """
    name = _words("name", name, LONGEST_NAME, "Give the queue a name.")
    if not SHORTEST_LEASE <= lease_seconds <= LONGEST_LEASE:
        raise QueueError(
            "lease_seconds", f"Give {SHORTEST_LEASE} to {LONGEST_LEASE} seconds to review an item."
        )
    if not 1 <= reviewers_per_item <= MOST_REVIEWERS:
        raise QueueError("reviewers_per_item", f"Give 1 to {MOST_REVIEWERS} reviewers per item.")
    try:
        wanted = ReviewFilter.from_json(filter)
    except FilterError as error:
        raise QueueError(error.path, error.message) from error
    # Two queues made at once must not choose one slug.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    queue = Queue.objects.create(
        project=project,
        slug=_free_slug(project, name),
        name=name,
        filter=wanted.to_json(),
        lease_seconds=lease_seconds,
        reviewers_per_item=reviewers_per_item,
        created_by=by,
    )
    _log(queue.project_id, "created", "queue", queue.pk, by, now)
    _feed_rows(queue, after=0, limit=FIRST_ROWS, now=now)
    return queue


def feed(*, queue: Queue, now: datetime) -> int:
    """Put every output that matches the queue's filter and is not yet in it into it.

    Returns how many were put in. Each chunk of FEED_ROWS is one transaction, so a stopped feed
    goes on where it was. Safe to run twice at once: the second waits and finds nothing.
    """
    num_fed = after = 0
    while ids := _feed_rows(queue, after=after, limit=FEED_ROWS, now=now):
        num_fed += len(ids)
        after = ids[-1]
    return num_fed


def rerank(*, queue: Queue, now: datetime) -> int:
    """Rank open items anew about which something came in; return how many changed place."""
    num_changed, after = 0, 0
    while True:
        ids, changed = _rerank_rows(queue, after=after, limit=FEED_ROWS, now=now)
        if not ids:
            return num_changed
        num_changed, after = num_changed + changed, ids[-1]


def feed_all(*, now: datetime) -> int:
    """Feed every queue and rank anew what there is news of; return how many items came in."""
    num_fed = 0
    for queue in Queue.objects.order_by("pk"):
        num_fed += feed(queue=queue, now=now)
        rerank(queue=queue, now=now)
    return num_fed


@transaction.atomic
def _feed_rows(queue: Queue, *, after: int, limit: int, now: datetime) -> list[int]:
    """Feed up to `limit` outputs with a greater id; return their ids in order."""
    Queue.objects.select_for_update(no_key=True).get(pk=queue.pk)
    there = QueueItem.objects.filter(queue=queue, output=OuterRef("pk"))
    wanted = ReviewFilter.from_json(queue.filter).apply(
        Output.objects.filter(project=queue.project_id, pk__gt=after)
    )
    outputs = list(
        wanted.filter(~Exists(there)).order_by("pk").only("pk", "at", "confidence")[:limit]
    )
    nearest = themes_of(outputs=outputs)
    items = []
    for output, evidence in evidence_on(outputs=outputs, now=now).items():
        summands = parts(evidence)
        items.append(
            QueueItem(
                queue=queue,
                output_id=output,
                theme_id=nearest.get(output),
                priority=total(summands),
                priority_parts=summands,
                entered_at=now,
                ranked_at=now,
            )
        )
    QueueItem.objects.bulk_create(items)
    places = range(1, queue.reviewers_per_item + 1)
    Claim.objects.bulk_create(Claim(item=item, place=place) for item in items for place in places)
    return [output.pk for output in outputs]


@transaction.atomic
def _rerank_rows(queue: Queue, *, after: int, limit: int, now: datetime) -> tuple[list[int], int]:
    """Rank up to `limit` stale items with a greater id; return their ids and how many changed."""
    # What another worker ranks at the moment is left to it.
    items = list(
        queue.items.open()
        .stale()
        .filter(pk__gt=after)
        .order_by("pk")
        .select_for_update(skip_locked=True, no_key=True, of=("self",))[:limit]
    )
    outputs = Output.objects.filter(pk__in=[item.output_id for item in items])
    evidence = evidence_on(outputs=outputs.only("pk", "at", "confidence"), now=now)
    changed = 0
    for item in items:
        summands = parts(evidence[item.output_id])
        changed += item.priority_parts != summands
        item.priority, item.priority_parts = total(summands), summands
        item.ranked_at = now
    QueueItem.objects.bulk_update(
        items, ["priority", "priority_parts", "ranked_at"], batch_size=500
    )
    return [item.pk for item in items], changed


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
        .order_by("-item__priority", "item", "place")
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
def skip(*, item: QueueItem, by: User, reason: str, now: datetime) -> Skip:
    """Pass the item over for good, and give back the reviewer's hold on it if there is one.

    Raises QueueError without a reason.
    """
    reason = _words("reason", reason, LONGEST_REASON, "Say why you skip this.")
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
    ahead = Q(priority__gt=item.priority) | Q(priority=item.priority, pk__lt=item.pk)
    behind = Q(priority__lt=item.priority) | Q(priority=item.priority, pk__gt=item.pk)
    counts = others.aggregate(all=Count("pk"), ahead=Count("pk", filter=ahead))
    is_open = item.status == QueueItem.Status.OPEN
    before = others.filter(ahead).order_by("priority", "-pk").values_list(Value("before"), "pk")
    after = others.filter(behind).order_by("-priority", "pk").values_list(Value("after"), "pk")
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


def _free_slug(project: Project, name: str) -> str:
    stem = slugify(name)[:50].strip("-") or "queue"
    taken = set(
        Queue.objects.filter(project=project, slug__startswith=stem).values_list("slug", flat=True)
    )
    slug, number = stem, 2
    while slug in taken:
        slug, number = f"{stem}-{number}", number + 1
    return slug


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
