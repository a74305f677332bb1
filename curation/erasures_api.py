"""/api/v1: erasing a user or a session."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from curation import erasing
from curation.tasks import work_erasures
from feedback.authentication import OwnKeyAuth, member_of
from feedback.models import Erasure, Membership
from feedback.payloads import Id
from feedback.problems import Problem, invalid
from feedback.ringing import ring

router = Router(tags=["erasures"])

ERRORS = frozenset({401, 403, 404, 422})
ADMIN = OwnKeyAuth(Membership.Role.ADMIN)


class ErasureRequest(BaseModel):
    """Whose data is to go."""

    model_config = ConfigDict(strict=True, extra="forbid")

    scope: Annotated[
        Literal["user", "session"],
        Field(description="All that is one user's, or one session."),
    ]
    id: Annotated[Id, Field(description="Your id of the user or the session.")]
    may_return: Annotated[
        bool, Field(description="Whether the same records are taken in when sent again.")
    ] = False


class PreviewReply(BaseModel):
    """What would go, by kind."""

    counts: dict[str, int]
    releases: Annotated[int, Field(description="Releases that would be written anew.")]


class ErasureReply(BaseModel):
    """How far an erasure is, and how much went; it does not say of whom."""

    id: int
    scope: Literal["user", "session"]
    subject_hash: Annotated[str, Field(description="A keyed hash of the id.")]
    status: Literal["waiting", "running", "done", "failed"]
    counts: dict[str, int]
    problem: str
    may_return: bool
    asked_by: str
    asked_at: datetime
    ended_at: datetime | None


def _reply(made: Erasure) -> ErasureReply:
    return ErasureReply.model_validate(
        {
            **{
                name: getattr(made, name)
                for name in ("id", "scope", "subject_hash", "status", "counts", "problem")
            },
            "may_return": made.may_return,
            "asked_by": made.asked_by.get_username(),
            "asked_at": made.asked_at,
            "ended_at": made.ended_at,
        }
    )


@router.post("/erasures", auth=ADMIN, response={202: ErasureReply, ERRORS: Problem})
def erase(request: HttpRequest, payload: ErasureRequest) -> Status[ErasureReply]:
    """Have a worker erase a user or a session everywhere. Needs an admin's own key.

    Asking again while it goes on returns the same erasure. Ask for it until its status is done.
    """
    member = member_of(request)
    try:
        made = erasing.start(
            project=member.project,
            scope=payload.scope,
            subject=payload.id,
            confirmed=payload.id,
            may_return=payload.may_return,
            by=member.user,
            now=timezone.now(),
        )
    except erasing.ErasureError as error:
        raise invalid("id" if error.path == "subject" else error.path, error.message) from error
    ring(work_erasures)
    return Status(202, _reply(made))


@router.post("/erasures/preview", auth=ADMIN, response={200: PreviewReply, ERRORS: Problem})
def preview(request: HttpRequest, payload: ErasureRequest) -> PreviewReply:
    """Count what would go. Needs an admin's own key."""
    try:
        found = erasing.preview(
            project=member_of(request).project, scope=payload.scope, subject=payload.id
        )
    except erasing.ErasureError as error:
        raise invalid("id" if error.path == "subject" else error.path, error.message) from error
    return PreviewReply(counts=found.counts, releases=found.num_releases)


@router.get("/erasures/{erasure}", auth=ADMIN, response={200: ErasureReply, ERRORS: Problem})
def get_erasure(
    request: HttpRequest, erasure: Annotated[int, Path(ge=1, le=2**63 - 1)]
) -> ErasureReply:
    """Return how far an erasure is. Needs an admin's own key."""
    rows = Erasure.objects.filter(project=member_of(request).project, pk=erasure)
    found = rows.select_related("asked_by").first()
    if found is None:
        raise Http404("There is no such erasure.")
    return _reply(found)
