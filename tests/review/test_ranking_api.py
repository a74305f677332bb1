"""The answers to one question, ranked by script."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from feedback.models import Feedback, Output, Project
from tests.calling import Caller
from tests.factories import make_item, make_key, make_output, make_project, make_queue, make_user
from tests.review.test_places import become
from tests.review.test_ranking import make_answers

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "expert", username="ann"))


@pytest.fixture
def answers(project: Project) -> list[Output]:
    return make_answers(project, "the first", "the second", "the third")


def order(answers: list[Output], *places: int) -> dict[str, Any]:
    return {
        "answers": [
            {"output": one.external_id, "version": one.version, "place": place}
            for one, place in zip(answers, places, strict=True)
        ]
    }


class TestRanking:
    def test_is_stored_and_can_be_changed(self, ann: Caller, answers: list[Output]) -> None:
        name = answers[1].external_id
        told = ann.get("rankings", output=name).json()
        assert told["question"] == answers[0].query
        assert [(one["text"], one["place"]) for one in told["answers"]] == [
            ("the first", None),
            ("the second", None),
            ("the third", None),
        ]
        assert "model" not in told["answers"][0]
        told = ann.post("rankings", order(answers, 2, 1, 2))
        assert told.status_code == 200
        assert [one["place"] for one in told.json()["answers"]] == [2, 1, 2]
        ann.post("rankings", order(answers, 1, 2, 3))
        told = ann.get("rankings", output=name).json()
        assert [one["place"] for one in told["answers"]] == [1, 2, 3]
        assert Feedback.objects.filter(name=Feedback.RANK).count() == 3

    def test_shows_nobody_elses(
        self, client: Client, project: Project, ann: Caller, answers: list[Output]
    ) -> None:
        ann.post("rankings", order(answers, 1, 2, 3))
        other = Caller(client, project, make_user(project, "expert"))
        told = other.get("rankings", output=answers[0].external_id).json()
        assert {one["place"] for one in told["answers"]} == {None}

    def test_wants_a_place_for_each(self, ann: Caller, answers: list[Output]) -> None:
        for body, path in (
            (order(answers, 1, 2, 4), "answers"),
            (order([*answers, answers[0]], 1, 2, 3, 1), "answers.3.output"),
            (order([*answers, make_output(answers[0].project)], 1, 2, 3, 1), "answers.3.output"),
            ({"answers": []}, "answers"),
        ):
            told = ann.post("rankings", body)
            assert (told.status_code, told.json()["errors"][0]["path"]) == (422, path)
        assert ann.post("rankings", order(answers[:2], 1, 2)).status_code == 409
        assert not Feedback.objects.exists()

    def test_wants_another_answer(self, ann: Caller, project: Project) -> None:
        told = ann.post("rankings", order([make_output(project)], 1))
        assert (told.status_code, told.json()["errors"][0]["path"]) == (422, "answers")

    def test_is_refused_when_an_answer_has_changed(
        self, ann: Caller, answers: list[Output]
    ) -> None:
        body = order(answers, 1, 2, 3)
        become(answers[0], "another")
        assert ann.post("rankings", body).status_code == 409

    def test_waits_for_those_who_judge_without_knowing(
        self, ann: Caller, answers: list[Output]
    ) -> None:
        """Complaint 24."""
        make_item(make_queue(answers[0].project, reviewers_per_item=2), answers[0])
        assert ann.get("rankings", output=answers[1].external_id).json()["is_blind"]
        assert ann.post("rankings", order(answers, 1, 2, 3)).status_code == 409
        assert not Feedback.objects.exists()

    def test_is_for_experts_of_the_project(
        self, client: Client, project: Project, answers: list[Output]
    ) -> None:
        viewer = Caller(client, project, make_user(project, "viewer"))
        other = make_project()
        stranger = Caller(client, other, make_user(other, "admin"))
        name, body = answers[0].external_id, order(answers, 1, 2, 3)
        assert viewer.get("rankings", output=name).status_code == 200
        assert viewer.post("rankings", body).status_code == 403
        assert stranger.get("rankings", output=name).status_code == 404
        assert stranger.post("rankings", body).status_code == 404
        product = {"authorization": f"Bearer {make_key(project)}"}
        sent = client.post(
            "/api/v1/rankings", body, content_type="application/json", headers=product
        )
        assert sent.status_code == 403
