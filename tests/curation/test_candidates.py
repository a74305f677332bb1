from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from curation import candidates, promotion
from curation.models import Candidate, ContextEntry, ContextLibrary, Example, Placing, TrainingSet
from curation.placing import Places
from feedback.models import Project, User
from review.models import Event, QueueItem
from tests.calling import Caller
from tests.factories import (
    NOW,
    make_candidate,
    make_entry,
    make_handover,
    make_item,
    make_library,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_training_set,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def library(project: Project) -> ContextLibrary:
    return make_library(project, slug="facts")


@pytest.fixture
def training_set(project: Project) -> TrainingSet:
    return make_training_set(project, slug="answers")


@pytest.fixture
def places(library: ContextLibrary, training_set: TrainingSet) -> Places:
    return Places(libraries=[library], training_sets=[training_set])


def open_numbers(project: Project) -> list[int]:
    return [one.pk for one in Candidate.objects.waiting().filter(project=project)]


class TestWaiting:
    def test_leaves_out_what_counts_no_more_or_was_promoted_otherwise(
        self, project: Project, curator: User, library: ContextLibrary
    ) -> None:
        left, gone, promoted = (make_candidate(project) for _ in range(3))
        gone.review.is_authoritative = False
        gone.review.save()
        promotion.promote_to_library(
            review=promoted.review, library=library, kind="example", why="", by=curator, now=NOW
        )
        assert open_numbers(project) == [left.pk]


class TestAccept:
    def test_promotes_into_every_place_with_the_lineage(
        self, project: Project, curator: User, places: Places
    ) -> None:
        found = make_candidate(project)
        handover = make_handover(project, review=found.review)
        placings = candidates.accept(candidate=found, places=places, by=curator, now=NOW)
        assert [one.problem for one in placings] == ["", ""]
        found.refresh_from_db()
        assert (found.status, found.decided_by, found.decided_at) == ("accepted", curator, NOW)
        assert ContextEntry.objects.get().review == found.review
        assert Example.objects.get().created_by == curator
        assert found.job is not None
        assert found.job.num_made == 2
        handover.refresh_from_db()
        assert handover.is_promoted
        assert Event.objects.filter(verb="accepted", target_type="candidate").exists()

    def test_takes_other_words_for_entries_alone(
        self, project: Project, curator: User, places: Places
    ) -> None:
        found = make_candidate(project)
        candidates.accept(
            candidate=found, places=places, query="Which?", answer="That.", by=curator, now=NOW
        )
        entry = ContextEntry.objects.get()
        assert (entry.query, entry.answer) == ("Which?", "That.")
        assert Example.objects.get().chosen == "Better."
        candidates.undo(candidate=found, by=curator, now=NOW)
        assert not ContextEntry.objects.exists()

    def test_is_refused_where_it_cannot_be(
        self, project: Project, curator: User, places: Places, library: ContextLibrary
    ) -> None:
        found = make_candidate(project)
        for bad, path in (
            ({"places": Places()}, "into"),
            ({"places": places, "answer": " "}, "answer"),
            ({"places": places, "query": "\0"}, "query"),
            ({"places": Places(libraries=[library], kind="poem")}, "kind"),
            ({"places": Places(libraries=[library]), "query": ""}, "into"),
        ):
            with pytest.raises(candidates.CandidateError) as caught:
                candidates.accept(candidate=found, by=curator, now=NOW, **bad)
            assert caught.value.path == path
        assert not ContextEntry.objects.exists()
        with pytest.raises(candidates.NotAllowedError):
            candidates.accept(
                candidate=found, places=places, by=make_user(project, "moderator"), now=NOW
            )
        candidates.accept(candidate=found, places=places, by=curator, now=NOW)
        with pytest.raises(candidates.DecidedError):
            candidates.accept(candidate=found, places=places, by=curator, now=NOW)


class TestReject:
    def test_keeps_why(self, project: Project, curator: User) -> None:
        found = make_candidate(project)
        candidates.reject(candidate=found, reason="other", note="Legal.", by=curator, now=NOW)
        found.refresh_from_db()
        assert (found.status, found.reason, found.note) == ("rejected", "other", "Legal.")
        candidates.undo(candidate=found, by=curator, now=NOW)
        found.refresh_from_db()
        assert (found.status, found.reason, found.note, found.decided_by) == (
            "waiting", "", "", None,
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("reason", "note", "path"),
        [("none", "", "reason"), ("other", " ", "note"), ("said", "x" * 501, "note")],
    )
    def test_wants_a_reason(
        self, project: Project, curator: User, reason: str, note: str, path: str
    ) -> None:
        with pytest.raises(candidates.CandidateError) as caught:
            candidates.reject(
                candidate=make_candidate(project), reason=reason, note=note, by=curator, now=NOW
            )
        assert caught.value.path == path


class TestUndo:
    def test_leaves_all_as_it_is_where_something_is_in_use(
        self, project: Project, curator: User, places: Places
    ) -> None:
        found = make_candidate(project)
        candidates.accept(candidate=found, places=places, by=curator, now=NOW)
        ContextEntry.objects.update(answer="Edited.")
        with pytest.raises(candidates.DecidedError, match="edited"):
            candidates.undo(candidate=found, by=curator, now=NOW)
        found.refresh_from_db()
        assert found.status == "accepted"
        assert Example.objects.exists()
        assert not Placing.objects.exclude(outcome="").exists()

    def test_is_refused_for_what_waits(self, project: Project, curator: User) -> None:
        with pytest.raises(candidates.DecidedError):
            candidates.undo(candidate=make_candidate(project), by=curator, now=NOW)


class TestConstraints:
    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({"status": "accepted"}, "decided_by_whom"),
            ({"status": "rejected", "is_decided": True}, "decided_by_whom"),
            ({"reason": "said"}, "decided_by_whom"),
            ({"status": "rejected", "reason": "odd", "is_decided": True}, "reason_known"),
            ({"status": "rejected", "reason": "other", "is_decided": True}, "says_what_other"),
            ({"status": "unfit"}, "says_why_unfit"),
            ({"unfit_why": "x"}, "says_why_unfit"),
        ],
    )
    def test_of_a_candidate(
        self, project: Project, curator: User, fields: dict[str, Any], name: str
    ) -> None:
        if fields.get("is_decided"):
            fields = {"decided_by": curator, "decided_at": NOW, **fields}
        fields = {key: value for key, value in fields.items() if key != "is_decided"}
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            make_candidate(project, **fields)

    def test_of_a_project(self, project: Project) -> None:
        project.confirmations = 0
        with pytest.raises(IntegrityError, match="confirmed_by_one"), transaction.atomic():
            project.save()


class TestPage:
    def test_accepts_rejects_and_undoes(
        self,
        client: Client,
        project: Project,
        curator: User,
        library: ContextLibrary,
        training_set: TrainingSet,
    ) -> None:
        entry = make_entry(library, query="When was it?")
        first = make_candidate(project, similarity=0.61, nearest_entry=entry)
        second = make_candidate(project)
        client.force_login(curator)
        address = f"/p/{project.slug}/candidates/"
        page = client.get(address).content.decode()
        assert "confirmed by 2 reviewers" in page
        assert "related to one kept" in page
        assert "When was it?" in page
        assert "Better." in page
        places = {"into": ["library:facts", "training:answers"], "kind": "example"}
        response = client.post(f"{address}decide/", {"accept": first.pk, **places})
        assert response["Location"] == f"{address}?done={first.pk}"
        page = client.get(response["Location"]).content.decode()
        assert "into the draft of <bdi>Facts</bdi>" in page
        # Chosen places stay chosen.
        for one in ("library:facts", "training:answers"):
            assert re.search(f'value="{one}"[^>]* checked', page)
        part = client.post(
            f"{address}decide/",
            {"reject": f"{second.pk}:said"},
            headers={"hx-request": "true"},
        ).content.decode()
        assert part.lstrip().startswith('<div id="candidates"')
        assert "Rejected: said already" in part
        assert "Nothing is proposed at the moment" in part
        decided = client.get(address, {"show": "decided"})
        assert [one.pk for one in decided.context["candidates"]] == [second.pk, first.pk]
        client.post(f"{address}decide/", {"undo": first.pk})
        assert open_numbers(project) == [first.pk]

    def test_says_what_is_missing_and_loses_nothing(
        self, client: Client, project: Project, curator: User, library: ContextLibrary
    ) -> None:
        found = make_candidate(project)
        client.force_login(curator)
        address = f"/p/{project.slug}/candidates/decide/"
        refused = client.post(address, {"accept": found.pk, "kind": "example"})
        assert refused.status_code == 422
        assert "Choose at least one library" in refused.content.decode()
        refused = client.post(
            address, {"reject": f"{found.pk}:other", "into": "library:facts", "kind": "example"}
        )
        assert refused.status_code == 422
        assert "Write what else it is" in refused.content.decode()
        assert "checked" in refused.content.decode()
        assert client.post(address, {"undo": found.pk}).status_code == 409
        assert client.post(address, {"accept": "x"}).status_code == 404

    def test_edits_before_it_accepts(
        self, client: Client, project: Project, curator: User, library: ContextLibrary
    ) -> None:
        found = make_candidate(project)
        client.force_login(curator)
        address = f"/p/{project.slug}/candidates/{found.pk}/"
        assert "Better." in client.get(address).content.decode()
        sent = {
            "query": "Which?", "answer": "", "into": "library:facts", "kind": "example", "why": "",
        }  # fmt: skip
        assert client.post(address, sent).status_code == 422
        response = client.post(address, sent | {"answer": "That.\r\nAll."})
        assert response["Location"].endswith(f"?done={found.pk}")
        assert ContextEntry.objects.get().answer == "That.\nAll."
        assert client.get(address).status_code == 302

    def test_says_what_was_passed_over_and_why(
        self, client: Client, project: Project, curator: User
    ) -> None:
        found = make_candidate(project, status="unfit", unfit_why="Its answer has an address.")
        client.force_login(make_user(project, "viewer"))
        page = client.get(f"/p/{project.slug}/candidates/?show=passed-over").content.decode()
        assert "Its answer has an address." in page
        assert "<button class" not in page.split("<main")[1].split("</main")[0]
        promote = f'href="/p/{project.slug}/reviews/{found.review_id}/promote/"'
        assert promote not in page
        client.force_login(curator)
        assert (
            promote
            in client.get(f"/p/{project.slug}/candidates/?show=passed-over").content.decode()
        )

    @pytest.mark.parametrize("show", ["waiting", "decided", "passed-over"])
    def test_pages_by_keys_and_costs_the_same_for_many(
        self,
        client: Client,
        project: Project,
        curator: User,
        library: ContextLibrary,
        django_assert_max_num_queries: Any,
        show: str,
    ) -> None:
        decided = {"status": "rejected", "reason": "said", "decided_by": curator, "decided_at": NOW}
        kinds: dict[str, dict[str, Any]] = {
            "waiting": {"similarity": 0.5, "nearest_entry": make_entry(library)},
            "decided": decided,
            "passed-over": {"status": "unfit", "unfit_why": "x"},
        }
        for _ in range(25):
            review = make_review(make_output(project), curator, correction="Better.")
            make_candidate(project, review=review, **kinds[show])
        client.force_login(curator)
        address = f"/p/{project.slug}/candidates/"
        with django_assert_max_num_queries(9):
            first = client.get(address, {"show": show})
        second = client.get(address + first.context["more"])
        assert [len(one.context["candidates"]) for one in (first, second)] == [20, 5]
        assert client.get(address, {"cursor": "nonsense"}).status_code == 400


class TestBlind:
    def test_what_is_to_be_judged_blindly_since_is_left_out(
        self, client: Client, project: Project, curator: User
    ) -> None:
        found, rejected = make_candidate(project), make_candidate(project)
        candidates.reject(candidate=rejected, reason="said", by=curator, now=NOW)
        caller = Caller(client, project, curator)
        client.force_login(curator)
        address = f"/p/{project.slug}/candidates/"

        def listed() -> list[int]:
            return [
                one["candidate"]
                for which in ("waiting", "decided")
                for one in caller.get("candidates", show=which).json()["candidates"]
            ]

        assert listed() == [found.pk, rejected.pk]
        queue = make_queue(project, reviewers_per_item=2)
        items = [make_item(queue, one.review.output) for one in (found, rejected)]
        assert listed() == []
        assert "Better." not in client.get(address).content.decode()
        assert "Better." not in client.get(address, {"done": rejected.pk}).content.decode()
        reject = {"reason": "said"}
        assert caller.post(f"candidates/{found.pk}/reject", reject).status_code == 404
        assert client.get(f"{address}{found.pk}/").status_code == 404
        QueueItem.objects.filter(pk__in=[one.pk for one in items]).update(
            status="done", closed_at=NOW
        )
        assert listed() == [found.pk, rejected.pk]


class TestApi:
    def test_does_what_a_curator_does(
        self,
        client: Client,
        project: Project,
        curator: User,
        library: ContextLibrary,
        training_set: TrainingSet,
    ) -> None:
        first, second = make_candidate(project), make_candidate(project)
        caller = Caller(client, project, curator)
        listed = caller.get("candidates").json()
        assert [one["candidate"] for one in listed["candidates"]] == [first.pk, second.pk]
        body = {"libraries": ["facts"], "training_sets": ["answers"], "answer": "That."}
        accepted = caller.post(f"candidates/{first.pk}/accept", body)
        assert accepted.status_code == 200
        assert [one["state"] for one in accepted.json()["placings"]] == ["in_force"] * 2
        assert accepted.json()["candidate"]["status"] == "accepted"
        assert caller.post(f"candidates/{first.pk}/accept", body).status_code == 409
        rejected = caller.post(f"candidates/{second.pk}/reject", {"reason": "said"})
        assert rejected.json()["reason"] == "said"
        assert len(caller.get("candidates", show="decided").json()["candidates"]) == 2
        undone = caller.post(f"candidates/{first.pk}/undo")
        assert undone.json()["status"] == "waiting"
        assert caller.post(f"candidates/{first.pk}/undo").status_code == 409
        assert not ContextEntry.objects.exists()

    @pytest.mark.parametrize(
        ("act", "body", "path"),
        [
            ("accept", {}, "libraries"),
            ("accept", {"libraries": ["none"]}, "libraries"),
            ("accept", {"libraries": ["facts"], "answer": " "}, "answer"),
            ("reject", {"reason": "none"}, "reason"),
            ("reject", {"reason": "other"}, "note"),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self,
        client: Client,
        project: Project,
        curator: User,
        library: ContextLibrary,
        act: str,
        body: dict[str, Any],
        path: str,
    ) -> None:
        found = make_candidate(project)
        response = Caller(client, project, curator).post(f"candidates/{found.pk}/{act}", body)
        assert response.status_code == 422
        assert response.json()["errors"][0]["path"] == path

    def test_is_for_curators_of_the_project(
        self, client: Client, project: Project, curator: User
    ) -> None:
        found = make_candidate(project)
        reject = {"reason": "said"}
        caller = Caller(client, project, make_user(project, "moderator"))
        assert caller.post(f"candidates/{found.pk}/reject", reject).status_code == 403
        other = make_candidate(make_project())
        caller = Caller(client, project, curator)
        assert caller.post(f"candidates/{other.pk}/reject", reject).status_code == 404
        assert caller.get("candidates", cursor="nonsense").status_code == 422
