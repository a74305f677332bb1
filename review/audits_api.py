"""/api/v1: how common faults are among all answers, with a person's own key."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import Path, Router
from pydantic import BaseModel

from feedback.authentication import OwnKeyAuth
from feedback.models import Membership
from feedback.problems import Problem
from review import audits
from review.claims_api import queue_of
from review.prevalence import Share

router = Router(tags=["review"])


class ShareReply(BaseModel):
    """A share of all answers, with its 95 % interval; `value` is null while only that is known."""

    value: float | None
    low: float
    high: float


class StratumCountReply(BaseModel):
    """What was looked at of a part, `stratum`, or of all where that is null: of `size` answers so
    many were decided, of these so many are faulty, and so many wait that were not left out by lot.
    """

    stratum: str | None
    is_audit: bool
    size: int
    decided: int
    faulty: int
    undecided: int


class ReasonShareReply(BaseModel):
    """How common a reason is among all answers; so many decisions have `given` it."""

    reason: str
    given: int
    share: ShareReply


class SharesReply(BaseModel):
    """How common faults are among all answers that a queue is about.

    `among_decided` is the share among those decided, which says nothing of the others. Where there
    is no share it is `undefined_because` of something.
    """

    strata: list[StratumCountReply]
    faulty: ShareReply | None
    among_decided: float | None
    reasons: list[ReasonShareReply]
    undefined_because: str | None


@router.get(
    "/queues/{slug}/shares",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: SharesReply, frozenset({401, 403, 404}): Problem},
    summary="See how common faults are",
)
def read_shares(
    request: HttpRequest, slug: Annotated[str, Path(description="Slug of the queue.")]
) -> SharesReply:
    """Return what share of all answers that the queue is about has a fault, and each reason."""
    found = audits.audit(queue=queue_of(request, slug))
    return SharesReply(
        strata=[
            StratumCountReply(
                stratum=one.stratum.name if one.stratum else None,
                is_audit=bool(one.stratum and one.stratum.is_audit),
                size=one.counted.size,
                decided=one.counted.num_decided,
                faulty=one.counted.num_faulty,
                undecided=one.counted.num_undecided,
            )
            for one in found.strata
        ],
        faulty=_share(found.faulty) if found.faulty else None,
        among_decided=found.plain,
        reasons=[
            ReasonShareReply(reason=one.slug, given=one.num_given, share=_share(one.share))
            for one in found.reasons
        ],
        undefined_because=found.why or None,
    )


def _share(one: Share) -> ShareReply:
    return ShareReply(value=one.value, low=one.low, high=one.high)
