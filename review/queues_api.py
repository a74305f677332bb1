"""/api/v1: queues and their rules, with a person's own key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Path, Router, Status
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.filters import FilterError
from feedback.models import Membership
from feedback.problems import Problem, idempotency_key, invalid
from feedback.timeouts import TooSlowError
from review import rules, worklist
from review.claims_api import queue_of
from review.filters import ReviewFilter
from review.models import Queue
from review.queues import QueueError
from review.staleness import mark

router = Router(tags=["review"])

ERRORS = frozenset({401, 403, 404, 422})
Slug = Annotated[str, Path(description="Slug of the queue.")]
Written = Annotated[
    str | dict[str, Any], Field(description="As in `model:a,b -tag:x`, or as JSON.")
]
Required = Literal["severity", "reasons", "confidence"]
Order = Literal["priority", "oldest", "newest"]


class QueueReply(BaseModel):
    """A queue with its policy, and how much of it is open, held by anybody, disputed, escalated,
    done, and decided as one.
    """

    slug: str
    name: str
    filter: dict[str, object]
    reviewers_per_item: int
    required: Annotated[list[Required], Field(description="What a decision must say.")]
    lease_seconds: int
    due_hours: int | None
    order: Order
    is_restricted: Annotated[
        bool, Field(description="Whether the people it names alone review and see it.")
    ]
    open: int
    held: int
    disputed: int
    escalated: int
    done: int
    provisional: int


class QueuesReply(BaseModel):
    queues: list[QueueReply]


class StratumReply(BaseModel):
    """A part of what a queue takes in: the share `rate` of what matches, from above 0 to 1."""

    name: str
    filter: dict[str, object]
    rate: float
    is_audit: bool


class QueueRulesReply(QueueReply):
    """A queue with its parts, in their order."""

    strata: list[StratumReply]
    reviewers: Annotated[
        list[str] | None,
        Field(
            description="E-mail addresses of those it names, told to moderators; null where it is "
            "everybody's."
        ),
    ]


class StratumRequest(BaseModel):
    """A part of what a queue takes in; without a filter, what is in none before it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: str
    filter: Written = ""
    rate: Annotated[float, Field(description="The share taken in, from above 0 to 1.")] = 1
    is_audit: Annotated[
        bool, Field(description="Whether it is worked off by lot, unless the queue goes by age.")
    ] = False


class QueueChangeRequest(BaseModel):
    """What is left out stays as it is. `strata` are all of them: the ones there were go."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"due_hours": 24}}
    )

    name: str = ""
    filter: Written = ""
    strata: list[StratumRequest] = []
    reviewers_per_item: int = 1
    required: list[Required] = []
    lease_seconds: int = 900
    due_hours: int | None = None
    order: Order = "priority"
    reviewers: Annotated[
        list[str] | None,
        Field(
            description="E-mail addresses of the members who review it, experts or above; they and "
            "moderators alone see it then. An empty list leaves moderators alone, null everybody."
        ),
    ] = None


class QueueRequest(QueueChangeRequest):
    """What a queue takes in and how it hands it out."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "Risky",
                "filter": "model:a",
                "strata": [
                    {"name": "Disliked", "filter": "score:negative"},
                    {"name": "Random audit", "rate": 0.2, "is_audit": True},
                ],
                "reviewers_per_item": 2,
            }
        }
    )

    name: str


class PartReply(BaseModel):
    """How many answers are in a part now, before its share is drawn."""

    name: str
    matching: int


class MatchReply(BaseModel):
    """One of the newest answers that match; question and answer are cut short."""

    output: str
    question: str
    answer: str
    at: datetime


class QueuePreviewReply(BaseModel):
    """How many answers rules match now, about how many of them come in, and the newest ones."""

    matching: int
    drawn: int
    strata: list[PartReply]
    outputs: list[MatchReply]


@router.get(
    "/queues",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: QueuesReply, frozenset({401, 403}): Problem},
    summary="List queues",
)
def list_queues(request: HttpRequest) -> QueuesReply:
    """Return the queues of the key's project that its person sees, by name."""
    member = member_of(request)
    seen = Queue.objects.visible_to(member.user).filter(project=member.project)
    found = list(seen.order_by("name", "pk"))
    return QueuesReply(queues=[QueueReply(**one) for one in _told(found)])


@router.post(
    "/queues",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={201: QueueRulesReply, frozenset({401, 403, 422}): Problem},
    summary="Make a queue",
)
def create_queue(request: HttpRequest, payload: QueueRequest) -> Status[QueueRulesReply]:
    """Make a queue; its slug follows from its name. What matches comes in within a minute.

    With an `Idempotency-Key` the same request sent again answers with the queue it made.
    """
    member = member_of(request)
    with _refusing():
        made = rules.create_queue(
            project=member.project,
            rules=_changed(rules.Rules(name=""), payload),
            by=member.user,
            request_key=idempotency_key(request),
            now=timezone.now(),
        )
    return Status(201, _rules_reply(made, member))


@router.get(
    "/queues/{slug}",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: QueueRulesReply, frozenset({401, 403, 404}): Problem},
    summary="Read a queue",
)
def read_queue(request: HttpRequest, slug: Slug) -> QueueRulesReply:
    """Return a queue with its parts; and to moderators, whom it names."""
    return _rules_reply(queue_of(request, slug), member_of(request))


@router.post(
    "/queues/{slug}",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: QueueRulesReply, ERRORS: Problem},
    summary="Change a queue",
)
def change_queue(request: HttpRequest, slug: Slug, payload: QueueChangeRequest) -> QueueRulesReply:
    """Change the rules of a queue: what they draw comes in, what nobody began or put in may leave.

    From the first review on, what the queue asks of its reviewers stays as it is; who they are may
    change. Who reviews it no more gives back what they hold of it; their drafts are kept.
    """
    found = queue_of(request, slug)
    with _refusing():
        there = rules.rules_of(queue=found)
        rules.edit_queue(
            queue=found,
            rules=_changed(there, payload),
            by=member_of(request).user,
            now=timezone.now(),
            seen=mark(there),
        )
    return _rules_reply(queue_of(request, slug), member_of(request))


@router.post(
    "/queue-previews",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: QueuePreviewReply, frozenset({401, 403, 422, 503}): Problem},
    summary="Preview a queue",
)
def preview_queue(request: HttpRequest, payload: QueueChangeRequest) -> QueuePreviewReply:
    """Look at what a queue by these rules would take in now, without making it."""
    try:
        with _refusing():
            wanted = _changed(rules.Rules(name=""), payload)
            found = rules.preview(project=member_of(request).project, rules=wanted)
    except TooSlowError as error:
        raise HttpError(503, "This takes too long to count. Narrow the filter.") from error
    outputs: Iterable[Any] = found.outputs
    return QueuePreviewReply(
        matching=found.size,
        drawn=found.num_drawn,
        strata=[PartReply(name=rule.name, matching=size) for rule, size in found.parts],
        outputs=[
            MatchReply(output=one.external_id, question=one.question, answer=one.answer, at=one.at)
            for one in outputs
        ],
    )


@contextmanager
def _refusing() -> Iterator[None]:
    """Tell what cannot be."""
    try:
        yield
    except QueueError as error:
        raise invalid(error.path, error.message) from error


def _changed(there: rules.Rules, sent: QueueChangeRequest) -> rules.Rules:
    """The rules with what was sent. Raises ValidationError for a filter that means nothing."""
    given = {name: getattr(sent, name) for name in sent.model_fields_set}
    if "filter" in given:
        given["filter"] = _filter("filter", sent.filter)
    if "strata" in given:
        given["strata"] = [
            rules.StratumRule(
                name=one.name,
                filter=_filter(f"strata.{number}.filter", one.filter),
                rate=one.rate,
                is_audit=one.is_audit,
            )
            for number, one in enumerate(sent.strata)
        ]
    return replace(there, **given)


def _filter(path: str, written: str | dict[str, Any]) -> dict[str, object]:
    try:
        wanted = (
            ReviewFilter.parse(written)
            if isinstance(written, str)
            else ReviewFilter.from_json(written)
        )
    except FilterError as error:
        raise invalid(path, str(error)) from error
    return wanted.to_json()


def _rules_reply(queue: Queue, to: Membership) -> QueueRulesReply:
    [told] = _told([queue])
    there = rules.rules_of(queue=queue)
    is_told = there.reviewers is not None and to.may(Membership.Role.MODERATOR)
    return QueueRulesReply(
        **told,
        strata=[StratumReply(**vars(one)) for one in there.strata],
        reviewers=list(there.reviewers or ()) if is_told else None,
    )


def _told(queues: list[Queue]) -> list[dict[str, Any]]:
    """What every reply says of queues. Two queries."""
    counts = worklist.counts(queues=queues, now=timezone.now())
    return [
        {
            "slug": queue.slug,
            "name": queue.name,
            "filter": queue.filter,
            "reviewers_per_item": queue.reviewers_per_item,
            "required": queue.required,
            "lease_seconds": queue.lease_seconds,
            "due_hours": queue.due_hours,
            "order": queue.order,
            "is_restricted": queue.is_restricted,
            **vars(counts.get(queue.pk, worklist.Counts())),
        }
        for queue in queues
    ]
