"""/api/v1: ingestion and search."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from ninja import Router, Schema
from ninja.errors import HttpError
from pydantic import Field

from feedback import payloads, wire
from feedback.authentication import ApiKeyAuth, key_of
from feedback.embedding import get_encoder
from feedback.filters import FilterError, OutputFilter
from feedback.ingestion import ingest
from feedback.models import ApiKey, Embedding, Output
from feedback.paging import CursorError
from feedback.search import MAX_LIMIT, Hit, search
from feedback.tasks import embed_soon
from feedback.timeouts import TooSlowError

router = Router()


class FieldError(Schema):
    path: str
    message: str


class RejectedReply(Schema):
    """A record that was refused; `index` is its place in the request."""

    index: int
    id: str | None
    errors: list[FieldError]


class IngestReply(Schema):
    """What became of the records: the three numbers and the rejected add up to what was sent."""

    accepted: int
    updated: int
    unchanged: int
    rejected: list[RejectedReply]


class SearchHit(Schema):
    """An output or feedback; `part` is what of it is nearest, or what was found by its words.

    `meaning` is its cosine similarity, `words` the share of the question's words that it has,
    by their weight; null when it was not found that way. `score` is the first that is there.
    """

    type: Literal["output", "feedback"]
    id: str
    session: str
    output: str | None
    part: Embedding.Part
    text: str
    score: float
    words: float | None
    meaning: float | None
    at: datetime


class SearchReply(Schema):
    results: list[SearchHit]
    next_cursor: str | None


def _documented() -> dict[str, Any]:
    """The request body in OpenAPI's words: it is read by hand, for speed and exact errors."""
    shapes = {
        name: shape.model_json_schema(ref_template="#/components/schemas/{model}")
        for name, shape in payloads.SHAPES.items()
    }
    for schema in shapes.values():
        definitions = schema.pop("$defs", {})
        _inline(schema, definitions)
    record = {"oneOf": list(shapes.values()), "discriminator": {"propertyName": "type"}}
    envelope = {
        "type": "object",
        "required": ["records"],
        "properties": {"records": {"type": "array", "maxItems": wire.MAX_RECORDS, "items": record}},
        "additionalProperties": False,
    }
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": envelope},
                "application/x-ndjson": {"schema": record},
            },
        }
    }


def _inline(schema: Any, definitions: dict[str, Any]) -> None:
    """Put definitions where they are referred to, in place."""
    parts = list(schema.values()) if isinstance(schema, dict) else schema
    for part in parts if isinstance(parts, list) else []:
        if isinstance(part, dict) and "$ref" in part:
            part.update(definitions[part.pop("$ref").rpartition("/")[2]])
        _inline(part, definitions)


@router.post(
    "/ingest",
    auth=ApiKeyAuth(ApiKey.Scope.INGEST),
    response=IngestReply,
    openapi_extra=_documented(),
    summary="Send records",
)
def ingest_records(request: HttpRequest) -> JsonResponse:
    """Store sessions, outputs, feedback and signals. Sending the same again changes nothing."""
    try:
        records = _records(request)
    except wire.WireError as error:
        raise HttpError(error.status, str(error)) from error
    project = key_of(request).project
    report = ingest(project=project, records=records, now=timezone.now())
    if report.accepted or report.updated:
        embed_soon()
    return JsonResponse(report.to_json())


def _records(request: HttpRequest) -> list[object]:
    if not request.headers.get("content-length"):
        raise wire.WireError(400, "Send the body's length as Content-Length.")
    body = wire.unpack(
        request.read(wire.MAX_BYTES + 1),
        encoding=request.headers.get("content-encoding", "").strip().lower(),
    )
    if request.content_type == "application/json":
        return wire.read_records(body)
    if request.content_type == "application/x-ndjson":
        return wire.read_lines(body)
    raise wire.WireError(415, "Content-Type must be application/json or application/x-ndjson.")


@router.get(
    "/search",
    auth=ApiKeyAuth(ApiKey.Scope.READ),
    response=SearchReply,
    summary="Search by words and meaning",
)
def search_texts(
    request: HttpRequest,
    q: Annotated[str, Field(min_length=1, max_length=2_000, description="What to look for.")],
    mode: Annotated[
        Literal["hybrid", "words", "meaning"],
        Field(description="By both, by words that all have to be there, or by meaning alone."),
    ] = "hybrid",
    filter: Annotated[  # noqa: A002  (the glossary's word)
        str, Field(max_length=2_000, description="As in `model:a,b -tag:x`.")
    ] = "",
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 20,
    cursor: Annotated[str, Field(description="next_cursor of the page before.")] = "",
) -> SearchReply:
    """Return outputs and feedback that share words with the query or are near it in meaning."""
    if not q.strip():
        raise HttpError(422, "q: Say what to look for.")
    try:
        page = search(
            project=key_of(request).project,
            query=q.replace("\x00", " "),
            encoder=get_encoder(),
            wanted=OutputFilter.parse(filter),
            mode=mode,
            limit=limit,
            cursor=cursor,
        )
    except CursorError as error:
        raise HttpError(422, f"cursor: {error}") from error
    except FilterError as error:
        raise HttpError(422, f"filter: {error}") from error
    except TooSlowError as error:
        raise HttpError(503, "The search took too long. Narrow it.") from error
    return SearchReply(results=[_hit(hit) for hit in page.hits], next_cursor=page.next_cursor)


def _hit(hit: Hit) -> SearchHit:
    target = hit.target
    output = target if isinstance(target, Output) else target.output
    [*_, (part, text)] = ((part, text) for part, text in hit.texts.items() if text)
    return SearchHit(
        type="output" if isinstance(target, Output) else "feedback",
        id=target.external_id,
        session=target.session.external_id,
        output=output.external_id if output else None,
        part=Embedding.Part(part),
        text=text,
        score=hit.score,
        words=hit.words,
        meaning=hit.meaning,
        at=target.at,
    )
