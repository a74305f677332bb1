"""/api/v1: suggestions decided on, and the corrected answer, with a person's own key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.models import Membership, Output, User
from feedback.payloads import Id
from feedback.problems import ConflictError, Problem, idempotency_key
from review import corrections, suggestions
from review.annotations import LONGEST_TEXT, words_sent
from review.models import Annotation
from review.suggestions import LONGEST_ANSWER, OverlapError
from review.thread_replies import (
    AnnotationId,
    AnnotationReply,
    Version,
    WordsRequest,
    annotation_of,
    output_of,
    refusing,
    told,
)

router = Router(tags=["review"])

NAMED = frozenset({401, 403, 404})
ERRORS = frozenset({401, 403, 404, 422})


class InTheWayReply(Problem):
    """Why a suggestion cannot be decided on; `in_the_way` are the accepted ones it conflicts with,
    by their numbers, if that is why.
    """

    in_the_way: list[int] = []


class OutputRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"output": "answer-7"}}
    )

    output: Id


class UndoRequest(OutputRequest):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {"output": "answer-7", "decided_at": "2026-11-02T09:15:00.123Z"}
        }
    )

    decided_at: Annotated[
        AwareDatetime, Field(strict=False, description="As the decision on all answered.")
    ]


class DecidedReply(BaseModel):
    """The suggestions that one act has changed, by their numbers, and when."""

    output: str
    suggestions: list[int]
    decided_at: datetime


class CorrectionRequest(OutputRequest):
    """The whole better answer, as Markdown."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "output": "answer-7",
                "version": 1,
                "text": "Bloom came out on 31 August 2018.",
            }
        }
    )

    version: Version
    text: Annotated[str, Field(max_length=LONGEST_ANSWER)]


class CorrectionReply(BaseModel):
    """What the accepted suggestions make of a version of the answer.

    `suggestions` are all that you see, in the order of the answer; of them `accepted` are applied,
    and `left_out` were accepted as well, but conflict with some accepted earlier. `open` counts
    those nobody has decided on. `distance` is how many code points differ (Levenshtein).
    """

    output: str
    version: int
    text: str
    distance: int
    suggestions: list[int]
    accepted: list[int]
    left_out: list[int]
    open: int


class PreviewRequest(WordsRequest):
    """Words of the answer as sent, and what to say instead, if that is known."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "output": "answer-7",
                "start": 18,
                "end": 32,
                "exact": "31 August 2017",
                "replacement": "31 August 2018",
            }
        }
    )

    output: Id
    replacement: Annotated[str, Field(max_length=LONGEST_TEXT)] | None = None
    version: Version | None = None


class SuggestionPreviewReply(BaseModel):
    """What a replacement stands for: `offered` is the Markdown of the `words`, widened so that no
    markup is cut, to whole lines where `is_block`. `problem` says why it cannot be suggested.
    """

    words: str
    offered: str
    is_wider: bool
    is_block: bool
    problem: str | None


@router.post(
    "/annotations/{int:annotation}/accept",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: AnnotationReply, 409: InTheWayReply, NAMED: Problem},
    summary="Accept a suggestion",
)
def accept(
    request: HttpRequest, annotation: AnnotationId
) -> AnnotationReply | Status[InTheWayReply]:
    """Apply a suggestion in the corrected answer; twice by one person is once.

    409 with the accepted ones that it conflicts with, or with who decided or removed it before.
    """
    return _decided(request, annotation, suggestions.accept)


@router.post(
    "/annotations/{int:annotation}/reject",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: AnnotationReply, 409: InTheWayReply, NAMED: Problem},
    summary="Reject a suggestion",
)
def reject(
    request: HttpRequest, annotation: AnnotationId
) -> AnnotationReply | Status[InTheWayReply]:
    """Leave a suggestion out of the corrected answer; twice by one person is once.

    409 with who decided or removed it before.
    """
    return _decided(request, annotation, suggestions.reject)


@router.post(
    "/annotations/{int:annotation}/undo",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: AnnotationReply, 409: InTheWayReply, NAMED: Problem},
    summary="Make a suggestion undecided",
)
def undo(request: HttpRequest, annotation: AnnotationId) -> AnnotationReply | Status[InTheWayReply]:
    """Take the decision on a suggestion back, whoever made it, to decide anew."""
    return _decided(request, annotation, suggestions.undo)


@router.post(
    "/annotations/{int:annotation}/rebase",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: AnnotationReply, 409: InTheWayReply, NAMED: Problem},
    summary="Cut a suggestion down",
)
def rebase(
    request: HttpRequest, annotation: AnnotationId
) -> AnnotationReply | Status[InTheWayReply]:
    """Cut a suggestion down to the changes in it that conflict with no accepted one.

    409 when nothing would be left.
    """
    return _decided(request, annotation, suggestions.rebase)


@router.post(
    "/suggestions/accept",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: DecidedReply, ERRORS: Problem},
    summary="Accept all suggestions",
)
def accept_all(request: HttpRequest, payload: OutputRequest) -> DecidedReply:
    """Accept what is undecided on an answer, less what conflicts with what is accepted.

    The earlier suggestion goes first.
    """
    return _decided_all(request, payload.output, suggestions.accept_all)


@router.post(
    "/suggestions/reject",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: DecidedReply, ERRORS: Problem},
    summary="Reject all suggestions",
)
def reject_all(request: HttpRequest, payload: OutputRequest) -> DecidedReply:
    """Reject what is undecided on an answer."""
    return _decided_all(request, payload.output, suggestions.reject_all)


@router.post(
    "/suggestions/undo",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: DecidedReply, ERRORS: Problem},
    summary="Take a decision on all back",
)
def undo_all(request: HttpRequest, payload: UndoRequest) -> DecidedReply:
    """Make undecided again what you decided on an answer with one act."""
    return _decided_all(
        request, payload.output, suggestions.undo_all, decided_at=payload.decided_at
    )


@router.get(
    "/corrections",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: CorrectionReply, ERRORS: Problem},
    summary="Read the corrected answer",
)
def read_correction(
    request: HttpRequest,
    output: Annotated[str, Query(description="The sender's id of the answer.")],
) -> CorrectionReply:
    """Return the current answer with the accepted suggestions applied, as you see them."""
    return _corrected(output_of(request, output), member_of(request).user)


@router.post(
    "/corrections",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: CorrectionReply, 409: Problem, ERRORS: Problem},
    summary="Rewrite an answer",
)
def rewrite(request: HttpRequest, payload: CorrectionRequest) -> CorrectionReply:
    """Make the corrected answer read as `text`: an accepted suggestion for each change.

    What was accepted and is written over is rejected. With an `Idempotency-Key` the same request
    sent again changes nothing more. 409 when the answer has a newer version.
    """
    found, by = output_of(request, payload.output), member_of(request).user
    with refusing():
        suggestions.rewrite(
            output=found,
            version=payload.version,
            text=payload.text,
            by=by,
            request_key=idempotency_key(request),
            now=timezone.now(),
        )
    return _corrected(found, by)


@router.post(
    "/suggestion-previews",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: SuggestionPreviewReply, 409: Problem, ERRORS: Problem},
    summary="Preview a suggestion",
)
def preview(request: HttpRequest, payload: PreviewRequest) -> SuggestionPreviewReply:
    """Look at the Markdown that a suggestion for these words replaces; nothing is stored."""
    output = output_of(request, payload.output)
    version = payload.version or output.version
    if version != output.version:
        raise ConflictError(f"The answer is at version {output.version} now.")
    with refusing():
        place = words_sent(output, start=payload.start, end=payload.end, exact=payload.exact)
        found = corrections.preview(
            output=output,
            version=version,
            start=place.start,
            end=place.end,
            exact=place.exact,
            replacement=payload.replacement,
        )
    return SuggestionPreviewReply(
        words=found.words,
        offered=found.offered,
        is_wider=found.is_wider,
        is_block=found.is_block,
        problem=found.problem or None,
    )


def _decided(
    request: HttpRequest, pk: int, decide: Callable[..., None]
) -> AnnotationReply | Status[InTheWayReply]:
    """Decide on a suggestion, and tell what that made of it."""
    by = member_of(request).user
    found = annotation_of(request, pk)
    try:
        with refusing():
            decide(annotation=found, by=by, now=_moment())
    except ConflictError as error:
        cause = error.__cause__
        others = [one.pk for one in cause.others] if isinstance(cause, OverlapError) else []
        return Status(409, InTheWayReply(message=str(error), in_the_way=others))
    return told(pk, to=by)


def _decided_all(
    request: HttpRequest,
    external_id: str,
    decide: Callable[..., Sequence[Annotation]],
    **fields: object,
) -> DecidedReply:
    output, now = output_of(request, external_id), _moment()
    changed = decide(output=output, by=member_of(request).user, now=now, **fields)
    return DecidedReply(
        output=output.external_id, suggestions=[one.pk for one in changed], decided_at=now
    )


def _corrected(output: Output, to: User) -> CorrectionReply:
    found = corrections.corrected(output=output, to=to)
    return CorrectionReply(
        output=output.external_id,
        version=output.version,
        text=found.text,
        distance=found.distance,
        suggestions=[one.pk for one in found.suggestions],
        accepted=[one.pk for one in found.accepted],
        left_out=[one.pk for one in found.left_out],
        open=found.num_open,
    )


def _moment() -> datetime:
    """Now, as exactly as JSON tells it: the moment of an act is what takes it back."""
    now = timezone.now()
    return now.replace(microsecond=now.microsecond // 1_000 * 1_000)
