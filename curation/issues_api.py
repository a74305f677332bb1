"""/api/v1: issues, and what trackers report of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Query, Router, Status

from curation import issues, tasks, trackers
from curation.issue_replies import (
    AddRequest,
    CloseIssueRequest,
    IssueReply,
    IssuesReply,
    OpenRequest,
    ReopenRequest,
    SendRequest,
    WholeIssueReply,
    whole,
)
from curation.models import Issue, Tracker
from feedback.authentication import ApiKeyAuth, OwnKeyAuth, key_of, member_of
from feedback.models import ApiKey, Membership, Project
from feedback.paging import CursorError, page
from feedback.problems import ConflictError, Problem, invalid
from feedback.ringing import ring
from review.models import Handover, Review, Theme

router = Router(tags=["issues"])

ERRORS = frozenset({401, 403, 404, 422})
PAGE_SIZE = 50
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The issue's number.")]


@router.get(
    "/issues",
    auth=ApiKeyAuth(ApiKey.Scope.READ),
    response={200: IssuesReply, frozenset({401, 403, 422}): Problem},
    summary="List issues",
)
def list_issues(
    request: HttpRequest,
    state: Annotated[
        Literal["open", "closed", "all"], Query(description="Open takes in what came back.")
    ] = "open",
    cursor: Annotated[str, Query(description="The `next_cursor` of the page before.")] = "",
) -> IssuesReply:
    """Return a page of the project's issues, what changed last first."""
    found = Issue.objects.filter(project=key_of(request).project)
    if state == "open":
        found = found.unsettled()
    elif state == "closed":
        found = found.filter(status=Issue.Status.CLOSED)
    rows = found.select_related("theme", "opened_by").defer("theme__centroid")
    try:
        shown = page(
            rows.prefetch_related("tickets__tracker"),
            order=["-changed_at", "-id"],
            size=PAGE_SIZE,
            cursor=cursor,
        )
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    return IssuesReply(
        issues=[IssueReply(**IssueReply.fields_of(one)) for one in shown.rows],
        next_cursor=shown.next_cursor,
    )


@router.post(
    "/issues",
    auth=OwnKeyAuth(Membership.Role.CURATOR),
    response={201: WholeIssueReply, 409: Problem, ERRORS: Problem},
    summary="Open an issue",
)
def open_issue(request: HttpRequest, payload: OpenRequest) -> Status[WholeIssueReply]:
    """Make an issue of a theme, or of a decision that asks for one.

    409 when the theme has an open issue, or the decision is done.
    """
    member = member_of(request)
    theme = handover = None
    if payload.theme is not None:
        themes = Theme.objects.filter(project=member.project).defer("centroid")
        theme = themes.filter(number=payload.theme).first()
        if theme is None:
            raise invalid("theme", "There is no such theme.")
    if payload.handover is not None:
        handover = _handover(member, payload.handover)
    try:
        made = issues.open_issue(
            project=member.project,
            title=payload.title,
            description=payload.description,
            theme=theme,
            handover=handover,
            send_to=_trackers(member.project, payload.trackers),
            by=member.user,
            now=timezone.now(),
        )
    except issues.IssueFieldError as error:
        raise invalid(error.field, str(error)) from error
    except (issues.IssueError, trackers.TrackerError) as error:
        raise ConflictError(str(error)) from error
    ring(tasks.hand_over_issues)
    return Status(201, whole(_found(member.project, made.number)))


@router.get(
    "/issues/{int:number}",
    auth=ApiKeyAuth(ApiKey.Scope.READ),
    response={200: WholeIssueReply, ERRORS: Problem},
    summary="Read an issue",
)
def read_issue(request: HttpRequest, number: Number) -> WholeIssueReply:
    """Return an issue with what speaks for it, then and now, and what became of it."""
    return whole(_found(key_of(request).project, number))


@router.post(
    "/issues/{int:number}/close",
    auth=OwnKeyAuth(Membership.Role.CURATOR),
    response={200: WholeIssueReply, 409: Problem, ERRORS: Problem},
    summary="Close an issue",
)
def close_issue(
    request: HttpRequest, number: Number, payload: CloseIssueRequest
) -> WholeIssueReply:
    """Close an issue as fixed, which is watched from then on, or dropped. 409 when it is closed."""
    return _acted(request, number, partial(issues.close, **payload.model_dump()))


@router.post(
    "/issues/{int:number}/reopen",
    auth=OwnKeyAuth(Membership.Role.CURATOR),
    response={200: WholeIssueReply, 409: Problem, ERRORS: Problem},
    summary="Open a closed issue again",
)
def reopen_issue(request: HttpRequest, number: Number, payload: ReopenRequest) -> WholeIssueReply:
    """Open a closed issue again. 409 when it is open, or its theme has another one open."""
    return _acted(request, number, partial(issues.reopen, **payload.model_dump()))


@router.post(
    "/issues/{int:number}/handovers",
    auth=OwnKeyAuth(Membership.Role.CURATOR),
    response={200: WholeIssueReply, 409: Problem, ERRORS: Problem},
    summary="Let a decision lead to an issue",
)
def add_handover(request: HttpRequest, number: Number, payload: AddRequest) -> WholeIssueReply:
    """Close what a decision asks for by an open issue. 409 when either is done."""
    handover = _handover(member_of(request), payload.handover)
    return _acted(request, number, partial(issues.add_handover, handover=handover))


@router.post(
    "/issues/{int:number}/send",
    auth=OwnKeyAuth(Membership.Role.CURATOR),
    response={200: WholeIssueReply, 409: Problem, ERRORS: Problem},
    summary="Send an issue to trackers",
)
def send_issue(request: HttpRequest, number: Number, payload: SendRequest) -> WholeIssueReply:
    """Have an open issue sent to trackers, each once; a worker does it. 409 when it is closed."""
    to = _trackers(member_of(request).project, payload.trackers)
    return _acted(request, number, partial(trackers.hand_over, trackers=to))


def _acted(request: HttpRequest, number: int, act: Callable[..., object]) -> WholeIssueReply:
    member = member_of(request)
    issue = _found(member.project, number)
    try:
        act(issue=issue, by=member.user, now=timezone.now())
    except issues.IssueFieldError as error:
        raise invalid(error.field, str(error)) from error
    except (issues.IssueError, trackers.TrackerError) as error:
        raise ConflictError(str(error)) from error
    ring(tasks.hand_over_issues)
    return whole(_found(member.project, number))


def _found(project: Project, number: int) -> Issue:
    found = Issue.objects.filter(project=project, number=number)
    found = found.select_related("theme__project", "opened_by").defer("theme__centroid")
    issue = found.prefetch_related("tickets__tracker").first()
    if issue is None:
        raise Http404("There is no such issue.")
    return issue


def _handover(member: Membership, pk: int) -> Handover:
    # What a decision says is hidden from whoever is still to judge the answer without it.
    seen = Review.objects.seen_by(member.user).filter(project=member.project_id)
    found = Handover.objects.filter(review__in=seen, route=Review.Route.ISSUE, pk=pk)
    handover = found.select_related("review").first()
    if handover is None:
        raise invalid("handover", "There is no such decision on this route.")
    return handover


def _trackers(project: Project, names: list[str] | None) -> list[Tracker]:
    kept = Tracker.objects.kept().filter(project=project)
    if names is None:
        return list(kept.filter(is_default=True).order_by("pk"))
    found = {one.name: one for one in kept}
    if missing := [name for name in names if name not in found]:
        raise invalid("trackers", f"There is no tracker “{missing[0][:120]}”.")
    return [found[name] for name in dict.fromkeys(names)]
