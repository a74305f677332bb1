"""/api/v1: how far reviewers agree, and where they do not, with a person's own key."""

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
from review import agreeing, disputes
from review.agreement import Agreement
from review.models import Queue

router = Router(tags=["review"])

LISTED = frozenset({401, 403, 422})
PAGE_SIZE = 50


class SideReply(BaseModel):
    """What one of those who disagree decided."""

    review: int
    reviewer: str
    verdict: Literal["accept", "fix", "reject"]
    severity: Literal["minor", "major", "critical"] | None
    comment: str | None
    at: datetime


class DisputeReply(BaseModel):
    """An item whose reviewers disagree; who claims it decides. Not you if you `are_party`.

    `queue` is a slug, `output` the sender's id. `held_by` is deciding on it now. There are no
    `reviews` while you are to judge the answer elsewhere without knowing them.
    """

    item: int
    queue: str
    output: str
    question: str
    reviews: list[SideReply]
    held_by: str | None
    are_party: bool


class DisputesReply(BaseModel):
    disputes: list[DisputeReply]
    next_cursor: str | None


class AgreementReply(BaseModel):
    """Agreement beyond chance over so many `items`: 1 is perfect, 0 is what chance gives.

    `value` has a 95 % interval from `low` to `high`; `share` is how many pairs of judgements were
    the same, from 0 to 1. Where `value` is null it is `undefined_because` of something, where the
    ends of the interval are, there is `no_interval_because` of something.
    """

    items: int
    share: float | None
    value: float | None
    low: float | None
    high: float | None
    undefined_because: str | None
    no_interval_because: str | None


class QueueAgreementReply(BaseModel):
    """Krippendorff's alpha of the verdicts in a queue; so many of its items are `disputed`."""

    queue: str
    alpha: AgreementReply
    disputed: int


class ReasonAgreementReply(BaseModel):
    """Krippendorff's alpha of giving a reason or not; so many reviews have `given` it."""

    reason: str
    alpha: AgreementReply
    given: int


class PairAgreementReply(BaseModel):
    """Cohen's kappa of the verdicts of two reviewers."""

    reviewers: tuple[str, str]
    kappa: AgreementReply


class AgreementsReply(BaseModel):
    """How far those agree who judged the same answers without seeing each other.

    `queues` are all that ask for several reviewers. Pairs are the 50 who judged most together.
    With `only_latest` no more than the latest 20,000 reviews were compared.
    """

    queues: list[QueueAgreementReply]
    reasons: list[ReasonAgreementReply]
    pairs: list[PairAgreementReply]
    only_latest: bool


@router.get(
    "/disputes",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: DisputesReply, LISTED: Problem},
    summary="List disputes",
)
def list_disputes(
    request: HttpRequest,
    cursor: Annotated[str, Query(description="The `next_cursor` of the page before.")] = "",
) -> DisputesReply:
    """Return a page of the items whose reviewers disagree, the most urgent first."""
    member = member_of(request)
    try:
        found, after = disputes.listed(
            project=member.project,
            by=member.user,
            size=PAGE_SIZE,
            cursor=cursor,
            now=timezone.now(),
        )
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    return DisputesReply(disputes=[_dispute(one) for one in found], next_cursor=after or None)


@router.get(
    "/agreement",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: AgreementsReply, LISTED: Problem},
    summary="See how far reviewers agree",
)
def read_agreement(
    request: HttpRequest,
    queue: Annotated[
        str, Query(description="Slug of a queue; reasons and pairs are of it alone.")
    ] = "",
) -> AgreementsReply:
    """Return the agreement by queue, reason and pair of reviewers, of one queue or of all."""
    member, chosen = member_of(request), None
    project = member.project
    if queue:
        slug = queue.replace("\x00", "")
        seen = Queue.objects.visible_to(member.user)
        chosen = seen.filter(project=project, slug=slug).first()
        if chosen is None:
            raise invalid("queue", "There is no such queue.")
    found = agreeing.report(project=project, queue=chosen)
    return AgreementsReply(
        queues=[
            QueueAgreementReply(
                queue=one.queue.slug, alpha=_figure(one.agreement), disputed=one.num_disputed
            )
            for one in found.queues
        ],
        reasons=[
            ReasonAgreementReply(
                reason=one.reason.slug, alpha=_figure(one.agreement), given=one.num_given
            )
            for one in found.reasons
        ],
        pairs=[
            PairAgreementReply(reviewers=(one.first, one.second), kappa=_figure(one.agreement))
            for one in found.pairs
        ],
        only_latest=found.is_cut,
    )


def _dispute(one: disputes.Dispute) -> DisputeReply:
    item: Any = one.item
    return DisputeReply(
        item=item.pk,
        queue=item.queue.slug,
        output=item.external_id,
        question=item.question,
        reviews=[_side(review) for review in one.reviews],
        held_by=one.holder.get_username() if one.holder else None,
        are_party=one.is_party,
    )


def _side(review: Any) -> SideReply:
    return SideReply(
        review=review.pk,
        reviewer=review.reviewer.get_username(),
        verdict=review.verdict,
        severity=review.severity or None,
        comment=review.comment or None,
        at=review.created_at,
    )


def _figure(of: Agreement) -> AgreementReply:
    return AgreementReply(
        items=of.num_items,
        share=of.share,
        value=of.value,
        low=of.low,
        high=of.high,
        undefined_because=of.why or None if of.value is None else None,
        no_interval_because=of.why or None if of.value is not None else None,
    )
