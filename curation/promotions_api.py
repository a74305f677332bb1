"""/api/v1: promotion of reviews, one or many, with a curator's own key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Router, Status
from ninja.errors import AuthorizationError
from pydantic import BaseModel, ConfigDict, Field

from curation import promotion_jobs
from curation.models import ContextLibrary, Placing, PromotionJob, TrainingSet
from curation.placing import Places, find_places
from curation.tasks import work_promotions
from feedback.authentication import OwnKeyAuth, member_of
from feedback.choices import told_choices
from feedback.filters import FilterError
from feedback.models import Membership, Project
from feedback.problems import ConflictError, Problem, idempotency_key, invalid
from feedback.ringing import ring
from review.filters import ReviewFilter

router = Router(tags=["curation"])

ERRORS = frozenset({401, 403, 404, 422})
MOST_PLACES = 20
MOST_LISTED = 1_000
PromotionId = Annotated[int, Path(description="The promotion's number.")]
Kind = Literal["instruction", "example", "clarification"]
Slugs = Annotated[list[Annotated[str, Field(max_length=60)]], Field(max_length=MOST_PLACES)]


class PlacesRequest(BaseModel):
    """Where a review goes, of libraries and training sets by their slugs, and as what."""

    model_config = ConfigDict(strict=True, extra="forbid")

    libraries: Slugs = []
    training_sets: Slugs = []
    kind: Annotated[Kind, Field(description="Of the entries in libraries.")] = "example"
    why: Annotated[
        str,
        Field(max_length=promotion_jobs.LONGEST_WHY, description="A note, kept with each entry."),
    ] = ""


class PromotionRequest(PlacesRequest):
    """Which reviews to promote, picked or by a filter over their outputs, and where to."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={
            "example": {
                "filter": "theme:7 verdict:fix",
                "libraries": ["facts"],
                "training_sets": ["answers"],
                "why": "Release dates",
            }
        },
    )

    reviews: Annotated[
        list[Annotated[int, Field(ge=1, le=2**63 - 1)]] | None,
        Field(max_length=promotion_jobs.MOST_PICKED, description="Numbers of reviews."),
    ] = None
    filter: Annotated[
        str | dict[str, Any] | None,
        Field(description="As in `model:a,b -tag:x`, or as JSON. Instead of `reviews`."),
    ] = None
    only_unpromoted: Annotated[
        bool, Field(description="Leave out what is in a library or training set already.")
    ] = False


class PlacingReply(BaseModel):
    """One review on its way into one library or training set; with a `problem` nothing was made.

    `state` is `in_force`, `undone`, or `kept` for what an undo had to leave, which `problem` says.
    """

    review: int
    library: str | None
    training_set: str | None
    entry: int | None
    example: int | None
    state: Literal["in_force", "undone", "kept", "refused"]
    problem: str


class PromotionReply(BaseModel):
    """How far a promotion is: `made` and `refused` count reviews for each place, `kept` what an
    undo had to leave.
    """

    promotion: int
    filter: dict[str, Any]
    reviews: list[int] | None
    libraries: list[str]
    training_sets: list[str]
    kind: Kind
    why: str
    status: Annotated[PromotionJob.Status, told_choices(PromotionJob.Status)]
    matching: int
    seen: int
    made: int
    refused: int
    undone: int
    kept: int
    problem: str
    by: str
    created_at: datetime
    ended_at: datetime | None
    undone_by: str | None
    undone_at: datetime | None


class PromotionDetail(PromotionReply):
    """A promotion with its first placings: what became of each review in each place."""

    placings: list[PlacingReply]


@router.post(
    "/promotions",
    auth=OwnKeyAuth(Membership.Role.CURATOR),
    response={202: PromotionReply, ERRORS: Problem},
    summary="Promote reviews",
)
def start_promotion(request: HttpRequest, payload: PromotionRequest) -> Status[PromotionReply]:
    """Have a worker promote reviews into libraries and training sets; the reply is to be asked for.

    Only reviews that count are promoted. With an `Idempotency-Key` the same request sent again
    answers with the promotion it started.
    """
    member = member_of(request)
    if (payload.reviews is None) == (payload.filter is None):
        raise invalid("reviews", "Send either reviews or a filter.")
    try:
        job = promotion_jobs.start(
            project=member.project,
            wanted=_filter(payload.filter),
            reviews=payload.reviews,
            only_unpromoted=payload.only_unpromoted,
            places=places_of(payload, member.project),
            request_key=idempotency_key(request),
            by=member.user,
            now=timezone.now(),
        )
    except FilterError as error:
        raise invalid("filter", str(error)) from error
    except promotion_jobs.JobError as error:
        path = "libraries" if error.path == "into" else error.path
        raise invalid(path, error.message) from error
    ring(work_promotions)
    return Status(202, _reply(job))


@router.get(
    "/promotions/{int:promotion}",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: PromotionDetail, frozenset({401, 403, 404}): Problem},
    summary="Ask for a promotion",
)
def read_promotion(request: HttpRequest, promotion: PromotionId) -> PromotionDetail:
    """Return how far a promotion is, and what became of its first 1,000 placings.

    Those of answers that you are still to judge unaware are left out.
    """
    job = _job(request, promotion)
    rows = job.placings.seen_by(member_of(request).user)
    rows = rows.select_related("library", "training_set").order_by("pk")[:MOST_LISTED]
    return PromotionDetail(
        **_reply(job).model_dump(), placings=[placing_reply(one) for one in rows]
    )


@router.post(
    "/promotions/{int:promotion}/cancel",
    auth=OwnKeyAuth(Membership.Role.CURATOR),
    response={200: PromotionReply, 409: Problem, frozenset({401, 403, 404}): Problem},
    summary="Cancel a promotion",
)
def cancel_promotion(request: HttpRequest, promotion: PromotionId) -> Status[PromotionReply]:
    """Stop it where it is. What was made stays, and can be undone. 409 when it has ended."""
    return _acted(request, promotion, promotion_jobs.cancel, status=200)


@router.post(
    "/promotions/{int:promotion}/undo",
    auth=OwnKeyAuth(Membership.Role.CURATOR),
    response={202: PromotionReply, 409: Problem, frozenset({401, 403, 404}): Problem},
    summary="Undo a promotion",
)
def undo_promotion(request: HttpRequest, promotion: PromotionId) -> Status[PromotionReply]:
    """Have a worker take back what it made, but for what was changed, published or released since.

    409 when it has not ended, or is undone.
    """
    return _acted(request, promotion, promotion_jobs.undo, status=202)


def places_of(payload: PlacesRequest, project: Project) -> Places:
    """The places that a request names; a ValidationError names the field of one that is not."""
    libraries, training_sets = find_places(
        project=project, libraries=payload.libraries, training_sets=payload.training_sets
    )
    found: tuple[tuple[str, list[str], list[ContextLibrary] | list[TrainingSet]], ...] = (
        ("libraries", payload.libraries, libraries),
        ("training_sets", payload.training_sets, training_sets),
    )
    for path, slugs, rows in found:
        if missing := set(slugs) - {one.slug for one in rows}:
            raise invalid(path, f"There is no “{min(missing)}” in this project.")
    return Places(
        libraries=libraries, training_sets=training_sets, kind=payload.kind, why=payload.why
    )


def placing_reply(one: Placing) -> PlacingReply:
    """What became of a review in one place; expects the library and set to be loaded."""
    states: dict[str, Literal["in_force", "undone", "kept"]] = {
        "": "in_force",
        Placing.Outcome.UNDONE: "undone",
        Placing.Outcome.CONFLICT: "kept",
    }
    return PlacingReply(
        review=one.review_id,
        library=one.library.slug if one.library else None,
        training_set=one.training_set.slug if one.training_set else None,
        entry=one.entry_id,
        example=one.example_id,
        state="refused" if one.problem else states[one.outcome],
        problem=one.problem or one.conflict,
    )


def _filter(given: str | dict[str, Any] | None) -> ReviewFilter:
    if isinstance(given, dict):
        return ReviewFilter.from_json(given)
    return ReviewFilter.parse(given or "")


def _acted(
    request: HttpRequest, pk: int, act: Callable[..., None], *, status: int
) -> Status[PromotionReply]:
    """Do it, and tell how far the promotion is then; 409 when it is too late."""
    try:
        act(job=_job(request, pk), by=member_of(request).user, now=timezone.now())
    except promotion_jobs.NotAllowedError as error:
        raise AuthorizationError(message=str(error)) from error
    except promotion_jobs.OverError as error:
        raise ConflictError(str(error)) from error
    ring(work_promotions)
    return Status(status, _reply(_job(request, pk)))


def _job(request: HttpRequest, pk: int) -> PromotionJob:
    jobs = PromotionJob.objects.filter(project=member_of(request).project)
    found = jobs.select_related("project", "created_by", "undone_by").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such promotion.")
    return found


def _reply(job: PromotionJob) -> PromotionReply:
    return PromotionReply(
        promotion=job.pk,
        filter=job.filter,
        reviews=job.picked_reviews,
        libraries=[one.slug for one in job.libraries.order_by("slug")],
        training_sets=[one.slug for one in job.training_sets.order_by("slug")],
        kind=job.kind,  # type: ignore[arg-type]
        why=job.why,
        status=PromotionJob.Status(job.status),
        matching=job.num_matching,
        seen=job.num_seen,
        made=job.num_made,
        refused=job.num_refused,
        undone=job.num_undone,
        kept=job.num_conflicts,
        problem=job.problem,
        by=job.created_by.get_username(),
        created_at=job.created_at,
        ended_at=job.ended_at,
        undone_by=job.undone_by.get_username() if job.undone_by else None,
        undone_at=job.undone_at,
    )
