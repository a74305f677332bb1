"""The address at which clients of the Model Context Protocol find a project's libraries."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from ninja.errors import AuthenticationError, AuthorizationError

from curation.mcp import server_of
from feedback.authentication import ApiKeyAuth
from feedback.models import ApiKey

if TYPE_CHECKING:
    from mcp.server import MCPServer


@csrf_exempt
@login_not_required
@require_POST
def mcp(request: HttpRequest) -> HttpResponse:
    """API keys with the scope “context”: one message of the protocol, answered as JSON.

    There are no sessions and no streams to open, so that any process can answer, and every answer
    ends.
    """
    try:
        key = ApiKeyAuth(ApiKey.Scope.CONTEXT)(request)
    except AuthenticationError as error:
        return _refused(str(error.message))
    except AuthorizationError as error:
        return JsonResponse({"message": str(error.message)}, status=403)
    if not isinstance(key, ApiKey):
        return _refused("Send an API key: Authorization: Bearer …")
    body = request.body
    return async_to_sync(_answered)(server_of(lambda: key.project), request, body)


def _refused(message: str) -> HttpResponse:
    response = JsonResponse({"message": message}, status=401)
    response["WWW-Authenticate"] = "Bearer"
    return response


@dataclass
class _Exchange:
    """One request and its answer, in the shape of ASGI."""

    body: bytes
    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    is_read: bool = False

    async def receive(self) -> dict[str, Any]:
        if self.is_read:
            # Whether the client is still there is not known here; it is let go at the end.
            await asyncio.Event().wait()
        self.is_read = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            self.parts.append(message.get("body", b""))


async def _answered(server: MCPServer[None], request: HttpRequest, body: bytes) -> HttpResponse:
    from mcp.server.transport_security import TransportSecuritySettings

    # Django has checked the host; a page of another origin has no key.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    server.streamable_http_app(stateless_http=True, json_response=True, transport_security=security)
    exchange = _Exchange(body)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [
            (name.lower().encode(), value.encode("latin-1", "replace"))
            for name, value in request.headers.items()
            if name.lower() != "authorization"
        ],
        "client": None,
        "server": None,
    }
    async with server.session_manager.run():
        await server.session_manager.handle_request(scope, exchange.receive, exchange.send)
    response = HttpResponse(b"".join(exchange.parts), status=exchange.status)
    for name, value in exchange.headers:
        if name.lower() not in {b"content-length", b"connection", b"transfer-encoding"}:
            response[name.decode("latin-1")] = value.decode("latin-1")
    return response
