"""/api/v1: what waits in a queue, with a person's own key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Path, Query, Router
from pydantic import BaseModel, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.filters import FilterError
from feedback.models import Membership, Project
from feedback.paging import CursorError, page
from feedback.problems import Problem, invalid
from review import worklist
from review.claims_api import queue_of
from review.filters import ReviewFilter
from review.models import Theme

router = Router(tags=["review"])

PAGE_SIZE = 50


class PointsReply(BaseModel):
    """One part of a priority: why, in words, and how many points."""

    words: str
    value: float


class ItemReply(BaseModel):
    """An open item, and why it stands where it does; question and answer are cut short.

    The queue is worked off by `rank`, the greatest first: the `priority`, the sum of its `parts`,
    unless the queue goes by age or the item is of a random audit. `theme` is a number, `stratum`
    the part of the queue that drew it, with the probability `inclusion`. `reasons` are slugs given
    in feedback, `signals` what users did, `holders` who holds it now. `alike` counts the open
    items that are nearly the same, with itself, 0 when it is alone; they are listed once, and
    `group` tells of them.
    """

    item: int
    output: str
    question: str
    answer: str
    model: str
    model_version: str
    at: Annotated[datetime, Field(description="When it was answered.")]
    priority: float
    rank: float
    parts: list[PointsReply]
    priority_version: Annotated[str, Field(description="The scoring, empty for a former one.")]
    theme: int | None
    stratum: str | None
    is_audit: bool
    inclusion: float
    reasons: list[str]
    signals: list[str]
    holders: list[str]
    group: int | None
    alike: int
    entered_at: datetime
    due_at: datetime | None


class ItemsReply(BaseModel):
    items: list[ItemReply]
    next_cursor: str | None


@router.get(
    "/queues/{slug}/items",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: ItemsReply, frozenset({401, 403, 404, 422}): Problem},
    summary="List a queue's items",
)
def list_items(
    request: HttpRequest,
    slug: Annotated[str, Path(description="Slug of the queue.")],
    filter: Annotated[str, Query(description="As in `model:a,b -tag:x`.")] = "",  # noqa: A002  (the glossary's word)
    theme: Annotated[str, Query(description="A theme's number, or `none`.")] = "",
    cursor: Annotated[str, Query(description="The `next_cursor` of the page before.")] = "",
) -> ItemsReply:
    """Return a page of the open items of a queue whose outputs match, the most urgent first."""
    project = member_of(request).project
    queue = queue_of(request, slug)
    try:
        items = worklist.open_items(
            queue=queue,
            narrowed=ReviewFilter.parse(filter),
            theme=_theme(project, theme),
            themeless=theme == "none",
        )
        found = page(
            worklist.listed(items.collapsed()),
            order=["-rank", "id"],
            size=PAGE_SIZE,
            cursor=cursor,
        )
    except FilterError as error:
        raise invalid("filter", str(error)) from error
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    rows = worklist.rows(items=found.rows, now=timezone.now())
    return ItemsReply(items=[_reply(row) for row in rows], next_cursor=found.next_cursor)


def _theme(project: Project, number: str) -> Theme | None:
    """The theme that is named by its number, None where none is. Raises ValidationError."""
    if number in {"", "none"}:
        return None
    known = Theme.objects.filter(project=project).defer("centroid")
    is_number = number.isascii() and number.isdecimal() and len(number) < 10
    found = known.filter(number=int(number)).first() if is_number else None
    if found is None:
        raise invalid("theme", "There is no such theme.")
    return found


def _reply(row: worklist.Row) -> ItemReply:
    item: Any = row.item
    return ItemReply(
        item=item.pk,
        output=item.output.external_id,
        question=item.question,
        answer=item.answer,
        model=item.output.model,
        model_version=item.output.model_version,
        at=item.output.at,
        priority=item.priority,
        rank=item.rank,
        parts=[PointsReply(words=one["words"], value=one["value"]) for one in item.priority_parts],
        priority_version=item.priority_version,
        theme=item.theme.number if item.theme else None,
        stratum=item.stratum.name if item.stratum else None,
        is_audit=bool(item.stratum and item.stratum.is_audit),
        inclusion=item.inclusion,
        reasons=[reason.slug for reason in row.reasons],
        signals=list(row.signals),
        holders=[user.get_username() for user in row.holders],
        group=item.group_id,
        alike=row.num_alike,
        entered_at=item.entered_at,
        due_at=item.due_at,
    )
