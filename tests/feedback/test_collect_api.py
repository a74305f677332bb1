from __future__ import annotations

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from feedback import tokens
from feedback.models import ApiKey, Feedback, Output, Project
from tests.factories import make_key, make_output, make_project

pytestmark = pytest.mark.django_db

SHOP = "https://shop.example"
THUMB = {"type": "feedback", "id": "f", "name": "rating", "score": -1}


@pytest.fixture(autouse=True)
def _fresh_counters() -> None:
    cache.clear()


@pytest.fixture
def output() -> Output:
    return make_output(make_project(allowed_origins=[SHOP]))


def mint(client: Client, key: str, body: bytes | object) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(
        "/api/v1/feedback-tokens",
        data,
        content_type="application/json",
        headers={"authorization": f"Bearer {key}"},
    )


@pytest.fixture
def token(client: Client, output: Output) -> str:
    reply = mint(client, make_key(output.project), {"output": output.external_id})
    return str(reply.json()["token"])


def send(
    client: Client,
    body: bytes | object,
    *,
    path: str = "collect",
    media: str = "text/plain",
    **headers: str,
) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(f"/api/v1/{path}", data, content_type=media, headers=headers)


class TestCreateFeedbackToken:
    def test_mints_a_token_for_a_day(self, client: Client, output: Output) -> None:
        reply = mint(client, make_key(output.project), {"output": output.external_id})
        assert reply.status_code == 200
        now = timezone.now()
        claims = tokens.verify(reply.json()["token"], now=now)
        assert (claims.project_id, claims.output) == (output.project_id, output.external_id)
        assert claims.expires_at.isoformat() == reply.json()["expires_at"]
        assert timedelta(hours=23) < claims.expires_at - now <= timedelta(days=1)

    def test_mints_for_as_long_as_asked(self, client: Client, output: Output) -> None:
        key = make_key(output.project, ["feedback"])
        reply = mint(client, key, {"output": output.external_id, "expires_in": 60})
        claims = tokens.verify(reply.json()["token"], now=timezone.now())
        assert claims.expires_at <= timezone.now() + timedelta(seconds=60)

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({}, 422),
            ({"output": ""}, 422),
            ({"output": 1}, 422),
            ({"output": "x" * 201}, 422),
            ({"output": "\x00"}, 422),
            (b'{"output": "\\ud800"}', 422),
            ({"output": "gone"}, 404),
            ({"output": "o", "expires_in": 0}, 422),
            ({"output": "o", "expires_in": True}, 422),
            ({"output": "o", "expires_in": 31 * 86_400}, 422),
            (b'{"output": "o", "expires_in": 1e400}', 422),
            (b'{"output": "o", "expires_in": ' + b"9" * 5_000 + b"}", 400),
            ({"output": "o", "project": 1}, 422),
            ([], 422),
            (b"", 422),
            (b"{", 400),
            (b"\xff", 400),
            (b"[" * 100_000, 400),
        ],
    )
    def test_says_what_is_wrong(
        self, client: Client, output: Output, body: bytes | object, status: int
    ) -> None:
        reply = mint(client, make_key(output.project), body)
        assert reply.status_code == status
        assert reply.json()["message"]

    def test_is_for_keys_with_its_scope(self, client: Client, output: Output) -> None:
        wanted = {"output": output.external_id}
        others = [scope for scope in ApiKey.Scope.values if scope != "feedback"]
        assert mint(client, make_key(output.project, others), wanted).status_code == 403
        assert mint(client, "pst_nobody99_x", wanted).status_code == 401
        assert client.get("/api/v1/feedback-tokens").status_code == 405

    def test_does_not_see_another_projects_output(self, client: Client, output: Output) -> None:
        foreign = make_key(make_project())
        assert mint(client, foreign, {"output": output.external_id}).status_code == 404


class TestCollect:
    @pytest.mark.parametrize(
        "media", ["application/json", "text/plain", "text/plain;charset=UTF-8", "text/html"]
    )
    def test_takes_records_as_whatever_media_type(
        self, client: Client, output: Output, token: str, media: str
    ) -> None:
        reply = send(client, {"token": token, "records": [THUMB]}, media=media, origin=SHOP)
        assert reply.status_code == 200
        assert reply.json() == {"accepted": 1, "updated": 0, "unchanged": 0, "rejected": []}
        assert reply["Access-Control-Allow-Origin"] == SHOP
        assert "Origin" in reply["Vary"]
        assert Feedback.objects.get().output == output

    def test_takes_gzip(self, client: Client, token: str) -> None:
        body = gzip.compress(json.dumps({"token": token, "records": [THUMB]}).encode())
        reply = send(client, body, **{"content-encoding": "gzip"})
        assert reply.json()["accepted"] == 1

    def test_takes_what_comes_without_an_origin(self, client: Client, token: str) -> None:
        reply = send(client, {"token": token, "records": [THUMB]})
        assert reply.status_code == 200
        assert "Access-Control-Allow-Origin" not in reply

    def test_takes_what_comes_from_our_own_pages(self, client: Client, token: str) -> None:
        body = {"token": token, "records": [THUMB]}
        assert send(client, body, origin="http://testserver").status_code == 200

    def test_refuses_a_page_that_is_not_listed(self, client: Client, token: str) -> None:
        make_project(allowed_origins=["https://neighbour.example"])
        body = {"token": token, "records": [THUMB]}
        for origin in ("https://evil.example", "https://neighbour.example", "null", "\x00", "a\nb"):
            assert send(client, body, origin=origin).status_code == 403
        refused = send(client, body, origin="https://evil.example")
        assert "Access-Control-Allow-Origin" not in refused
        assert not Feedback.objects.exists()

    def test_refuses_a_wrong_token(self, client: Client, output: Output, token: str) -> None:
        expired = tokens.sign(
            project=output.project, output=output.external_id, expires_at=timezone.now()
        )
        for wrong in (
            expired,
            token[:-1],
            token + "x",
            "",
            None,
            1,
            ["x"],
            make_key(output.project),
        ):
            reply = send(client, {"token": wrong, "records": [THUMB]}, origin=SHOP)
            assert reply.status_code == 401
            assert reply["Access-Control-Allow-Origin"] == SHOP
            assert "token" in reply.json()["message"]
        assert send(client, {"records": [THUMB]}).status_code == 401
        assert not Feedback.objects.exists()

    def test_reports_refused_records_as_ingestion_does(self, client: Client, token: str) -> None:
        records = [{**THUMB, "output": "another"}, THUMB, {"type": "session", "id": "s"}]
        reply = send(client, {"token": token, "records": records}).json()
        assert reply["accepted"] == 1
        assert [(one["index"], one["id"]) for one in reply["rejected"]] == [(0, "f"), (2, "s")]
        assert reply["rejected"][0]["errors"][0]["path"] == "output"

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400),
            (b"{", 400),
            (b"\xff\xfe", 400),
            (b"[]", 422),
            (b'"x"', 422),
            (b"[" * 100_000, 400),
            (b'{"token":"x"}', 422),
            (b'{"token":"x","records":{}}', 422),
            (b'{"token":"x","records":[],"more":1}', 422),
            (b'{"token":"\\u0000","records":[]}', 400),
            (b'{"token":"\\ud800","records":[]}', 400),
            (b'{"\\ud800":1,"records":[]}', 400),
            (b'{"token":"x","records":[' + b"0," * 60 + b"0]}", 413),
            (b'{"token":"x","records":[' + b"0," * 6_000 + b"0]}", 413),
            (b" " * (256 * 1024 + 1), 413),
        ],
    )
    def test_says_what_is_wrong_with_a_request(
        self, client: Client, output: Output, body: bytes, status: int
    ) -> None:
        reply = send(client, body, origin=output.project.allowed_origins[0])
        assert reply.status_code == status
        assert reply.json()["message"]
        assert reply["Access-Control-Allow-Origin"] == SHOP

    def test_refuses_a_gzip_bomb(self, client: Client) -> None:
        bomb = gzip.compress(b" " * 50_000_000)
        assert send(client, bomb, **{"content-encoding": "gzip"}).status_code == 413
        assert send(client, b"no gzip", **{"content-encoding": "gzip"}).status_code == 400
        assert send(client, b"{}", **{"content-encoding": "br"}).status_code == 415

    def test_survives_a_false_content_length(self, client: Client, token: str) -> None:
        body = {"token": token, "records": [THUMB]}
        for length in ("x", "-1", "\N{FULLWIDTH DIGIT ONE}", "9" * 5_000, ""):
            reply = client.post(
                "/api/v1/collect", body, content_type="application/json", CONTENT_LENGTH=length
            )
            assert reply.status_code in {200, 400}

    @pytest.mark.parametrize(
        "record",
        [
            b"null",
            b"[[]]",
            b"{}",
            b'{"type":"feedback","name":"\\u0000"}',
            b'{"type":"feedback","name":"x","comment":"\\u0000"}',
            b'{"type":"feedback","name":"x","comment":"\\udfff"}',
            b'{"type":"feedback","name":"x","id":"\\ud83d"}',
            b'{"type":"feedback","name":"x","score":NaN}',
            b'{"type":"feedback","name":"x","score":1e400}',
            b'{"type":"feedback","name":"x","value":99999999999999999999}',
            b'{"type":"feedback","name":"x","metadata":{"\\u0000":1}}',
            b'{"type":"feedback","name":"x","annotator_kind":{}}',
            b'{"type":"feedback","name":"x","annotator_kind":[]}',
            b'{"type":"feedback","name":"x","span":{"start":5,"end":1}}',
            b'{"type":"feedback","name":"x","span":{"start":0,"end":999999}}',
            b'{"type":"signal","kind":"copy","at":"0000-00-00T00:00:00Z"}',
            b'{"type":"signal","kind":"copy"}',
            b'{"type":"signal","kind":"copy","at":"2026-11-02T09:00:00Z","session":"s"}',
            b'{"type":"feedback","name":"x","value":' + b"[" * 100 + b"]" * 100 + b"}",
        ],
    )
    def test_refuses_a_poisonous_record_alone(
        self, client: Client, token: str, record: bytes
    ) -> None:
        good = json.dumps(THUMB).encode()
        head = b'{"token":' + json.dumps(token).encode()
        reply = send(client, head + b',"records":[' + record + b"," + good + b"]}")
        assert reply.status_code == 200
        assert reply.json()["accepted"] == 1
        assert [one["index"] for one in reply.json()["rejected"]] == [0]

    def test_slows_down_who_sends_too_much(self, client: Client, token: str) -> None:
        body = {"token": token, "records": [THUMB] * 50}
        replies = [send(client, body, origin=SHOP) for _ in range(5)]
        assert 429 in {reply.status_code for reply in replies}
        slowed = next(reply for reply in replies if reply.status_code == 429)
        assert 1 <= int(slowed["Retry-After"]) <= 60
        assert slowed["Access-Control-Allow-Origin"] == SHOP
        assert "Retry-After" in slowed["Access-Control-Expose-Headers"]

    def test_needs_no_session_and_sets_none(self, client: Client, token: str) -> None:
        strict = Client(enforce_csrf_checks=True)
        reply = send(strict, {"token": token, "records": [THUMB]}, origin=SHOP)
        assert reply.status_code == 200
        assert not reply.cookies
        assert "Access-Control-Allow-Credentials" not in reply

    def test_takes_posts_only(self, client: Client) -> None:
        assert client.get("/api/v1/collect").status_code == 405


class TestCollectReasons:
    def test_returns_the_projects_reasons(self, client: Client, token: str) -> None:
        reply = send(client, {"token": token}, path="collect/reasons", origin=SHOP)
        assert reply.status_code == 200
        assert reply["Access-Control-Allow-Origin"] == SHOP
        first = reply.json()["reasons"][0]
        assert (len(reply.json()["reasons"]), first["slug"]) == (8, "factually-incorrect")
        assert first["name"]
        assert first["definition"]

    def test_refuses_a_wrong_token(self, client: Client) -> None:
        assert send(client, {"token": "x"}, path="collect/reasons").status_code == 401
        assert send(client, {}, path="collect/reasons").status_code == 401


@pytest.mark.parametrize("path", ["/api/v1/collect", "/api/v1/collect/reasons"])
class TestPreflight:
    def test_lets_a_listed_page_ask(self, client: Client, output: Output, path: str) -> None:
        asked = {"access-control-request-method": "POST", "origin": SHOP}
        reply = client.options(path, headers=asked)
        assert reply.status_code == 204
        assert reply["Access-Control-Allow-Origin"] == output.project.allowed_origins[0]
        assert "POST" in reply["Access-Control-Allow-Methods"]
        assert reply["Access-Control-Allow-Headers"] == "Content-Type"

    def test_turns_any_other_page_away(self, client: Client, output: Output, path: str) -> None:
        for origin in ("https://evil.example", "null", "", "\x00", f"{SHOP}/", "x" * 9_000):
            reply = client.options(path, headers={"origin": origin})
            assert reply.status_code == 403
            assert "Access-Control-Allow-Origin" not in reply
        assert client.options(path).status_code == 403


def test_is_described_in_the_openapi_document(client: Client, project: Project) -> None:
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    body = paths["/api/v1/collect"]["post"]["requestBody"]["content"]["text/plain"]["schema"]
    assert body["required"] == ["token", "records"]
