from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from curation import context_libraries, promotion, releasing
from curation.experiments import Trial
from curation.models import ContextLibrary, Exposure, TrainingSet
from curation.writers import FORMATS
from feedback.embedding import Encoder
from feedback.models import ApiKey, Output, Project, User
from tests.factories import (
    NOW,
    make_annotation,
    make_entry,
    make_feedback,
    make_key,
    make_library,
    make_output,
    make_project,
    make_review,
    make_training_set,
)

pytestmark = pytest.mark.django_db

QUERY = "When did the album Bloom come out?"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"} if key else {}


def paths(response: Any) -> list[str]:
    return [error["path"] for error in response.json()["errors"]]


@pytest.fixture
def key(project: Project) -> str:
    return make_key(project)


class TestContext:
    @pytest.fixture
    def library(self, project: Project, curator: User, encoder: Encoder) -> ContextLibrary:
        """A published library with one promoted example."""
        library = make_library(project, slug="facts")
        output = make_output(project, external_id="o/1", query=QUERY)
        make_feedback(output, external_id="f-1", comment="Right")
        make_annotation(output, curator, "Bloom")
        promotion.promote_to_library(
            review=make_review(output, curator, verdict="accept"),
            library=library,
            kind="example",
            why="asked often",
            by=curator,
            now=NOW,
        )
        context_libraries.publish(library=library, encoder=encoder, by=curator, now=NOW)
        return library

    def post(self, client: Client, key: str, body: bytes | object) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.post(
            "/api/v1/context", data, content_type="application/json", headers=bearer(key)
        )

    def test_answers_with_messages_entries_and_an_exposure(
        self, client: Client, key: str, library: ContextLibrary
    ) -> None:
        response = self.post(
            client, key, {"library": "facts", "query": "When was Bloom released?", "session": "s"}
        )
        assert response.status_code == 200
        reply = response.json()
        entry = library.entries.get()
        exposure = Exposure.objects.get()
        assert entry.output is not None
        [served] = reply.pop("entries")
        assert served.pop("score") > 0.5
        tokens = served.pop("tokens")
        assert served == {
            "id": entry.pk,
            "kind": "example",
            "query": QUERY,
            "answer": entry.answer,
            "why": "asked often",
            "source": {
                "session": entry.output.session.external_id,
                "output": "o/1",
                "review": entry.review_id,
                "feedback": ["f-1"],
                "annotations": [entry.output.annotations.get().pk],
            },
        }
        assert reply == {
            "library": "facts",
            "version": 1,
            "messages": [
                {"role": "user", "content": QUERY},
                {"role": "assistant", "content": entry.answer},
                {"role": "user", "content": "When was Bloom released?"},
            ],
            "tokens": tokens,
            "held_out": False,
            "exposure": str(exposure.token),
        }
        assert exposure.session_external_id == "s"

    def test_gives_the_same_bytes_under_an_etag_which_saves_sending_them_again(
        self, client: Client, key: str, library: ContextLibrary
    ) -> None:
        body = {"library": "facts", "query": QUERY, "session": "s"}
        first, second = (self.post(client, key, body) for _ in range(2))
        assert first.content == second.content
        assert first["ETag"] == second["ETag"]
        assert first["Cache-Control"] == "private, no-cache"

        def ask_if_other(etags: str) -> Any:
            return client.post(
                "/api/v1/context",
                json.dumps(body),
                content_type="application/json",
                headers=bearer(key) | {"if-none-match": etags},
            )

        held = ask_if_other(f'"{"0" * 32}", W/{first["ETag"]}')
        assert (held.status_code, held.content, held["ETag"]) == (304, b"", first["ETag"])
        assert Exposure.objects.get().num_calls == 3
        for other in (f'"{"0" * 32}"', "*", '"', "\x00", "x" * 100_000):
            assert ask_if_other(other).content == first.content

    def test_says_that_entries_were_held_out(
        self, client: Client, key: str, library: ContextLibrary, curator: User, encoder: Encoder
    ) -> None:
        make_entry(library)
        context_libraries.publish(
            library=library,
            encoder=encoder,
            by=curator,
            now=NOW,
            trial=Trial(stages=[1], held_out=99),
        )
        replies = [
            self.post(client, key, {"library": "facts", "query": QUERY, "session": f"s-{n}"}).json()
            for n in range(20)
        ]
        held_out = [one for one in replies if one["held_out"]]
        assert len(held_out) > 15
        for one in held_out:
            assert one["messages"] == [{"role": "user", "content": QUERY}]
            assert (one["entries"], one["tokens"], one["version"]) == ([], 0, 2)
            assert Exposure.objects.get(token=one["exposure"]).is_held_out

    def test_hands_out_what_an_output_carries_back(
        self, client: Client, key: str, library: ContextLibrary
    ) -> None:
        exposure = self.post(client, key, {"library": "facts", "query": QUERY}).json()["exposure"]
        record = {
            "type": "output",
            "id": "new",
            "session": "s",
            "query": QUERY,
            "text": "On 31 August 2018.",
            "context": {"exposure": exposure},
        }
        records = [{"type": "session", "id": "s"}, record]
        response = client.post(
            "/api/v1/ingest",
            {"records": records},
            content_type="application/json",
            headers=bearer(key),
        )
        assert response.json()["accepted"] == 2
        carried = Output.objects.get(external_id="new").exposure
        assert Exposure.objects.get(token=UUID(carried)).version.library == library

    def test_takes_a_whole_conversation(
        self, client: Client, key: str, library: ContextLibrary
    ) -> None:
        messages = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": QUERY},
        ]
        reply = self.post(client, key, {"library": "facts", "messages": messages}).json()
        assert reply["messages"][0] == messages[0]
        assert reply["messages"][-3:] == messages[1:]
        assert len(reply["messages"]) == 6

    def test_narrows_by_number_tokens_and_audience(
        self, client: Client, key: str, library: ContextLibrary, curator: User, encoder: Encoder
    ) -> None:
        for number in range(3):
            make_entry(library, query=f"When did album {number} come out?", roles=["member"])
        context_libraries.publish(library=library, encoder=encoder, by=curator, now=NOW)

        def num_served(**options: object) -> int:
            body = {"library": "facts", "query": QUERY} | options
            return len(self.post(client, key, body).json()["entries"])

        assert num_served() == 1
        assert num_served(role="member", environment="production", model="m-3") == 4
        assert num_served(role="member", k=2) == 2
        assert num_served(role="member", token_budget=50) < 4
        assert num_served(token_budget=1) == 0

    def test_is_for_keys_with_its_scope(
        self, client: Client, project: Project, library: ContextLibrary
    ) -> None:
        body = {"library": "facts", "query": QUERY}
        response = self.post(client, "", body)
        assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
        assert self.post(client, make_key(project)[:-1], body).status_code == 401
        others = [scope for scope in ApiKey.Scope.values if scope != "context"]
        response = self.post(client, make_key(project, others), body)
        assert response.status_code == 403
        assert "context" in response.json()["message"]
        assert self.post(client, make_key(project, ["context"]), body).status_code == 200
        assert self.post(client, make_key(make_project()), body).status_code == 404

    def test_tells_unknown_from_unpublished(
        self, client: Client, key: str, project: Project
    ) -> None:
        make_library(project, slug="empty")
        assert self.post(client, key, {"library": "x", "query": "y"}).status_code == 404
        response = self.post(client, key, {"library": "empty", "query": "y"})
        assert response.status_code == 409
        assert "Nothing is published" in response.json()["message"]

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({}, "library"),
            ({"library": ""}, "library"),
            ({"library": 1}, "library"),
            ({"library": "a\nb", "query": "x"}, "library"),
            ({"library": "a\x00", "query": "x"}, "library"),
            ({"library": "facts"}, "query"),
            ({"library": "facts", "query": " \n"}, "query"),
            ({"library": "facts", "query": "\ud800"}, "query"),
            ({"library": "facts", "query": "x" * 2_000_001}, "query"),
            ({"library": "facts", "query": "x", "messages": []}, "messages"),
            ({"library": "facts", "messages": []}, "messages"),
            ({"library": "facts", "messages": {}}, "messages"),
            (
                {"library": "facts", "query": "x", "messages": [{"role": "user", "content": "y"}]},
                "messages",
            ),
            ({"library": "facts", "messages": [{"role": "system", "content": "x"}]}, "messages"),
            ({"library": "facts", "messages": [{"role": "user", "content": ""}]}, "messages"),
            (
                {"library": "facts", "messages": [{"role": "root", "content": "x"}]},
                "messages.0.role",
            ),
            (
                {"library": "facts", "messages": [{"role": "user", "content": None}]},
                "messages.0.content",
            ),
            (
                {"library": "facts", "messages": [{"role": "user", "content": "x", "name": "y"}]},
                "messages.0.name",
            ),
            ({"library": "facts", "query": "x", "k": 0}, "k"),
            ({"library": "facts", "query": "x", "k": 51}, "k"),
            ({"library": "facts", "query": "x", "k": True}, "k"),
            ({"library": "facts", "query": "x", "k": "4"}, "k"),
            ({"library": "facts", "query": "x", "k": 10**30}, "k"),
            ({"library": "facts", "query": "x", "token_budget": 0}, "token_budget"),
            ({"library": "facts", "query": "x", "role": "a\u2028b"}, "role"),
            ({"library": "facts", "query": "x", "model": "m" * 201}, "model"),
            ({"library": "facts", "query": "x", "session": ""}, "session"),
            ({"library": "facts", "query": "x", "sesion": "s"}, "sesion"),
            ({"library": "facts", "query": "x", "__proto__": {}}, "__proto__"),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self, client: Client, key: str, body: object, path: str
    ) -> None:
        response = self.post(client, key, body)
        assert response.status_code == 422
        assert paths(response) == [path] or path in paths(response)
        assert path in response.json()["message"]

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"{", 400),
            (b"\xff\xfe", 400),
            (b"[" * 100_000, 400),
            (b"", 422),
            (b"null", 422),
            (b"[]", 422),
            (b'{"library":"facts","query":"x","k":NaN}', 422),
            (b" " * (5 * 1024 * 1024 + 1), 413),
        ],
    )
    def test_says_what_is_wrong_with_a_request(
        self, client: Client, key: str, body: bytes, status: int
    ) -> None:
        response = self.post(client, key, body)
        assert response.status_code == status
        assert not response.json()["message"].startswith(":")

    @pytest.mark.parametrize(
        "hostile",
        [
            "\x00",
            "'; DROP TABLE x;--",
            "{{7*7}}{0.__class__}",
            "<script>",
            "\u202e\u200b",
            "a" * 10**6,
        ],
    )
    def test_takes_hostile_text_as_text(
        self, client: Client, key: str, library: ContextLibrary, hostile: str
    ) -> None:
        response = self.post(client, key, {"library": "facts", "query": f"Bloom {hostile}"})
        assert response.status_code == 200
        assert response.json()["messages"][-1]["content"] == f"Bloom {hostile}"

    def test_costs_the_same_however_much_is_published(
        self,
        client: Client,
        key: str,
        library: ContextLibrary,
        curator: User,
        encoder: Encoder,
        django_assert_max_num_queries: Any,
    ) -> None:
        for number in range(60):
            make_entry(library, query=f"When did album {number} come out?", created_by=curator)
        context_libraries.publish(library=library, encoder=encoder, by=curator, now=NOW)
        self.post(client, key, {"library": "facts", "query": QUERY})
        with django_assert_max_num_queries(5):
            reply = self.post(client, key, {"library": "facts", "query": QUERY, "k": 50})
        assert len(reply.json()["entries"]) > 4

    def test_takes_no_other_verb(self, client: Client, key: str) -> None:
        for verb in ("get", "put", "patch", "delete"):
            response = getattr(client, verb)("/api/v1/context", headers=bearer(key))
            assert response.status_code == 405


class TestReleaseFile:
    @pytest.fixture
    def training_set(self, project: Project, curator: User) -> TrainingSet:
        """Released once: an accepted answer and a corrected one."""
        training_set = make_training_set(project, slug="answers")
        accepted = make_review(make_output(project, query="a\u2028b"), curator, verdict="accept")
        fixed = make_review(
            make_output(project, text="bad", session=accepted.output.session),
            curator,
            correction="good",
        )
        for review in (accepted, fixed):
            promotion.promote_to_training_set(
                review=review, training_set=training_set, by=curator, now=NOW
            )
        releasing.release(training_set=training_set, by=curator, now=NOW)
        return training_set

    def get(self, client: Client, key: str, name: str = "1/train", query: str = "") -> Any:
        return client.get(
            f"/api/v1/training-sets/answers/releases/{name}.jsonl{query}", headers=bearer(key)
        )

    def test_streams_one_example_a_line(
        self, client: Client, key: str, training_set: TrainingSet
    ) -> None:
        response = self.get(client, key)
        assert response.status_code == 200
        assert response["Content-Type"] == "application/x-ndjson; charset=utf-8"
        assert response["Content-Disposition"] == (
            'attachment; filename="answers-r1-train-openai-sft.jsonl"'
        )
        assert response["X-Content-Type-Options"] == "nosniff"
        lines = response.getvalue().decode().splitlines()
        assert [json.loads(line)["messages"][-1]["content"] for line in lines] == [
            "Bloom came out on 31 August 2018.",
            "good",
        ]
        assert self.get(client, key, query="?format=openai-sft").getvalue() == (
            self.get(client, key).getvalue()
        )

    def test_streams_preferences(self, client: Client, key: str, training_set: TrainingSet) -> None:
        [line] = self.get(client, key, query="?format=openai-dpo").getvalue().splitlines()
        assert json.loads(line)["non_preferred_output"][0]["content"] == "bad"

    def test_of_a_split_without_examples_is_empty(
        self, client: Client, key: str, training_set: TrainingSet
    ) -> None:
        response = self.get(client, key, "1/validation")
        assert (response.status_code, response.getvalue()) == (200, b"")

    def test_is_for_keys_with_its_scope(
        self, client: Client, project: Project, training_set: TrainingSet
    ) -> None:
        assert self.get(client, "").status_code == 401
        others = [scope for scope in ApiKey.Scope.values if scope != "export"]
        assert self.get(client, make_key(project, others)).status_code == 403
        assert self.get(client, make_key(project, ["export"])).status_code == 200
        assert self.get(client, make_key(make_project())).status_code == 404

    @pytest.mark.parametrize(
        "name",
        ["2/train", "0/train", "-1/train", f"{'9' * 5_000}/train", "x/train", "1/dev", "1/..%2f"],
    )
    def test_finds_nothing_else(
        self, client: Client, key: str, training_set: TrainingSet, name: str
    ) -> None:
        assert self.get(client, key, name).status_code == 404

    def test_names_the_parameter_that_is_wrong(
        self, client: Client, key: str, training_set: TrainingSet
    ) -> None:
        response = self.get(client, key, query="?format=csv")
        assert (response.status_code, paths(response)) == (422, ["format"])
        response = self.get(client, key, query="?fromat=openai-dpo")
        assert (response.status_code, paths(response)) == (422, ["fromat"])

    def test_takes_no_other_verb(self, client: Client, key: str) -> None:
        address = "/api/v1/training-sets/answers/releases/1/train.jsonl"
        for verb in ("post", "put", "patch", "delete"):
            assert getattr(client, verb)(address, headers=bearer(key)).status_code == 405


class TestReleaseStatus:
    @pytest.fixture
    def training_set(self, project: Project, curator: User) -> TrainingSet:
        training_set = make_training_set(project, slug="answers")
        review = make_review(make_output(project), curator, verdict="accept")
        promotion.promote_to_training_set(
            review=review, training_set=training_set, by=curator, now=NOW
        )
        return training_set

    def test_tells_how_far_it_is_then_its_files(
        self, client: Client, key: str, training_set: TrainingSet, curator: User
    ) -> None:
        releasing.start(training_set=training_set, by=curator, now=NOW)
        address = "/api/v1/training-sets/answers/releases/1"
        told = client.get(address, headers=bearer(key)).json()
        assert (told["status"], told["files"]) == ("freezing", [])
        assert client.get(f"{address}/revocations", headers=bearer(key)).status_code == 404
        while releasing.work_off(now=NOW):
            pass
        told = client.get(address, headers=bearer(key)).json()
        assert (told["status"], told["done"], told["examples"]["train"]) == ("done", 1.0, 1)
        for file in told["files"]:
            response = client.get(f"{address}/files/{file['path']}", headers=bearer(key))
            assert response["ETag"] == f'"{file["sha256"]}"'
            assert len(response.getvalue()) == file["bytes"]
        part = client.get(
            f"{address}/files/openai/sft-train.jsonl", headers=bearer(key) | {"Range": "bytes=0-3"}
        )
        assert (part.status_code, part.getvalue()) == (206, b'{"me')
        assert client.get(f"{address}/files/nope", headers=bearer(key)).status_code == 404

    def test_tells_what_is_revoked(
        self, client: Client, key: str, training_set: TrainingSet, curator: User
    ) -> None:
        releasing.release(training_set=training_set, by=curator, now=NOW)
        example = training_set.examples.get()
        releasing.revoke(example=example, reason="wrong", by=curator, now=NOW)
        address = "/api/v1/training-sets/answers/releases/1/revocations"
        [revoked] = client.get(address, headers=bearer(key)).json()["revoked"]
        assert (revoked["example"], revoked["reason"]) == (str(example.pk), "wrong")
        assert client.get(address).status_code == 401
        assert client.get(address, headers=bearer(make_key(make_project()))).status_code == 404


class TestOpenapi:
    def test_documents_both_endpoints(self, client: Client) -> None:
        document = client.get("/api/v1/openapi.json").json()
        context = document["paths"]["/api/v1/context"]["post"]
        assert context["security"]
        schemas = document["components"]["schemas"]
        assert schemas["ContextRequest"]["required"] == ["library"]
        assert schemas["ContextRequest"]["additionalProperties"] is False
        assert set(schemas["ContextReply"]["required"]) == {
            "library",
            "version",
            "entries",
            "messages",
            "tokens",
            "held_out",
            "exposure",
        }
        path = "/api/v1/training-sets/{slug}/releases/{number}/{split}.jsonl"
        download = document["paths"][path]["get"]
        parameters = {one["name"]: one for one in download["parameters"]}
        assert parameters.keys() == {"slug", "number", "split", "format"}
        assert parameters["format"]["schema"]["enum"] == list(FORMATS)
        assert "application/x-ndjson" in download["responses"]["200"]["content"]
