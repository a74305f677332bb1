"""A real HTTP server on this machine, which keeps what it is sent and answers as told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Status, headers and body by method, path and body of a request.
Reply = tuple[int, dict[str, str], bytes]
Answers = Callable[[str, str, Any], Reply]


def answer(status: int = 200, body: object = None, **headers: str) -> Reply:
    """An answer with JSON, or without a body."""
    return status, headers, json.dumps(body).encode() if body is not None else b""


@dataclass
class Got:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """Where it listens, and what it got so far."""

    port: int
    got: list[Got] = field(default_factory=list)
    answers: Answers = lambda _method, _path, _body: answer(204)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"


@contextmanager
def listening() -> Iterator[Server]:
    """Listen until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def handle_all(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server.got.append(Got(self.command, self.path, dict(self.headers), body))
            status, headers, content = server.answers(
                self.command, self.path, json.loads(body) if body else None
            )
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = handle_all  # noqa: N815  # the library's names

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(httpd.server_address[1])
    thread = threading.Thread(target=lambda: httpd.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
