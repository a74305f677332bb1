"""Releases over the API: begun, listed, held, checked again and stopped."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from curation import gating, promotion, releasing
from curation.models import TrainingSet
from feedback.authentication import create_own_key
from feedback.embedding import model_id
from feedback.models import ApiKey, Membership, Project, User
from review.filters import ReviewFilter
from tests.curation.test_api import bearer
from tests.factories import (
    NOW,
    make_key,
    make_output,
    make_project,
    make_review,
    make_training_set,
    make_user,
)

pytestmark = pytest.mark.django_db

BASE = "/api/v1/training-sets/answers/releases"


@pytest.fixture
def training_set(project: Project, curator: User) -> TrainingSet:
    training_set = make_training_set(project, slug="answers", is_gated=True)
    add(training_set, curator, "Where is my card?")
    return training_set


@pytest.fixture
def key(project: Project, curator: User) -> str:
    key = make_key(project)
    ApiKey.objects.update(created_by=curator)
    return key


def add(training_set: TrainingSet, by: User, query: str) -> None:
    output = make_output(training_set.project, query=query)
    promotion.promote_to_training_set(
        review=make_review(output, by, verdict="accept"), training_set=training_set, by=by, now=NOW
    )


def post(client: Client, key: str, path: str, payload: Any = None) -> tuple[int, Any]:
    answered = client.post(
        BASE + path,
        {} if payload is None else payload,
        content_type="application/json",
        headers=bearer(key),
    )
    return answered.status_code, answered.json()


def work_off() -> None:
    while gating.work_off(vectors=model_id(), clock=lambda: NOW):
        pass
    while releasing.work_off(now=NOW):
        pass


class TestReleases:
    def test_are_begun_listed_and_stopped(
        self, client: Client, key: str, training_set: TrainingSet, curator: User
    ) -> None:
        status, made = post(client, key, "", {"formats": ["openai-sft", "huggingface"]})
        assert (status, made["number"], made["status"]) == (201, 1, "freezing")
        release = training_set.releases.get()
        assert (release.released_by, release.formats) == (
            curator,
            ["openai-sft", "huggingface", "examples"],
        )
        assert post(client, key, "")[0] == 409
        status, told = post(client, key, "/1/cancel")
        assert (status, told["status"]) == (200, "cancelled")
        assert post(client, key, "/1/cancel")[0] == 409
        assert post(client, key, "")[1]["number"] == 2
        work_off()
        listed = client.get(BASE, headers=bearer(key)).json()["releases"]
        assert [(one["number"], one["status"]) for one in listed] == [(2, "done"), (1, "cancelled")]
        assert post(client, key, "")[1]["message"] == "Nothing has changed since release 2."

    def test_one_whose_filter_took_in_more_is_checked_again(
        self, client: Client, key: str, training_set: TrainingSet, curator: User
    ) -> None:
        releasing.set_filter(training_set=training_set, wanted=ReviewFilter(), by=curator, now=NOW)
        make_review(make_output(training_set.project, query="Why?"), curator, verdict="accept")
        assert post(client, key, "")[0] == 201
        work_off()
        told = client.get(f"{BASE}/1", headers=bearer(key)).json()
        assert told["status"] == "held"
        assert told["problem"].startswith("Check the examples again")
        assert post(client, key, "/1/check")[0] == 200
        work_off()
        told = client.get(f"{BASE}/1", headers=bearer(key)).json()
        assert (told["status"], sum(told["examples"].values())) == ("done", 2)
        assert post(client, key, "/1/check")[0] == 409

    def test_name_what_is_wrong(self, client: Client, key: str, training_set: TrainingSet) -> None:
        status, told = post(client, key, "", {"formats": ["csv"]})
        assert status == 422
        assert "formats" in str(told)
        assert post(client, key, "/7/cancel")[0] == 404
        assert post(client, key, "/7/check")[0] == 404
        none = BASE.replace("answers", "none")
        assert client.get(none, headers=bearer(key)).status_code == 404
        answered = client.post(none, {}, content_type="application/json", headers=bearer(key))
        assert answered.status_code == 404


class TestKeys:
    @pytest.mark.usefixtures("training_set")
    def test_need_the_scope_and_somebodys_name(
        self, client: Client, project: Project, curator: User
    ) -> None:
        paths = ("", "/1/cancel", "/1/check")
        others = [scope for scope in ApiKey.Scope.values if scope != "release"]
        for path in paths:
            assert post(client, make_key(project, others), path)[0] == 403
        assert client.get(BASE, headers=bearer(make_key(project, ["release"]))).status_code == 403
        nobodys = make_key(project)
        status, told = post(client, nobodys, "")
        assert (status, "gone" in told["message"]) == (403, True)
        assert post(client, make_key(make_project()), "")[0] == 404

    @pytest.mark.usefixtures("training_set")
    def test_of_people_do_from_curators_on(self, client: Client, project: Project) -> None:
        for role, status in (("moderator", 403), ("curator", 201)):
            member = Membership.objects.get(user=make_user(project, role=role))
            key = create_own_key(membership=member, name="mine", expires_at=None, now=NOW)[1]
            assert post(client, key, "")[0] == status
