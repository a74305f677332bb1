"""/api/v1: whole trails, with what people think of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from ninja import Query, Router
from ninja.errors import HttpError

from feedback.authentication import ApiKeyAuth, key_of
from feedback.filters import FilterError
from feedback.models import ApiKey, Feedback, Output, Session
from feedback.paging import CursorError, page
from feedback.problems import Problem, invalid
from feedback.records import feedback_record, output_record, session_record
from review.exporting import listed, record
from review.filters import ReviewFilter
from review.models import AddedReason, Annotation, Review
from review.models.ranks import without_peers
from review.records import annotation_record, review_record, with_threads

router = Router()

Limit = Annotated[int, Query(ge=1, le=200, description="Outputs on a page.")]

# Of what happened at one moment, an answer comes before what is said about it.
_ORDER = {"output": 0, "signal": 1, "feedback": 2, "annotation": 3, "review": 4}


def _replies(schema: dict[str, Any], **faults: str) -> dict[str, Any]:
    """What an act answers, in OpenAPI's words: records are made by hand, for speed."""
    faults = {
        "401": "No API key, or one that is unknown, expired or revoked.",
        "403": "The key lacks the scope “read”.",
        "422": "A parameter is out of its range, or cannot be read.",
        **{name.removeprefix("on_"): told for name, told in faults.items()},
    }
    problem = {"application/json": {"schema": Problem.model_json_schema()}}
    answers: dict[int, Any] = {
        200: {"description": "OK", "content": {"application/json": {"schema": schema}}}
    }
    for status, told in sorted(faults.items()):
        answers[int(status)] = {"description": told, "content": problem}
    return {"responses": answers}


def _object(*, required: Sequence[str], **lists: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        name: {"type": "array", "items": {"type": "object"}, "description": told}
        for name, told in lists.items()
    }
    if "next_cursor" in required:
        properties["next_cursor"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    return {"type": "object", "properties": properties, "required": [*required]}


@router.get(
    "/sessions/{path:session}",
    auth=ApiKeyAuth(ApiKey.Scope.READ),
    summary="Read a session",
    openapi_extra=_replies(
        _object(required=["trail", "next_cursor"], trail="Records, in time."),
        on_404="There is no such session.",
    ),
)
def read_session(
    request: HttpRequest,
    session: str,
    limit: Limit = 50,
    cursor: str = "",
) -> dict[str, Any]:
    """Return a session and its `trail`: outputs, feedback, signals, annotations and reviews.

    A page of the trail has up to `limit` outputs, in time, with all that is about them; what is
    about the whole session comes with the first. `next_cursor` leads on and is null at the end.
    """
    project = key_of(request).project
    row = (
        Session.objects.filter(project=project, external_id=_id(session))
        .prefetch_related("tags")
        .first()
    )
    if row is None:
        raise HttpError(404, "There is no such session.")
    try:
        found = page(
            row.outputs.select_related("session"), order=["at", "id"], size=limit, cursor=cursor
        )
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    about = Q(output__in=found.rows) if cursor else Q(output__in=found.rows) | Q(output=None)
    trail = [output_record(output) for output in found.rows]
    trail += _about(row.feedback.filter(about), found.rows, key_of(request))
    return {
        **session_record(row),
        "trail": sorted(trail, key=_moment),
        "next_cursor": found.next_cursor,
    }


@router.get(
    "/outputs",
    auth=ApiKeyAuth(ApiKey.Scope.READ),
    summary="List outputs",
    openapi_extra=_replies(
        _object(required=["outputs", "next_cursor"], outputs="Records, the oldest first."),
    ),
)
def list_outputs(
    request: HttpRequest,
    filter: str = "",  # noqa: A002  (the glossary's word)
    limit: Limit = 50,
    cursor: str = "",
) -> dict[str, Any]:
    """Return the `outputs` that match a filter, the oldest first, each with its session's `tags`.

    `filter` is written as on every page: `refund model:a,b -tag:x`. `next_cursor` leads on and is
    null at the end.
    """
    project = key_of(request).project
    try:
        wanted = ReviewFilter.parse(filter)
        found = listed(project=project, wanted=wanted, size=limit, cursor=cursor)
    except FilterError as error:
        raise invalid("filter", str(error)) from error
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    return {
        "outputs": [record(output) for output in found.rows],
        "next_cursor": found.next_cursor,
    }


@router.get(
    "/outputs/{path:output}",
    auth=ApiKeyAuth(ApiKey.Scope.READ),
    summary="Read an output",
    openapi_extra=_replies(
        _object(
            required=["versions", "trail"],
            versions="Former versions of the answer.",
            trail="Records of what was said about it, in time.",
        ),
        on_404="There is no such output.",
    ),
)
def read_output(request: HttpRequest, output: str) -> dict[str, Any]:
    """Return an output, its former `versions`, and the `trail` of what was said about it."""
    project = key_of(request).project
    outputs = Output.objects.filter(project=project, external_id=_id(output))
    row = outputs.select_related("session").first()
    if row is None:
        raise HttpError(404, "There is no such output.")
    versions = row.former_versions.order_by("number").values("number", "text", "superseded_at")
    trail = sorted(_about(row.feedback.all(), [row], key_of(request)), key=_moment)
    return {**output_record(row), "versions": list(versions), "trail": trail}


def _id(value: str) -> str:
    """The id, or one that nothing has: PostgreSQL takes no NUL."""
    return "" if "\x00" in value else value


def _about(
    feedback: QuerySet[Feedback], outputs: Sequence[Output], key: ApiKey
) -> list[dict[str, Any]]:
    """What was said, of that what a person's own key lets them see, or what everybody may."""
    person = key.membership.user if key.membership else None
    said = without_peers(feedback, to=person)
    said = said.select_related("session", "output").prefetch_related("reasons")
    annotations, reviews = Annotation.objects.all(), Review.objects.all()
    if person is None:
        annotations, reviews = annotations.revealed(), reviews.revealed()
    else:
        annotations, reviews = annotations.seen_by(person), reviews.seen_by(person)
    reviews = (
        reviews.filter(output__in=outputs)
        .select_related("output", "reviewer")
        .prefetch_related(
            "reasons", Prefetch("added_reasons", AddedReason.objects.told()), "handovers"
        )
    )
    return [
        *map(feedback_record, said),
        *map(annotation_record, with_threads(annotations.filter(output__in=outputs), to=person)),
        *map(review_record, reviews),
    ]


def _moment(record: dict[str, Any]) -> tuple[datetime, int, str]:
    return record["at"], _ORDER[record["type"]], str(record["id"])
