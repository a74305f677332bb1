"""Reads the items whose reviewers disagree, for who decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, F, OuterRef, Prefetch
from django.db.models.functions import Left

from feedback.models import Project, User
from feedback.paging import Page, page
from review.models import Claim, QueueItem, Review

# Code points of a question that a line shows.
QUESTION = 240


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """A disputed item with what each reviewer said, and who is deciding now, if anybody is.

    `is_hidden` while its reader is to judge the answer elsewhere without knowing what others said;
    then there are no `reviews`.
    """

    item: QueueItem
    reviews: Sequence[Review]
    holder: User | None
    is_party: bool
    is_hidden: bool


def sides(*, item: QueueItem, to: User) -> list[Review]:
    """What the reviewers of an item said, the first to decide first; nothing while it is hidden.

    One query.
    """
    blind = QueueItem.objects.blind_to(to).filter(output=OuterRef("output"))
    reviews = Review.objects.filter(~Exists(blind), item=item).exclude(place=Claim.ADJUDICATION)
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
        .annotate(
            question=Left("output__query", QUESTION),
            external_id=F("output__external_id"),
            is_hidden=Exists(QueueItem.objects.blind_to(by).filter(output=OuterRef("output"))),
        )
        .prefetch_related(
            Prefetch("reviews", reviews.order_by("created_at", "pk")),
            Prefetch("claims", deciding.select_related("reviewer")),
        )
    )
    found: Page[QueueItem] = page(wanted, order=["-rank", "id"], size=size, cursor=cursor)
    disputes = [
        Dispute(
            item=item,
            reviews=[] if item.is_hidden else list(item.reviews.all()),  # type: ignore[attr-defined]
            holder=next((place.reviewer for place in item.claims.all()), None),
            is_party=any(review.reviewer_id == by.pk for review in item.reviews.all()),
            is_hidden=item.is_hidden,  # type: ignore[attr-defined]
        )
        for item in found.rows
    ]
    return disputes, found.next_cursor or ""
