"""/api/v1: context for prompts, and releases of training sets."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from ninja import Router
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field

from curation import serving, training_sets
from curation.formats import WRITERS
from curation.http import release_download
from curation.models import ReleasedExample
from curation.prompts import Message
from feedback.authentication import ApiKeyAuth
from feedback.embedding import get_encoder
from feedback.models import ApiKey
from feedback.payloads import Id, Name, Text

router = Router()


class ChatMessage(BaseModel):
    """One chat message."""

    model_config = ConfigDict(strict=True, extra="forbid")

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text


class ContextRequest(BaseModel):
    """What is about to be asked, and how much context it may get."""

    model_config = ConfigDict(strict=True, extra="forbid")

    library: Annotated[Id, Field(description="Slug of the library.")]
    query: Annotated[Text, Field(min_length=1)] | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=1_000)] | None = None
    session: Id | None = None
    k: Annotated[int, Field(ge=1, le=50, description="At most so many entries; 4.")] | None = None
    token_budget: (
        Annotated[int, Field(ge=1, le=1_000_000, description="For what is added; 1500.")] | None
    ) = None
    role: Name | None = None
    environment: Name | None = None
    model: Name | None = None


class EntrySource(BaseModel):
    """Where an entry comes from."""

    session: str | None
    output: str | None
    review: int | None
    feedback: list[str]


class ServedEntry(BaseModel):
    """An entry in the messages; `score` is its cosine similarity to the question."""

    id: int
    kind: str
    query: str
    answer: str
    why: str
    score: float
    tokens: int
    source: EntrySource


class ContextReply(BaseModel):
    """Ready chat messages. Send `exposure` back in the output's `context.exposure`."""

    library: str
    version: int
    entries: list[ServedEntry]
    messages: list[Message]
    tokens: Annotated[int, Field(description="Estimate of what the entries add.")]
    held_out: bool
    exposure: UUID


@router.post(
    "/context",
    auth=ApiKeyAuth(ApiKey.Scope.CONTEXT),
    response=ContextReply,
    summary="Fetch context for a prompt",
)
def context(request: HttpRequest, payload: ContextRequest) -> ContextReply:
    """Return the entries of a library's live version that help with a question, as messages."""
    project = request.auth.project  # type: ignore[attr-defined]
    try:
        served = serving.serve_context(
            project=project,
            library_slug=payload.library,
            messages=_asked(payload),
            encoder=get_encoder(),
            session=payload.session or "",
            k=payload.k or serving.DEFAULT_K,
            token_budget=payload.token_budget or serving.DEFAULT_TOKEN_BUDGET,
            audience=serving.Audience(
                role=payload.role or "",
                environment=payload.environment or "",
                model=payload.model or "",
            ),
            now=timezone.now(),
        )
    except serving.LibraryUnknownError as error:
        raise HttpError(404, str(error)) from error
    except serving.NothingPublishedError as error:
        raise HttpError(409, str(error)) from error
    sources = serving.sources([pick.entry.id for pick in served.prompt.picks])
    return ContextReply(
        library=payload.library,
        version=served.version.number,
        entries=[
            ServedEntry(
                id=pick.entry.id,
                kind=pick.entry.kind,
                query=pick.entry.query,
                answer=pick.entry.answer,
                why=pick.entry.why,
                score=pick.score,
                tokens=pick.num_tokens,
                source=EntrySource(**vars(sources[pick.entry.id])),
            )
            for pick in served.prompt.picks
        ],
        messages=served.prompt.messages,
        tokens=served.prompt.num_tokens,
        held_out=served.held_out,
        exposure=served.exposure,
    )


def _asked(payload: ContextRequest) -> list[Message]:
    """The messages to answer; HttpError 422 names the field when there is no question in them."""
    if payload.messages is None:
        if payload.query is None:
            raise HttpError(422, "query: Send either query or messages.")
        return [{"role": "user", "content": payload.query}]
    if payload.query is not None:
        raise HttpError(422, "messages: Send either query or messages, not both.")
    messages: list[Message] = [
        {"role": message.role, "content": message.content} for message in payload.messages
    ]
    if not serving.question(messages):
        raise HttpError(422, "messages: There is no user message with text among them.")
    return messages


@router.get(
    "/training-sets/{slug}/releases/{number}/{split}.jsonl",
    auth=ApiKeyAuth(ApiKey.Scope.EXPORT),
    summary="Download a release of a training set",
    openapi_extra={
        "responses": {200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}}
    },
)
def release_file(
    request: HttpRequest,
    slug: str,
    number: str,
    split: str,
    format: str = "openai-sft",  # noqa: A002
) -> StreamingHttpResponse:
    """Return one split, `train` or `validation`, one example a line.

    `format=openai-sft` has every example; `openai-dpo` those with a better and a worse answer.
    """
    release = training_sets.find_release(
        project=request.auth.project,  # type: ignore[attr-defined]
        slug=slug,
        number=int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else 0,
    )
    if release is None or split not in ReleasedExample.Split.values:
        raise HttpError(404, "There is no such release or split.")
    if format not in WRITERS:
        raise HttpError(422, f"format: Choose one of {', '.join(WRITERS)}.")
    return release_download(release, split=split, format_=format)
