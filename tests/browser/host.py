"""A product's web server, on an origin of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Nobody listens on this port.
DOWN = "http://127.0.0.1:9"


@dataclass
class Host:
    """A product's web server: its pages by path, under a policy that allows what it must."""

    postil: str
    pages: dict[str, tuple[str, str]] = field(default_factory=dict)
    origin: str = ""

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        media, text = self.pages.get(handler.path, ("text/html", ""))
        handler.send_response(200 if text else 404)
        handler.send_header("Content-Type", f"{media}; charset=utf-8")
        handler.send_header(
            "Content-Security-Policy",
            f"default-src 'none'; script-src 'self' {self.postil}; "
            f"connect-src {self.postil} {DOWN}; "
            "require-trusted-types-for 'script'; trusted-types 'none'; base-uri 'none'",
        )
        handler.end_headers()
        handler.wfile.write(text.encode())


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, host: Host, *args: Any) -> None:
        self.host = host
        super().__init__(*args)

    def do_GET(self) -> None:
        self.host.serve(self)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(postil: str) -> Iterator[Host]:
    """A product's server whose pages may talk to the Postil at that address."""
    host = Host(postil=postil)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, host)) as server:
        host.origin = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield host
        server.shutdown()
