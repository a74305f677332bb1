from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from feedback.authentication import create_own_key
from feedback.embedding import Encoder, embed_pending
from feedback.models import Project, User
from review.comment_vectors import embed_annotations
from review.threads import reply
from tests.factories import (
    NOW,
    make_annotation,
    make_feedback,
    make_item,
    make_key,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_session,
    make_user,
)


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def own_key(user: User) -> str:
    return create_own_key(membership=user.memberships.get(), name="x", now=NOW)[1]


@pytest.fixture
def key(project: Project) -> str:
    return make_key(project, ["read"])


@pytest.fixture
def filled(project: Project, encoder: Encoder) -> Project:
    make_output(project, external_id="o/1", query="Where is Paris?", text="Paris is in France.")
    about = make_output(
        project, external_id="2", query="How do I bake bread?", text="Knead and wait."
    )
    make_feedback(about, external_id="f", comment="The oven temperature is missing.")
    make_output(make_project(), query="How do I bake bread?", text="Another project's.")
    embed_pending(encoder=encoder)
    return project


class TestTexts:
    def search(self, client: Client, key: str, **query: str | int) -> Any:
        return client.get("/api/v1/search", query, headers=bearer(key))

    def ids(self, client: Client, key: str, **query: str | int) -> list[str]:
        return [hit["id"] for hit in self.search(client, key, **query).json()["results"]]

    def test_finds_by_meaning(self, client: Client, key: str, filled: Project) -> None:
        reply = self.search(client, key, q="making a loaf").json()
        assert [hit["id"] for hit in reply["results"]] == ["2", "f", "o/1"]
        best = reply["results"][0]
        assert (best["type"], best["part"], best["text"]) == (
            "output",
            "query",
            "How do I bake bread?",
        )
        assert reply["next_cursor"] is None

    def test_pages_without_gap_or_repeat(self, client: Client, key: str, filled: Project) -> None:
        seen, cursor = [], ""
        for _ in range(3):
            reply = self.search(client, key, q="oven", limit=1, cursor=cursor).json()
            seen += [hit["id"] for hit in reply["results"]]
            cursor = reply["next_cursor"]
        assert sorted(seen) == ["2", "f", "o/1"]
        assert cursor is None

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({}, "q"),
            ({"q": ""}, "q"),
            ({"q": "  "}, "q"),
            ({"q": "x", "limit": 0}, "limit"),
            ({"q": "x", "limit": 101}, "limit"),
            ({"q": "x", "cursor": "nonsense"}, "cursor"),
            ({"q": "x", "filter": "nosuch:x"}, "filter"),
            ({"q": "x", "filter": "theme:x"}, "filter"),
            ({"q": "x", "list": "people"}, "list"),
            ({"q": "x", "sort": "oldest"}, "sort"),
            ({"q": "x", "cursor": "W251bGwsMV0"}, "cursor"),
        ],
    )
    def test_names_the_faulty_field(
        self, client: Client, key: str, query: dict[str, str | int], field: str
    ) -> None:
        response = self.search(client, key, **query)
        assert response.status_code == 422
        assert response.json()["message"].startswith(f"{field}:")

    def test_takes_hostile_questions(self, client: Client, key: str) -> None:
        for question in ("\x00", "\ud83d", "' OR 1=1 --", "%" * 500):
            query = {"q": question.encode("utf-8", "surrogatepass")}
            assert client.get("/api/v1/search", query, headers=bearer(key)).status_code == 200

    def test_is_for_keys_with_its_scope(self, client: Client, project: Project) -> None:
        assert self.search(client, "", q="x").status_code == 401
        assert self.search(client, make_key(project, ["ingest"]), q="x").status_code == 403

    def test_takes_every_filter_that_pages_take(
        self, client: Client, key: str, filled: Project
    ) -> None:
        bread = filled.outputs.get(external_id="2")
        make_review(bread, make_user(filled), verdict="fix", severity="major")
        for text in ("verdict:fix", "severity:major", "state:reviewed", "-state:unreviewed"):
            assert self.ids(client, key, q="food", filter=text) == ["2", "f"]

    def test_lists_one_kind_or_the_best_of_each_session(
        self, client: Client, key: str, filled: Project
    ) -> None:
        assert self.ids(client, key, q="loaf", list="output") == ["2", "o/1"]
        assert self.ids(client, key, q="loaf", list="feedback") == ["f"]
        assert self.ids(client, key, q="loaf", list="session") == ["2", "o/1"]

    def test_lists_the_newest_first(self, client: Client, key: str, filled: Project) -> None:
        newest = self.ids(client, key, q="loaf", sort="newest", list="output")
        assert newest == [one.external_id for one in filled.outputs.order_by("-at", "-pk")]

    def test_finds_more_like_an_output(self, client: Client, key: str, filled: Project) -> None:
        assert self.ids(client, key, like="2") == ["f", "o/1"]
        assert self.search(client, key, like="nosuch").status_code == 404
        foreign = make_output(make_project(), external_id="theirs")
        assert self.search(client, key, like=foreign.external_id).status_code == 404


class TestAnnotations:
    def ids(self, client: Client, key: str, **query: str | int) -> list[int]:
        reply = client.get("/api/v1/search/annotations", query, headers=bearer(key))
        assert reply.status_code == 200
        return [hit["id"] for hit in reply.json()["results"]]

    @pytest.fixture
    def answer(self, project: Project) -> Any:
        session = make_session(project, external_id="s")
        return make_output(project, session, external_id="o", text="Bake it for an hour.")

    def test_found_by_words_come_by_the_time_of_what_was_found(
        self, client: Client, project: Project, key: str, answer: Any
    ) -> None:
        expert = make_user(project, "expert")

        def note(minutes: int, comment: str, *replies: tuple[int, str]) -> int:
            made = make_annotation(
                answer,
                expert,
                "an hour",
                comment=comment,
                created_at=NOW + timedelta(minutes=minutes),
            )
            for later, text in replies:
                reply(annotation=made, text=text, by=expert, now=NOW + timedelta(minutes=later))
            return made.pk

        early = note(1, "Too long.", (9, "The oven?"), (3, "Which oven?"), (8, "No."))
        own = note(2, "An oven.", (10, "The oven?"))
        late = note(5, "And then?", (7, "An oven."))
        newest = note(6, "The oven.")
        note(4, "Hot.", (11, "Very."))
        wanted = [early, late, newest, own]
        assert self.ids(client, key, q="oven", mode="words") == wanted
        for size in (1, 2, 3):
            found: list[int] = []
            cursor: str | None = ""
            while cursor is not None:
                page = client.get(
                    "/api/v1/search/annotations",
                    {"q": "oven", "mode": "words", "limit": size, "cursor": cursor},
                    headers=bearer(key),
                ).json()
                found += [hit["id"] for hit in page["results"]]
                cursor = page["next_cursor"]
            assert found == wanted

    def test_signs_alone_are_in_none(
        self, client: Client, project: Project, key: str, answer: Any
    ) -> None:
        expert = make_user(project, "expert")
        note = make_annotation(answer, expert, "an hour", comment="Too long?")
        reply(annotation=note, text="Really?", by=expert, now=NOW)
        assert self.ids(client, key, q="?", mode="words") == []
        assert self.ids(client, key, q="long ?", mode="words") == [note.pk]

    def test_are_found_by_meaning_words_and_filter(
        self, client: Client, project: Project, key: str, answer: Any, encoder: Encoder
    ) -> None:
        expert = make_user(project, "expert")
        oven = make_annotation(answer, expert, "an hour", comment="How hot is the oven?")
        tone = make_annotation(answer, expert, "Bake", comment="Say please.")
        foreign = make_output(make_project(), text="Bake it.")
        make_annotation(foreign, make_user(), "it", comment="The oven?")
        embed_annotations(encoder=encoder)
        assert self.ids(client, key, q="temperature") == [oven.pk, tone.pk]
        assert self.ids(client, key, q="hot oven", mode="words") == [oven.pk]
        assert self.ids(client, key) == [tone.pk, oven.pk]
        assert self.ids(client, key, filter="session:s -please") == [oven.pk]
        assert self.ids(client, key, q="temperature", filter="session:other") == []
        [hit] = client.get(
            "/api/v1/search/annotations", {"q": "hot oven", "mode": "words"}, headers=bearer(key)
        ).json()["results"]
        assert hit == {
            "type": "annotation",
            "id": oven.pk,
            "reply": None,
            "session": "s",
            "output": "o",
            "author": expert.username,
            "reason": None,
            "text": "How hot is the oven?",
            "exact": "an hour",
            "replacement": None,
            "at": hit["at"],
        }

    def test_are_found_by_replies_to_them(
        self, client: Client, project: Project, key: str, answer: Any
    ) -> None:
        note = make_annotation(answer, make_user(project, "expert"), "Bake", comment="Why?")
        other = make_user(project, "expert")
        said = reply(annotation=note, by=other, text="Raw dough is unsafe.", now=NOW)
        [hit] = client.get(
            "/api/v1/search/annotations", {"q": "dough", "mode": "words"}, headers=bearer(key)
        ).json()["results"]
        assert (hit["id"], hit["reply"], hit["author"]) == (note.pk, said.pk, other.username)
        assert (hit["text"], hit["exact"]) == ("Raw dough is unsafe.", "Bake")
        make_item(make_queue(project, reviewers_per_item=2), answer)
        assert self.ids(client, key, q="dough", mode="words") == []
        assert self.ids(client, own_key(other), q="dough", mode="words") == []

    def test_come_in_pages(self, client: Client, project: Project, key: str, answer: Any) -> None:
        expert = make_user(project, "expert")
        made = [make_annotation(answer, expert, "it", comment=f"Oven {n}") for n in range(5)]
        seen: list[int] = []
        cursor: Any = ""
        while cursor is not None:
            reply = client.get(
                "/api/v1/search/annotations", {"limit": 2, "cursor": cursor}, headers=bearer(key)
            ).json()
            seen += [hit["id"] for hit in reply["results"]]
            cursor = reply["next_cursor"]
        assert seen == [one.pk for one in reversed(made)]

    def test_of_others_are_hidden_from_who_is_to_judge_without_them(
        self, client: Client, project: Project, key: str, answer: Any
    ) -> None:
        author, other = make_user(project, "expert"), make_user(project, "expert")
        made = make_annotation(answer, author, "it", comment="Oven")
        make_item(make_queue(project, reviewers_per_item=2), answer)
        assert self.ids(client, own_key(author)) == [made.pk]
        assert self.ids(client, own_key(other)) == []
        assert self.ids(client, key) == []

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"filter": "nosuch:x"}, "filter"),
            ({"cursor": "nonsense"}, "cursor"),
            ({"q": "x", "cursor": "nonsense"}, "cursor"),
            ({"limit": 0}, "limit"),
        ],
    )
    def test_name_the_faulty_field(
        self, client: Client, key: str, query: dict[str, str | int], field: str
    ) -> None:
        reply = client.get("/api/v1/search/annotations", query, headers=bearer(key))
        assert reply.status_code == 422
        assert reply.json()["message"].startswith(f"{field}:")

    def test_are_for_keys_with_the_scope(self, client: Client, project: Project) -> None:
        path = "/api/v1/search/annotations"
        assert client.get(path).status_code == 401
        ingest = make_key(project, ["ingest"])
        assert client.get(path, headers=bearer(ingest)).status_code == 403
