"""/api/v1: context for prompts, and releases of training sets."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from ninja import Path, Query, Router
from ninja.errors import HttpError, ValidationError
from pydantic import BaseModel, ConfigDict, Field

from curation import releasing, serving, training_sets
from curation.http import file_response, release_download
from curation.models import Release, ReleasedExample
from curation.prompts import Message
from curation.replies import ContextReply
from curation.shelves import Audience
from feedback.authentication import ApiKeyAuth
from feedback.embedding import get_encoder
from feedback.models import ApiKey
from feedback.payloads import Id, Name, Text
from feedback.problems import Problem, invalid

router = Router()

Format = Literal[
    "openai-sft",
    "openai-dpo",
    "trl-sft",
    "trl-preference",
    "trl-kto",
    "prompt-completion",
    "llamafactory-sft",
    "llamafactory-dpo",
    "llamafactory-kto",
    "axolotl-sft",
    "axolotl-dpo",
    "axolotl-kto",
    "evaluation",
    "examples",
]
ERRORS = frozenset({401, 403, 404, 409, 422})


class ChatMessage(BaseModel):
    """One chat message."""

    model_config = ConfigDict(strict=True, extra="forbid")

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text


class ContextRequest(BaseModel):
    """What is about to be asked, as `query` or as `messages`, and how much context it may get."""

    model_config = ConfigDict(strict=True, extra="forbid")

    library: Annotated[Id, Field(description="Slug of the library.")]
    query: Annotated[Text | None, Field(description="The question, when it is all there is.")] = (
        None
    )
    messages: Annotated[
        list[ChatMessage] | None,
        Field(
            min_length=1,
            max_length=1_000,
            description="The whole conversation; the last user message is the question.",
        ),
    ] = None
    session: Annotated[Id | None, Field(description="Your id of the session.")] = None
    k: Annotated[int | None, Field(ge=1, le=50, description="At most so many entries.")] = (
        serving.DEFAULT_K
    )
    token_budget: Annotated[
        int | None, Field(ge=1, le=1_000_000, description="What the entries may add.")
    ] = serving.DEFAULT_TOKEN_BUDGET
    role: Annotated[Name | None, Field(description="The user's role.")] = None
    environment: Annotated[Name | None, Field(description="Such as production.")] = None
    model: Annotated[Name | None, Field(description="The model that will answer.")] = None


@router.post(
    "/context",
    auth=ApiKeyAuth(ApiKey.Scope.CONTEXT),
    response={200: ContextReply, ERRORS: Problem},
    summary="Fetch context for a prompt",
    openapi_extra={
        "parameters": [
            {
                "in": "header",
                "name": "If-None-Match",
                "schema": {"type": "string"},
                "description": "ETags of answers you have; one that still holds gives 304.",
            }
        ],
        "responses": {
            304: {"description": "The answer with one of those ETags holds. It counts as served."},
        },
    },
)
def context(request: HttpRequest, payload: ContextRequest) -> HttpResponse:
    """Return the entries of a library's live version that help with a question, as messages.

    The same request gets the same bytes for as long as the version is live, under an ETag; it may
    be kept by whom it was sent to. 404 for a library that is not there, 409 for one without a
    version to serve.
    """
    try:
        served = serving.serve_context(
            project=request.auth.project,  # type: ignore[attr-defined]
            library_slug=payload.library,
            asked=_asked(payload),
            encoder=get_encoder(),
            now=timezone.now(),
            known=_known(request),
        )
    except serving.LibraryUnknownError as error:
        raise HttpError(404, str(error)) from error
    except serving.NothingPublishedError as error:
        raise HttpError(409, str(error)) from error
    if served.prompt is None:
        response = HttpResponse(status=304)
        del response["Content-Type"]
    else:
        reply = ContextReply.of(payload.library, served, served.prompt)
        response = HttpResponse(reply.model_dump_json(), content_type="application/json")
    response["ETag"] = f'"{served.exposure.hex}"'
    # Whoever keeps it asks whether it still holds: a version can be rolled back at any time.
    response["Cache-Control"] = "private, no-cache"
    return response


def _known(request: HttpRequest) -> frozenset[UUID]:
    """The exposures that If-None-Match names, weakly or not; others are passed over."""
    named = re.findall(r'"([0-9a-f]{32})"', request.headers.get("If-None-Match", "")[:4_000])
    return frozenset(UUID(one) for one in named)


def _asked(payload: ContextRequest) -> serving.Asked:
    return serving.Asked(
        messages=_messages(payload),
        session=payload.session or "",
        k=payload.k or serving.DEFAULT_K,
        token_budget=payload.token_budget or serving.DEFAULT_TOKEN_BUDGET,
        audience=Audience(
            role=payload.role or "",
            environment=payload.environment or "",
            model=payload.model or "",
        ),
    )


def _messages(payload: ContextRequest) -> list[Message]:
    """The messages to answer; a ValidationError names the field when there is no question."""
    if payload.messages is None:
        if payload.query is None:
            raise invalid("query", "Send either query or messages.")
        if not payload.query.strip():
            raise invalid("query", "There is no question in it.")
        return [{"role": "user", "content": payload.query}]
    if payload.query is not None:
        raise invalid("messages", "Send either query or messages, not both.")
    messages: list[Message] = [
        {"role": message.role, "content": message.content} for message in payload.messages
    ]
    if not serving.question(messages):
        raise invalid("messages", "There is no user message with text among them.")
    return messages


class WrittenFile(BaseModel):
    """A file of a release; `rows` is 0 for what stands beside them."""

    path: str
    bytes: int
    rows: int
    sha256: str


class ReleaseReply(BaseModel):
    """A release: how far it is, and its files once it is done."""

    training_set: str
    number: int
    status: Literal["collecting", "freezing", "writing", "hashing", "done", "cancelled", "failed"]
    done: Annotated[float, Field(description="How far it is, from 0 to 1.")]
    problem: str
    content_hash: str
    examples: Annotated[dict[str, int], Field(description="By split.")]
    released_at: datetime
    files: list[WrittenFile]


class Revoked(BaseModel):
    """An example that is not to be used any more; `revoked_at` is null where nobody knows."""

    example: str
    reason: str
    revoked_at: datetime | None


class Revocations(BaseModel):
    """What of a release is not to be used any more."""

    revoked: list[Revoked]


@router.get(
    "/training-sets/{slug}/releases/{int:number}",
    auth=ApiKeyAuth(ApiKey.Scope.EXPORT),
    response={200: ReleaseReply, ERRORS: Problem},
    summary="Read a release of a training set",
)
def release_status(
    request: HttpRequest,
    slug: Annotated[str, Path(description="Slug of the training set.")],
    number: Annotated[int, Path(description="Number of the release.")],
) -> ReleaseReply:
    """Return how far a release is, its content hash and its files with their hashes."""
    found = training_sets.find_release(
        project=request.auth.project,  # type: ignore[attr-defined]
        slug=slug,
        number=number,
        is_done=False,
    )
    if found is None:
        raise HttpError(404, "There is no such release.")
    return ReleaseReply(
        training_set=slug,
        number=found.number,
        status=found.status,  # type: ignore[arg-type]
        done=1.0 if found.status == found.Status.DONE else found.share_done,
        problem=found.problem,
        content_hash=found.content_hash,
        examples={
            "train": found.num_train,
            "validation": found.num_validation,
            "test": found.num_test,
        },
        released_at=found.released_at,
        files=[
            WrittenFile(path=one.path, bytes=one.num_bytes, rows=one.num_rows, sha256=one.sha256)
            for one in found.files.order_by("path")
        ],
    )


@router.get(
    "/training-sets/{slug}/releases/{int:number}/revocations",
    auth=ApiKeyAuth(ApiKey.Scope.EXPORT),
    response={200: Revocations, ERRORS: Problem},
    summary="Read what of a release is revoked",
)
def release_revocations(
    request: HttpRequest,
    slug: Annotated[str, Path(description="Slug of the training set.")],
    number: Annotated[int, Path(description="Number of the release.")],
) -> Revocations:
    """Return the examples that are not to be used any more, by the ids they have in the files."""
    found = _release(request, slug, number)
    return Revocations(
        revoked=[Revoked.model_validate(one) for one in releasing.revocations(release=found)]
    )


@router.get(
    "/training-sets/{slug}/releases/{int:number}/files/{path:path}",
    auth=ApiKeyAuth(ApiKey.Scope.EXPORT),
    summary="Download a file of a release, or a range of it",
    openapi_extra={
        "responses": {
            200: {
                "description": "The file. Its ETag is its SHA-256.",
                "content": {
                    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
                },
            },
            206: {"description": "The range of bytes that the header Range asks for."},
            304: {"description": "If-None-Match names the file's ETag."},
            401: {"description": "No API key, or an unknown one."},
            403: {"description": "The API key lacks the scope “export”."},
            404: {"description": "There is no such release or file."},
            416: {"description": "The range begins beyond the end."},
        }
    },
)
def release_written(
    request: HttpRequest,
    slug: Annotated[str, Path(description="Slug of the training set.")],
    number: Annotated[int, Path(description="Number of the release.")],
    path: Annotated[str, Path(description="Path of the file, as the release lists it.")],
) -> HttpResponseBase:
    """Return a file as it was written; a download that broke off goes on with Range."""
    found = _release(request, slug, number)
    file = None if "\0" in path else found.files.filter(path=path).first()
    if file is None:
        raise HttpError(404, "There is no such file.")
    return file_response(request, found, file)


def _release(request: HttpRequest, slug: str, number: int) -> Release:
    found = training_sets.find_release(
        project=request.auth.project,  # type: ignore[attr-defined]
        slug=slug,
        number=number,
    )
    if found is None:
        raise HttpError(404, "There is no such release.")
    return found


@router.get(
    "/training-sets/{slug}/releases/{int:number}/{split}.jsonl",
    auth=ApiKeyAuth(ApiKey.Scope.EXPORT),
    summary="Download a release of a training set",
    openapi_extra={
        "responses": {
            200: {
                "description": "One example a line.",
                "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
            },
            401: {"description": "No API key, or an unknown one."},
            403: {"description": "The API key lacks the scope “export”."},
            404: {"description": "There is no such release or split."},
            422: {"description": "The format or another parameter is unknown."},
        }
    },
)
def release_file(
    request: HttpRequest,
    slug: Annotated[str, Path(description="Slug of the training set.")],
    number: Annotated[int, Path(description="Number of the release.")],
    split: Annotated[str, Path(description="`train`, `validation` or `test`.")],
    format_: Annotated[Format, Query(alias="format")] = "openai-sft",
) -> HttpResponseBase:
    """Return one split of a release as JSON lines, the same bytes at every call.

    Each format has the examples that it can hold: `openai-dpo` those with a better and a worse
    answer.
    """
    if unknown := set(request.GET) - {"format"}:
        raise ValidationError(
            [{"loc": ("query", name), "msg": "There is no such parameter."} for name in unknown]
        )
    release = training_sets.find_release(
        project=request.auth.project,  # type: ignore[attr-defined]
        slug=slug,
        number=number,
    )
    if release is None or split not in ReleasedExample.Split.values:
        raise HttpError(404, "There is no such release or split.")
    return release_download(request, release, split=split, format_=format_)
