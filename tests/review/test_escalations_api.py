"""What reviewers escalated, by script, with a person's own key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from feedback.models import Project
from review import escalations_api
from review.models import Claim, Escalation, QueueItem, Review
from tests.calling import Caller
from tests.factories import (
    NOW,
    make_escalation,
    make_key,
    make_project,
    make_queue,
    make_review,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def mo(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "moderator", username="mo"))


class TestEscalations:
    def test_come_in_pages_by_what_is_due(
        self, mo: Caller, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(escalations_api, "PAGE_SIZE", 1)
        never = make_escalation(project, raised_at=NOW - timedelta(days=9))
        late = make_escalation(project, due_at=NOW)
        first = mo.get("escalations").json()
        second = mo.get("escalations", cursor=first["next_cursor"]).json()
        found = [first["escalations"][0], second["escalations"][0]]
        assert [(one["escalation"], one["overdue"]) for one in found] == [
            (late.pk, True),
            (never.pk, False),
        ]
        assert second["next_cursor"] is None
        assert found[0]["output"] == late.output.external_id
        assert (found[0]["item"], found[0]["verdict"]) == (late.item_id, "reject")
        assert mo.get("escalations", cursor="x").json()["errors"][0]["path"] == "cursor"
        assert mo.get("escalations", state="lost").status_code == 422

    def test_take_as_many_queries_for_many(
        self, mo: Caller, project: Project, django_assert_num_queries: Any
    ) -> None:
        for _ in range(9):
            make_escalation(project)
        mo.get("escalations")
        with django_assert_num_queries(3):
            mo.get("escalations")

    def test_are_closed_with_a_comment_once(self, mo: Caller, project: Project) -> None:
        one = make_escalation(project)
        for comment in ("", "\x00"):
            refused = mo.post(f"escalations/{one.pk}/close", {"comment": comment})
            assert refused.status_code == 422
            assert refused.json()["errors"][0]["path"] == "comment"
        done = mo.post(f"escalations/{one.pk}/close", {"comment": "As we meant it"}).json()
        assert (done["status"], done["settled_by"]) == ("closed", "mo")
        assert done["item"] is None
        assert mo.post(f"escalations/{one.pk}/close", {"comment": "x"}).status_code == 409
        assert mo.get("escalations").json()["escalations"] == []
        assert mo.get("escalations", state="settled").json()["escalations"] == [done]

    def test_are_returned_to_a_queue_where_another_reviews(
        self, mo: Caller, project: Project
    ) -> None:
        one, queue = make_escalation(project), make_queue(project)
        gone = mo.post(f"escalations/{one.pk}/return", {"queue": "nowhere"})
        assert gone.json()["errors"][0]["path"] == "queue"
        done = mo.post(f"escalations/{one.pk}/return", {"queue": queue.slug, "comment": "Dose?"})
        assert (done.json()["status"], done.json()["comment"]) == ("returned", "Dose?")
        assert QueueItem.objects.filter(queue=queue, output=one.output, status="open").exists()
        assert not Review.objects.authoritative().filter(output=one.output).exists()

    def test_wait_for_who_is_deciding(self, mo: Caller, project: Project) -> None:
        one, other = make_escalation(project), make_user(project, "moderator", username="ada")
        Claim.objects.filter(item=one.item, place=Claim.ADJUDICATION).update(
            reviewer=other,
            fence=1,
            claimed_at=timezone.now(),
            lease_until=timezone.now() + timedelta(minutes=5),
        )
        [listed] = mo.get("escalations").json()["escalations"]
        assert listed["held_by"] == "ada"
        assert mo.post(f"escalations/{one.pk}/close", {"comment": "x"}).status_code == 409
        assert Escalation.objects.open().exists()

    def test_are_not_to_be_decided_by_who_reviewed(self, mo: Caller, project: Project) -> None:
        one = make_escalation(project)
        Claim.objects.create(item=one.item, place=2, reviewer=mo.user, finished_at=NOW)
        make_review(one.output, mo.user, item=one.item, place=2, is_authoritative=False)
        [listed] = mo.get("escalations").json()["escalations"]
        assert listed["item"] is None


class TestWhoMay:
    def test_experts_and_products_do_not(self, client: Client, project: Project) -> None:
        one, ann = make_escalation(project), make_user(project, "expert")
        product = {"authorization": f"Bearer {make_key(project)}"}
        expert = Caller(client, project, ann)
        assert expert.get("escalations").status_code == 403
        assert client.get("/api/v1/escalations", headers=product).status_code in {401, 403}
        for act, body in (("close", {"comment": "x"}), ("return", {"queue": "x"})):
            assert expert.post(f"escalations/{one.pk}/{act}", body).status_code == 403
        assert Escalation.objects.open().exists()

    def test_nothing_of_other_projects_is_there(self, client: Client, project: Project) -> None:
        one, other = make_escalation(project), make_project()
        stranger = Caller(client, other, make_user(other, "admin"))
        assert stranger.get("escalations").json()["escalations"] == []
        body = {"comment": "x"}
        assert stranger.post(f"escalations/{one.pk}/close", body).status_code == 404
        queue = make_queue(other)
        assert (
            stranger.post(f"escalations/{one.pk}/return", {"queue": queue.slug}).status_code == 404
        )
        mine = make_escalation(other)
        refused = stranger.post(f"escalations/{mine.pk}/return", {"queue": one.item.queue.slug})
        assert (refused.status_code, Escalation.objects.open().count()) == (422, 2)
