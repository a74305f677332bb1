from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from django.test import Client

from feedback.models import ApiKey, Feedback, Output, Project
from tests.factories import make_key, make_output, make_project

pytestmark = pytest.mark.django_db

SESSION = {"type": "session", "id": "s/1?x=%20\N{ROCKET}"}
OUTPUT = {"type": "output", "id": "o", "session": SESSION["id"], "query": "When?", "text": "Now."}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def key(project: Project) -> str:
    return make_key(project)


def post(client: Client, key: str, body: bytes | object, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    content_type = headers.pop("content_type", "application/json")
    return client.post(
        "/api/v1/ingest", data, content_type=content_type, headers=bearer(key) | headers
    )


class TestIngest:
    def test_takes_records(self, client: Client, key: str) -> None:
        response = post(client, key, {"records": [SESSION, OUTPUT, {"type": "output", "id": "p"}]})
        assert response.status_code == 200
        reply = response.json()
        assert [reply[name] for name in ("accepted", "updated", "unchanged")] == [2, 0, 0]
        [rejected] = reply["rejected"]
        assert (rejected["index"], rejected["id"]) == (2, "p")
        assert rejected["errors"][0]["path"] == "session"
        assert Output.objects.get().session.external_id == SESSION["id"]

    def test_takes_lines_and_gzip(self, client: Client, key: str) -> None:
        lines = "\n".join(json.dumps(record) for record in (SESSION, OUTPUT)).encode()
        response = post(
            client,
            key,
            gzip.compress(lines),
            content_type="application/x-ndjson; charset=utf-8",
            **{"content-encoding": "gzip"},
        )
        assert response.json()["accepted"] == 2

    @pytest.mark.parametrize(
        ("body", "headers", "status"),
        [
            (b"{", {}, 400),
            (b"\xff\xfe", {}, 400),
            (b"[]", {}, 422),
            (b'{"records":1}', {}, 422),
            (b'{"records":[],"x":1}', {}, 422),
            (b'{"records":[]}', {"content_type": "text/plain"}, 415),
            (b'{"records":[]}', {"content_type": "multipart/form-data; boundary=x"}, 415),
            (b'{"records":[]}', {"content-encoding": "br"}, 415),
            (b" " * (16 * 1024 * 1024 + 1), {}, 413),
            (gzip.compress(b" " * (16 * 1024 * 1024 + 1)), {"content-encoding": "gzip"}, 413),
            (b'{"records":[' + b"0," * 5000 + b"0]}", {}, 413),
            (b"[" * 100_000, {}, 400),
        ],
    )
    def test_says_what_is_wrong_with_a_request(
        self, client: Client, key: str, body: bytes, headers: dict[str, str], status: int
    ) -> None:
        response = post(client, key, body, **headers)
        assert response.status_code == status
        assert response.json()["message"]

    @pytest.mark.parametrize(
        "record",
        [
            b"null",
            b'""',
            b"[[]]",
            b"{}",
            b'{"type":{}}',
            b'{"type":"output","id":"\\u0000","session":"s","query":"q","text":"t"}',
            b'{"type":"output","id":"o","session":"s","query":"q","text":"\\ud800"}',
            b'{"type":"output","id":"o","session":"s","query":"q","text":"t","confidence":1e400}',
            b'{"type":"session","id":"s","metadata":{"\\u0000":1}}',
            b'{"type":"session","id":"s","metadata":{"n":99999999999999999999}}',
            b'{"type":"session","id":"s","started_at":"9999-12-31T23:59:59-23:59"}',
            b'{"type":"session","id":"s","started_at":"0000-00-00T00:00:00Z"}',
        ],
    )
    def test_refuses_a_poisonous_record_alone(
        self, client: Client, key: str, record: bytes
    ) -> None:
        response = post(client, key, b'{"records":[' + record + b',{"type":"session","id":"k"}]}')
        assert response.status_code == 200
        assert response.json()["accepted"] == 1
        assert [one["index"] for one in response.json()["rejected"]] == [0]

    def test_keeps_integers_of_64_bits(self, client: Client, key: str, project: Project) -> None:
        numbers = [2**64 - 1, -(2**63), 0]
        post(client, key, {"records": [SESSION | {"metadata": {"n": numbers}}]})
        assert project.sessions.get().metadata == {"n": numbers}

    def test_is_for_keys_with_its_scope(self, client: Client, project: Project) -> None:
        assert post(client, "", {"records": []}).status_code == 401
        assert post(client, "pst_nobody99_x", {"records": []}).status_code == 401
        assert post(client, make_key(project)[:-1], {"records": []}).status_code == 401
        assert (
            post(client, "pst_\x00\N{ROCKET}_".encode().hex(), {"records": []}).status_code == 401
        )
        others = [scope for scope in ApiKey.Scope.values if scope != "ingest"]
        response = post(client, make_key(project, others), {"records": []})
        assert response.status_code == 403
        assert "ingest" in response.json()["message"]
        assert client.get("/api/v1/ingest", headers=bearer(make_key(project))).status_code == 405

    def test_writes_into_the_key_s_project_only(self, client: Client, key: str) -> None:
        other = make_output(make_project(), external_id="o")
        feedback = {"type": "feedback", "output": "o", "name": "x", "annotator_kind": "CODE"}
        assert post(client, key, {"records": [feedback]}).json()["accepted"] == 1
        assert not Feedback.objects.filter(output=other).exists()

    def test_costs_a_fixed_number_of_queries(
        self, client: Client, key: str, django_assert_max_num_queries: Any
    ) -> None:
        records = [SESSION] + [OUTPUT | {"id": f"o{number}"} for number in range(300)]
        with django_assert_max_num_queries(14):
            assert post(client, key, {"records": records}).json()["accepted"] == 301


class TestOpenApi:
    def test_documents_every_record(self, client: Client) -> None:
        document = client.get("/api/v1/openapi.json").json()
        body = document["paths"]["/api/v1/ingest"]["post"]["requestBody"]["content"]
        records = body["application/x-ndjson"]["schema"]["oneOf"]
        assert {one["properties"]["type"]["const"] for one in records} == {
            "session",
            "output",
            "feedback",
            "signal",
        }
        assert "$ref" not in json.dumps(body)
