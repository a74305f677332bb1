"""One's own work by script."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from feedback.models import Project
from review import my_work_api, queues
from review.models import Queue
from tests.calling import Caller
from tests.factories import (
    NOW,
    make_entry,
    make_escalation,
    make_item,
    make_key,
    make_library,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_user,
)

pytestmark = pytest.mark.django_db

PATHS = ("my-work", "my-work/reviews", "my-work/skips")


@pytest.fixture
def ann(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "expert", username="ann"))


@pytest.fixture
def mo(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "moderator", username="mo"))


@pytest.fixture
def queue(project: Project) -> Queue:
    return make_queue(project, slug="all")


class TestMyWork:
    def test_has_what_i_hold_with_the_fence_to_go_on(
        self, ann: Caller, mo: Caller, queue: Queue, project: Project
    ) -> None:
        mine, lost, theirs = (make_item(queue, make_output(project)) for _ in range(3))
        now = timezone.now()
        queues.claim(item=mine, by=ann.user, now=now)
        queues.claim(item=lost, by=ann.user, now=now - timedelta(hours=1))
        queues.claim(item=theirs, by=mo.user, now=now)
        [held] = ann.get("my-work").json()["held"]
        assert (held["item"], held["output"], held["queue"], held["question"]) == (
            mine.pk,
            mine.output.external_id,
            "all",
            mine.output.query,
        )
        body = {"fence": held["fence"], "verdict": "accept"}
        assert ann.post(f"items/{mine.pk}/review", body).status_code == 201

    def test_counts_what_waits_for_moderators_to_decide(
        self, ann: Caller, mo: Caller, project: Project
    ) -> None:
        make_escalation(project)
        found = [by.get("my-work").json() for by in (ann, mo)]
        assert [(one["disputes"], one["escalations"]) for one in found] == [(0, 0), (0, 1)]

    def test_tells_what_became_of_what_i_escalated(
        self, client: Client, mo: Caller, project: Project
    ) -> None:
        one = make_escalation(project)
        raiser = Caller(client, project, one.review.reviewer)
        [waits] = raiser.get("my-work").json()["escalated"]
        assert (waits["escalation"], waits["status"], waits["verdict"]) == (one.pk, "open", None)
        fence = mo.post(f"items/{one.item_id}/claim").json()["fence"]
        mo.post(f"items/{one.item_id}/review", {"fence": fence, "verdict": "accept"})
        [done] = raiser.get("my-work").json()["escalated"]
        assert (done["status"], done["verdict"], done["settled_by"]) == ("decided", "accept", "mo")
        assert mo.get("my-work").json()["escalated"] == []

    def test_takes_as_many_queries_for_much_work(
        self, ann: Caller, queue: Queue, project: Project, django_assert_num_queries: Any
    ) -> None:
        for _ in range(9):
            queues.claim(item=make_item(queue), by=ann.user, now=timezone.now())
            done = make_item(queue)
            make_review(done.output, ann.user, item=done)
            queues.skip(item=make_item(queue), by=ann.user, reason="Later", now=timezone.now())
        for path, number in zip(PATHS, (3, 4, 2), strict=True):
            ann.get(path)
            with django_assert_num_queries(number):
                ann.get(path)


class TestReviews:
    def test_come_in_pages_with_why_one_stands_as_on_the_page(
        self,
        ann: Caller,
        client: Client,
        queue: Queue,
        project: Project,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(my_work_api, "PAGE_SIZE", 1)
        made = []
        for verdict in ("accept", "reject"):
            item = make_item(queue, make_output(project))
            fence = queues.claim(item=item, by=ann.user, now=timezone.now()).fence
            body = {"fence": fence, "verdict": verdict, "comment": "Thus."}
            made.append(ann.post(f"items/{item.pk}/review", body).json()["id"])
        make_review(make_output(project), make_user(project))
        first = ann.get("my-work/reviews").json()
        second = ann.get("my-work/reviews", cursor=first["next_cursor"]).json()
        assert [one["review"] for one in first["reviews"] + second["reviews"]] == made[::-1]
        assert second["next_cursor"] is None
        assert first["reviews"][0]["why_not_undo"] is None
        [only] = ann.get("my-work/reviews", verdict="accept").json()["reviews"]
        assert (only["verdict"], only["queue"], only["severity"]) == ("accept", "all", None)
        client.force_login(ann.user)
        page = client.get(reverse("my_work", args=[project.slug]))
        assert [one.pk for one in page.context["decided"].rows] == made[::-1]

    def test_say_why_one_cannot_be_taken_back(
        self, ann: Caller, queue: Queue, project: Project
    ) -> None:
        item = make_item(queue)
        fence = queues.claim(item=item, by=ann.user, now=timezone.now()).fence
        ann.post(f"items/{item.pk}/review", {"fence": fence, "verdict": "accept"})
        make_entry(make_library(project), review=item.reviews.get())
        [found] = ann.get("my-work/reviews").json()["reviews"]
        assert found["why_not_undo"] == "Something was made of this decision already."
        refused = ann.post(f"items/{item.pk}/undo")
        assert (refused.status_code, refused.json()["message"]) == (409, found["why_not_undo"])

    def test_outlive_their_queue(self, ann: Caller, queue: Queue) -> None:
        item = make_item(queue)
        make_review(item.output, ann.user, item=item)
        queue.delete()
        [found] = ann.get("my-work/reviews").json()["reviews"]
        assert (found["item"], found["queue"]) == (None, None)


class TestSkips:
    def test_come_in_pages_with_whether_one_can_be_taken_up(
        self, ann: Caller, queue: Queue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(my_work_api, "PAGE_SIZE", 1)
        waits = make_item(queue)
        gone = make_item(queue, status="done", closed_at=NOW)
        for number, item in enumerate((waits, gone)):
            at = timezone.now() + timedelta(seconds=number)
            queues.skip(item=item, by=ann.user, reason="Not my field", now=at)
        first = ann.get("my-work/skips").json()
        second = ann.get("my-work/skips", cursor=first["next_cursor"]).json()
        found = first["skips"] + second["skips"]
        assert [(one["item"], one["open"]) for one in found] == [(gone.pk, False), (waits.pk, True)]
        assert found[0]["reason"] == "Not my field"


class TestWhoMay:
    def test_every_member_sees_their_own_alone(
        self, ann: Caller, client: Client, queue: Queue, project: Project
    ) -> None:
        item = make_item(queue)
        make_review(item.output, ann.user, item=item)
        queues.skip(item=make_item(queue), by=ann.user, reason="Later", now=timezone.now())
        queues.claim(item=make_item(queue), by=ann.user, now=timezone.now())
        other = make_project()
        other.memberships.create(user=ann.user, role="admin")
        product = {"authorization": f"Bearer {make_key(project)}"}
        for path, name in zip(PATHS, ("held", "reviews", "skips"), strict=True):
            viewer = Caller(client, project, make_user(project, "viewer"))
            assert viewer.get(path).json()[name] == []
            assert Caller(client, other, ann.user).get(path).json()[name] == []
            assert len(ann.get(path).json()[name]) == 1
            assert client.get(f"/api/v1/{path}", headers=product).status_code == 403

    @pytest.mark.parametrize("path", PATHS[1:])
    def test_a_cursor_is_one_of_the_list(self, ann: Caller, path: str) -> None:
        refused = ann.get(path, cursor="x")
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "cursor")
