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
from feedback.authentication import ApiKeyAuth
from feedback.models import ApiKey, Output

router = Router()

# What one page sends at a time is small.
MAX_COLLECTED_BYTES = 256 * 1024


class FeedbackTokenRequest(Schema):
    model_config = ConfigDict(strict=True, extra="forbid")

    output: payloads.Id
    expires_in: Annotated[int, Field(ge=1, le=tokens.LONGEST_LIFE.total_seconds())] | None = None


@router.post("/feedback-tokens", auth=ApiKeyAuth(ApiKey.Scope.FEEDBACK))
def create_feedback_token(request: HttpRequest, payload: FeedbackTokenRequest) -> dict[str, str]:
    """Make a token with which a page may send feedback and signals about this one output."""
    project = request.auth.project  # type: ignore[attr-defined]
    if not Output.objects.filter(project=project, external_id=payload.output).exists():
        raise HttpError(404, "There is no such output.")
    life = tokens.DEFAULT_LIFE
    if payload.expires_in is not None:
        life = timedelta(seconds=payload.expires_in)
    expires_at = (timezone.now() + life).replace(microsecond=0)
    token = tokens.sign(project=project, output=payload.output, expires_at=expires_at)
    return {"token": token, "expires_at": expires_at.isoformat()}


@router.post("/collect", auth=None)
def collect(request: HttpRequest) -> HttpResponse:
    """Take feedback and signals from a page: `{"token", "records"}`, as JSON or text/plain."""

    def store() -> dict[str, Any]:
        envelope = _envelope(request, known={"token", "records"})
        records = envelope.get("records")
        if not isinstance(records, list):
            raise wire.WireError(422, "records: A list of records is required.")
        report = collecting.collect(
            token=_token(envelope),
            records=records,
            origin=request.headers.get("origin"),
            now=timezone.now(),
        )
        return report.to_json()

    return _to_page(request, store)


@router.post("/collect/reasons", auth=None)
def collect_reasons(request: HttpRequest) -> HttpResponse:
    """The project's reasons, for the page's question “What was wrong?”: send `{"token"}`."""

    def read() -> dict[str, Any]:
        reasons = collecting.reasons_for(
            token=_token(_envelope(request, known={"token"})),
            origin=request.headers.get("origin"),
            now=timezone.now(),
        )
        return {
            "reasons": [
                {"slug": reason.slug, "name": reason.name, "definition": reason.definition}
                for reason in reasons
            ]
        }

    return _to_page(request, read)


@router.api_operation(["OPTIONS"], "/collect", auth=None, include_in_schema=False)
def preflight_collect(request: HttpRequest) -> HttpResponse:
    return _preflight(request)


@router.api_operation(["OPTIONS"], "/collect/reasons", auth=None, include_in_schema=False)
def preflight_collect_reasons(request: HttpRequest) -> HttpResponse:
    return _preflight(request)


def _preflight(request: HttpRequest) -> HttpResponse:
    origin = request.headers.get("origin", "")
    if not collecting.is_known_origin(origin):
        response: HttpResponse = JsonResponse(
            {"message": "No project takes feedback from this origin."}, status=403
        )
        response["Vary"] = "Origin"
        return response
    response = HttpResponse(status=204)
    response["Access-Control-Allow-Methods"] = "POST"
    response["Access-Control-Allow-Headers"] = "Content-Type"
    response["Access-Control-Max-Age"] = "600"
    return _allow(response, origin)


def _to_page(request: HttpRequest, act: Callable[[], dict[str, Any]]) -> HttpResponse:
    """Answer a page on another origin, faults included; a page not listed may not read why."""
    origin = request.headers.get("origin")
    headers: dict[str, str] = {}
    try:
        status, body = 200, act()
    except tokens.TokenError as error:
        status, body = 401, {"message": str(error)}
    except collecting.OriginError as error:
        status, body, origin = 403, {"message": str(error)}, None
    except collecting.TooManyRecordsError as error:
        status, body = 429, {"message": str(error)}
        headers["Retry-After"] = str(error.retry_after)
    except wire.WireError as error:
        status, body = error.status, {"message": str(error)}
    response = JsonResponse(body, status=status, headers=headers)
    response["Vary"] = "Origin"
    return response if origin is None else _allow(response, origin)


def _allow(response: HttpResponse, origin: str) -> HttpResponse:
    response["Access-Control-Allow-Origin"] = origin
    response["Vary"] = "Origin"
    return response


def _envelope(request: HttpRequest, *, known: set[str]) -> dict[str, Any]:
    """The request's JSON object; text/plain is as good, since it saves browsers a preflight."""
    if int(request.headers.get("content-length") or 0) > MAX_COLLECTED_BYTES:
        raise wire.WireError(413, f"The body is larger than {MAX_COLLECTED_BYTES:,} bytes.")
    envelope = wire.read_envelope(request.body)
    for name in envelope:
        if name not in known:
            raise wire.WireError(422, f"{name}: There is no such field.")
    return envelope


def _token(envelope: dict[str, Any]) -> str:
    token = envelope.get("token")
    if not isinstance(token, str):
        raise tokens.TokenError("Send the feedback token as token.")
    return token
