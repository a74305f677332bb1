"""What waits on the routes, by script, with a person's own key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from feedback.models import Project
from review import due_times, queues, routes_api
from review.models import Handover
from tests.calling import Caller
from tests.factories import (
    NOW,
    make_escalation,
    make_handover,
    make_item,
    make_key,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def mo(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "moderator", username="mo"))


class TestRoutes:
    def test_tell_what_waits_the_most_overdue_first(
        self, mo: Caller, project: Project, django_assert_num_queries: Any
    ) -> None:
        due_times.set_terms(project=project, hours={"issue": 5}, by=mo.user, now=NOW)
        make_handover(project, route="issue", due_at=NOW)
        make_handover(project, route="library")
        make_escalation(project)
        mo.get("routes")
        with django_assert_num_queries(4):
            found = mo.get("routes").json()["routes"]
        assert [one["route"] for one in found] == ["issue", "library", "training", "escalate"]
        assert found[0] == {
            "route": "issue",
            "due_hours": 5,
            "overdue": 1,
            "next_due": None,
            "open": 1,
            "taken": 0,
            "done": 0,
            "oldest": "2026-11-02T09:00:00Z",
        }
        assert [one["open"] for one in found] == [1, 1, 0, 1]

    def test_are_given_hours_and_what_waits_is_dated_anew(
        self, mo: Caller, project: Project
    ) -> None:
        one = make_handover(project, route="issue")
        found = mo.post("routes", {"issue": 5, "training": 7}).json()["routes"]
        assert {row["route"]: row["due_hours"] for row in found} == {
            "issue": 5,
            "training": 7,
            "library": None,
            "escalate": None,
        }
        one.refresh_from_db()
        assert one.due_at == NOW + timedelta(hours=5)
        mo.post("routes", {"issue": None})
        one.refresh_from_db()
        assert one.due_at is None
        assert due_times.terms(project=project) == {"training": 7}
        for hours in (0, 9_000, -1, 10**30):
            refused = mo.post("routes", {"issue": hours})
            assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "issue")


class TestBoard:
    def test_tells_what_waits_in_which_queue(
        self, mo: Caller, project: Project, django_assert_num_queries: Any
    ) -> None:
        calm, late = make_queue(project, slug="calm"), make_queue(project, slug="late")
        make_item(calm)
        held = make_item(late, due_at=NOW)
        queues.claim(item=held, by=mo.user, now=timezone.now())
        mo.get("board")
        with django_assert_num_queries(4):
            found = mo.get("board").json()["queues"]
        assert found[0] == {
            "queue": "late",
            "open": 1,
            "overdue": 1,
            "next_due": None,
            "oldest": "2026-11-02T09:00:00Z",
            "holders": [{"reviewer": "mo", "held": 1}],
        }
        assert (found[1]["queue"], found[1]["overdue"], found[1]["holders"]) == ("calm", 0, [])


class TestHandovers:
    def test_come_in_pages_by_what_is_due(
        self, mo: Caller, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(routes_api, "PAGE_SIZE", 1)
        never = make_handover(project, opened_at=NOW - timedelta(days=9))
        late = make_handover(project, due_at=NOW)
        first = mo.get("handovers", route="library").json()
        second = mo.get("handovers", route="library", cursor=first["next_cursor"]).json()
        found = [first["handovers"][0], second["handovers"][0]]
        assert [(one["handover"], one["overdue"]) for one in found] == [
            (late.pk, True),
            (never.pk, False),
        ]
        assert second["next_cursor"] is None
        assert (found[0]["verdict"], found[0]["output"]) == (
            "fix",
            late.review.output.external_id,
        )
        assert mo.get("handovers", route="library", cursor="x").status_code == 422
        assert mo.get("handovers", route="escalate").status_code == 422

    def test_take_as_many_queries_for_many(
        self, mo: Caller, project: Project, django_assert_num_queries: Any
    ) -> None:
        for _ in range(9):
            make_handover(project)
        mo.get("handovers", route="library")
        with django_assert_num_queries(2):
            mo.get("handovers", route="library")

    def test_are_taken_given_back_and_closed(self, mo: Caller, project: Project) -> None:
        one, other = make_handover(project), make_user(project, "moderator")
        taken = mo.post(f"handovers/{one.pk}/take").json()
        assert (taken["status"], taken["taken_by"]) == ("taken", "mo")
        Handover.objects.update(taken_by=other)
        assert mo.post(f"handovers/{one.pk}/take").status_code == 409
        assert mo.post(f"handovers/{one.pk}/give-back").json()["status"] == "open"
        for comment in ("", "\x00"):
            assert mo.post(f"handovers/{one.pk}/close", {"comment": comment}).status_code == 422
        done = mo.post(f"handovers/{one.pk}/close", {"comment": "Ticket 7"}).json()
        assert (done["status"], done["comment"], done["promoted"]) == ("done", "Ticket 7", False)
        assert mo.post(f"handovers/{one.pk}/close", {"comment": "x"}).status_code == 409
        [listed] = mo.get("handovers", route="library", status="done").json()["handovers"]
        assert listed == done

    def test_hide_a_verdict_that_one_is_to_judge_without(
        self, client: Client, mo: Caller, project: Project
    ) -> None:
        queue = make_queue(project, reviewers_per_item=2)
        item = make_item(queue, make_output(project))
        review = make_review(item.output, make_user(project, "expert"), item=item)
        make_handover(project, review=review, opened_at=timezone.now())
        [listed] = mo.get("handovers", route="library").json()["handovers"]
        assert listed["verdict"] is None
        client.force_login(mo.user)
        page = client.get(f"/p/{project.slug}/board/library/").content.decode()
        assert "badge--warn" not in page


class TestWhoMay:
    def test_experts_and_products_do_not(self, client: Client, project: Project) -> None:
        one, ann = make_handover(project), make_user(project, "expert")
        product = {"authorization": f"Bearer {make_key(project)}"}
        for path in ("routes", "board", "handovers?route=library"):
            assert Caller(client, project, ann).get(path).status_code == 403
            assert client.get(f"/api/v1/{path}", headers=product).status_code in {401, 403}
        assert Caller(client, project, ann).post("routes", {"issue": 5}).status_code == 403
        assert due_times.terms(project=project) == {}
        for act in ("take", "give-back", "close"):
            body = {"comment": "x"} if act == "close" else {}
            assert (
                Caller(client, project, ann).post(f"handovers/{one.pk}/{act}", body).status_code
                == 403
            )
        assert Handover.objects.get().status == "open"

    def test_nothing_of_other_projects_is_there(self, client: Client, project: Project) -> None:
        one, other = make_handover(project), make_project()
        stranger = Caller(client, other, make_user(other, "admin"))
        make_queue(project)
        assert stranger.get("handovers", route="library").json()["handovers"] == []
        assert stranger.get("board").json() == {"queues": []}
        for act in ("take", "give-back", "close"):
            body = {"comment": "x"} if act == "close" else {}
            assert stranger.post(f"handovers/{one.pk}/{act}", body).status_code == 404
        assert Handover.objects.get().status == "open"
