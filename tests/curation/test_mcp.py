"""The SDK's own client, over HTTP and stdio, against the real addresses."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.test import Client as Browser
from django.utils import timezone
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from curation import context_libraries
from curation.models import ContextLibrary, Exposure
from feedback import erasure
from feedback.embedding import Encoder
from feedback.models import ApiKey, Project
from tests.factories import (
    NOW,
    make_entry,
    make_key,
    make_library,
    make_project,
    make_session,
    make_user,
)

QUERY = "When did the album Bloom come out?"
T = TypeVar("T")


@pytest.fixture
def library(transactional_db: None, encoder: Encoder) -> ContextLibrary:
    """A library of one instruction and one example, published."""
    project = make_project()
    library = make_library(project, slug="facts")
    curator = make_user(project)
    make_entry(library, kind="instruction", query="", answer="Name the source.", created_by=curator)
    make_entry(library, query="When was Bloom released?", created_by=curator)
    context_libraries.publish(library=library, encoder=encoder, by=curator, now=NOW)
    return library


async def read(client: Client, uri: str) -> dict[str, Any]:
    """What a resource holds."""
    [part] = (await client.read_resource(uri)).contents
    told: dict[str, Any] = json.loads(part.model_dump()["text"])
    return told


def alone(use: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it on a thread of its own: in this one the browser's loop may be going."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(lambda: asyncio.run(use())).result()


def over_http(url: str, key: str, use: Callable[[Client], Awaitable[T]], **options: Any) -> T:
    async def used() -> T:
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            transport = streamable_http_client(f"{url}/api/v1/mcp", http_client=http)
            async with Client(transport, **options) as client:
                return await use(client)

    return alone(used)


class TestOverHttp:
    @pytest.mark.parametrize("mode", ["auto", "legacy"])
    def test_serves_a_client_of_either_era(
        self, live_server: Any, library: ContextLibrary, mode: str
    ) -> None:
        async def use(client: Client) -> None:
            tools = await client.list_tools()
            assert {one.name for one in tools.tools} == {"list_libraries", "fetch_context"}
            listed = await client.call_tool("list_libraries", {})
            assert listed.structured_content == {
                "result": [
                    {
                        "library": "facts",
                        "name": "Facts",
                        "description": "",
                        "version": 1,
                        "status": "live",
                    }
                ]
            }
            asked = {"library": "facts", "question": QUERY, "session": "s-1"}
            served = (await client.call_tool("fetch_context", asked)).structured_content
            assert served is not None
            roles = [message["role"] for message in served["messages"]]
            assert roles == ["system", "user", "assistant", "user"]
            assert served["messages"][-1]["content"] == QUERY
            assert "Name the source." in served["messages"][0]["content"]
            assert len(served["entries"]) == 2

            prompts = await client.list_prompts()
            assert [one.name for one in prompts.prompts] == ["answer_with_context"]
            prompt = await client.get_prompt(
                "answer_with_context", {"library": "facts", "question": QUERY, "session": "s-1"}
            )
            assert [one.role for one in prompt.messages] == [
                *["user", "assistant", "user", "assistant", "user"]
            ]
            last = prompt.messages[-1].content.model_dump()
            assert last["text"] == QUERY
            assert last["meta"]["postil/exposure"] == served["exposure"]

            templates = await client.list_resource_templates()
            assert {one.uri_template for one in templates.resource_templates} == {
                "library://{library}",
                "library://{library}/versions/{number}",
            }
            about = await read(client, "library://facts")
            assert (about["name"], about["live"]) == ("Facts", 1)
            [told] = about["versions"]
            assert (told["version"], told["status"], told["num_entries"]) == (1, "live", 2)
            version = await read(client, "library://facts/versions/1")
            assert told.items() <= version.items()
            assert version["entries"][0]["answer"] == "Name the source."

        over_http(live_server.url, make_key(library.project, ["context"]), use, mode=mode)
        exposure = Exposure.objects.get(session_external_id="s-1")
        assert exposure.num_calls == 2
        whole = Exposure.objects.get(session_external_id="")
        assert (len(whole.entry_ids), whole.is_held_out) == (2, False)

    def test_says_what_is_not_there(self, live_server: Any, library: ContextLibrary) -> None:
        async def use(client: Client) -> None:
            for wrong in (
                {"library": "other", "question": "x"},
                {"library": "facts", "question": " "},
                {"library": "facts", "question": ""},
                {"library": "facts", "question": "x", "k": 0},
                {"library": "facts\x00", "question": "x"},
                {"library": "facts"},
            ):
                assert (await client.call_tool("fetch_context", wrong)).is_error
            for uri in ("other", "facts/versions/2", "facts/versions/x", "..%2F..%2Fetc"):
                with pytest.raises(MCPError):
                    await client.read_resource(f"library://{uri}")
            for given, says in (
                ({"library": "no"}, "There is no library “no”."),
                ({"session": "s" * 201}, "A name has at most 200 characters."),
                ({"role": "r" * 201}, "A name has at most 200 characters."),
                ({"question": " "}, "There is no question in it."),
            ):
                asked = {"library": "facts", "question": "x"} | given
                with pytest.raises(MCPError, match=says):
                    await client.get_prompt("answer_with_context", asked)

        over_http(live_server.url, make_key(library.project, ["context"]), use)
        assert not Exposure.objects.exists()

    def test_knows_nothing_of_other_projects(
        self, live_server: Any, library: ContextLibrary
    ) -> None:
        async def use(client: Client) -> None:
            listed = await client.call_tool("list_libraries", {})
            assert listed.structured_content == {"result": []}
            asked = {"library": "facts", "question": "x"}
            assert (await client.call_tool("fetch_context", asked)).is_error
            with pytest.raises(MCPError):
                await client.read_resource("library://facts")

        over_http(live_server.url, make_key(make_project(), ["context"]), use)


@pytest.mark.django_db
class TestRefused:
    @pytest.fixture(autouse=True)
    def no_loop(self) -> Iterator[None]:
        """The loop of a browser counts as running in this thread, where a web process has none."""
        running = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        yield
        asyncio._set_running_loop(running)

    def post(self, browser: Browser, key: str, body: bytes = b"{}") -> Any:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        accept = "application/json, text/event-stream"
        return browser.post(
            "/api/v1/mcp", body, "application/json", headers=headers | {"accept": accept}
        )

    def test_who_has_no_key_with_the_scope(self, client: Browser, project: Project) -> None:
        for key in ("", "pst_x_y", make_key(project)[:-1]):
            response = self.post(client, key)
            assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
        others = [scope for scope in ApiKey.Scope.values if scope != "context"]
        assert self.post(client, make_key(project, others)).status_code == 403

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 5_000])
    def test_what_is_no_message(self, client: Browser, project: Project, body: bytes) -> None:
        response = self.post(client, make_key(project, ["context"]), body)
        assert response.status_code == 400

    def test_other_verbs(self, client: Browser, project: Project) -> None:
        headers = {"authorization": f"Bearer {make_key(project)}"}
        for verb in ("get", "put", "patch", "delete"):
            assert getattr(client, verb)("/api/v1/mcp", headers=headers).status_code == 405


# The command as it is, but for the embedding model, which takes ten seconds to load.
SERVED = """
import json, os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
django.setup()
from django.core.management import call_command
from curation import mcp
class Known:
    model_id = os.environ["KNOWN_MODEL"]
    def encode(self, texts):
        return [json.loads(os.environ["KNOWN_VECTOR"]) for _ in texts]
mcp.get_encoder = Known
call_command("serve_mcp")
"""


class TestOverStdio:
    @pytest.fixture
    def key(self, library: ContextLibrary) -> str:
        return make_key(library.project, ["context"])

    @pytest.fixture
    def started(self, key: str, encoder: Encoder) -> StdioServerParameters:
        settings = connection.settings_dict
        host, port = settings["HOST"], settings["PORT"]
        where = f"?host={host}" if host.startswith("/") else ""
        server = "" if where else f"{host}:{port}"
        user = f"{settings['USER']}:{settings['PASSWORD']}".rstrip(":")
        environment = os.environ | {
            "DATABASE_URL": f"postgresql://{user}@{server}/{settings['NAME']}{where}",
            "POSTIL_API_KEY": key,
            "PGAPPNAME": "stdio",
            "KNOWN_MODEL": encoder.model_id,
            "KNOWN_VECTOR": json.dumps([float(one) for one in encoder.encode([QUERY])[0]]),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        }
        return StdioServerParameters(
            command=sys.executable, args=["-c", SERVED], env=dict(environment)
        )

    def test_serves_a_client_that_started_it(
        self, library: ContextLibrary, started: StdioServerParameters
    ) -> None:
        async def used() -> None:
            async with Client(started) as client:
                asked = {"library": "facts", "question": QUERY}
                served = (await client.call_tool("fetch_context", asked)).structured_content
                assert served is not None
                assert len(served["entries"]) == 2

        alone(used)
        assert Exposure.objects.count() == 1

    def test_asks_anew_before_each_act(
        self, library: ContextLibrary, started: StdioServerParameters
    ) -> None:
        """Who may, what was erased, and whether the database is still there."""
        project, asked = library.project, {"library": "facts", "question": QUERY, "session": "s-1"}

        def erase() -> None:
            session = make_session(project, external_id="s-1")
            part = erasure.part_of(
                project=project, scope="session", subject="s-1", sessions=[session.pk]
            )
            with transaction.atomic():
                erasure.erase(part, may_return=False)
            Exposure.objects.all().delete()

        def cut_off() -> None:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND application_name = 'stdio'"
                )

        async def apart(act: Callable[[], object]) -> None:
            def acted() -> None:
                try:
                    act()
                finally:
                    connection.close()

            await sync_to_async(acted)()

        async def used() -> None:
            async with Client(started) as client:

                async def is_served() -> bool:
                    return not (await client.call_tool("fetch_context", asked)).is_error

                assert await is_served()
                await apart(erase)
                assert await is_served()
                await apart(cut_off)
                # What was under way when it went is lost.
                assert await is_served() or await is_served()
                await apart(lambda: ApiKey.objects.update(revoked_at=timezone.now()))
                refused = await client.call_tool("list_libraries", {})
                assert "revoked" in str(refused.content)

        alone(used)
        assert set(Exposure.objects.values_list("session_external_id", flat=True)) == {""}
