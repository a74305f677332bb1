from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from curation import context_libraries
from curation.experiments import Trial
from curation.forms import PublishForm
from curation.models import ContextEntry, ContextLibrary, Experiment, LibraryVersion, Proposal
from feedback.embedding import Encoder
from feedback.models import Project, User
from review.models import Notification
from tests.calling import Caller
from tests.factories import NOW, make_entry, make_library, make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def library(project: Project, encoder: Encoder) -> ContextLibrary:
    return make_library(project, slug="facts", name="Facts")


@pytest.fixture
def entry(library: ContextLibrary) -> ContextEntry:
    return make_entry(library, created_by=make_user(library.project, "expert"))


@pytest.fixture
def ann(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, username="ann"))


@pytest.fixture
def ben(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, username="ben"))


def told(user: User) -> list[tuple[str, str]]:
    found = Notification.objects.unread().seen_by(user).order_by("pk")
    return list(found.values_list("kind", "title"))


class TestProposals:
    def test_are_approved_by_a_second_curator_who_is_told(
        self, client: Client, entry: ContextEntry, ann: Caller, ben: Caller
    ) -> None:
        path = "libraries/facts/proposals"
        draft = ann.get("libraries/facts/draft").json()
        assert (draft["added"], draft["live"], draft["second_person"]) == (1, None, True)
        made = ann.post(path, {"note": "First.", "trial": {"stages": [90], "held_out": 10}})
        assert made.status_code == 201
        assert (made.json()["status"], made.json()["version"]) == ("waiting", None)
        assert (told(ann.user), told(ben.user)) == ([], [("approval", "Facts")])
        one = f"{path}/{made.json()['proposal']}"
        assert ben.get("libraries/facts/draft").json()["proposal"] == made.json()
        assert ann.post(f"{one}/approve").status_code == 409
        client.force_login(ben.user)
        inbox = client.get(reverse("inbox")).content.decode()
        assert "proposed this library: approve or decline" in inbox
        line = Notification.objects.get(kind="approval")
        opened = client.post(reverse("inbox_open", args=[line.pk]))
        assert opened["Location"] == f"/p/{line.project.slug}/libraries/facts/draft/"
        approved = ben.post(f"{one}/approve", {"remark": "Fine."})
        assert approved.status_code == 200
        assert (approved.json()["version"], approved.json()["remark"]) == (1, "Fine.")
        assert approved.json()["trial"]["held_out"] == 10
        assert (told(ann.user), told(ben.user)) == ([("answered", "Facts, published")], [])
        assert ben.post(f"{one}/decline").status_code == 409
        listed = ann.get(path, status="published").json()
        assert [found["proposal"] for found in listed["proposals"]] == [made.json()["proposal"]]
        assert ann.get(path, status="waiting").json()["proposals"] == []

    def test_are_published_unchanged_where_what_is_live_is_of_another_embedding_model(
        self, library: ContextLibrary, entry: ContextEntry, ann: Caller, former_encoder: Encoder
    ) -> None:
        context_libraries.publish(library=library, encoder=former_encoder, by=ann.user, now=NOW)
        draft = ann.get("libraries/facts/draft").json()
        assert (draft["live"], draft["outdated"], draft["changed"]) == (1, True, 0)
        assert ann.post("libraries/facts/proposals").json()["version"] == 2
        assert ann.get("libraries/facts/draft").json()["outdated"] is False

    def test_are_declined_or_withdrawn(self, entry: ContextEntry, ann: Caller, ben: Caller) -> None:
        path = "libraries/facts/proposals"
        first = ann.post(path).json()["proposal"]
        assert ben.post(f"{path}/{first}/decline", {"remark": "No."}).json()["status"] == "declined"
        assert told(ann.user) == [("answered", "Facts, declined")]
        second = ann.post(path).json()["proposal"]
        assert ann.post(path).status_code == 409
        assert ann.post(f"{path}/{second}/decline").json()["status"] == "withdrawn"
        assert told(ben.user) == []
        assert len(told(ann.user)) == 1
        assert not LibraryVersion.objects.exists()

    def test_are_published_alone_where_there_is_no_other(
        self, entry: ContextEntry, ann: Caller
    ) -> None:
        made = ann.post("libraries/facts/proposals").json()
        assert (made["status"], made["version"]) == ("published", 1)
        assert told(ann.user) == []
        assert ann.post("libraries/facts/proposals").status_code == 409

    @pytest.mark.parametrize(
        ("body", "trial"),
        [
            ({}, asdict(Trial())),
            ({"trial": {}}, asdict(Trial())),
            ({"trial": {"stages": [10, 50]}}, asdict(Trial(stages=[10, 50]))),
            ({"trial": None}, None),
        ],
    )
    def test_are_tried_with_some_sessions_unless_they_say_otherwise(
        self,
        library: ContextLibrary,
        entry: ContextEntry,
        ann: Caller,
        body: dict[str, Any],
        trial: dict[str, Any] | None,
    ) -> None:
        made = ann.post("libraries/facts/proposals", body)
        assert (made.status_code, made.json()["trial"]) == (201, trial)
        usual = asdict(Trial())
        assert PublishForm.usual().initial == usual
        tried = Experiment.objects.filter(version__library=library).values(*usual)
        assert list(tried) == ([] if trial is None else [trial])

    def test_are_of_the_draft_that_was_read(
        self, library: ContextLibrary, entry: ContextEntry, ann: Caller
    ) -> None:
        read = ann.get("libraries/facts/draft").json()["content_hash"]
        make_entry(library, query="Which label?", answer="Dead Oceans.", created_by=ann.user)
        body = {"content_hash": read, "acknowledged": True}
        assert ann.post("libraries/facts/proposals", body).status_code == 409
        body["content_hash"] = ann.get("libraries/facts/draft").json()["content_hash"]
        made = ann.post("libraries/facts/proposals", body)
        assert (made.status_code, made.json()["content_hash"]) == (201, body["content_hash"])

    def test_say_what_the_checks_found(self, entry: ContextEntry, ann: Caller) -> None:
        ContextEntry.objects.update(answer="Ask ann@example.org.")
        refused = ann.post("libraries/facts/proposals")
        assert refused.status_code == 409
        found = {one["check"]: one for one in refused.json()["findings"]}
        assert found["email"]["entry"] == entry.pk
        assert not Proposal.objects.exists()
        made = ann.post("libraries/facts/proposals", {"acknowledged": True})
        assert made.status_code == 201
        assert {one["check"] for one in made.json()["findings"]} == set(found)

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"trial": {"stages": [50, 10]}}, "trial.stages"),
            ({"trial": {"stages": [10, 50], "held_out": 0}}, "trial.held_out"),
            ({"trial": {"hours_per_stage": 0}}, "trial.hours_per_stage"),
            ({"trial": {"stages": []}}, "trial.stages"),
            ({"note": "\0"}, "note"),
            ({"notes": ""}, "notes"),
        ],
    )
    def test_name_the_field_that_is_wrong(
        self, entry: ContextEntry, ann: Caller, body: dict[str, Any], path: str
    ) -> None:
        response = ann.post("libraries/facts/proposals", body)
        assert response.status_code == 422
        assert response.json()["errors"][0]["path"] == path

    def test_are_for_curators_of_the_project(
        self, client: Client, project: Project, entry: ContextEntry, ann: Caller
    ) -> None:
        other = Caller(client, project, make_user(project, "moderator"))
        assert other.get("libraries/facts/proposals").status_code == 200
        assert other.post("libraries/facts/proposals").status_code == 403
        elsewhere = make_project()
        stranger = Caller(client, elsewhere, make_user(elsewhere))
        assert stranger.get("libraries/facts/draft").status_code == 404
        made = ann.post("libraries/facts/proposals").json()["proposal"]
        assert stranger.post(f"libraries/facts/proposals/{made}/approve").status_code == 404
        assert ann.get("libraries/facts/proposals/0").status_code == 404
        assert ann.get("libraries/facts/proposals", cursor="nonsense").status_code == 422
