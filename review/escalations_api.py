"""/api/v1: what reviewers escalated, with a person's own key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Query, Router
from pydantic import BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.models import Membership
from feedback.paging import CursorError
from feedback.problems import ConflictError, Problem, invalid
from review import escalations
from review.models import Escalation, Queue

router = Router(tags=["review"])

ERRORS = frozenset({401, 403, 404, 422})
PAGE_SIZE = 50
EscalationId = Annotated[int, Path(description="The escalation's number.")]


class EscalationReply(BaseModel):
    """One answer that a reviewer escalated.

    `output` is the sender's id; `item` is what to claim to decide on it oneself, null when that is
    not possible, for instance for who has reviewed it. `verdict` is null while you are to judge the
    answer without knowing it. `held_by` is deciding on it now.
    """

    escalation: int
    status: Literal["open", "decided", "returned", "closed"]
    item: int | None
    queue: str
    output: str
    question: str
    review: int
    reviewer: str
    verdict: Literal["accept", "fix", "reject"] | None
    raised_at: datetime
    due_at: datetime | None
    overdue: bool
    held_by: str | None
    settled_by: str | None
    settled_at: datetime | None
    comment: str | None


class EscalationsReply(BaseModel):
    escalations: list[EscalationReply]
    next_cursor: str | None


class CloseEscalationRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"comment": "As we meant it"}}
    )

    comment: Annotated[str, Field(description="Why the decision stands.")]


class ReturnEscalationRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"queue": "disliked"}}
    )

    queue: Annotated[str, Field(description="Slug of the queue where it is reviewed once more.")]
    comment: Annotated[str, Field(description="What to look at.")] = ""


@router.get(
    "/escalations",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: EscalationsReply, ERRORS: Problem},
    summary="List escalations",
)
def list_escalations(
    request: HttpRequest,
    state: Literal["open", "settled"] = "open",
    cursor: Annotated[str, Query(description="The `next_cursor` of the page before.")] = "",
) -> EscalationsReply:
    """Return a page of what is open, what is due first; or of what was settled, newest first."""
    member = member_of(request)
    try:
        found, after = escalations.listed(
            project=member.project,
            to=member.user,
            is_open=state == "open",
            size=PAGE_SIZE,
            cursor=cursor,
            now=timezone.now(),
        )
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    return EscalationsReply(escalations=[_reply(one) for one in found], next_cursor=after or None)


@router.post(
    "/escalations/{int:escalation}/close",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: EscalationReply, 409: Problem, ERRORS: Problem},
    summary="Close an escalation",
)
def close_escalation(
    request: HttpRequest, escalation: EscalationId, payload: CloseEscalationRequest
) -> EscalationReply:
    """Settle it by a comment; the decision stays. 409 when somebody has, or is deciding on it."""
    return _acted(request, escalation, partial(escalations.close, comment=payload.comment))


@router.post(
    "/escalations/{int:escalation}/return",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: EscalationReply, 409: Problem, ERRORS: Problem},
    summary="Return an escalation",
)
def return_escalation(
    request: HttpRequest, escalation: EscalationId, payload: ReturnEscalationRequest
) -> EscalationReply:
    """Have the answer reviewed once more; until then no decision on it counts. 409 as for close."""
    member = member_of(request)
    seen = Queue.objects.visible_to(member.user).filter(project=member.project)
    queue = seen.filter(slug=payload.queue).first()
    if queue is None:
        raise invalid("queue", "There is no such queue.")
    send_back = partial(escalations.send_back, queue=queue, comment=payload.comment)
    return _acted(request, escalation, send_back)


def _acted(request: HttpRequest, pk: int, act: Callable[..., object]) -> EscalationReply:
    member, now = member_of(request), timezone.now()
    found = Escalation.objects.filter(project=member.project, pk=pk).first()
    if found is None:
        raise Http404("There is no such escalation.")
    try:
        act(escalation=found, by=member.user, now=now)
    except escalations.EscalationError as error:
        raise invalid(error.path, error.message) from error
    except escalations.SettledError as error:
        raise ConflictError(str(error)) from error
    told = escalations.told(escalation=found, to=member.user, now=now)
    return _reply(told)


def _reply(raised: escalations.Raised) -> EscalationReply:
    one: Any = raised.escalation
    return EscalationReply(
        escalation=one.pk,
        status=one.status,
        item=one.item_id if raised.is_decidable else None,
        queue=one.item.queue.slug,
        output=one.external_id,
        question=one.question,
        review=one.review_id,
        reviewer=one.review.reviewer.get_username(),
        verdict=None if raised.is_hidden else one.review.verdict,
        raised_at=one.raised_at,
        due_at=one.due_at,
        overdue=raised.is_overdue,
        held_by=raised.holder.get_username() if raised.holder else None,
        settled_by=one.settled_by.get_username() if one.settled_by else None,
        settled_at=one.settled_at,
        comment=one.comment or None,
    )
