"""Queues and their rules by script."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from feedback.models import Project
from review import rules
from review.models import Event, Queue
from tests.calling import Caller
from tests.factories import (
    make_feedback,
    make_item,
    make_key,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_user,
)

pytestmark = pytest.mark.django_db

RISKY: dict[str, Any] = {
    "name": "Risky",
    "filter": "model:m",
    "strata": [
        {"name": "Severe", "filter": {"score": "negative"}},
        {"name": "Audit", "rate": 0.2, "is_audit": True},
    ],
    "due_hours": 4,
}


@pytest.fixture
def mo(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "moderator", username="mo"))


class TestQueues:
    def test_are_listed_with_their_counts(
        self, mo: Caller, project: Project, django_assert_num_queries: Any
    ) -> None:
        queue = make_queue(project, slug="all")
        make_item(queue)
        make_item(queue)
        make_queue(make_project(), slug="theirs")
        mo.get("queues")
        with django_assert_num_queries(4):
            found = mo.get("queues").json()["queues"]
        assert [(one["slug"], one["open"], one["held"], one["done"]) for one in found] == [
            ("all", 2, 0, 0)
        ]


class TestMaking:
    def test_sent_again_with_a_key_never_doubles(
        self, mo: Caller, client: Client, project: Project
    ) -> None:
        made = mo.post("queues", RISKY, **{"Idempotency-Key": "one"})
        again = mo.post("queues", RISKY, **{"Idempotency-Key": "one"})
        assert (made.status_code, again.status_code) == (201, 201)
        assert again.json() == made.json()
        assert mo.post("queues", RISKY, **{"Idempotency-Key": "two"}).json()["slug"] == "risky-2"
        other = Caller(client, project, make_user(project, "moderator"))
        assert other.post("queues", RISKY, **{"Idempotency-Key": "one"}).status_code == 201
        assert Queue.objects.count() == 3
        first = Queue.objects.get(slug="risky")
        with pytest.raises(IntegrityError), transaction.atomic():
            Queue.objects.filter(slug="risky-2").update(request_key=first.request_key)

    def test_makes_the_queue_that_the_form_makes(
        self, mo: Caller, client: Client, project: Project
    ) -> None:
        make_feedback(make_output(project, model="m"), score=-1)
        reply = mo.post("queues", RISKY)
        assert reply.status_code == 201
        told = reply.json()
        assert (told["slug"], told["filter"], told["open"]) == ("risky", {"model": "m"}, 1)
        assert told["strata"] == [
            {
                "name": "Severe",
                "filter": {"score": "negative"},
                "rate": 1,
                "is_audit": False,
            },
            {"name": "Audit", "filter": {}, "rate": 0.2, "is_audit": True},
        ]
        assert mo.get("queues/risky").json() == told
        client.force_login(mo.user)
        form = {
            "name": "Risky",
            "words": "model:m",
            "reviewers_per_item": 1,
            "minutes": 15,
            "due_hours": 4,
            "strata-TOTAL_FORMS": 2,
            "strata-INITIAL_FORMS": 0,
            "strata-0-name": "Severe",
            "strata-0-filter": "score:negative",
            "strata-0-percent": 100,
            "strata-1-name": "Audit",
            "strata-1-percent": 20,
            "strata-1-is_audit": "on",
        }
        client.post(reverse("queue_create", args=[project.slug]), form)
        by_script, by_form = Queue.objects.order_by("pk")
        assert rules.rules_of(queue=by_script) == rules.rules_of(queue=by_form)
        assert (by_script.created_by, by_form.slug) == (mo.user, "risky-2")

    def test_previews_what_would_come_in(self, mo: Caller, project: Project) -> None:
        newest = make_output(project, model="m", external_id="o/1")
        make_feedback(newest, score=-1)
        make_output(project, model="other")
        found = mo.post("queue-previews", RISKY).json()
        assert (found["matching"], found["drawn"]) == (1, 1)
        assert found["strata"] == [
            {"name": "Severe", "matching": 1},
            {"name": "Audit", "matching": 0},
        ]
        assert [one["output"] for one in found["outputs"]] == ["o/1"]
        assert mo.post("queue-previews", {}).json()["matching"] == 2
        assert not Queue.objects.exists()


class TestChanging:
    def test_keeps_what_is_left_out(self, mo: Caller, project: Project) -> None:
        mo.post("queues", RISKY)
        changed = mo.post("queues/risky", {"name": "Riskier", "due_hours": None}).json()
        assert (changed["slug"], changed["name"], changed["due_hours"]) == (
            "risky",
            "Riskier",
            None,
        )
        assert (changed["filter"], len(changed["strata"])) == ({"model": "m"}, 2)
        assert mo.post("queues/risky", {"strata": []}).json()["strata"] == []
        verbs = Event.objects.filter(target_type="queue").order_by("pk")
        assert list(verbs.values_list("verb", flat=True)) == ["created", "edited", "edited"]

    def test_leaves_what_is_asked_of_reviewers_after_the_first_review(
        self, mo: Caller, project: Project
    ) -> None:
        item = make_item(make_queue(project, slug="all"))
        make_review(item.output, mo.user, item=item)
        refused = mo.post("queues/all", {"reviewers_per_item": 2})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["path"] == "reviewers_per_item"
        assert mo.post("queues/all", {"order": "oldest"}).json()["order"] == "oldest"

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"name": " "}, "name"),
            ({"filter": "score:low"}, "filter"),
            ({"filter": {"colour": "red"}}, "filter"),
            ({"strata": [{"name": ""}]}, "strata.0.name"),
            ({"strata": [{"name": "a", "filter": "score:low"}]}, "strata.0.filter"),
            ({"strata": [{"name": "a", "rate": 0}]}, "strata.0.rate"),
            ({"strata": [{"name": "a"}] * 7}, "strata"),
            ({"reviewers_per_item": 0}, "reviewers_per_item"),
            ({"lease_seconds": 1}, "lease_seconds"),
            ({"due_hours": 0}, "due_hours"),
            ({"order": "random"}, "order"),
            ({"required": ["mood"]}, "required.0"),
            ({"slug": "x"}, "slug"),
        ],
    )
    def test_names_the_field_that_cannot_be(
        self, mo: Caller, project: Project, body: dict[str, Any], path: str
    ) -> None:
        make_queue(project, slug="all", name="All")
        for address in ("queues/all", "queues"):
            reply = mo.post(address, {"name": "New", **body})
            assert reply.status_code == 422, address
            assert [one["path"] for one in reply.json()["errors"]] == [path]
        assert Queue.objects.get().name == "All"


class TestWhoMay:
    def test_experts_products_and_other_projects_do_not(
        self, client: Client, project: Project
    ) -> None:
        """Complaints 22 and 23."""
        make_queue(project, slug="all", name="All")
        expert = Caller(client, project, make_user(project, "expert"))
        other = make_project()
        stranger = Caller(client, other, make_user(other, "admin"))
        product = {"authorization": f"Bearer {make_key(project)}"}
        assert expert.get("queues/all").json()["name"] == "All"
        assert client.get("/api/v1/queues/all", headers=product).status_code == 403
        for path in ("queues", "queues/all", "queue-previews"):
            assert expert.post(path, {"name": "x"}).status_code == 403
            sent = client.post(
                f"/api/v1/{path}",
                {"name": "x"},
                content_type="application/json",
                headers=product,
            )
            assert sent.status_code == 403
        for path in ("queues/all", "queues/all%00"):
            assert stranger.get(path).status_code == 404
            assert stranger.post(path, {"name": "x"}).status_code == 404
        assert Queue.objects.get().name == "All"


class TestReviewers:
    def test_are_named_told_and_let_go_by_moderators(self, mo: Caller, project: Project) -> None:
        make_user(project, "expert", email="ann@example.org")
        named = {"name": "Of some", "reviewers": ["Ann@example.org"]}
        made = mo.post("queues", named).json()
        assert (made["is_restricted"], made["reviewers"]) == (True, ["ann@example.org"])
        # What is left out stays.
        kept = mo.post("queues/of-some", {"due_hours": 3}).json()
        assert (kept["due_hours"], kept["reviewers"]) == (3, ["ann@example.org"])
        assert mo.post("queues/of-some", {"reviewers": []}).json()["reviewers"] == []
        opened = mo.post("queues/of-some", {"reviewers": None}).json()
        assert (opened["is_restricted"], opened["reviewers"]) == (False, None)

    def test_are_not_told_to_each_other(self, mo: Caller, client: Client, project: Project) -> None:
        ann = make_user(project, "expert", email="ann@example.org")
        make_queue(project, slug="all")
        mo.post("queues/all", {"reviewers": ["ann@example.org"]})
        told = Caller(client, project, ann).get("queues/all").json()
        assert (told["is_restricted"], told["reviewers"]) == (True, None)

    def test_names_the_address_that_is_no_members_or_cannot_review(
        self, mo: Caller, project: Project
    ) -> None:
        make_queue(project, slug="all")
        make_user(project, "expert", email="ann@example.org")
        make_user(project, "viewer", email="vera@example.org")
        for wrong, why in (("x@example.org", "no member"), ("vera@example.org", "viewer")):
            reply = mo.post("queues/all", {"reviewers": ["ann@example.org", wrong]})
            assert reply.status_code == 422
            [error] = reply.json()["errors"]
            assert error["path"] == "reviewers.1"
            assert wrong in error["message"]
            assert why in error["message"]
        assert not Queue.objects.get().is_restricted
