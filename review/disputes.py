"""Reads the items whose reviewers disagree, for who decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Prefetch
from django.db.models.functions import Left

from feedback.models import Project, User
from feedback.paging import Page, page
from review.models import Claim, QueueItem, Review

# Code points of a question that a line shows.
QUESTION = 240


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """A disputed item with what each reviewer said, and who is deciding now, if anybody is."""

    item: QueueItem
    reviews: Sequence[Review]
    holder: User | None
    is_party: bool


def sides(*, item: QueueItem) -> list[Review]:
    """What the reviewers of an item said, the first to decide first. One query."""
    reviews = Review.objects.filter(item=item).exclude(place=Claim.ADJUDICATION)
    return list(reviews.select_related("reviewer").order_by("created_at", "pk"))


def listed(
    *, project: Project, by: User, size: int, cursor: str, now: datetime
) -> tuple[list[Dispute], str]:
    """A page of the project's disputed items, the most urgent first, and the cursor of the next.

    Items have the beginning of the `question` and the `external_id` of their output. Raises
    CursorError. Three queries.
    """
    reviews = Review.objects.exclude(place=Claim.ADJUDICATION).select_related("reviewer")
    deciding = Claim.objects.filter(finished_at=None, lease_until__gt=now)
    wanted = (
        QueueItem.objects.disputed()
        .filter(queue__project=project)
        .select_related("queue")
        .annotate(question=Left("output__query", QUESTION), external_id=F("output__external_id"))
        .prefetch_related(
            Prefetch("reviews", reviews.order_by("created_at", "pk")),
            Prefetch("claims", deciding.select_related("reviewer")),
        )
    )
    found: Page[QueueItem] = page(wanted, order=["-rank", "id"], size=size, cursor=cursor)
    disputes = [
        Dispute(
            item=item,
            reviews=list(item.reviews.all()),
            holder=next((place.reviewer for place in item.claims.all()), None),
            is_party=any(review.reviewer_id == by.pk for review in item.reviews.all()),
        )
        for item in found.rows
    ]
    return disputes, found.next_cursor or ""
