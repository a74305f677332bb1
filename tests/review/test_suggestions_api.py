"""Suggestions and the corrected answer by script, with a person's own key."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from feedback.models import Output, Project
from review.models import Annotation
from tests.calling import Caller
from tests.factories import (
    make_annotation,
    make_item,
    make_key,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_user,
)
from tests.review.test_places import become

pytestmark = pytest.mark.django_db

TEXT = "Family **Plus** covers six sessions a year."


@pytest.fixture
def ann(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "expert", username="ann"))


@pytest.fixture
def ben(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "expert", username="ben"))


@pytest.fixture
def output(project: Project) -> Output:
    return make_output(project, external_id="o/1", text=TEXT)


@pytest.fixture
def twelve(output: Output, ann: Caller) -> Annotation:
    return make_annotation(output, ann.user, "six", replacement="twelve")


@pytest.fixture
def ten(output: Output, ben: Caller) -> Annotation:
    return make_annotation(output, ben.user, "six sessions", replacement="ten sessions")


def correction(by: Caller) -> dict[str, Any]:
    told: dict[str, Any] = by.get("corrections", output="o/1").json()
    return told


class TestDeciding:
    def test_changes_the_corrected_answer(self, ann: Caller, twelve: Annotation) -> None:
        assert correction(ann)["open"] == 1
        told = ann.post(f"annotations/{twelve.pk}/accept")
        assert (told.status_code, told.json()["decision"]) == (200, "accepted")
        assert told.json()["decided_by"] == "ann"
        assert correction(ann) == {
            "output": "o/1",
            "version": 1,
            "text": TEXT.replace("six", "twelve"),
            "distance": 6,
            "suggestions": [twelve.pk],
            "accepted": [twelve.pk],
            "left_out": [],
            "open": 0,
        }

    def test_can_be_taken_back_and_done_anew(
        self, ann: Caller, ben: Caller, twelve: Annotation
    ) -> None:
        path = f"annotations/{twelve.pk}"
        ann.post(f"{path}/reject")
        late = ben.post(f"{path}/accept")
        assert (late.status_code, late.json()["in_the_way"]) == (409, [])
        assert late.json()["message"] == "ann rejected this before you."
        assert ben.post(f"{path}/undo").json()["decision"] is None
        assert ben.post(f"{path}/accept").json()["decided_by"] == "ben"
        assert ben.post(f"{path}/accept").status_code == 200

    def test_names_what_is_in_the_way(
        self, ann: Caller, twelve: Annotation, ten: Annotation
    ) -> None:
        ann.post(f"annotations/{ten.pk}/accept")
        told = ann.post(f"annotations/{twelve.pk}/accept")
        assert (told.status_code, told.json()["in_the_way"]) == (409, [ten.pk])
        assert ann.post(f"annotations/{twelve.pk}/rebase").status_code == 409
        assert correction(ann)["text"] == TEXT.replace("six", "ten")

    def test_cuts_down_to_what_is_free(self, ann: Caller, output: Output, ten: Annotation) -> None:
        ann.post(f"annotations/{ten.pk}/accept")
        wide = make_annotation(
            output, ann.user, "six sessions a year", replacement="nine sessions each year"
        )
        told = ann.post(f"annotations/{wide.pk}/rebase")
        assert told.status_code == 200, told.json()
        assert ann.post(f"annotations/{wide.pk}/accept").status_code == 200
        assert correction(ann)["text"] == "Family **Plus** covers ten sessions each year."

    def test_is_too_late_on_a_former_version(
        self, ann: Caller, output: Output, twelve: Annotation
    ) -> None:
        become(output, f"{TEXT} So.")
        assert ann.post(f"annotations/{twelve.pk}/accept").status_code == 409
        assert correction(ann)["suggestions"] == []

    def test_finds_no_suggestion_in_a_comment(self, ann: Caller, output: Output) -> None:
        plain = make_annotation(output, ann.user, "six")
        assert ann.post(f"annotations/{plain.pk}/accept").status_code == 409


class TestDecidingOnAll:
    def test_goes_and_comes_back_as_one(
        self, ann: Caller, twelve: Annotation, ten: Annotation
    ) -> None:
        done = ann.post("suggestions/accept", {"output": "o/1"})
        assert (done.status_code, done.json()["suggestions"]) == (200, [twelve.pk])
        assert correction(ann)["accepted"] == [twelve.pk]
        body = {"output": "o/1", "decided_at": done.json()["decided_at"]}
        assert ann.post("suggestions/undo", body).json()["suggestions"] == [twelve.pk]
        assert ann.post("suggestions/undo", body).json()["suggestions"] == []
        assert correction(ann)["open"] == 2
        gone = ann.post("suggestions/reject", {"output": "o/1"}).json()["suggestions"]
        assert sorted(gone) == sorted([twelve.pk, ten.pk])
        assert correction(ann)["text"] == TEXT

    def test_leaves_alone_what_others_decided_at_the_time(
        self, ann: Caller, ben: Caller, twelve: Annotation
    ) -> None:
        done = ann.post("suggestions/accept", {"output": "o/1"}).json()
        body = {"output": "o/1", "decided_at": done["decided_at"]}
        assert ben.post("suggestions/undo", body).json()["suggestions"] == []
        assert correction(ann)["accepted"] == [twelve.pk]

    def test_wants_an_answer_and_a_moment(self, ann: Caller, output: Output) -> None:
        for act in ("accept", "reject"):
            assert ann.post(f"suggestions/{act}", {"output": "none"}).status_code == 404
        told = ann.post("suggestions/undo", {"output": "o/1", "decided_at": "now"})
        assert (told.status_code, told.json()["errors"][0]["path"]) == (422, "decided_at")


class TestRewriting:
    def test_makes_accepted_suggestions_once(self, ann: Caller, output: Output) -> None:
        wanted = TEXT.replace("six", "twelve").replace("a year", "each year")
        body = {"output": "o/1", "version": 1, "text": wanted}
        for _ in range(2):
            told = ann.post("corrections", body, **{"Idempotency-Key": "one"})
            assert (told.status_code, told.json()["text"]) == (200, wanted)
        assert len(told.json()["accepted"]) == Annotation.objects.count() == 2

    def test_is_refused_of_another_version_and_for_no_text(
        self, ann: Caller, output: Output
    ) -> None:
        body = {"output": "o/1", "version": 2, "text": "x"}
        told = ann.post("corrections", body)
        assert (told.status_code, told.json()["message"]) == (
            409,
            "The answer is at version 1 now.",
        )
        told = ann.post("corrections", body | {"version": 1, "text": "a\x00"})
        assert (told.status_code, told.json()["errors"][0]["path"]) == (422, "text")


class TestPreview:
    def test_tells_what_the_words_are_widened_to(self, ann: Caller, output: Output) -> None:
        start = TEXT.index("Plus** covers")
        body = {"output": "o/1", "start": start, "end": start + 13, "exact": "Plus** covers"}
        told = ann.post("suggestion-previews", body)
        assert (told.status_code, told.json()) == (
            200,
            {
                "words": "Plus covers",
                "offered": "**Plus** covers",
                "is_wider": True,
                "is_block": False,
                "problem": None,
            },
        )
        same = ann.post("suggestion-previews", body | {"replacement": "**Plus** covers"}).json()
        assert same["problem"] == "This changes nothing."
        assert not Annotation.objects.exists()

    def test_wants_the_words_of_the_current_version(self, ann: Caller, output: Output) -> None:
        body = {"output": "o/1", "start": 0, "end": 6, "exact": "Famly"}
        told = ann.post("suggestion-previews", body)
        assert (told.status_code, told.json()["errors"][0]["path"]) == (422, "exact")
        assert ann.post("suggestion-previews", body | {"version": 2}).status_code == 409


class TestWhoMay:
    def test_hides_others_from_who_is_to_judge_without_them(
        self, ann: Caller, ben: Caller, output: Output, ten: Annotation, twelve: Annotation
    ) -> None:
        """Complaint 24."""
        item = make_item(make_queue(output.project, reviewers_per_item=2), output)
        assert ben.post(f"annotations/{ten.pk}/accept").status_code == 200
        for act in ("accept", "reject", "undo", "rebase"):
            assert ann.post(f"annotations/{ten.pk}/{act}").status_code == 404
        assert correction(ann)["suggestions"] == [twelve.pk]
        assert correction(ann)["text"] == TEXT
        done = ann.post("suggestions/reject", {"output": "o/1"}).json()
        assert done["suggestions"] == [twelve.pk]
        make_review(output, ann.user, item=item)
        assert correction(ann)["text"] == TEXT.replace("six", "ten")
        # Ben is still to judge: what Ann decided on his words would tell him.
        assert ann.post(f"annotations/{ten.pk}/undo").status_code == 409

    def test_keeps_out_viewers_products_and_other_projects(
        self, client: Client, project: Project, output: Output, twelve: Annotation
    ) -> None:
        viewer = Caller(client, project, make_user(project, "viewer"))
        other = make_project()
        stranger = Caller(client, other, make_user(other, "admin"))
        product = {"authorization": f"Bearer {make_key(project)}"}
        for path, body in (
            (f"annotations/{twelve.pk}/accept", {}),
            ("suggestions/accept", {"output": "o/1"}),
            ("corrections", {"output": "o/1", "version": 1, "text": "x"}),
            ("suggestion-previews", {"output": "o/1", "start": 0, "end": 6, "exact": "Family"}),
        ):
            assert viewer.post(path, body).status_code == 403
            assert stranger.post(path, body).status_code == 404
            sent = client.post(
                f"/api/v1/{path}", body, content_type="application/json", headers=product
            )
            assert sent.status_code == 403
        assert correction(viewer)["open"] == 1
        assert stranger.get("corrections", output="o/1").status_code == 404
