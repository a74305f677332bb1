"""/api/v1: what waits in queues and on routes, with a person's own key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal, cast

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Query, Router
from pydantic import BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.models import Membership, Project
from feedback.paging import CursorError
from feedback.problems import ConflictError, Problem, invalid
from review import board, due_times, handovers
from review.models import Handover

router = Router(tags=["review"])

ERRORS = frozenset({401, 403, 404, 422})
PAGE_SIZE = 50
RouteName = Literal["library", "training", "issue", "escalate"]
HandoverId = Annotated[int, Path(description="The handover's number.")]


class RouteRow(BaseModel):
    """A route with what is on it; what was done is counted for 30 days.

    `due_hours` are those within which it is to be done, where no rule says otherwise; `overdue`
    counts what is past that, taken or not; `next_due` is still to come.
    """

    route: RouteName
    due_hours: int | None
    overdue: int
    next_due: datetime | None
    open: int
    taken: int
    done: int
    oldest: datetime | None


class RoutesReply(BaseModel):
    routes: list[RouteRow]


class HolderReply(BaseModel):
    reviewer: str
    held: int


class WaitingReply(BaseModel):
    """What waits in a queue: since when the `oldest` does, what of it is past its due time, when
    the next is due, and who holds how much of it.
    """

    queue: str
    open: int
    overdue: int
    next_due: datetime | None
    oldest: datetime | None
    holders: list[HolderReply]


class BoardReply(BaseModel):
    queues: list[WaitingReply]


class HandoverReply(BaseModel):
    """What one decision asks for on one route.

    `output` is the sender's id; `verdict` is null while you are to judge the answer without
    knowing it. `added_by` is who put it on the route where that is not its reviewer.
    """

    handover: int
    route: Literal["library", "training", "issue"]
    status: Literal["open", "taken", "done"]
    review: int
    output: str
    question: str
    verdict: Literal["accept", "fix", "reject"] | None
    reviewer: str
    opened_at: datetime
    added_by: str | None
    due_at: datetime | None
    overdue: bool
    taken_by: str | None
    taken_at: datetime | None
    done_by: str | None
    done_at: datetime | None
    promoted: bool
    comment: str | None


class HandoversReply(BaseModel):
    handovers: list[HandoverReply]
    next_cursor: str | None


class DueHoursRequest(BaseModel):
    """Hours by route, null for none; what is left out stays as it is."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"example": {"issue": 72, "library": None}},
    )

    library: int | None = None
    training: int | None = None
    issue: int | None = None
    escalate: int | None = None


class CloseRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"comment": "Ticket 7"}}
    )

    comment: Annotated[str, Field(description="Why it is not promoted, or where it went.")]


@router.get(
    "/board",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: BoardReply, frozenset({401, 403}): Problem},
    summary="See what waits",
)
def read_board(request: HttpRequest) -> BoardReply:
    """Return each queue with what waits in it, the most overdue first; `/routes` has the routes."""
    member = member_of(request)
    found = board.waiting(project=member.project, to=member.user, now=timezone.now())
    return BoardReply(
        queues=[
            WaitingReply(
                queue=one.queue.slug,
                open=one.num_open,
                overdue=one.num_overdue,
                next_due=one.next_due,
                oldest=one.oldest,
                holders=[HolderReply(reviewer=name, held=number) for name, number in one.holders],
            )
            for one in found
        ]
    )


@router.get(
    "/routes",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: RoutesReply, frozenset({401, 403}): Problem},
    summary="List routes",
)
def list_routes(request: HttpRequest) -> RoutesReply:
    """Return each route with what waits on it, the most overdue first."""
    return _routes(member_of(request).project)


@router.post(
    "/routes",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: RoutesReply, frozenset({401, 403, 422}): Problem},
    summary="Set due times",
)
def set_due_hours(request: HttpRequest, payload: DueHoursRequest) -> RoutesReply:
    """Say within how many hours what comes to a route is to be done. What waits is dated anew."""
    member = member_of(request)
    hours = payload.model_dump(include=payload.model_fields_set)
    try:
        due_times.set_terms(project=member.project, hours=hours, by=member.user, now=timezone.now())
    except due_times.TermError as error:
        raise invalid(error.path, error.message) from error
    return _routes(member.project)


@router.get(
    "/handovers",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: HandoversReply, ERRORS: Problem},
    summary="List handovers",
)
def list_handovers(
    request: HttpRequest,
    route: Literal["library", "training", "issue"],
    status: Literal["open", "taken", "done"] = "open",
    cursor: Annotated[str, Query(description="The `next_cursor` of the page before.")] = "",
) -> HandoversReply:
    """Return a page of what is on a route, what is due first; done, the newest first."""
    member, now = member_of(request), timezone.now()
    try:
        found = handovers.listed(
            project=member.project,
            to=member.user,
            route=route,
            status=status,
            size=PAGE_SIZE,
            cursor=cursor,
            now=now,
        )
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    return HandoversReply(
        handovers=[_reply(one) for one in found.rows], next_cursor=found.next_cursor
    )


@router.post(
    "/handovers/{int:handover}/take",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: HandoverReply, 409: Problem, ERRORS: Problem},
    summary="Take a handover",
)
def take(request: HttpRequest, handover: HandoverId) -> HandoverReply:
    """Say that you are at it. 409 when somebody else is, or it is done."""
    return _acted(request, handover, handovers.take)


@router.post(
    "/handovers/{int:handover}/give-back",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: HandoverReply, 409: Problem, ERRORS: Problem},
    summary="Give a handover back",
)
def give_back(request: HttpRequest, handover: HandoverId) -> HandoverReply:
    """Open it again, whoever has taken it. 409 when it is done."""
    return _acted(request, handover, handovers.give_back)


@router.post(
    "/handovers/{int:handover}/close",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: HandoverReply, 409: Problem, ERRORS: Problem},
    summary="Close a handover",
)
def close(request: HttpRequest, handover: HandoverId, payload: CloseRequest) -> HandoverReply:
    """Be through with it without a promotion, with why or where it went. 409 when it is done."""
    return _acted(request, handover, partial(handovers.close, comment=payload.comment))


def _routes(project: Project) -> RoutesReply:
    hours = due_times.terms(project=project)
    found = handovers.on_routes(project=project, now=timezone.now())
    return RoutesReply(
        routes=[
            RouteRow(
                route=cast("RouteName", one.route.value),
                due_hours=hours.get(one.route),
                overdue=one.num_overdue,
                next_due=one.next_due,
                open=one.num_open,
                taken=one.num_taken,
                done=one.num_done,
                oldest=one.oldest,
            )
            for one in found
        ]
    )


def _acted(request: HttpRequest, pk: int, act: Callable[..., None]) -> HandoverReply:
    member, now = member_of(request), timezone.now()
    found = Handover.objects.filter(project=member.project, pk=pk).first()
    if found is None:
        raise Http404("There is no such handover.")
    try:
        act(handover=found, by=member.user, now=now)
    except handovers.UnsaidError as error:
        raise invalid("comment", str(error)) from error
    except handovers.HandoverError as error:
        raise ConflictError(str(error)) from error
    told = handovers.told(handover=found, to=member.user, now=now)
    return _reply(told)


def _reply(one: Any) -> HandoverReply:
    """One handover as `handovers.told` gives it."""
    review = one.review
    return HandoverReply(
        handover=one.pk,
        route=one.route,
        status=one.status,
        review=review.pk,
        output=review.output.external_id,
        question=one.question,
        verdict=None if one.is_hidden else review.verdict,
        reviewer=review.reviewer.get_username(),
        opened_at=one.opened_at,
        added_by=one.added_by.get_username() if one.added_by else None,
        due_at=one.due_at,
        overdue=one.is_overdue,
        taken_by=one.taken_by.get_username() if one.taken_by else None,
        taken_at=one.taken_at,
        done_by=one.done_by.get_username() if one.done_by else None,
        done_at=one.done_at,
        promoted=one.is_promoted,
        comment=one.comment or None,
    )
