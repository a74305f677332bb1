"""/api/v1: context for prompts."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field

from curation import serving
from curation.prompts import Message
from curation.replies import ContextReply
from curation.shelves import Audience
from feedback.authentication import ApiKeyAuth, key_of
from feedback.embedding import get_encoder
from feedback.models import ApiKey
from feedback.payloads import Id, Name, Text
from feedback.problems import Problem, invalid

router = Router()

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
            project=key_of(request).project,
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
