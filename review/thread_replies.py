"""What the API says of annotations and their threads, and how it refuses what cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Literal

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path
from ninja.errors import AuthorizationError
from pydantic import BaseModel, ConfigDict, Field

from feedback.authentication import member_of
from feedback.choices import told_choices
from feedback.models import Output, User
from feedback.problems import ConflictError, invalid
from review.anchoring import AnchorError
from review.annotations import AnnotationError, NotYoursError, StaleVersionError
from review.annotations import ConflictError as TooLateError
from review.evidencing import EvidenceError
from review.models import Anchor, Annotation
from review.models.annotation import AnnotationQuerySet
from review.places import places_of
from review.reanchoring import Place
from review.records import annotation_record, with_threads
from review.rendering import Rendered, render

AnnotationId = Annotated[int, Path(description="The annotation's number.")]
Version = Annotated[int, Field(ge=1, description="Of the answer; 409 when it is not current.")]
Offset = Annotated[int, Field(ge=0, le=2**31 - 1)]


class WordsRequest(BaseModel):
    """Words at a place of a text."""

    model_config = ConfigDict(strict=True, extra="forbid")

    start: Annotated[Offset, Field(description="Code points of the text as sent.")]
    end: Annotated[Offset, Field(description="The first code point behind it.")]
    exact: Annotated[str, Field(max_length=2_000_000, description="The text between them.")]


class SpanReply(BaseModel):
    """A place in a text, half open; null where it cannot be told."""

    start: int | None
    end: int | None
    unit: Literal["codepoint"] = "codepoint"


class CommentReply(BaseModel):
    """A reply in a thread; one that was removed keeps its place, and has no text."""

    id: int
    author: str
    text: str | None
    edited_at: datetime | None
    deleted_at: datetime | None
    at: datetime


class AnnotationEvidenceReply(BaseModel):
    """Words of a document that a comment rests on; `document` is its id as it was sent."""

    id: int
    document: str | None
    exact: str
    span: SpanReply
    at: datetime


class PlaceReply(BaseModel):
    """Where the words are in the current `version` of the answer.

    Other states than `exact` are a guess until a person has confirmed them; a `detached`
    annotation has no words there any more.
    """

    version: int
    state: Annotated[Anchor.State, told_choices(Anchor.State)]
    exact: str | None
    span: SpanReply | None
    is_confirmed: bool


class AnnotationReply(BaseModel):
    """A comment, reason or suggestion on words of an answer, with its thread.

    `span` and `exact` are those of `output_version`, on which it was made, `place` those of the
    current one. With a `replacement` it is a suggestion, `decision` what became of that.
    """

    type: Literal["annotation"]
    id: int
    output: str
    output_version: int
    author: str
    reason: str | None
    comment: str | None
    replacement: str | None
    exact: str
    span: SpanReply
    place: PlaceReply
    evidence: list[AnnotationEvidenceReply]
    replies: list[CommentReply]
    decision: Literal["accepted", "rejected"] | None
    decided_by: str | None
    decided_at: datetime | None
    resolved_by: str | None
    resolved_at: datetime | None
    edited_at: Annotated[datetime | None, Field(description="When its author last changed it.")]
    deleted_at: datetime | None
    at: datetime


def seen(request: HttpRequest) -> AnnotationQuerySet:
    """The annotations of the key's project that are not hidden from its person."""
    member = member_of(request)
    return Annotation.objects.filter(project=member.project).seen_by(member.user)


def annotation_of(request: HttpRequest, pk: int) -> Annotation:
    """One of them. Raises Http404."""
    found = seen(request).select_related("output").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such annotation.")
    return found


def output_of(request: HttpRequest, external_id: str) -> Output:
    """The output of the key's project with the sender's id. Raises Http404."""
    known = Output.objects.filter(project=member_of(request).project)
    found = known.filter(external_id="" if "\x00" in external_id else external_id).first()
    if found is None:
        raise Http404("There is no such output.")
    return found


def told(annotation: int, *, to: User) -> AnnotationReply:
    """The annotation as it is now. Raises ConflictError when it was removed meanwhile."""
    found = with_threads(Annotation.objects.filter(pk=annotation), to=to).first()
    if found is None:
        raise ConflictError("This comment was removed.")
    [reply] = told_all(found.output, [found])
    return reply


def told_all(output: Output, found: Iterable[Annotation]) -> list[AnnotationReply]:
    """Annotations of one output as `with_threads` loads them: two queries at the most."""
    listed = list(found)
    rendered = render(output.text)
    places = places_of(output, listed, rendered)
    return [
        AnnotationReply(
            **annotation_record(one), place=_place(places[one.pk], output.version, rendered)
        )
        for one in listed
    ]


def acted(
    request: HttpRequest, pk: int, act: Callable[..., object], **fields: object
) -> AnnotationReply:
    """Act on a comment, and tell what that made of it."""
    by = member_of(request).user
    with refusing():
        act(annotation=annotation_of(request, pk), by=by, now=timezone.now(), **fields)
    return told(pk, to=by)


@contextmanager
def refusing() -> Iterator[None]:
    """Tell what cannot be, who may not, and that somebody was faster."""
    try:
        yield
    except NotYoursError as error:
        raise AuthorizationError(message=str(error)) from error
    except (AnchorError, AnnotationError, EvidenceError) as error:
        # These are no fields: they say what the annotation is by now.
        if error.path in {"anchor", "annotation"}:
            raise ConflictError(error.message) from error
        raise invalid("reasons" if error.path == "reason" else error.path, error.message) from error
    except StaleVersionError as error:
        raise ConflictError(f"The answer is at version {error.version} now.") from error
    except TooLateError as error:
        raise ConflictError(str(error)) from error


def _place(place: Place, version: int, rendered: Rendered) -> PlaceReply:
    exact, span = None, None
    if place.start is not None and place.end is not None:
        exact = rendered.canonical[place.start : place.end]
        start, end = rendered.canonical_to_source(place.start, place.end)
        span = SpanReply(start=start, end=end)
    return PlaceReply(
        version=version,
        state=Anchor.State(place.state),
        exact=exact,
        span=span,
        is_confirmed=place.is_confirmed,
    )
