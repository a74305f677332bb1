"""/api/v1: the threads of comments and what they rest on, with a person's own key."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Router, Status
from pydantic import BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.models import Membership
from feedback.payloads import Id
from feedback.problems import Problem, idempotency_key, invalid
from review import evidencing, threads
from review.annotations import LONGEST_TEXT
from review.models import Comment, Evidence
from review.records import reply_record
from review.thread_replies import (
    AnnotationId,
    AnnotationReply,
    CommentReply,
    WordsRequest,
    acted,
    annotation_of,
    refusing,
    seen,
)

router = Router(tags=["review"])

NAMED = frozenset({401, 403, 404})
ERRORS = frozenset({401, 403, 404, 422})
ReplyId = Annotated[int, Path(description="The reply's number.")]
EvidenceId = Annotated[int, Path(description="The number of the words that a comment rests on.")]
Words = Annotated[str, Field(max_length=LONGEST_TEXT)]


class TextRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"text": "2018, I think."}}
    )

    text: Words


class EvidenceRequest(WordsRequest):
    """Words of one of the documents that the answer was given."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"document": "kb-7", "start": 0, "end": 14, "exact": "31 August 2018"}
        }
    )

    document: Annotated[Id, Field(description="The document's id, as it was sent.")]


@router.post(
    "/annotations/{int:annotation}/resolve",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: AnnotationReply, 409: Problem, NAMED: Problem},
    summary="Resolve a thread",
)
def resolve(request: HttpRequest, annotation: AnnotationId) -> AnnotationReply:
    """Settle a thread; twice by one person is once. 409 when somebody else did, or removed it."""
    return acted(request, annotation, threads.resolve)


@router.post(
    "/annotations/{int:annotation}/reopen",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: AnnotationReply, 409: Problem, NAMED: Problem},
    summary="Reopen a thread",
)
def reopen(request: HttpRequest, annotation: AnnotationId) -> AnnotationReply:
    """Take a settled thread up again; one that is open stays so. 409 when it was removed."""
    return acted(request, annotation, threads.reopen)


@router.post(
    "/annotations/{int:annotation}/replies",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={201: CommentReply, 409: Problem, ERRORS: Problem},
    summary="Reply to a comment",
)
def create_reply(
    request: HttpRequest, annotation: AnnotationId, payload: TextRequest
) -> Status[dict[str, Any]]:
    """Reply to a comment. With an `Idempotency-Key` the same request sent again answers with the
    reply it made.
    """
    with refusing():
        made = threads.reply(
            annotation=annotation_of(request, annotation),
            by=member_of(request).user,
            text=payload.text,
            request_key=idempotency_key(request),
            now=timezone.now(),
        )
    return Status(201, reply_record(made))


@router.post(
    "/replies/{int:reply}",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: CommentReply, 409: Problem, ERRORS: Problem},
    summary="Change a reply",
)
def change_reply(request: HttpRequest, reply: ReplyId, payload: TextRequest) -> dict[str, Any]:
    """Change the words of a reply of yours. 409 when it was removed."""
    found = _reply(request, reply)
    with refusing():
        threads.edit_reply(
            reply=found, by=member_of(request).user, text=payload.text, now=timezone.now()
        )
    return reply_record(_reply(request, reply))


@router.post(
    "/replies/{int:reply}/delete",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={204: None, NAMED: Problem},
    summary="Remove a reply",
)
def delete_reply(request: HttpRequest, reply: ReplyId) -> Status[None]:
    """Take a reply of yours back; moderators anybody's. It keeps its place in the thread."""
    found = _reply(request, reply)
    with refusing():
        threads.remove_reply(reply=found, by=member_of(request).user, now=timezone.now())
    return Status(204, None)


@router.post(
    "/annotations/{int:annotation}/evidence",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={201: AnnotationReply, 409: Problem, ERRORS: Problem},
    summary="Add evidence",
)
def add_evidence(
    request: HttpRequest, annotation: AnnotationId, payload: EvidenceRequest
) -> Status[AnnotationReply]:
    """Rest a comment on words of one of the answer's documents; the same words only once.

    409 when the comment was removed, or rests on as many passages as it may.
    """
    documents = annotation_of(request, annotation).output.documents
    ids = [one["id"] for one in documents]
    if payload.document not in ids:
        raise invalid("document", "The answer has no such document.")
    told_now = acted(
        request,
        annotation,
        evidencing.add_evidence,
        document=ids.index(payload.document),
        start=payload.start,
        end=payload.end,
        exact=payload.exact,
    )
    return Status(201, told_now)


@router.post(
    "/evidence/{int:evidence}/delete",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={204: None, NAMED: Problem},
    summary="Remove evidence",
)
def delete_evidence(request: HttpRequest, evidence: EvidenceId) -> Status[None]:
    """Take words that you added off a comment; moderators anybody's."""
    by = member_of(request).user
    there = Evidence.objects.seen_by(by).filter(annotation__in=seen(request))
    found = there.select_related("annotation").filter(pk=evidence).first()
    if found is None:
        raise Http404("There is no such evidence.")
    with refusing():
        evidencing.remove_evidence(evidence=found, by=by, now=timezone.now())
    return Status(204, None)


def _reply(request: HttpRequest, pk: int) -> Comment:
    """A reply that the person sees in a thread they see. Raises Http404."""
    member = member_of(request)
    there = Comment.objects.filter(annotation__project=member.project).seen_by(member.user)
    found = there.select_related("annotation", "author").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such reply.")
    return found
