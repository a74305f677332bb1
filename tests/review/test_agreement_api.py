"""How far reviewers agree, and what they dispute, by script."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from feedback.models import Project
from review import agreement_api, queues
from review.models import Queue, QueueItem
from tests.calling import Caller
from tests.factories import make_item, make_key, make_output, make_project, make_queue, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def both(client: Client, project: Project) -> tuple[Caller, Caller]:
    ann, ben = (make_user(project, "moderator", username=name) for name in ("ann", "ben"))
    return Caller(client, project, ann), Caller(client, project, ben)


@pytest.fixture
def mo(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "moderator", username="mo"))


@pytest.fixture
def queue(project: Project) -> Queue:
    return make_queue(project, slug="two", reviewers_per_item=2)


def judged(queue: Queue, both: tuple[Caller, Caller], *verdicts: str, **more: Any) -> QueueItem:
    item = make_item(queue, make_output(queue.project), **more)
    for by, verdict in zip(both, verdicts, strict=True):
        held = queues.claim(item=item, by=by.user, now=timezone.now())
        body = {"fence": held.fence, "verdict": verdict, "comment": f"{verdict}."}
        assert by.post(f"items/{item.pk}/review", body).status_code == 201
    return item


class TestDisputes:
    def test_come_in_pages_the_most_urgent_first_with_what_each_said(
        self,
        both: tuple[Caller, Caller],
        mo: Caller,
        queue: Queue,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(agreement_api, "PAGE_SIZE", 1)
        later = judged(queue, both, "accept", "reject", priority=1)
        sooner = judged(queue, both, "fix", "reject", priority=2)
        judged(queue, both, "fix", "fix")
        first = mo.get("disputes").json()
        second = mo.get("disputes", cursor=first["next_cursor"]).json()
        [one], [other] = first["disputes"], second["disputes"]
        assert [one["item"], other["item"]] == [sooner.pk, later.pk]
        assert second["next_cursor"] is None
        assert (one["output"], one["queue"]) == (sooner.output.external_id, "two")
        said = [(side["reviewer"], side["verdict"], side["comment"]) for side in one["reviews"]]
        assert said == [("ann", "fix", "fix."), ("ben", "reject", "reject.")]
        assert (one["held_by"], one["are_party"]) == (None, False)
        assert mo.get("disputes", cursor="x").json()["errors"][0]["path"] == "cursor"

    def test_are_not_told_to_who_judges_the_answer_elsewhere_without_knowing(
        self, both: tuple[Caller, Caller], mo: Caller, queue: Queue
    ) -> None:
        expert = Caller(mo.client, mo.project, make_user(mo.project, "expert"))
        item = judged(queue, both, "accept", "reject")
        elsewhere = make_queue(mo.project, slug="other", reviewers_per_item=2)
        blind = make_item(elsewhere, item.output)
        [hidden] = mo.get("disputes").json()["disputes"]
        assert (hidden["item"], hidden["reviews"]) == (item.pk, [])
        page = mo.page("dispute_list")
        assert "Hidden until your own review" in page
        assert "Reject<" not in page
        for by in (mo, expert):
            desk = by.page("item", item.pk)
            assert "The reviewers disagree; what they said is hidden" in desk
            assert '<bdi class="strong">ann</bdi>' not in desk
        held = queues.claim(item=blind, by=mo.user, now=timezone.now())
        mo.post(f"items/{blind.pk}/review", {"fence": held.fence, "verdict": "accept"})
        [told] = mo.get("disputes").json()["disputes"]
        assert [one["verdict"] for one in told["reviews"]] == ["accept", "reject"]

    def test_are_decided_by_a_claim_of_a_third_person(
        self, both: tuple[Caller, Caller], mo: Caller, queue: Queue
    ) -> None:
        item = judged(queue, both, "accept", "reject")
        [listed] = both[0].get("disputes").json()["disputes"]
        assert listed["are_party"]
        assert both[0].post(f"items/{item.pk}/claim").status_code == 409
        fence = mo.post(f"items/{item.pk}/claim").json()["fence"]
        [held] = mo.get("disputes").json()["disputes"]
        assert held["held_by"] == "mo"
        mo.post(f"items/{item.pk}/review", {"fence": fence, "verdict": "accept"})
        assert mo.get("disputes").json()["disputes"] == []

    def test_take_as_many_queries_for_many(
        self,
        both: tuple[Caller, Caller],
        mo: Caller,
        queue: Queue,
        django_assert_num_queries: Any,
    ) -> None:
        for _ in range(5):
            judged(queue, both, "accept", "reject")
        mo.get("disputes")
        with django_assert_num_queries(4):
            mo.get("disputes")


class TestAgreement:
    def test_is_told_as_on_the_page(
        self,
        both: tuple[Caller, Caller],
        mo: Caller,
        queue: Queue,
        client: Client,
        project: Project,
    ) -> None:
        for verdicts in ("accept accept", "fix fix", "fix reject", "reject reject"):
            judged(queue, both, *verdicts.split())
        found = mo.get("agreement").json()
        client.force_login(mo.user)
        shown = client.get(reverse("agreement", args=[project.slug])).context["report"]
        [of_queue], [of_pair] = found["queues"], found["pairs"]
        [alpha], [kappa] = shown.queues, shown.pairs
        assert (of_queue["queue"], of_queue["disputed"]) == ("two", 1)
        assert of_pair["reviewers"] == ["ann", "ben"]
        for told, figure in (
            (of_queue["alpha"], alpha.agreement),
            (of_pair["kappa"], kappa.agreement),
        ):
            assert (told["items"], told["share"]) == (4, figure.share)
            assert (told["value"], told["low"], told["high"]) == (
                figure.value,
                figure.low,
                figure.high,
            )
            assert told["undefined_because"] is None
        assert not found["only_latest"]

    def test_says_why_there_is_none(
        self, both: tuple[Caller, Caller], mo: Caller, queue: Queue, project: Project
    ) -> None:
        make_queue(project, slug="none", name="A", reviewers_per_item=2)
        judged(queue, both, "accept", "accept")
        nothing, one_value = (one["alpha"] for one in mo.get("agreement").json()["queues"])
        assert (nothing["items"], nothing["value"]) == (0, None)
        assert nothing["undefined_because"] == "nothing was judged by two"
        assert one_value["undefined_because"] == "everybody gave the same value throughout"

    def test_of_one_queue_has_its_pairs_alone(
        self, both: tuple[Caller, Caller], mo: Caller, queue: Queue, project: Project
    ) -> None:
        judged(queue, both, "accept", "reject")
        make_queue(project, slug="other", reviewers_per_item=2)
        assert len(mo.get("agreement", queue="two").json()["pairs"]) == 1
        assert mo.get("agreement", queue="other").json()["pairs"] == []
        for slug in ("nowhere", "a\x00"):
            refused = mo.get("agreement", queue=slug)
            assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "queue")


class TestWhoMay:
    @pytest.mark.parametrize("path", ["disputes", "agreement"])
    def test_experts_products_and_other_projects_do_not(
        self,
        both: tuple[Caller, Caller],
        client: Client,
        queue: Queue,
        project: Project,
        path: str,
    ) -> None:
        """Complaints 22 and 23."""
        judged(queue, both, "accept", "reject")
        expert = Caller(client, project, make_user(project, "expert"))
        assert expert.get(path).status_code == 403
        product = {"authorization": f"Bearer {make_key(project)}"}
        assert client.get(f"/api/v1/{path}", headers=product).status_code == 403
        other = make_project()
        stranger = Caller(client, other, make_user(other, "admin"))
        assert not any(map(bool, stranger.get(path).json().values()))
        refused = stranger.get("agreement", queue="two")
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "queue")
