"""/api/v1: one's own work, with a person's own key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router
from pydantic import BaseModel

from feedback.authentication import OwnKeyAuth, member_of
from feedback.models import Membership
from feedback.paging import CursorError
from feedback.problems import Problem, invalid
from review import my_work
from review.claims_api import ClaimReply
from review.models import QueueItem

router = Router(tags=["review"])

LISTED = frozenset({401, 403, 422})
PAGE_SIZE = 50
Verdict = Literal["accept", "fix", "reject"]
Cursor = Annotated[str, Query(description="The `next_cursor` of the page before.")]


class HeldReply(ClaimReply):
    """An item that you hold; `queue` is a slug, `question` the beginning of what was asked."""

    queue: str
    question: str


class OwnEscalationReply(BaseModel):
    """What you escalated, and what became of it.

    `verdict` is that of who decided, `returned_to` the slug of the queue that it was sent back to.
    """

    escalation: int
    item: int
    output: str
    question: str
    status: Literal["open", "decided", "returned", "closed"]
    raised_at: datetime
    verdict: Verdict | None
    returned_to: str | None
    settled_by: str | None
    settled_at: datetime | None
    comment: str | None


class MyWorkReply(BaseModel):
    """What you hold, what ends first before the others; how many `disputes` and `escalations` wait
    for you to decide, none below the role moderator; and what you `escalated` that is open, or was
    settled in the last two weeks.
    """

    held: list[HeldReply]
    disputes: int
    escalations: int
    escalated: list[OwnEscalationReply]


class OwnReviewReply(BaseModel):
    """A decision of yours; `why_not_undo` says why it cannot be taken back, null where it can.

    `item` and `queue` are null where the queue is no more.
    """

    review: int
    item: int | None
    queue: str | None
    output: str
    question: str
    verdict: Verdict
    severity: Literal["minor", "major", "critical"] | None
    reasons: list[str]
    added_reasons: list[str]
    at: datetime
    why_not_undo: str | None


class OwnReviewsReply(BaseModel):
    reviews: list[OwnReviewReply]
    next_cursor: str | None


class OwnSkipReply(BaseModel):
    """An item that you skipped, and why; it can be taken up again while it is `open`."""

    item: int
    queue: str
    output: str
    question: str
    reason: str
    at: datetime
    open: bool


class OwnSkipsReply(BaseModel):
    skips: list[OwnSkipReply]
    next_cursor: str | None


@router.get(
    "/my-work",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: MyWorkReply, frozenset({401, 403}): Problem},
    summary="See your work",
)
def read_my_work(request: HttpRequest) -> MyWorkReply:
    """Return what you hold, what waits for you to decide, and what became of what you escalated."""
    member, now = member_of(request), timezone.now()
    project, by = member.project, member.user
    waiting = (0, 0)
    if member.may(Membership.Role.MODERATOR):
        waiting = my_work.to_decide(project=project, by=by)
    return MyWorkReply(
        held=[_held(one) for one in my_work.held(project=project, by=by, now=now)],
        disputes=waiting[0],
        escalations=waiting[1],
        escalated=[_escalated(one) for one in my_work.escalated(project=project, by=by, now=now)],
    )


@router.get(
    "/my-work/reviews",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: OwnReviewsReply, LISTED: Problem},
    summary="List your reviews",
)
def list_my_reviews(
    request: HttpRequest, verdict: Verdict | None = None, cursor: Cursor = ""
) -> OwnReviewsReply:
    """Return a page of your decisions, the newest first; of one verdict, where it is given."""
    member = member_of(request)
    try:
        found = my_work.decided(
            project=member.project,
            by=member.user,
            verdict=verdict or "",
            size=PAGE_SIZE,
            cursor=cursor,
            now=timezone.now(),
        )
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    return OwnReviewsReply(
        reviews=[_decided(one) for one in found.rows], next_cursor=found.next_cursor
    )


@router.get(
    "/my-work/skips",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: OwnSkipsReply, LISTED: Problem},
    summary="List what you skipped",
)
def list_my_skips(request: HttpRequest, cursor: Cursor = "") -> OwnSkipsReply:
    """Return a page of the items that you skipped, the last first."""
    member = member_of(request)
    try:
        found = my_work.skipped(
            project=member.project, by=member.user, size=PAGE_SIZE, cursor=cursor
        )
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    return OwnSkipsReply(skips=[_skipped(one) for one in found.rows], next_cursor=found.next_cursor)


def _held(one: Any) -> HeldReply:
    """A place as `my_work.held` gives it."""
    return HeldReply(
        item=one.item_id,
        queue=one.item.queue.slug,
        output=one.external_id,
        question=one.question,
        lease_until=one.lease_until,
        fence=one.fence,
    )


def _escalated(one: Any) -> OwnEscalationReply:
    """An escalation as `my_work.escalated` gives it."""
    return OwnEscalationReply(
        escalation=one.pk,
        item=one.item_id,
        output=one.external_id,
        question=one.question,
        status=one.status,
        raised_at=one.raised_at,
        verdict=one.decision.verdict if one.decision else None,
        returned_to=one.returned_to.slug if one.returned_to else None,
        settled_by=one.settled_by.get_username() if one.settled_by else None,
        settled_at=one.settled_at,
        comment=one.comment or None,
    )


def _decided(one: Any) -> OwnReviewReply:
    """A review as `my_work.decided` gives it."""
    return OwnReviewReply(
        review=one.pk,
        item=one.item_id,
        queue=one.item.queue.slug if one.item else None,
        output=one.external_id,
        question=one.question,
        verdict=one.verdict,
        severity=one.severity or None,
        reasons=[reason.slug for reason in one.reasons.all()],
        added_reasons=[added.reason.slug for added in one.added_reasons.all()],
        at=one.created_at,
        why_not_undo=one.why or None,
    )


def _skipped(one: Any) -> OwnSkipReply:
    """A skip as `my_work.skipped` gives it."""
    return OwnSkipReply(
        item=one.item_id,
        queue=one.item.queue.slug,
        output=one.external_id,
        question=one.question,
        reason=one.reason,
        at=one.skipped_at,
        open=one.item.status == QueueItem.Status.OPEN,
    )
