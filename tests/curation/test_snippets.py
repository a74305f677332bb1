"""The snippets are run as they are shown, against Postil and servers that record what they get."""

from __future__ import annotations

import ast
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from curation import context_libraries
from curation.models import Exposure
from curation.snippets import snippets
from feedback.embedding import Encoder
from tests.factories import NOW, make_entry, make_key, make_library, make_project, make_user

ANSWER = {
    "id": "c-1",
    "object": "chat.completion",
    "created": 0,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "At nine."},
        }
    ],
}


@contextmanager
def recording() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that answers as OpenAI's does, and the bodies it got."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            got.append({"path": self.path, **json.loads(self.rfile.read(length))})
            body = json.dumps(ANSWER).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1", got
        finally:
            server.shutdown()
            thread.join()


def code(slug: str, *, site: str, library: str = "facts") -> str:
    return next(one.code for one in snippets(site=site, library=library) if one.slug == slug)


class TestOpenAI:
    def test_sends_the_served_context(
        self,
        transactional_db: None,
        live_server: Any,
        encoder: Encoder,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        project = make_project()
        library = make_library(project, slug="facts")
        curator = make_user(project)
        make_entry(
            library, kind="instruction", query="", answer="Name the source.", created_by=curator
        )
        make_entry(
            library, query="When does the library open?", answer="At nine.", created_by=curator
        )
        context_libraries.publish(library=library, encoder=encoder, by=curator, now=NOW)
        with recording() as (url, got):
            monkeypatch.setenv("POSTIL_API_KEY", make_key(project, ["context"]))
            monkeypatch.setenv("OPENAI_API_KEY", "none")
            monkeypatch.setenv("OPENAI_BASE_URL", url)
            said = io.StringIO()
            with redirect_stdout(said):
                exec(code("openai", site=live_server.url), {})  # noqa: S102
        [sent] = got
        assert sent["path"] == "/v1/chat/completions"
        assert sent["messages"] == [
            {"role": "system", "content": "## Guidance from reviewed answers\n- Name the source."},
            {"role": "user", "content": "When does the library open?"},
            {"role": "assistant", "content": "At nine."},
            {"role": "user", "content": "When is the library open?"},
        ]
        assert said.getvalue() == "At nine.\n"
        assert Exposure.objects.get().session_external_id == "s-1"


class TestSnippets:
    def test_are_sound_and_name_the_library(self) -> None:
        shown = snippets(site="https://postil.example/", library="house-style")
        assert {one.slug for one in shown} >= {"openai", "anthropic", "langchain", "mcp"}
        for one in shown:
            if one.slug.startswith("mcp"):
                json.loads(one.code)
            elif one.slug != "curl":
                ast.parse(one.code)
            if one.slug != "mcp-stdio":
                assert "https://postil.example/api/v1/" in one.code
            assert "house-style" in one.code + one.note or one.slug == "mcp-stdio"
