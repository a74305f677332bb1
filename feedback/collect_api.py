"""/api/v1: feedback tokens, and what pages send with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from ninja import Router, Schema
from ninja.errors import HttpError
from pydantic import ConfigDict, Field

from feedback import collecting, payloads, tokens, wire
from feedback.api import IngestReply
from feedback.authentication import ApiKeyAuth, key_of
from feedback.models import ApiKey, Output
from feedback.tasks import embed_soon

router = Router()

# What one page sends at a time is small.
MAX_BYTES = 256 * 1024


class FeedbackTokenRequest(Schema):
    """The external id of the output, and how many seconds the token is good for (a day)."""

    model_config = ConfigDict(strict=True, extra="forbid")

    output: payloads.Id
    expires_in: Annotated[int, Field(ge=1, le=tokens.LONGEST_LIFE.total_seconds())] | None = None


class FeedbackTokenReply(Schema):
    token: str
    expires_at: str


class CollectedReason(Schema):
    slug: str
    name: str
    definition: str


class ReasonsReply(Schema):
    reasons: list[CollectedReason]


def _documented(**properties: Any) -> dict[str, Any]:
    """The request body in OpenAPI's words: it is read by hand, whatever its media type."""
    schema = {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }
    media = {name: {"schema": schema} for name in ("application/json", "text/plain")}
    return {"requestBody": {"required": True, "content": media}}


_TOKEN = {"type": "string", "description": "From POST /feedback-tokens."}
_RECORDS = {
    "type": "array",
    "maxItems": collecting.RECORDS_A_MINUTE,
    "description": "Feedback and signals as POST /ingest takes them, without output and session.",
    "items": {"type": "object"},
}


@router.post(
    "/feedback-tokens",
    auth=ApiKeyAuth(ApiKey.Scope.FEEDBACK),
    response=FeedbackTokenReply,
    summary="Mint a feedback token",
)
def create_feedback_token(request: HttpRequest, payload: FeedbackTokenRequest) -> dict[str, str]:
    """Make a token with which a page may send feedback and signals about this one output."""
    project = key_of(request).project
    if not Output.objects.filter(project=project, external_id=payload.output).exists():
        raise HttpError(404, "There is no such output.")
    life = tokens.DEFAULT_LIFE
    if payload.expires_in is not None:
        life = timedelta(seconds=payload.expires_in)
    expires_at = (timezone.now() + life).replace(microsecond=0)
    token = tokens.sign(project=project, output=payload.output, expires_at=expires_at)
    return {"token": token, "expires_at": expires_at.isoformat()}


@router.post(
    "/collect",
    auth=None,
    response=IngestReply,
    openapi_extra=_documented(token=_TOKEN, records=_RECORDS),
    summary="Send records from a page",
)
def collect(request: HttpRequest) -> HttpResponse:
    """Store what a user of one output says and does. Sending the same again changes nothing."""

    def store() -> dict[str, Any]:
        envelope = _envelope(request, "token", "records")
        records = envelope.get("records")
        if not isinstance(records, list):
            raise wire.WireError(422, "records: A list of records is required.")
        if len(records) > collecting.RECORDS_A_MINUTE:
            most = collecting.RECORDS_A_MINUTE
            raise wire.WireError(413, f"records: More than {most} records in one request.")
        report = collecting.collect(
            token=_token(envelope),
            records=records,
            origin=_foreign_origin(request),
            now=timezone.now(),
        )
        if report.accepted or report.updated:
            embed_soon()
        return report.to_json()

    return _answer(request, store)


@router.post(
    "/collect/reasons",
    auth=None,
    response=ReasonsReply,
    openapi_extra=_documented(token=_TOKEN),
    summary="Reasons a page can offer",
)
def collect_reasons(request: HttpRequest) -> HttpResponse:
    """Return the reasons of the token's project, for the question “What was wrong?”."""

    def read() -> dict[str, Any]:
        reasons = collecting.reasons_for(
            token=_token(_envelope(request, "token")),
            origin=_foreign_origin(request),
            now=timezone.now(),
        )
        names = ("slug", "name", "definition")
        return {"reasons": [{name: getattr(one, name) for name in names} for one in reasons]}

    return _answer(request, read)


@router.api_operation(["OPTIONS"], "/collect", auth=None, include_in_schema=False)
def preflight_collect(request: HttpRequest) -> HttpResponse:
    return _preflight(request)


@router.api_operation(["OPTIONS"], "/collect/reasons", auth=None, include_in_schema=False)
def preflight_collect_reasons(request: HttpRequest) -> HttpResponse:
    return _preflight(request)


def _preflight(request: HttpRequest) -> HttpResponse:
    """Tell a browser whether to ask at all: without a token, so that any project's list counts."""
    response = _readable(HttpResponse(status=204), request)
    if not response.has_header("Access-Control-Allow-Origin"):
        message = "No project takes feedback from this origin."
        return _readable(JsonResponse({"message": message}, status=403), request)
    response["Access-Control-Allow-Methods"] = "POST"
    response["Access-Control-Allow-Headers"] = "Content-Type"
    response["Access-Control-Max-Age"] = "600"
    return response


def _answer(request: HttpRequest, act: Callable[[], dict[str, Any]]) -> HttpResponse:
    """Answer a page, faults included."""
    headers: dict[str, str] = {}
    try:
        status, body = 200, act()
    except tokens.TokenError as error:
        status, body = 401, {"message": str(error)}
    except collecting.OriginError as error:
        status, body = 403, {"message": str(error)}
    except collecting.TooManyRecordsError as error:
        status, body = 429, {"message": str(error)}
        headers["Retry-After"] = str(error.retry_after)
    except wire.WireError as error:
        status, body = error.status, {"message": str(error)}
    return _readable(JsonResponse(body, status=status, headers=headers), request)


def _readable(response: HttpResponse, request: HttpRequest) -> HttpResponse:
    """Let a page that some project takes feedback from read the response."""
    origin = _foreign_origin(request)
    if origin is not None and collecting.is_known_origin(origin):
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Expose-Headers"] = "Retry-After"
    response["Vary"] = "Origin"
    return response


def _foreign_origin(request: HttpRequest) -> str | None:
    """The origin of the page that asks; None when it is our own, or when no browser asks."""
    origin = request.headers.get("origin")
    return None if origin == f"{request.scheme}://{request.get_host()}" else origin


def _envelope(request: HttpRequest, *known: str) -> dict[str, Any]:
    """The request's JSON object. Its media type is not looked at: text/plain needs no preflight."""
    body = wire.unpack(
        request.read(MAX_BYTES + 1),
        encoding=request.headers.get("content-encoding", "").strip().lower(),
        limit=MAX_BYTES,
    )
    envelope = wire.read_envelope(body)
    for name in envelope:
        if name not in known:
            raise wire.WireError(422, f"{name}: There is no such field.")
    return envelope


def _token(envelope: dict[str, Any]) -> str:
    token = envelope.get("token")
    if not isinstance(token, str):
        raise tokens.TokenError("Send the feedback token as token.")
    return token
