"""Deciding look-alikes as one by script, with a person's own key."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from feedback.models import Project
from review import alike_api, bulk
from review.models import BulkJob, ItemGroup, Provisional
from tests.calling import Caller
from tests.factories import (
    NOW,
    make_group,
    make_item,
    make_key,
    make_output,
    make_project,
    make_queue,
    make_user,
)
from tests.review.test_spot_checks import review, sample

pytestmark = pytest.mark.django_db


@pytest.fixture
def mo(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "moderator", username="mo"))


@pytest.fixture
def group(project: Project) -> ItemGroup:
    queue = make_queue(project, slug="all")
    return make_group(*(make_item(queue) for _ in range(40)))


class TestGroups:
    def test_lists_those_of_which_several_are_open(
        self, mo: Caller, group: ItemGroup, django_assert_num_queries: Any
    ) -> None:
        make_group(make_item(group.queue))
        closed = make_item(group.queue, status="done", closed_at=NOW)
        make_group(make_item(group.queue), closed)
        asked = make_output(group.queue.project, query="Who?")
        pair = make_group(make_item(group.queue, asked), make_item(group.queue))
        make_group(*(make_item(make_queue(group.queue.project)) for _ in range(1)))
        mo.get("queues/all/groups")
        with django_assert_num_queries(5):
            found = mo.get("queues/all/groups").json()
        assert found == {
            "groups": [
                {"group": pair.pk, "open": 2, "question": "Who?"},
                {"group": group.pk, "open": 40, "question": "When did Bloom come out?"},
            ],
            "next_cursor": None,
        }

    def test_goes_on_by_cursor(
        self, mo: Caller, group: ItemGroup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(alike_api, "PAGE_SIZE", 1)
        pair = make_group(make_item(group.queue), make_item(group.queue))
        first = mo.get("queues/all/groups").json()
        second = mo.get("queues/all/groups", cursor=first["next_cursor"]).json()
        found = [one["groups"][0]["group"] for one in (first, second)]
        assert found == [pair.pk, group.pk]
        assert mo.get("queues/all/groups", cursor="x").status_code == 422


class TestDeciding:
    def test_goes_from_the_draw_to_the_undo(
        self, mo: Caller, group: ItemGroup, project: Project
    ) -> None:
        told = mo.get(f"groups/{group.pk}").json()
        assert (told["open"], told["sample"]) == (40, None)
        assert told["plan"] == {"size": 40, "ask": 20, "share": 0.9, "why_not": None}
        drawn = mo.post(f"groups/{group.pk}/sample")
        assert drawn.status_code == 201
        found = drawn.json()["sample"]
        assert (found["number"], found["asked"], found["state"]) == (1, 20, "waiting")
        again = mo.post(f"groups/{group.pk}/sample")
        assert (again.status_code, "being reviewed" in again.json()["message"]) == (409, True)
        early = mo.post(f"groups/{group.pk}/decide", {"sample": 1})
        assert (early.status_code, "20 of the sample wait" in early.json()["message"]) == (
            409,
            True,
        )

        check, expert = group.checks.get(), make_user(project, "expert")
        assert [one["item"] for one in found["items"]] == [item.pk for item in sample(check)]
        for item in sample(check):
            review(item, expert)
        found = mo.get(f"groups/{group.pk}").json()["sample"]
        assert (found["state"], found["verdict"], found["agreeing"]) == ("ready", "accept", 20)
        assert found["bound"] == 0.9
        assert {one["verdict"] for one in found["items"]} == {"accept"}

        key = {"idempotency-key": "one"}
        started = mo.post(f"groups/{group.pk}/decide", {"sample": 1}, **key)
        assert started.status_code == 202
        job = started.json()
        assert (job["act"], job["queue"], job["matching"]) == ("decide", "all", 20)
        assert mo.post(f"groups/{group.pk}/decide", {"sample": 1}, **key).json() == job
        assert mo.post(f"groups/{group.pk}/decide", {"sample": 1}).status_code == 409
        bulk.work_off(now=NOW)
        found = mo.get(f"groups/{group.pk}").json()["sample"]
        assert (found["state"], found["job"], found["provisional"]) == ("decided", job["job"], 20)
        assert mo.get("queues").json()["queues"][0]["provisional"] == 20
        assert mo.post(f"bulk/{job['job']}/undo").status_code == 202
        bulk.work_off(now=NOW)
        assert mo.get(f"bulk/{job['job']}").json()["undone"] == 20
        assert not Provisional.objects.exists()

    def test_tells_no_verdict_to_who_judges_an_answer_elsewhere_without_knowing(
        self, mo: Caller, group: ItemGroup, project: Project
    ) -> None:
        mo.post(f"groups/{group.pk}/sample")
        check, expert = group.checks.get(), make_user(project, "expert", username="ann")
        for item in sample(check):
            review(item, expert)
        elsewhere = make_queue(project, slug="two", reviewers_per_item=2)
        make_item(elsewhere, sample(check)[0].output)
        found = mo.get(f"groups/{group.pk}").json()["sample"]
        assert (found["reviewed"], found["verdict"], found["agreeing"]) == (20, None, None)
        assert {one["verdict"] for one in found["items"]} == {None}
        page = mo.page("alike", "all", group.pk)
        assert "hidden until your own reviews" in page
        assert "Good<" not in page
        assert ">ann<" not in page

    def test_knows_no_sample_that_was_not_drawn(self, mo: Caller, group: ItemGroup) -> None:
        assert mo.post(f"groups/{group.pk}/decide", {"sample": 1}).status_code == 422


class TestWhoMay:
    def test_experts_read_and_only_moderators_draw_and_decide(
        self, client: Client, project: Project, group: ItemGroup
    ) -> None:
        ann = Caller(client, project, make_user(project, "expert"))
        assert ann.get(f"groups/{group.pk}").status_code == 200
        assert ann.post(f"groups/{group.pk}/sample").status_code == 403
        assert ann.post(f"groups/{group.pk}/decide", {"sample": 1}).status_code == 403
        assert not BulkJob.objects.exists()

    def test_nothing_of_other_projects_is_there(self, client: Client, group: ItemGroup) -> None:
        other = make_project()
        stranger = Caller(client, other, make_user(other, "admin"))
        assert stranger.get("queues/all/groups").status_code == 404
        for path in ("", "/sample", "/decide"):
            call = stranger.post if path else stranger.get
            body = [{"sample": 1}] if path == "/decide" else []
            assert call(f"groups/{group.pk}{path}", *body).status_code == 404

    def test_a_products_key_does_not_let_in(
        self, client: Client, project: Project, group: ItemGroup
    ) -> None:
        headers = {"authorization": f"Bearer {make_key(project)}"}
        found = client.get(f"/api/v1/groups/{group.pk}", headers=headers)
        assert found.status_code in {401, 403}
