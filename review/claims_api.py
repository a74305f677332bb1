"""/api/v1: places on items, taken, kept and given back, with a person's own key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, cast

from django.db.models import Case, Subquery, When
from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Router, Status
from ninja.errors import AuthorizationError
from pydantic import BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.models import Membership, User
from feedback.problems import ConflictError, Problem, invalid
from review import queues
from review.models import Claim, Event, Queue, QueueItem

router = Router(tags=["review"])

ERRORS = frozenset({401, 403, 404, 422})
NAMED = frozenset({401, 403, 404})
ItemId = Annotated[int, Path(description="The item's number, as a claim gives it.")]
Fence = Annotated[int, Field(ge=0, le=2**63 - 1, description="As the claim gave it.")]


class ClaimReply(BaseModel):
    """A place on an item: send the `fence` with whatever you do to it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "item": 41,
                "output": "answer-7",
                "lease_until": "2026-11-02T09:15:00Z",
                "fence": 3,
            }
        }
    )

    item: int
    output: Annotated[str, Field(description="The sender's id: read it under /outputs.")]
    lease_until: datetime
    fence: int


class LostReply(Problem):
    """The place is not yours any more; `holder` is who has it now, if anybody has."""

    holder: str | None
    lease_until: datetime | None


class FenceRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"fence": 3}}
    )

    fence: Fence


class SkipRequest(FenceRequest):
    model_config = ConfigDict(json_schema_extra={"example": {"fence": 3, "reason": "Not my field"}})

    reason: Annotated[str, Field(description="Why you pass it over; never counted as a review.")]


@router.post(
    "/queues/{slug}/claim",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: ClaimReply, 204: None, ERRORS: Problem},
    summary="Claim the next item",
)
def claim_next(
    request: HttpRequest, slug: Annotated[str, Path(description="Slug of the queue.")]
) -> Status[ClaimReply] | Status[None]:
    """Take the item that most wants a review; 204 when nothing is left for you.

    Who holds an item of the queue gets that one again, so asking twice takes no second one.
    """
    queue, user = queue_of(request, slug), member_of(request).user
    held = queues.claim_next(queue=queue, by=user, now=timezone.now())
    return Status(204, None) if held is None else Status(200, claim_reply(held))


@router.post(
    "/items/{int:item}/claim",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: ClaimReply, 409: LostReply, NAMED: Problem},
    summary="Claim an item",
)
def claim(request: HttpRequest, item: ItemId) -> Status[ClaimReply] | Status[LostReply]:
    """Take this item, also one you skipped; one you hold is given to you again.

    A disputed or escalated item takes a moderator who has not reviewed it: their review decides.
    409 when others hold it, with who, or when it needs no review of yours.
    """
    member, found = member_of(request), item_of(request, item)
    take = queues.claim
    if found.needs_third_person:
        if not member.may(Membership.Role.MODERATOR):
            raise AuthorizationError(message="This takes the role moderator.")
        take = queues.adjudicate
    try:
        held = take(item=found, by=member.user, now=timezone.now())
    except (queues.HeldError, queues.DoneError) as error:
        return lost(found, member.user, str(error))
    return Status(200, claim_reply(held))


@router.post(
    "/items/{int:item}/steal",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: ClaimReply, 409: Problem, NAMED: Problem},
    summary="Take an item over",
)
def steal(request: HttpRequest, item: ItemId) -> ClaimReply:
    """Take the item over from whoever holds it, who is told. A free place is taken first.

    409 when it is done, or you have reviewed it, or its answer before it was sent back.
    """
    found = item_of(request, item)
    try:
        held = queues.steal(item=found, by=member_of(request).user, now=timezone.now())
    except queues.DoneError as error:
        raise ConflictError(str(error)) from error
    return claim_reply(held)


@router.post(
    "/items/{int:item}/heartbeat",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: ClaimReply, 409: LostReply, ERRORS: Problem},
    summary="Keep an item",
)
def heartbeat(
    request: HttpRequest, item: ItemId, payload: FenceRequest
) -> Status[ClaimReply] | Status[LostReply]:
    """Start the lease anew. 409 when the item was handed on."""
    member, found = member_of(request), item_of(request, item)
    try:
        held = queues.renew(item=found, by=member.user, fence=payload.fence, now=timezone.now())
    except queues.LeaseLostError:
        return lost(found, member.user)
    return Status(200, claim_reply(held))


@router.post(
    "/items/{int:item}/release",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={204: None, 409: LostReply, ERRORS: Problem},
    summary="Give an item back",
)
def release(
    request: HttpRequest, item: ItemId, payload: FenceRequest
) -> Status[None] | Status[LostReply]:
    """Give the item back, for others or for later."""
    member, found = member_of(request), item_of(request, item)
    try:
        queues.release(item=found, by=member.user, fence=payload.fence, now=timezone.now())
    except queues.LeaseLostError:
        return lost(found, member.user)
    return Status(204, None)


@router.post(
    "/items/{int:item}/skip",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={204: None, 409: LostReply, ERRORS: Problem},
    summary="Pass an item over",
)
def skip(
    request: HttpRequest, item: ItemId, payload: SkipRequest
) -> Status[None] | Status[LostReply]:
    """Pass the item over for good: it is no review, and somebody else gets it."""
    member, found = member_of(request), item_of(request, item)
    try:
        queues.skip(
            item=found,
            by=member.user,
            reason=payload.reason,
            fence=payload.fence,
            now=timezone.now(),
        )
    except queues.QueueError as error:
        raise invalid(error.path, error.message) from error
    except queues.LeaseLostError:
        return lost(found, member.user)
    return Status(204, None)


@router.post(
    "/items/{int:item}/unskip",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: ClaimReply, 204: None, 409: Problem, NAMED: Problem},
    summary="Take a skip back",
)
def unskip(request: HttpRequest, item: ItemId) -> Status[ClaimReply] | Status[None]:
    """Take your skip back and hold the item again; 204 when it is done, or others hold it.

    409 when you have not skipped it.
    """
    member, found, now = member_of(request), item_of(request, item), timezone.now()
    if not queues.unskip(item=found, by=member.user, now=now):
        raise ConflictError("You have not skipped this item.")
    return still_held(found, member.user, now)


def queue_of(request: HttpRequest, slug: str) -> Queue:
    """The queue of the key's project, if its person sees it. Raises Http404."""
    member = member_of(request)
    queues = Queue.objects.filter(project=member.project)
    # PostgreSQL takes no NUL.
    found = queues.filter(slug="" if "\x00" in slug else slug).first()
    if found is None or not found.is_seen_by(member.user):
        raise Http404("There is no such queue.")
    return found


def item_of(request: HttpRequest, pk: int) -> QueueItem:
    """The item of the key's project, if its person sees its queue. Raises Http404."""
    member = member_of(request)
    items = QueueItem.objects.filter(queue__project=member.project)
    found = items.select_related("queue", "output").filter(pk=pk).first()
    if found is None or not found.queue.is_seen_by(member.user):
        raise Http404("There is no such item.")
    return found


def claim_reply(held: Claim) -> ClaimReply:
    """The place as its holder is told of it."""
    return ClaimReply(
        item=held.item_id,
        output=held.item.output.external_id,
        lease_until=cast("datetime", held.lease_until),
        fence=held.fence,
    )


def still_held(item: QueueItem, by: User, now: datetime) -> Status[ClaimReply] | Status[None]:
    """A 200 with the reviewer's place on the item, or a 204 when they hold none."""
    places = Claim.objects.held_by(by, at=now).select_related("item__output")
    held = places.filter(item=item).first()
    return Status(204, None) if held is None else Status(200, claim_reply(held))


def lost(
    item: QueueItem, by: User, message: str = "You no longer hold this item."
) -> Status[LostReply]:
    """A 409 that says why, and who else holds the item: of several, who took it from them."""
    running = Claim.objects.filter(item=item, finished_at=None, lease_until__gt=timezone.now())
    took = Event.objects.filter(
        verb="took_over", target_type="queue_item", target_id=item.pk, data__from=by.pk
    )
    taker = Subquery(took.order_by("-pk").values("actor")[:1])
    others = running.exclude(reviewer=by).select_related("reviewer")
    held = others.order_by(Case(When(reviewer=taker, then=0), default=1), "lease_until").first()
    return Status(
        409,
        LostReply(
            message=message,
            holder=held.reviewer.get_username() if held and held.reviewer else None,
            lease_until=held.lease_until if held else None,
        ),
    )
