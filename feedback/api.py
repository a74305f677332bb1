"""/api/v1: ingestion."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from ninja import Router, Schema
from ninja.errors import HttpError

from feedback import payloads, wire
from feedback.authentication import ApiKeyAuth, key_of
from feedback.ingestion import ingest
from feedback.models import ApiKey
from feedback.tasks import embed_soon

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
