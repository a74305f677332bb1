"""/api/v1: bulk acts, with a person's own key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Router, Status
from ninja.errors import AuthorizationError
from pydantic import BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.choices import told_choices
from feedback.filters import FilterError
from feedback.models import Membership
from feedback.problems import ConflictError, Problem, idempotency_key, invalid
from feedback.ringing import ring
from review import bulk
from review.filters import ReviewFilter
from review.models import BulkJob, Queue
from review.tags import MOST_TAGS
from review.tasks import work_bulk

router = Router(tags=["review"])

ERRORS = frozenset({401, 403, 404, 422})
JobId = Annotated[int, Path(description="The job's number.")]
Names = Annotated[list[str], Field(max_length=MOST_TAGS)]


class BulkRequest(BaseModel):
    """An act on every output that matches: tags go to the outputs' sessions, reasons and routes
    to the decisions on them that count.
    """

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={
            "example": {"filter": "model:a refund", "act": "tag_add", "tags": ["billing"]}
        },
    )

    filter: Annotated[
        str | dict[str, Any], Field(description="As in `model:a,b -tag:x`, or as JSON.")
    ]
    act: Literal["tag_add", "tag_remove", "queue_add", "queue_remove", "reason_add", "route_add"]
    tags: Names = []
    queue: Annotated[str | None, Field(description="Slug of the queue, for acts on one.")] = None
    reason: Annotated[
        str | None, Field(description="Slug of a reason of the current taxonomy, for `reason_add`.")
    ] = None
    route: Annotated[
        Literal["library", "training", "issue"] | None, Field(description="For `route_add`.")
    ] = None


class JobReply(BaseModel):
    """How far a bulk act is. One that was undone says how many rows it had to leave as they are,
    one that failed at what `problem`.
    """

    job: int
    act: str
    filter: dict[str, Any]
    tags: list[str]
    queue: str | None
    reason: str | None
    route: str | None
    status: Annotated[BulkJob.Status, told_choices(BulkJob.Status)]
    matching: int
    seen: int
    changed: int
    undone: int
    conflicts: int
    problem: str
    created_at: datetime
    ended_at: datetime | None


@router.post(
    "/bulk",
    auth=OwnKeyAuth(Membership.Role.TAGGER),
    response={202: JobReply, ERRORS: Problem},
    summary="Act on all that match",
)
def start_bulk(request: HttpRequest, payload: BulkRequest) -> Status[JobReply]:
    """Have a worker act on every output that matches by now; the reply is the job to ask for.

    With an `Idempotency-Key` the same request sent again answers with the job it started.
    """
    member = member_of(request)
    queue = None
    if payload.queue is not None:
        slug = payload.queue.replace("\x00", "")
        seen = Queue.objects.visible_to(member.user)
        queue = seen.filter(project=member.project, slug=slug).first()
    try:
        wanted = (
            ReviewFilter.parse(payload.filter)
            if isinstance(payload.filter, str)
            else ReviewFilter.from_json(payload.filter)
        )
        job = bulk.start(
            project=member.project,
            wanted=wanted,
            act=payload.act,
            queue=queue,
            tags=payload.tags,
            reason=payload.reason or "",
            route=payload.route or "",
            request_key=idempotency_key(request),
            by=member.user,
            now=timezone.now(),
        )
    except FilterError as error:
        raise invalid("filter", str(error)) from error
    except bulk.BulkError as error:
        raise invalid(error.path, error.message) from error
    except bulk.NotAllowedError as error:
        raise AuthorizationError(message=str(error)) from error
    ring(work_bulk)
    return Status(202, job_reply(job))


@router.get(
    "/bulk/{int:job}",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: JobReply, frozenset({401, 403, 404}): Problem},
    summary="Ask for a bulk act",
)
def read_bulk(request: HttpRequest, job: JobId) -> JobReply:
    """Return how far a bulk act is."""
    return job_reply(_job(request, job))


@router.post(
    "/bulk/{int:job}/cancel",
    auth=OwnKeyAuth(Membership.Role.TAGGER),
    response={200: JobReply, 409: Problem, frozenset({401, 403, 404}): Problem},
    summary="Cancel a bulk act",
)
def cancel_bulk(request: HttpRequest, job: JobId) -> Status[JobReply]:
    """Stop the act where it is; only who started it and moderators. 409 when it has ended.

    What was done by then stays, and can be undone.
    """
    return _acted(request, job, bulk.cancel, status=200)


@router.post(
    "/bulk/{int:job}/undo",
    auth=OwnKeyAuth(Membership.Role.TAGGER),
    response={202: JobReply, 409: Problem, frozenset({401, 403, 404}): Problem},
    summary="Undo a bulk act",
)
def undo_bulk(request: HttpRequest, job: JobId) -> Status[JobReply]:
    """Have a worker take back what the act really changed; only who started it and moderators.

    A row that somebody changed since is left as it is. 409 when it has not ended, or is undone.
    """
    return _acted(request, job, bulk.undo, status=202)


def _acted(
    request: HttpRequest, pk: int, act: Callable[..., None], *, status: int
) -> Status[JobReply]:
    """Do it, and tell how far the job is then; 409 when it is too late."""
    try:
        act(job=_job(request, pk), by=member_of(request).user, now=timezone.now())
    except bulk.NotAllowedError as error:
        raise AuthorizationError(message=str(error)) from error
    except bulk.OverError as error:
        raise ConflictError(str(error)) from error
    ring(work_bulk)
    return Status(status, job_reply(_job(request, pk)))


def _job(request: HttpRequest, pk: int) -> BulkJob:
    member = member_of(request)
    jobs = BulkJob.objects.visible_to(member.user).filter(project=member.project)
    found = jobs.select_related("queue", "reason").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such job.")
    return found


def job_reply(job: BulkJob) -> JobReply:
    """How far the job is, as the API tells it."""
    return JobReply(
        job=job.pk,
        act=job.act,
        filter=job.filter,
        tags=job.tags,
        queue=job.queue.slug if job.queue else None,
        reason=job.reason.slug if job.reason else None,
        route=job.route or None,
        status=BulkJob.Status(job.status),
        matching=job.num_matching,
        seen=job.num_seen,
        changed=job.num_changed,
        undone=job.num_undone,
        conflicts=job.num_conflicts,
        problem=job.problem,
        created_at=job.created_at,
        ended_at=job.ended_at,
    )
