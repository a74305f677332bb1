"""/api/v1: queues worked off by script, with a person's own key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, cast

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.models import Membership, User
from feedback.payloads import Share
from feedback.problems import Problem, invalid
from review import queues, triage, worklist
from review.models import Claim, Queue, QueueItem, Review
from review.records import review_record
from review.verdicts import LONGEST_CORRECTION

router = Router(tags=["review"])

ERRORS = frozenset({401, 403, 404, 422})
ItemId = Annotated[int, Path(description="The item's number, as a claim gives it.")]
Fence = Annotated[int, Field(ge=0, le=2**63 - 1, description="As the claim gave it.")]
Text = Annotated[str, Field(max_length=LONGEST_CORRECTION)]


class QueueReply(BaseModel):
    """A queue with its policy, and how much of it is open, held by anybody, disputed, escalated,
    done, and decided as one.
    """

    slug: str
    name: str
    filter: dict[str, object]
    reviewers_per_item: int
    lease_seconds: int
    open: int
    held: int
    disputed: int
    escalated: int
    done: int
    provisional: int


class QueuesReply(BaseModel):
    queues: list[QueueReply]


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
    model_config = ConfigDict(strict=True, extra="forbid")

    fence: Fence


class SkipRequest(FenceRequest):
    reason: Annotated[str, Field(description="Why you pass it over; never counted as a review.")]


class ReviewRequest(FenceRequest):
    """A decision. `fix` and `reject` want a reason or a comment."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "fence": 3,
                "verdict": "fix",
                "severity": "major",
                "reasons": ["factually-incorrect"],
                "confidence": 0.75,
                "comment": "The album came out in 2018.",
                "correction": "Bloom came out on 31 August 2018.",
                "routes": ["library"],
            }
        }
    )

    verdict: Literal["accept", "fix", "reject"]
    severity: Literal["minor", "major", "critical"] | None = None
    reasons: Annotated[
        list[str], Field(max_length=50, description="Slugs of the current taxonomy.")
    ] = []
    confidence: Share | None = None
    comment: Text = ""
    correction: Annotated[Text, Field(description="The whole better answer, as Markdown.")] = ""
    routes: Annotated[
        list[Literal["library", "training", "issue", "escalate"]] | None,
        Field(max_length=4, description="What closes the loop; left out, what the rules propose."),
    ] = None
    version: Annotated[
        int | None, Field(ge=1, description="Of the answer you judged; else the current one.")
    ] = None


@router.get(
    "/queues",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: QueuesReply, frozenset({401, 403}): Problem},
    summary="List queues",
)
def list_queues(request: HttpRequest) -> QueuesReply:
    """Return the queues of the key's project, by name."""
    found = list(Queue.objects.filter(project=member_of(request).project).order_by("name", "pk"))
    counts = worklist.counts(queues=found, now=timezone.now())
    return QueuesReply(
        queues=[
            QueueReply(
                slug=queue.slug,
                name=queue.name,
                filter=queue.filter,
                reviewers_per_item=queue.reviewers_per_item,
                lease_seconds=queue.lease_seconds,
                **vars(counts.get(queue.pk, worklist.Counts())),
            )
            for queue in found
        ]
    )


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
    member = member_of(request)
    queue = Queue.objects.filter(project=member.project, slug=_text(slug)).first()
    if queue is None:
        raise Http404("There is no such queue.")
    held = queues.claim_next(queue=queue, by=member.user, now=timezone.now())
    return Status(204, None) if held is None else Status(200, _claim(held))


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
    member, found = member_of(request), _item(request, item)
    try:
        held = queues.renew(item=found, by=member.user, fence=payload.fence, now=timezone.now())
    except queues.LeaseLostError:
        return _lost(found, member.user)
    return Status(200, _claim(held))


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
    member, found = member_of(request), _item(request, item)
    try:
        queues.release(item=found, by=member.user, fence=payload.fence, now=timezone.now())
    except queues.LeaseLostError:
        return _lost(found, member.user)
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
    member, found = member_of(request), _item(request, item)
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
        return _lost(found, member.user)
    return Status(204, None)


@router.post(
    "/items/{int:item}/review",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={201: dict[str, object], 409: LostReply, ERRORS: Problem},
    summary="Review an item",
)
def review(
    request: HttpRequest, item: ItemId, payload: ReviewRequest
) -> Status[dict[str, object]] | Status[LostReply]:
    """Store the decision and finish your place on the item; the reply is the review as a record.

    The same decision sent again, after an answer that was lost, answers with the one stored.
    409 for a stale fence, with who holds the item now, and for another decision than the stored.
    """
    member, found = member_of(request), _item(request, item)
    try:
        made = triage.submit_review(
            item=found,
            by=member.user,
            fence=payload.fence,
            verdict=payload.verdict,
            severity=payload.severity or "",
            confidence=payload.confidence,
            comment=payload.comment,
            correction=payload.correction,
            reasons=payload.reasons,
            routes=payload.routes,
            version=payload.version,
            now=timezone.now(),
        )
    except triage.VerdictError as error:
        raise invalid(error.path, error.message) from error
    except triage.LeaseLostError:
        return _lost(found, member.user)
    except triage.AlreadyReviewedError as error:
        if not _is_same(error.review, payload):
            return _lost(found, member.user, "You have reviewed this item, in another way.")
        made = error.review
    return Status(201, review_record(made))


def _is_same(stored: Review, sent: ReviewRequest) -> bool:
    """Whether the stored decision is the one that was sent, as far as it is kept as sent."""
    return (
        stored.verdict == sent.verdict
        and stored.severity == (sent.severity or "")
        and stored.confidence == sent.confidence
        and stored.comment.strip() == sent.comment.strip()
        and (sent.routes is None or set(stored.routes) == set(sent.routes))
        and {reason.slug for reason in stored.reasons.all()} == set(sent.reasons)
    )


def _item(request: HttpRequest, pk: int) -> QueueItem:
    items = QueueItem.objects.filter(queue__project=member_of(request).project)
    found = items.select_related("queue", "output").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such item.")
    return found


def _claim(held: Claim) -> ClaimReply:
    return ClaimReply(
        item=held.item_id,
        output=held.item.output.external_id,
        lease_until=cast("datetime", held.lease_until),
        fence=held.fence,
    )


def _lost(
    item: QueueItem, by: User, message: str = "You no longer hold this item."
) -> Status[LostReply]:
    running = Claim.objects.filter(item=item, finished_at=None, lease_until__gt=timezone.now())
    held = running.exclude(reviewer=by).select_related("reviewer").order_by("lease_until").first()
    return Status(
        409,
        LostReply(
            message=message,
            holder=held.reviewer.get_username() if held and held.reviewer else None,
            lease_until=held.lease_until if held else None,
        ),
    )


def _text(value: str) -> str:
    """The text, or one that nothing has: PostgreSQL takes no NUL."""
    return "" if "\x00" in value else value
