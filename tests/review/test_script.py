"""One script of one person does everything over HTTP, and meets only what the document says."""

from __future__ import annotations

import json
import re
from datetime import datetime
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from feedback.models import Project, SessionTag
from review import bulk
from review.models import Annotation, Review, Skip
from tests.factories import (
    make_item,
    make_output,
    make_project,
    make_queue,
    make_session,
    make_user,
)

pytestmark = pytest.mark.django_db(transaction=True)

KINDS = {
    "object": "dict", "array": "list", "string": "str", "integer": "int", "boolean": "bool",
}  # fmt: skip
EMOJI = "👩‍🚀 Bloom came out on 31 August 2017."


class Script:
    """Asks a running server, and holds each answer against its OpenAPI document."""

    def __init__(self, server: LiveServer, key: str) -> None:
        self._address = urlsplit(server.url).netloc
        self.key = key
        self.met: set[tuple[str, str, str]] = set()
        self.document = self._ask("GET", "/api/v1/openapi.json")[1]

    def get(self, path: str, expected: int, **query: str) -> Any:
        return self._documented("GET", path, expected, query)

    def post(self, path: str, expected: int, body: Any = None, **headers: str) -> Any:
        return self._documented("POST", path, expected, {}, {} if body is None else body, headers)

    def _documented(
        self,
        verb: str,
        path: str,
        expected: int,
        query: dict[str, str],
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        where = f"/api/v1/{path}"
        status, told = self._ask(
            verb, where + (f"?{urlencode(query)}" if query else ""), body, headers
        )
        assert status == expected, (verb, path, status, told)
        template = self._template(verb, where)
        responses = self.document["paths"][template][verb.lower()]["responses"]
        assert str(status) in responses, f"{verb} {template} does not tell of {status}"
        content = responses[str(status)].get("content")
        assert (told is None) == (content is None), f"{verb} {template} {status}: {told}"
        if content is not None:
            self._check(told, content["application/json"]["schema"], f"{verb} {template} {status}")
        self.met.add((verb, template.removeprefix("/api/v1"), str(status)))
        return told

    def _ask(
        self, verb: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        connection = HTTPConnection(self._address, timeout=30)
        sent = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body)
        connection.request(verb, path, content, sent | (headers or {}))
        response = connection.getresponse()
        told = response.read()
        connection.close()
        return response.status, json.loads(told) if told else None

    def _template(self, verb: str, path: str) -> str:
        for template, acts in self.document["paths"].items():
            pattern = re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path) and verb.lower() in acts:
                return str(template)
        raise AssertionError(f"The document has no {verb} {path}.")

    def _check(self, told: Any, schema: dict[str, Any], where: str) -> None:
        """Hold a value against its schema, as far as these schemas go."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            schema = self.document["components"]["schemas"][name]
        if "anyOf" in schema:
            if told is None:
                assert {"type": "null"} in schema["anyOf"], where
                return
            [schema] = [one for one in schema["anyOf"] if one != {"type": "null"}]
            self._check(told, schema, where)
            return
        if "enum" in schema:
            assert told in schema["enum"], where
        assert type(told).__name__ == KINDS[schema["type"]], f"{where}: {told!r}"
        if schema.get("format") == "date-time":
            assert datetime.fromisoformat(told).tzinfo is not None, where
        for name, part in schema.get("properties", {}).items():
            assert name in told or name not in schema.get("required", ()), f"{where}: {name}"
            if name in told:
                self._check(told[name], part, f"{where} {name}")
        if schema["type"] == "array":
            for one in told:
                self._check(one, schema["items"], where)


@pytest.fixture
def project() -> Project:
    """A queue of five answers of as many sessions, each for one reviewer."""
    project = make_project("almanac")
    queue = make_queue(project, slug="all")
    for number, text in enumerate([EMOJI, "Bloom is a record.", "No idea.", "Ask later.", "Yes."]):
        session = make_session(project, external_id=f"s-{number}")
        output = make_output(project, session, external_id=f"answer-{number}", text=text)
        make_item(queue, output, priority=10 - number)
    return project


@pytest.fixture
def script(project: Project, live_server: LiveServer) -> Script:
    """With a key that its person made on the page."""
    person = make_user(project, "moderator", username="ann")
    client = Client()
    client.force_login(person)
    page = client.post("/account/keys/", {"name": "Script", "project": project.slug, "days": "30"})
    [key] = re.findall(r'value="(pst_[^"]+)"', page.content.decode())
    return Script(live_server, key)


def test_a_persons_script_does_everything_as_the_document_says(
    script: Script, project: Project
) -> None:
    [queue] = script.get("queues", 200)["queues"]
    assert (queue["slug"], queue["open"], queue["held"]) == ("all", 5, 0)

    held = script.post("queues/all/claim", 200)
    assert held["output"] == "answer-0"
    item, fence = held["item"], {"fence": held["fence"]}
    assert script.get("queues", 200)["queues"][0]["held"] == 1
    kept = script.post(f"items/{item}/heartbeat", 200, fence)
    assert kept["lease_until"] > held["lease_until"]
    script.post(f"items/{item}/heartbeat", 409, {"fence": held["fence"] + 1})

    answer = script.get(f"outputs/{held['output']}", 200)
    start = answer["text"].index("31 August 2017")
    words = {"output": "answer-0", "start": start, "end": start + 14, "exact": "31 August 2017"}
    said = {**words, "reasons": ["factually-incorrect"], "comment": "A year too early.",
            "replacement": "31 August 2018"}  # fmt: skip
    made = script.post("annotations", 201, said, **{"Idempotency-Key": "a"})
    assert script.post("annotations", 201, said, **{"Idempotency-Key": "a"})["id"] == made["id"]
    assert Annotation.objects.get().exact == "31 August 2017"
    script.post("annotations", 422, {**words, "exact": "31 August", "comment": "x"})
    script.post("annotations", 409, {**words, "comment": "x", "version": 2})
    script.post("annotations", 404, {**words, "output": "none", "comment": "x"})

    tagged = script.post("tags", 200, {"session": "s-0", "add": ["Release", "new"]})
    assert tagged["tags"] == ["Release", "new"]
    script.post("tags", 404, {"session": "none", "add": ["x"]})

    decision = {**fence, "verdict": "fix", "severity": "major", "reasons": ["factually-incorrect"],
                "confidence": 0.75, "correction": EMOJI.replace("2017", "2018")}  # fmt: skip
    script.post(f"items/{item}/review", 422, {**fence, "verdict": "fix"})
    done = script.post(f"items/{item}/review", 201, decision)
    assert done["verdict"] == "fix"
    assert script.post(f"items/{item}/review", 201, decision)["id"] == done["id"]
    script.post(f"items/{item}/review", 409, {**decision, "verdict": "reject"})
    assert Review.objects.get().correction == decision["correction"]

    second = script.post("queues/all/claim", 200)
    script.post(f"items/{second['item']}/release", 204, {"fence": second["fence"]})
    script.post(f"items/{second['item']}/release", 409, {"fence": second["fence"]})
    again = script.post("queues/all/claim", 200)
    assert (again["item"], again["fence"]) == (second["item"], second["fence"] + 1)
    script.post(f"items/{again['item']}/skip", 422, {"fence": again["fence"], "reason": " "})
    script.post(f"items/{again['item']}/skip", 204, {"fence": again["fence"], "reason": "Not mine"})
    assert Skip.objects.get().reason == "Not mine"
    for _ in range(3):
        last = script.post("queues/all/claim", 200)
        good = {"fence": last["fence"], "verdict": "accept"}
        script.post(f"items/{last['item']}/review", 201, good)
    script.post("queues/all/claim", 204)
    script.post("queues/none/claim", 404)

    listed = script.get("outputs", 200, filter="verdict:fix tag:release")["outputs"]
    assert [one["id"] for one in listed] == ["answer-0"]
    first = script.get("outputs", 200, filter="-verdict:fix", limit="2")
    rest = script.get("outputs", 200, filter="-verdict:fix", cursor=first["next_cursor"])
    assert [one["id"] for one in (*first["outputs"], *rest["outputs"])] == [
        f"answer-{number}" for number in range(1, 5)
    ]
    script.get("outputs", 422, filter="nothing:x")

    wanted = {"filter": "verdict:accept", "act": "tag_add", "tags": ["good"]}
    job = script.post("bulk", 202, wanted, **{"Idempotency-Key": "b"})
    assert (job["status"], job["matching"]) == ("waiting", 3)
    assert script.post("bulk", 202, wanted, **{"Idempotency-Key": "b"})["job"] == job["job"]
    script.post("bulk", 422, {**wanted, "tags": []})
    script.post(f"bulk/{job['job']}/undo", 409)
    bulk.work_off(now=timezone.now())
    told = script.get(f"bulk/{job['job']}", 200)
    assert (told["status"], told["seen"]) == ("done", 3)
    tags = SessionTag.objects.filter(tag__name="good")
    assert tags.count() == told["changed"] == 3
    script.post(f"bulk/{job['job']}/cancel", 409)
    assert script.post(f"bulk/{job['job']}/undo", 202)["status"] == "undoing"
    bulk.work_off(now=timezone.now())
    assert script.get(f"bulk/{job['job']}", 200)["status"] == "undone"
    assert not tags.exists()
    stopped = script.post("bulk", 202, {**wanted, "act": "tag_remove", "tags": ["new"]})["job"]
    assert script.post(f"bulk/{stopped}/cancel", 200)["status"] == "cancelled"
    script.get("bulk/999999", 404)

    owner, script.key = script.key, "pst_none_none"
    script.get("queues", 401)
    script.get("outputs", 401)
    script.post("queues/all/claim", 401)
    script.key = owner
    project.memberships.update(role="viewer")
    script.get("queues", 200)
    script.post("queues/all/claim", 403)
    script.post("bulk", 403, wanted)
    assert {path for _, path, _ in script.met} == {
        "/queues", "/queues/{slug}/claim", "/items/{item}/heartbeat", "/items/{item}/release",
        "/items/{item}/skip", "/items/{item}/review", "/annotations", "/tags", "/outputs",
        "/outputs/{output}", "/bulk", "/bulk/{job}", "/bulk/{job}/undo", "/bulk/{job}/cancel",
    }  # fmt: skip
