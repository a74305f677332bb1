"""/api/v1: candidates for promotion, with a curator's own key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Query, Router
from ninja.errors import AuthorizationError
from pydantic import BaseModel, ConfigDict, Field

from curation import candidates
from curation.models import Candidate
from curation.promotions_api import PlacesRequest, PlacingReply, places_of, placing_reply
from feedback.authentication import OwnKeyAuth, member_of
from feedback.choices import told_choices
from feedback.models import Membership
from feedback.paging import CursorError
from feedback.problems import ConflictError, Problem, invalid

router = Router(tags=["curation"])

PAGE_SIZE = 50
GONE = frozenset({401, 403, 404, 409})
CandidateId = Annotated[int, Path(description="The candidate's number.")]


class CandidateReply(BaseModel):
    """A reviewed answer that a worker proposes or passed over, and what was decided on it.

    `reviewers` gave its verdict. `similarity` is the cosine of its question to that of the nearest
    entry or example, null where there was none. `passed_over` says why it was not proposed, ""
    where it was.
    """

    candidate: int
    status: Annotated[Candidate.Status, told_choices(Candidate.Status)]
    review: int
    output: Annotated[str, Field(description="The sender's id.")]
    question: str
    verdict: Literal["accept", "fix", "reject"]
    reviewers: int
    similarity: float | None
    nearest_entry: int | None
    nearest_example: int | None
    passed_over: str
    reason: str
    note: str
    promotion: int | None
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None


class CandidatesReply(BaseModel):
    candidates: list[CandidateReply]
    next_cursor: str | None


class AcceptedReply(BaseModel):
    """An accepted candidate, and what became of it in each place."""

    candidate: CandidateReply
    placings: list[PlacingReply]


class AcceptRequest(PlacesRequest):
    """Where the candidate goes; `query` and `answer` replace what entries say."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"example": {"libraries": ["facts"], "training_sets": ["answers"]}},
    )

    query: Annotated[str | None, Field(max_length=200_000)] = None
    answer: Annotated[str | None, Field(max_length=200_000)] = None


class RejectRequest(BaseModel):
    """Why a candidate is not promoted; `other` wants a note."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"reason": "said"}}
    )

    reason: Literal["said", "wrong", "special", "style", "other"]
    note: Annotated[str, Field(max_length=candidates.LONGEST_NOTE)] = ""


@router.get(
    "/candidates",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: CandidatesReply, frozenset({401, 403, 422}): Problem},
    summary="List candidates for promotion",
)
def list_candidates(
    request: HttpRequest,
    show: Annotated[Literal["waiting", "decided", "passed-over"], Query()] = "waiting",
    cursor: str = "",
) -> CandidatesReply:
    """Return a page of what waits, the best first; of what was decided or passed over, the last."""
    try:
        found = candidates.listed(
            project=member_of(request).project, which=show, size=PAGE_SIZE, cursor=cursor
        )
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    return CandidatesReply(
        candidates=[_reply(one) for one in found.rows], next_cursor=found.next_cursor
    )


@router.post(
    "/candidates/{int:candidate}/accept",
    auth=OwnKeyAuth(Membership.Role.CURATOR),
    response={200: AcceptedReply, 422: Problem, GONE: Problem},
    summary="Accept a candidate",
)
def accept_candidate(
    request: HttpRequest, candidate: CandidateId, payload: AcceptRequest
) -> AcceptedReply:
    """Promote it into each place; 409 when somebody has decided on it.

    A place that could not take it says why; 422 when none could.
    """
    member = member_of(request)
    try:
        placings = candidates.accept(
            candidate=_candidate(request, candidate),
            places=places_of(payload, member.project),
            query=payload.query,
            answer=payload.answer,
            by=member.user,
            now=timezone.now(),
        )
    except candidates.CandidateError as error:
        path = "libraries" if error.path == "into" else error.path
        raise invalid(path, error.message) from error
    except candidates.DecidedError as error:
        raise ConflictError(str(error)) from error
    except candidates.NotAllowedError as error:
        raise AuthorizationError(message=str(error)) from error
    reply = _reply(_candidate(request, candidate))
    return AcceptedReply(candidate=reply, placings=[placing_reply(one) for one in placings])


@router.post(
    "/candidates/{int:candidate}/reject",
    auth=OwnKeyAuth(Membership.Role.CURATOR),
    response={200: CandidateReply, 422: Problem, GONE: Problem},
    summary="Reject a candidate",
)
def reject_candidate(
    request: HttpRequest, candidate: CandidateId, payload: RejectRequest
) -> CandidateReply:
    """Leave it unpromoted; it is not proposed again. 409 when somebody has decided on it."""
    reject = partial(candidates.reject, reason=payload.reason, note=payload.note)
    return _acted(request, candidate, reject)


@router.post(
    "/candidates/{int:candidate}/undo",
    auth=OwnKeyAuth(Membership.Role.CURATOR),
    response={200: CandidateReply, 422: Problem, GONE: Problem},
    summary="Undo a decision on a candidate",
)
def undo_candidate(request: HttpRequest, candidate: CandidateId) -> CandidateReply:
    """Have it wait again, and take back what accepting it made.

    409 when it waits, or when what was made was changed, published or released since.
    """
    return _acted(request, candidate, candidates.undo)


def _acted(request: HttpRequest, pk: int, act: Callable[..., None]) -> CandidateReply:
    try:
        act(candidate=_candidate(request, pk), by=member_of(request).user, now=timezone.now())
    except candidates.CandidateError as error:
        raise invalid(error.path, error.message) from error
    except candidates.DecidedError as error:
        raise ConflictError(str(error)) from error
    except candidates.NotAllowedError as error:
        raise AuthorizationError(message=str(error)) from error
    return _reply(_candidate(request, pk))


def _candidate(request: HttpRequest, pk: int) -> Candidate:
    rows = candidates.told(Candidate.objects.filter(project=member_of(request).project))
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such candidate.")
    return found


def _reply(one: Candidate) -> CandidateReply:
    return CandidateReply(
        candidate=one.pk,
        status=Candidate.Status(one.status),
        review=one.review_id,
        output=one.review.output.external_id,
        question=one.review.output.query,
        verdict=one.review.verdict,  # type: ignore[arg-type]
        reviewers=one.num_reviewers,
        similarity=one.similarity,
        nearest_entry=one.nearest_entry_id,
        nearest_example=one.nearest_example_id,
        passed_over=one.unfit_why,
        reason=one.reason,
        note=one.note,
        promotion=one.job_id,
        proposed_at=one.proposed_at,
        decided_by=one.decided_by.get_username() if one.decided_by else None,
        decided_at=one.decided_at,
    )
