"""/api/v1: look-alikes of a queue, and deciding them as one, with a person's own key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.db.models import Count, Min
from django.db.models.functions import Left
from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Query, Router, Status
from ninja.errors import AuthorizationError
from pydantic import BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.choices import told_choices
from feedback.models import Membership, User
from feedback.paging import CursorError, page
from feedback.problems import ConflictError, Problem, idempotency_key, invalid
from feedback.ringing import ring
from review import bulk, spot_checks
from review.bulk_api import JobReply, job_reply
from review.claims_api import queue_of
from review.models import ItemGroup, Queue, QueueItem, SpotCheck
from review.tasks import work_bulk

router = Router(tags=["review"])

ERRORS = frozenset({401, 403, 404, 422})
PAGE_SIZE = 50
QUESTION = 240
GroupId = Annotated[int, Path(description="The group's number.")]


class GroupRow(BaseModel):
    """A group with how many of it are open, and the beginning of what its first one asks."""

    group: int
    open: int
    question: str


class GroupsReply(BaseModel):
    groups: list[GroupRow]
    next_cursor: str | None


class PlanReply(BaseModel):
    """What sample it takes by now; `why_not` says why there is no use in drawing one."""

    size: int
    ask: int
    share: float
    why_not: str | None


class SampledReply(BaseModel):
    """One of a sample, with the verdict of the review it got."""

    item: int
    output: str
    verdict: str | None


class SampleReply(BaseModel):
    """A sample and what it tells: with 95 % confidence at least `bound` of `size` have `verdict`.

    `why_not` says why the rest cannot be decided on it. Verdicts, `agreeing` and `bound` are null
    while you are to judge one of the answers elsewhere without knowing them.
    """

    number: int
    drawn_at: datetime
    size: int
    asked: int
    reviewed: int
    agreeing: int | None
    verdict: str | None
    bound: float | None
    state: Annotated[spot_checks.State, told_choices(spot_checks.State)]
    why_not: str | None
    items: list[SampledReply]
    job: int | None
    provisional: int
    left_out: dict[str, int]


class GroupReply(BaseModel):
    """A group with its newest sample, and what another one would take."""

    group: int
    queue: str
    open: int
    plan: PlanReply
    sample: SampleReply | None


class DecideRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"sample": 1}}
    )

    sample: Annotated[int, Field(ge=1, le=2**31 - 1, description="The number of the sample.")]


@router.get(
    "/queues/{slug}/groups",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: GroupsReply, ERRORS: Problem},
    summary="List look-alikes",
)
def list_groups(
    request: HttpRequest,
    slug: Annotated[str, Path(description="Slug of the queue.")],
    cursor: Annotated[str, Query(description="The `next_cursor` of the page before.")] = "",
) -> GroupsReply:
    """Return the groups of the queue of which several are open, the newest first."""
    items = (
        QueueItem.objects.alike().filter(queue=queue_of(request, slug)).order_by().values("group")
    )
    several = items.annotate(number=Count("pk")).filter(number__gt=1)
    groups = ItemGroup.objects.filter(pk__in=several.values("group"))
    try:
        found = page(groups, order=["-id"], size=PAGE_SIZE, cursor=cursor)
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    told = items.filter(group__in=found.rows).annotate(number=Count("pk"), first=Min("pk"))
    counts = {row["group"]: (row["number"], row["first"]) for row in told}
    first = QueueItem.objects.filter(pk__in=[pk for _, pk in counts.values()])
    asked = dict(first.values_list("pk", Left("output__query", QUESTION)))
    return GroupsReply(
        groups=[
            GroupRow(group=one.pk, open=counts[one.pk][0], question=asked[counts[one.pk][1]])
            for one in found.rows
            # Decided by somebody since the page was read.
            if one.pk in counts
        ],
        next_cursor=found.next_cursor,
    )


@router.get(
    "/groups/{int:group}",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: GroupReply, ERRORS: Problem},
    summary="Read look-alikes",
)
def read_group(request: HttpRequest, group: GroupId) -> GroupReply:
    """Return a group with its newest sample and what that proves."""
    return _reply(_group(request, group), member_of(request).user)


@router.post(
    "/groups/{int:group}/sample",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={201: GroupReply, 409: Problem, ERRORS: Problem},
    summary="Draw a sample",
)
def draw_sample(request: HttpRequest, group: GroupId) -> Status[GroupReply]:
    """Draw at random what is to be reviewed before the group is decided as one.

    409 while the sample before is being reviewed, and where each has to be looked at.
    """
    found = _group(request, group)
    try:
        spot_checks.draw_sample(group=found, by=member_of(request).user, now=timezone.now())
    except spot_checks.SpotCheckError as error:
        raise ConflictError(str(error)) from error
    return Status(201, _reply(found, member_of(request).user))


@router.post(
    "/groups/{int:group}/decide",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={202: JobReply, 409: Problem, ERRORS: Problem},
    summary="Decide as one",
)
def decide(request: HttpRequest, group: GroupId, payload: DecideRequest) -> Status[JobReply]:
    """Have a worker decide the rest as the sample was; the reply is the job, to ask for and undo.

    409 when the sample does not allow it. With an `Idempotency-Key` the same request sent again
    answers with the job it started.
    """
    found = _group(request, group)
    check = found.checks.filter(number=payload.sample).first()
    if check is None:
        raise invalid("sample", "There is no such sample.")
    try:
        job = spot_checks.decide(
            check=check,
            by=member_of(request).user,
            now=timezone.now(),
            request_key=idempotency_key(request),
        )
    except bulk.NotAllowedError as error:
        raise AuthorizationError(message=str(error)) from error
    except spot_checks.SpotCheckError as error:
        raise ConflictError(str(error)) from error
    ring(work_bulk)
    return Status(202, job_reply(job))


def _group(request: HttpRequest, pk: int) -> ItemGroup:
    member = member_of(request)
    seen = Queue.objects.visible_to(member.user).filter(project=member.project)
    groups = ItemGroup.objects.filter(queue__in=seen)
    found = groups.select_related("queue__project").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such group.")
    return found


def _reply(group: ItemGroup, to: User) -> GroupReply:
    plan = spot_checks.plan(group=group)
    check = spot_checks.newest(group=group)
    return GroupReply(
        group=group.pk,
        queue=group.queue.slug,
        open=plan.num_open,
        plan=PlanReply(
            size=plan.size, ask=plan.num_asked, share=plan.share, why_not=plan.why_not or None
        ),
        sample=_sample(check, to) if check else None,
    )


def _sample(check: SpotCheck, to: User) -> SampleReply:
    found = spot_checks.standing(check=check)
    is_hidden = spot_checks.is_hidden(check=check, to=to)
    return SampleReply(
        number=found.check.number,
        drawn_at=found.check.drawn_at,
        size=found.check.size,
        asked=found.check.num_asked,
        reviewed=found.num_reviewed,
        agreeing=None if is_hidden else found.num_agreeing,
        verdict=None if is_hidden else found.verdict or None,
        bound=None if is_hidden else found.bound,
        state=found.state,
        why_not=found.why_not or None,
        items=[
            SampledReply(
                item=one.drawn.item_id,
                output=one.drawn.item.output.external_id,
                verdict=one.review.verdict if one.review and not is_hidden else None,
            )
            for one in found.sample
        ],
        job=found.job.pk if found.job else None,
        provisional=found.num_decided,
        left_out=dict(found.left_out),
    )
