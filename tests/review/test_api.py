from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from feedback.models import Feedback, Project
from review.annotations import annotate
from review.evidencing import add_evidence
from review.models import Annotation, QueueItem
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

pytestmark = pytest.mark.django_db

NASTY = "a/b?c=%20#\N{ROCKET} //x"


def read(client: Client, key: str, kind: str, identifier: str) -> Any:
    address = f"/api/v1/{kind}/{quote(identifier, safe='')}"
    return client.get(address, headers={"authorization": f"Bearer {key}"})


class TestReadSession:
    def test_gives_the_whole_trail_in_order(self, client: Client, project: Project) -> None:
        session = make_session(project, external_id=NASTY, user_external_id="u", user_role="r")
        first = make_output(project, session, external_id="1", system="Be kind.")
        make_output(project, session, external_id="2", at=NOW + timedelta(minutes=2))
        make_feedback(first, external_id="f", at=NOW, comment="No.")
        make_feedback(
            first, external_id="c", name="copy", is_implicit=True, at=NOW + timedelta(minutes=1)
        )
        make_review(first, make_user(project, username="ann"), correction="Yes.")
        reply = read(client, make_key(project), "sessions", NASTY).json()
        assert (reply["id"], reply["user"]) == (NASTY, {"id": "u", "role": "r"})
        assert [(one["type"], one["id"]) for one in reply["trail"]][:4] == [
            ("output", "1"),
            ("feedback", "f"),
            ("signal", "c"),
            ("output", "2"),
        ]
        assert reply["trail"][0]["context"]["system"] == "Be kind."
        review = reply["trail"][4]
        assert (review["verdict"], review["reviewer"], review["correction"]) == (
            "fix",
            "ann",
            "Yes.",
        )

    def test_costs_the_same_for_a_long_session(
        self, client: Client, project: Project, django_assert_max_num_queries: Any
    ) -> None:
        session = make_session(project, external_id="s")
        reviewer = make_user(project)
        for _ in range(12):
            output = make_output(project, session)
            make_feedback(output)
            make_review(output, reviewer)
        key = make_key(project)
        with django_assert_max_num_queries(12):
            assert len(read(client, key, "sessions", "s").json()["trail"]) == 36

    def test_comes_in_pages_of_outputs_with_what_is_about_them(
        self, client: Client, project: Project
    ) -> None:
        session = make_session(project, external_id="s")
        for minute in range(5):
            at = NOW + timedelta(minutes=minute)
            output = make_output(project, session, external_id=str(minute), at=at)
            make_feedback(output, external_id=f"f{minute}", at=at)
        Feedback.objects.create(
            project=project, session=session, key="k", name="n", annotator_kind="HUMAN", at=NOW
        )
        headers = {"authorization": f"Bearer {make_key(project)}"}
        found: list[str] = []
        cursor, num_pages = "", 0
        while cursor is not None:
            query: dict[str, str | int] = {"limit": 2, "cursor": cursor}
            reply = client.get("/api/v1/sessions/s", query, headers=headers).json()
            found += [one["id"] for one in reply["trail"]]
            cursor, num_pages = reply["next_cursor"], num_pages + 1
        assert num_pages == 3
        assert sorted(found) == ["", *"01234", *(f"f{minute}" for minute in range(5))]
        for query in ({"limit": 0}, {"limit": 201}):
            assert client.get("/api/v1/sessions/s", query, headers=headers).status_code == 422
        wrong = client.get("/api/v1/sessions/s", {"cursor": "x"}, headers=headers)
        assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "cursor")

    @pytest.mark.parametrize(
        ("query", "path"), [({"filter": "nosuch:x"}, "filter"), ({"cursor": "x"}, "cursor")]
    )
    def test_names_what_of_a_list_cannot_be_read(
        self, client: Client, project: Project, query: dict[str, str], path: str
    ) -> None:
        headers = {"authorization": f"Bearer {make_key(project)}"}
        wrong = client.get("/api/v1/outputs", query, headers=headers)
        assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, path)

    def test_annotations_bring_their_thread_and_evidence(
        self, client: Client, project: Project
    ) -> None:
        text = "Out on 31 August."
        output = make_output(project, documents=[{"id": "KB-1", "title": "", "text": text}])
        expert = make_user(project, "expert", username="ann")
        written = annotate(
            output=output,
            version=1,
            by=expert,
            start=0,
            end=5,
            exact="Bloom",
            comment="Which?",
            now=NOW,
        )
        written.replies.create(
            project=written.project, author=expert, text="The album.", created_at=NOW
        )
        add_evidence(
            annotation=written, document=0, start=7, end=16, exact="31 August", by=expert, now=NOW
        )
        Annotation.objects.update(resolved_by=expert, resolved_at=NOW)
        [record] = read(client, make_key(project), "outputs", output.external_id).json()["trail"]
        assert [one["text"] for one in record["replies"]] == ["The album."]
        assert record["evidence"][0]["document"] == "KB-1"
        assert record["evidence"][0]["exact"] == "31 August"
        assert record["evidence"][0]["span"] == {"start": 7, "end": 16, "unit": "codepoint"}
        assert (record["resolved_by"], record["decision"]) == ("ann", None)


class TestReadOutput:
    def test_gives_former_versions(self, client: Client, project: Project) -> None:
        output = make_output(project, external_id=NASTY, version=2)
        output.former_versions.create(number=1, text="Before", superseded_at=NOW)
        reply = read(client, make_key(project), "outputs", NASTY).json()
        assert reply["id"] == NASTY
        assert [(one["number"], one["text"]) for one in reply["versions"]] == [(1, "Before")]


class TestAccess:
    @pytest.mark.parametrize("kind", ["sessions", "outputs"])
    def test_is_for_the_project_s_readers(
        self, client: Client, project: Project, kind: str
    ) -> None:
        session = make_session(project, external_id="x")
        make_output(project, session, external_id="x")
        assert read(client, make_key(project), kind, "x").status_code == 200
        assert read(client, make_key(make_project()), kind, "x").status_code == 404
        assert read(client, make_key(project, ["ingest"]), kind, "x").status_code == 403
        assert read(client, "", kind, "x").status_code == 401
        assert read(client, make_key(project), kind, "x\x00").status_code == 404


def test_what_others_still_judge_blindly_is_left_out(client: Client, project: Project) -> None:
    output = make_output(project, external_id="1")
    item = make_item(make_queue(project, reviewers_per_item=2), output)
    author = make_user(project, "expert")
    make_annotation(output, author, "Bloom", comment="No.")
    make_review(output, author, item=item)
    key = make_key(project)
    assert read(client, key, "outputs", "1").json()["trail"] == []
    QueueItem.objects.update(status="done", closed_at=NOW)
    found = read(client, key, "outputs", "1").json()["trail"]
    assert [one["type"] for one in found] == ["annotation", "review"]
