from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from feedback.models import Project
from review import intake
from review.models import Queue
from review.rules import Rules, StratumRule, create_queue, edit_queue, rules_of
from tests.factories import NOW, make_feedback, make_item, make_output, make_queue, make_user

HOSTILE = '<img src=x onerror="alert(1)">'


def as_role(project: Project, role: str) -> Client:
    client = Client()
    client.force_login(make_user(project, role))
    return client


def form(**fields: Any) -> dict[str, Any]:
    parts = {"strata-TOTAL_FORMS": 3, "strata-INITIAL_FORMS": 0}
    policy = {"name": "Risky", "order": "priority", "reviewers_per_item": 1, "minutes": 15}
    return {**parts, **policy, **fields}


SEVERE_AND_SOME = {
    "words": "model:m",
    "due_hours": 4,
    "strata-0-name": "Severe",
    "strata-0-filter": "score:negative",
    "strata-0-percent": 100,
    "strata-1-name": "Audit",
    "strata-1-percent": 20,
    "strata-1-is_audit": "on",
}
RULES = Rules(
    name="Risky",
    filter={"model": "m"},
    strata=[
        StratumRule(name="Severe", filter={"score": "negative"}),
        StratumRule(name="Audit", rate=0.2, is_audit=True),
    ],
    due_hours=4,
)


class TestCreate:
    def test_makes_the_queue_as_its_form_says(self, project: Project) -> None:
        address = reverse("queue_create", args=[project.slug])
        answer = as_role(project, "moderator").post(address, form(**SEVERE_AND_SOME))
        queue = Queue.objects.get()
        assert answer.headers["location"] == reverse("queue", args=[project.slug, queue.slug])
        assert rules_of(queue=queue) == RULES

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"name": ""}, "required"),
            ({"words": "score:low"}, "negative or positive"),
            ({"strata-0-filter": "score:low", "strata-0-name": "a"}, "negative or positive"),
            ({"strata-0-filter": "score:negative"}, "Give the part a name."),
            ({"strata-0-name": "a", "strata-0-percent": 0}, "Give more than 0 %"),
            ({"strata-TOTAL_FORMS": "x"}, "ManagementForm"),
        ],
    )
    def test_says_what_is_wrong_where_it_is(
        self, project: Project, fields: dict[str, Any], said: str
    ) -> None:
        address = reverse("queue_create", args=[project.slug])
        answer = as_role(project, "moderator").post(address, form(**fields))
        assert answer.status_code == 422
        assert said in answer.content.decode()
        assert not Queue.objects.exists()


class TestEdit:
    def test_starts_from_the_rules_and_changes_them(self, project: Project) -> None:
        queue = create_queue(project=project, rules=RULES, by=None, now=NOW)
        address = reverse("queue_edit", args=[project.slug, queue.slug])
        client = as_role(project, "moderator")
        shown = client.get(address).content.decode()
        assert "model:m" in shown
        assert "score:negative" in shown
        client.post(address, form(**SEVERE_AND_SOME, order="oldest"))
        queue.refresh_from_db()
        assert (queue.order, queue.strata.count()) == ("oldest", 2)

    def test_keeps_what_was_set_more_finely_than_people_enter(self, project: Project) -> None:
        fine = replace(
            RULES,
            strata=[
                StratumRule(name=f"{rate}", filter={"model": f"{rate}"}, rate=rate)
                for rate in (1 / 3, 0.07, 0.00001)
            ],
            lease_seconds=100,
        )
        queue = create_queue(project=project, rules=fine, by=None, now=NOW)
        address = reverse("queue_edit", args=[project.slug, queue.slug])
        client = as_role(project, "moderator")
        context = client.get(address).context
        shown = {
            bound.html_name: bound.value()
            for bound in (
                *context["form"],
                *(field for part in context["strata"] for field in part),
            )
            if bound.value()
        }
        sent = form(**shown | {"name": "Renamed", "strata-TOTAL_FORMS": 4})
        assert client.post(address, sent).status_code == 302
        queue.refresh_from_db()
        assert rules_of(queue=queue) == replace(fine, name="Renamed")
        assert not queue.is_unswept

    def test_a_form_opened_before_does_not_open_a_queue_of_some_to_all(
        self, project: Project
    ) -> None:
        queue = create_queue(project=project, rules=RULES, by=None, now=NOW)
        address = reverse("queue_edit", args=[project.slug, queue.slug])
        client = as_role(project, "moderator")
        seen = client.get(address).context["seen"]
        named = replace(RULES, reviewers=[make_user(project, "expert").username])
        edit_queue(queue=queue, rules=named, by=make_user(project, "moderator"), now=NOW)
        # What is wrong by itself tells nothing of the change.
        wrong = client.post(address, form(words="model:m", name="", seen=seen))
        seen = wrong.context["seen"]
        refused = client.post(address, form(words="model:m", name="Mine", seen=seen))
        assert refused.status_code == 422
        assert "Somebody has changed these rules meanwhile" in refused.content.decode()
        assert 'value="Mine"' in refused.content.decode()
        queue.refresh_from_db()
        assert (queue.name, queue.is_restricted) == (RULES.name, True)
        again = form(words="model:m", name="Mine", seen=refused.context["seen"])
        assert client.post(address, again).status_code == 302
        # Pressed twice.
        assert client.post(address, again).status_code == 302
        queue.refresh_from_db()
        assert (queue.name, queue.is_restricted) == ("Mine", False)

    def test_experts_may_not(self, project: Project) -> None:
        address = reverse("queue_edit", args=[project.slug, make_queue(project).slug])
        assert as_role(project, "expert").get(address).status_code == 403


class TestPreview:
    def test_counts_what_matches_and_shows_the_newest(self, project: Project) -> None:
        for score in (-1, 1, 1):
            output = make_output(project, model="m", query=HOSTILE)
            make_feedback(output, score=score)
        make_output(project)
        address = reverse("queue_preview", args=[project.slug])
        query = form(**SEVERE_AND_SOME, name="")
        answer = as_role(project, "moderator").get(address, query, headers={"hx-request": "true"})
        preview = answer.context["preview"]
        assert (preview.size, [size for _, size in preview.parts]) == (3, [1, 2])
        assert preview.num_drawn == 1
        assert HOSTILE not in answer.content.decode()
        assert not Queue.objects.exists()

    def test_says_what_cannot_be_read(self, project: Project) -> None:
        address = reverse("queue_preview", args=[project.slug])
        answer = as_role(project, "moderator").get(address, form(words="score:low"))
        assert answer.status_code == 422
        assert "negative or positive" in answer.content.decode()


class TestShares:
    def test_tells_the_share_or_why_there_is_none(self, project: Project) -> None:
        client = as_role(project, "viewer")
        for wanted, said in (({}, "shows when some are decided"), ({"state": "open"}, "cannot")):
            queue = make_queue(project, filter=wanted)
            make_output(project)
            address = reverse("queue_shares", args=[project.slug, queue.slug])
            assert said in client.get(address).content.decode()


class TestQueuePage:
    def test_says_that_some_are_ranked_by_a_former_version(self, project: Project) -> None:
        queue, client = make_queue(project), as_role(project, "viewer")
        make_item(queue, priority_version="rules-1")
        address = reverse("queue", args=[project.slug, queue.slug])
        assert "1 item is still ranked" in client.get(address).content.decode()
        intake.rerank(queue=queue, now=NOW)
        assert "still ranked" not in client.get(address).content.decode()

    def test_says_that_an_item_was_drawn_by_lot(
        self, project: Project, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(30):
            make_output(project, model="m")
        queue = create_queue(project=project, rules=RULES, by=None, now=NOW)
        client = as_role(project, "viewer")
        address = reverse("queue", args=[project.slug, queue.slug])
        with django_assert_max_num_queries(20):
            shown = client.get(address).content.decode()
        assert "20 % drawn at random" in shown.replace("\u202f", " ").replace("\xa0", " ")

    def test_the_desk_says_why_an_item_is_there_too(self, project: Project) -> None:
        part = {"name": "a", "value": 3, "words": HOSTILE}
        item = make_item(make_queue(project), priority=3, priority_parts=[part])
        address = reverse("item", args=[project.slug, item.pk])
        shown = as_role(project, "expert").get(address).content.decode()
        assert "+3" in shown
        assert HOSTILE not in shown
