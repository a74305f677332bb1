"""The snippets are run as they are shown, against Postil and servers that record what they get."""

from __future__ import annotations

import ast
import io
import json
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from curation import context_libraries
from curation.models import Exposure
from curation.snippets import snippets
from feedback.embedding import Encoder
from tests.factories import NOW, make_entry, make_key, make_library, make_project, make_user

ANSWERS = {
    "/v1/chat/completions": {
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
    },
    "/v1/messages": {
        "id": "m-1",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "At nine."}],
    },
}
EXAMPLE = "Say {when}, as in {{braces}}."


@contextmanager
def recording() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that answers as OpenAI's and Anthropic's do, and the bodies it got."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            got.append({"path": self.path, **json.loads(self.rfile.read(length))})
            body = json.dumps(ANSWERS[self.path]).encode()
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


def _posted(url: str, path: str, body: dict[str, Any]) -> Any:
    """What the server answers, with attributes as the clients' objects have."""
    request = urllib.request.Request(f"{url}{path}", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply, object_hook=lambda found: SimpleNamespace(**found))


def anthropic(url: str) -> ModuleType:
    """What the snippet uses of Anthropic's client: it posts what `create` gets.

    Refuses what the Messages API is documented to refuse: system text among the turns, a first turn
    that is not the user's, and empty turns.
    """

    def create(*, model: str, max_tokens: int, system: str, messages: list[Any]) -> Any:
        assert {one["role"] for one in messages} <= {"user", "assistant"}
        assert messages[0]["role"] == "user"
        assert all(one.keys() == {"role", "content"} and one["content"] for one in messages)
        body = {"model": model, "max_tokens": max_tokens, "system": system, "messages": messages}
        return _posted(url, "/messages", body)

    module: Any = ModuleType("anthropic")
    module.Anthropic = lambda: SimpleNamespace(messages=SimpleNamespace(create=create))
    return cast("ModuleType", module)


def langchain_openai(url: str) -> ModuleType:
    """What the snippet uses of LangChain: pairs of role and text become messages as they are."""

    class ChatOpenAI:
        def __init__(self, *, model: str) -> None:
            self.model = model

        def invoke(self, pairs: list[tuple[str, str]]) -> Any:
            known = {"system", "developer", "user", "human", "assistant", "ai"}
            assert {role for role, _ in pairs} <= known
            messages = [{"role": role, "content": content} for role, content in pairs]
            body = {"model": self.model, "messages": messages}
            return _posted(url, "/chat/completions", body).choices[0].message

    module: Any = ModuleType("langchain_openai")
    module.ChatOpenAI = ChatOpenAI
    return cast("ModuleType", module)


class TestClients:
    def test_send_the_served_context(
        self,
        transactional_db: None,
        live_server: Any,
        encoder: Encoder,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """OpenAI's is the real one, the others stand for what their makers document."""
        project = make_project()
        library = make_library(project, slug="facts")
        curator = make_user(project)
        make_entry(
            library, kind="instruction", query="", answer="Name the source.", created_by=curator
        )
        make_entry(library, query="When does the library open?", answer=EXAMPLE, created_by=curator)
        context_libraries.publish(library=library, encoder=encoder, by=curator, now=NOW)
        monkeypatch.setenv("POSTIL_API_KEY", make_key(project, ["context"]))
        said = io.StringIO()
        with recording() as (url, got):
            monkeypatch.setenv("OPENAI_API_KEY", "none")
            monkeypatch.setenv("OPENAI_BASE_URL", url)
            monkeypatch.setitem(sys.modules, "anthropic", anthropic(url))
            monkeypatch.setitem(sys.modules, "langchain_openai", langchain_openai(url))
            with redirect_stdout(said):
                for client in ("openai", "anthropic", "langchain"):
                    exec(code(client, site=live_server.url), {})  # noqa: S102
        assert said.getvalue() == "At nine.\n" * 3
        guidance = "## Guidance from reviewed answers\n- Name the source."
        turns = [
            {"role": "user", "content": "When does the library open?"},
            {"role": "assistant", "content": EXAMPLE},
            {"role": "user", "content": "When is the library open?"},
        ]
        whole = [{"role": "system", "content": guidance}, *turns]
        assert [(one["path"], one.get("system"), one["messages"]) for one in got] == [
            ("/v1/chat/completions", None, whole),
            ("/v1/messages", guidance, turns),
            ("/v1/chat/completions", None, whole),
        ]
        # They asked for the same.
        assert Exposure.objects.get().num_calls == 3
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
