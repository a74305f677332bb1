"""/api/v1: decisions on items, with a person's own key."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Status
from pydantic import ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.models import Membership
from feedback.payloads import Share
from feedback.problems import ConflictError, Problem, invalid
from review import triage
from review.claims_api import (
    ERRORS,
    NAMED,
    ClaimReply,
    FenceRequest,
    ItemId,
    LostReply,
    item_of,
    lost,
    still_held,
)
from review.models import Review
from review.records import review_record
from review.verdicts import LONGEST_CORRECTION

router = Router(tags=["review"])

Text = Annotated[str, Field(max_length=LONGEST_CORRECTION)]


class ReviewRequest(FenceRequest):
    """A decision. `fix` and `reject` want a reason or a comment."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "fence": 3,
                "verdict": "fix",
                "severity": "major",
                "reasons": ["factually-incorrect"],
                "confidence": 0.75,
                "comment": "The album came out in 2018.",
                "correction": "Bloom came out on 31 August 2018.",
                "routes": ["library"],
            }
        }
    )

    verdict: Literal["accept", "fix", "reject"]
    severity: Literal["minor", "major", "critical"] | None = None
    reasons: Annotated[
        list[str], Field(max_length=50, description="Slugs of the current taxonomy.")
    ] = []
    confidence: Share | None = None
    comment: Text = ""
    correction: Annotated[Text, Field(description="The whole better answer, as Markdown.")] = ""
    routes: Annotated[
        list[Literal["library", "training", "issue", "escalate"]] | None,
        Field(max_length=4, description="What closes the loop; left out, what the rules propose."),
    ] = None
    version: Annotated[
        int | None, Field(ge=1, description="Of the answer you judged; else the current one.")
    ] = None


@router.post(
    "/items/{int:item}/review",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={201: dict[str, object], 409: LostReply, ERRORS: Problem},
    summary="Review an item",
)
def review(
    request: HttpRequest, item: ItemId, payload: ReviewRequest
) -> Status[dict[str, object]] | Status[LostReply]:
    """Store the decision and finish your place on the item; the reply is the review as a record.

    The same decision sent again, after an answer that was lost, answers with the one stored.
    409 for a stale fence, with who holds the item now, and for another decision than the stored.
    """
    member, found = member_of(request), item_of(request, item)
    try:
        made = triage.submit_review(
            item=found,
            by=member.user,
            fence=payload.fence,
            verdict=payload.verdict,
            severity=payload.severity or "",
            confidence=payload.confidence,
            comment=payload.comment,
            correction=payload.correction,
            reasons=payload.reasons,
            routes=payload.routes,
            version=payload.version,
            now=timezone.now(),
        )
    except triage.VerdictError as error:
        raise invalid(error.path, error.message) from error
    except triage.LeaseLostError:
        return lost(found, member.user)
    except triage.AlreadyReviewedError as error:
        if not error.is_same:
            return lost(found, member.user, "You have reviewed this item, in another way.")
        made = error.review
    return Status(201, review_record(made))


@router.post(
    "/items/{int:item}/undo",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: ClaimReply, 204: None, 409: Problem, NAMED: Problem},
    summary="Take a review back",
)
def undo(request: HttpRequest, item: ItemId) -> Status[ClaimReply] | Status[None]:
    """Take your review of the item back, within a day of it, and hold the item again.

    What you had entered waits on the desk as a draft. 204 when somebody took the item over since,
    409 with why a review stands, or that there is none.
    """
    member, found, now = member_of(request), item_of(request, item), timezone.now()
    mine = Review.objects.filter(item=found, reviewer=member.user).first()
    if mine is None:
        raise ConflictError("You have not reviewed this item.")
    try:
        triage.undo_review(review=mine, by=member.user, now=now)
    except triage.UndoError as error:
        raise ConflictError(str(error)) from error
    return still_held(found, member.user, now)
