"""/api/v1: comments on words of answers, with a person's own key."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.models import Membership
from feedback.paging import CursorError, page
from feedback.payloads import Id
from feedback.problems import Problem, idempotency_key, invalid
from review import anchors
from review.annotations import LONGEST_TEXT, annotate_sent, edit, remove
from review.records import with_threads
from review.thread_replies import (
    AnnotationId,
    AnnotationReply,
    Version,
    WordsRequest,
    acted,
    annotation_of,
    output_of,
    refusing,
    seen,
    told,
    told_all,
)

router = Router(tags=["review"])

NAMED = frozenset({401, 403, 404})
ERRORS = frozenset({401, 403, 404, 422})
PAGE_SIZE = 50
Words = Annotated[str, Field(max_length=LONGEST_TEXT)]


class AnnotationsReply(BaseModel):
    annotations: list[AnnotationReply]
    next_cursor: str | None


class AnnotationRequest(WordsRequest):
    """A comment, a reason or other words for a stretch of an answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "output": "answer-7",
                "start": 18,
                "end": 32,
                "exact": "31 August 2017",
                "reasons": ["factually-incorrect"],
                "comment": "A year too early.",
                "replacement": "31 August 2018",
            }
        },
    )

    output: Id
    reasons: Annotated[
        list[str], Field(max_length=1, description="The slug of a reason of the taxonomy.")
    ] = []
    comment: Words = ""
    replacement: Annotated[
        Words | None, Field(description="Markdown to stand there; empty deletes the words.")
    ] = None
    is_sure: Annotated[
        bool, Field(description="Whether to leave nothing of a paragraph on purpose.")
    ] = False
    version: Version | None = None


class AnnotationChangeRequest(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"comment": "A year too early."}}
    )

    comment: Words | None = None
    reasons: Annotated[
        list[str] | None,
        Field(max_length=1, description="The slug of a reason of the taxonomy, or none."),
    ] = None
    replacement: Annotated[
        Words | None, Field(description="Other words to suggest, while nobody has decided.")
    ] = None
    is_sure: Annotated[
        bool, Field(description="Whether to leave nothing of a paragraph on purpose.")
    ] = False


class ConfirmRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"version": 2}}
    )

    version: Version


class ReattachRequest(WordsRequest):
    """The words of the current answer that a comment is about now."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"start": 18, "end": 32, "exact": "31 August 2018"}}
    )

    version: Version | None = None


@router.get(
    "/annotations",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: AnnotationsReply, ERRORS: Problem},
    summary="List comments",
)
def list_annotations(
    request: HttpRequest,
    output: Annotated[str, Query(description="The sender's id of the answer.")],
    cursor: Annotated[str, Query(description="The `next_cursor` of the page before.")] = "",
) -> AnnotationsReply:
    """Return a page of the comments on an answer, the oldest first, each with its `place` now."""
    found, by = output_of(request, output), member_of(request).user
    there = with_threads(seen(request).filter(output=found), to=by)
    try:
        listed = page(there, order=["id"], size=PAGE_SIZE, cursor=cursor)
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    return AnnotationsReply(
        annotations=told_all(found, listed.rows), next_cursor=listed.next_cursor
    )


@router.post(
    "/annotations",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={201: AnnotationReply, 409: Problem, ERRORS: Problem},
    summary="Comment on words",
)
def create_annotation(request: HttpRequest, payload: AnnotationRequest) -> Status[AnnotationReply]:
    """Anchor a comment to words of the current answer; the reply is the annotation.

    `exact` has to stand at the place. With an `Idempotency-Key` the same request sent again
    answers with the annotation it made. 409 when `version` is not the current one.
    """
    member = member_of(request)
    output = output_of(request, payload.output)
    with refusing():
        made = annotate_sent(
            output=output,
            version=payload.version,
            by=member.user,
            start=payload.start,
            end=payload.end,
            exact=payload.exact,
            reason=next(iter(payload.reasons), ""),
            comment=payload.comment,
            replacement=payload.replacement,
            is_sure=payload.is_sure,
            request_key=idempotency_key(request),
            now=timezone.now(),
        )
    return Status(201, told(made.pk, to=member.user))


@router.get(
    "/annotations/{int:annotation}",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: AnnotationReply, NAMED: Problem},
    summary="Read a comment",
)
def read_annotation(request: HttpRequest, annotation: AnnotationId) -> AnnotationReply:
    """Return a comment with its thread, what it rests on, and its place in the answer now."""
    found = annotation_of(request, annotation)
    return told(found.pk, to=member_of(request).user)


@router.post(
    "/annotations/{int:annotation}",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: AnnotationReply, 409: Problem, ERRORS: Problem},
    summary="Change a comment",
)
def change_annotation(
    request: HttpRequest, annotation: AnnotationId, payload: AnnotationChangeRequest
) -> AnnotationReply:
    """Change the words, the reason and the suggestion of a comment of yours.

    409 when it was removed, or when somebody has decided on the suggestion.
    """
    reason = None if payload.reasons is None else next(iter(payload.reasons), "")
    return acted(
        request,
        annotation,
        edit,
        comment=payload.comment,
        reason=reason,
        replacement=payload.replacement,
        is_sure=payload.is_sure,
    )


@router.post(
    "/annotations/{int:annotation}/delete",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={204: None, NAMED: Problem},
    summary="Remove a comment",
)
def delete_annotation(request: HttpRequest, annotation: AnnotationId) -> Status[None]:
    """Remove a comment of yours; moderators anybody's. What was replied stays."""
    found = annotation_of(request, annotation)
    with refusing():
        remove(annotation=found, by=member_of(request).user, now=timezone.now())
    return Status(204, None)


@router.post(
    "/annotations/{int:annotation}/confirm",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: AnnotationReply, 409: Problem, ERRORS: Problem},
    summary="Confirm a place",
)
def confirm(
    request: HttpRequest, annotation: AnnotationId, payload: ConfirmRequest
) -> AnnotationReply:
    """Say that the words found in the current version are those that were meant.

    409 when no words were found, or the answer has a newer version.
    """
    return acted(request, annotation, anchors.confirm, version=payload.version)


@router.post(
    "/annotations/{int:annotation}/reattach",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: AnnotationReply, 409: Problem, ERRORS: Problem},
    summary="Choose a place",
)
def reattach(
    request: HttpRequest, annotation: AnnotationId, payload: ReattachRequest
) -> AnnotationReply:
    """Say which words of the current answer a comment on a former version is about now.

    409 for a comment on the current version.
    """
    return acted(request, annotation, anchors.reattach_sent, **dict(payload))
