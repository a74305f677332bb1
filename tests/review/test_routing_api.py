"""The rules of what closes the loop, by script."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from feedback.models import Project
from review.models import Event, RoutingRule
from tests.calling import Caller
from tests.factories import make_key, make_output, make_project, make_review, make_rule, make_user
from tests.meanwhile import meanwhile

pytestmark = pytest.mark.django_db

SEVERE = {
    "name": "Severe",
    "filter": "score:negative",
    "verdicts": ["fix", "reject"],
    "severities": ["critical"],
    "reasons": ["unsafe"],
    "routes": ["escalate"],
    "due_hours": 4,
}


@pytest.fixture
def mo(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "moderator", username="mo"))


class TestRules:
    def test_are_made_as_the_form_makes_them(
        self, mo: Caller, client: Client, project: Project
    ) -> None:
        reply = mo.post("routing-rules", SEVERE)
        assert reply.status_code == 201
        told = reply.json()
        assert (told["filter"], told["routes"]) == ({"score": "negative"}, ["escalate"])
        assert (told["spoke"], told["overruled"], told["is_active"]) == (0, 0, True)
        client.force_login(mo.user)
        form = {**SEVERE, "words": SEVERE["filter"], "name": "By form"}
        client.post(reverse("rule_create", args=[project.slug]), form)
        by_script, by_form = RoutingRule.objects.order_by("position")
        for name in ("filter", "verdicts", "severities", "reasons", "routes", "due_hours"):
            assert getattr(by_script, name) == getattr(by_form, name), name
        assert [one["name"] for one in mo.get("routing-rules").json()["rules"]] == [
            "Severe",
            "By form",
        ]

    def test_take_as_many_queries_for_many(
        self, mo: Caller, project: Project, django_assert_num_queries: Any
    ) -> None:
        for _ in range(9):
            make_rule(project)
        mo.get("routing-rules")
        with django_assert_num_queries(4):
            mo.get("routing-rules")

    def test_keep_what_a_change_leaves_out(self, mo: Caller, project: Project) -> None:
        pk = mo.post("routing-rules", SEVERE).json()["rule"]
        changed = mo.post(f"routing-rules/{pk}", {"due_hours": None, "filter": {}}).json()
        rule = RoutingRule.objects.get()
        assert (changed["filter"], changed["due_hours"], rule.due_hours) == ({}, None, None)
        assert (rule.name, rule.verdicts, rule.routes) == (
            "Severe",
            ["fix", "reject"],
            ["escalate"],
        )

    def test_keep_what_was_changed_meanwhile_and_is_left_out(
        self, mo: Caller, project: Project
    ) -> None:
        rule = make_rule(project, routes=["issue"])

        def reroute() -> None:
            RoutingRule.objects.filter(pk=rule.pk).update(routes=["escalate"])

        with meanwhile(reroute, before="FOR NO KEY UPDATE"):
            told = mo.post(f"routing-rules/{rule.pk}", {"name": "Renamed"}).json()
        assert (told["name"], told["routes"]) == ("Renamed", ["escalate"])

    def test_are_moved_and_switched(self, mo: Caller, project: Project) -> None:
        first, second = make_rule(project, name="a"), make_rule(project, name="b")
        moved = mo.post(f"routing-rules/{second.pk}/move", {"to": "up"}).json()
        assert moved["position"] == first.position
        assert mo.post(f"routing-rules/{second.pk}/move", {"to": "up"}).json() == moved
        assert [one["name"] for one in mo.get("routing-rules").json()["rules"]] == ["b", "a"]
        for _ in range(2):
            off = mo.post(f"routing-rules/{first.pk}/switch", {"is_active": False}).json()
            assert not off["is_active"]
        logged = Event.objects.filter(target_type="routing_rule").order_by("pk")
        assert list(logged.values_list("verb", flat=True)) == ["moved", "switched_off"]

    def test_are_held_against_the_past(self, mo: Caller, project: Project) -> None:
        reviewer = make_user(project)
        for verdict, routes in (("fix", ["issue"]), ("fix", []), ("reject", ["issue"])):
            make_review(make_output(project), reviewer, verdict=verdict, routes=routes)
        make_rule(project, verdicts=["reject"])
        past = mo.post("routing-rules/preview", {"routes": ["issue"]}).json()
        assert past == {"spoken": 2, "earlier": 1, "same": 1}
        assert RoutingRule.objects.count() == 1

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"name": ""}, "name"),
            ({"name": "a\x00"}, "name"),
            ({"name": "There"}, "name"),
            ({"name": "x", "filter": "colour:red"}, "filter"),
            ({"name": "x", "filter": {"verdict": "fix"}}, "filter"),
            ({"name": "x", "reasons": ["none"]}, "reasons"),
            ({"name": "x", "verdicts": ["maybe"]}, "verdicts.0"),
            ({"name": "x", "due_hours": 4}, "due_hours"),
            ({"name": "x", "routes": ["issue"], "due_hours": 0}, "due_hours"),
            ({"name": "x", "more": 1}, "more"),
        ],
    )
    def test_name_the_field_that_cannot_be(
        self, mo: Caller, project: Project, body: dict[str, Any], path: str
    ) -> None:
        there, changed = make_rule(project, name="There"), make_rule(project, name="Changed")
        for address in ("routing-rules", f"routing-rules/{changed.pk}"):
            reply = mo.post(address, body)
            assert reply.status_code == 422
            assert [one["path"] for one in reply.json()["errors"]] == [path]
        changed.refresh_from_db()
        assert (changed.name, changed.filter) == ("Changed", {})
        assert set(RoutingRule.objects.all()) == {there, changed}


ACTS: list[tuple[str, dict[str, Any]]] = [
    ("", {"name": "x"}),
    ("/move", {"to": "up"}),
    ("/switch", {"is_active": False}),
]


class TestWhoMay:
    def test_experts_products_and_other_projects_do_not(
        self, client: Client, project: Project
    ) -> None:
        """Complaints 22 and 23."""
        rule = make_rule(project, name="a")
        expert = Caller(client, project, make_user(project, "expert"))
        other = make_project()
        stranger = Caller(client, other, make_user(other, "admin"))
        product = {"authorization": f"Bearer {make_key(project)}"}
        assert expert.get("routing-rules").status_code == 403
        assert stranger.get("routing-rules").json() == {"rules": []}
        assert client.get("/api/v1/routing-rules", headers=product).status_code == 403
        assert expert.post("routing-rules", {"name": "x"}).status_code == 403
        assert expert.post("routing-rules/preview", {}).status_code == 403
        for act, body in ACTS:
            path = f"routing-rules/{rule.pk}{act}"
            assert expert.post(path, body).status_code == 403
            assert stranger.post(path, body).status_code == 404
            sent = client.post(
                f"/api/v1/{path}", body, content_type="application/json", headers=product
            )
            assert sent.status_code == 403
        kept = RoutingRule.objects.get()
        assert (kept.name, kept.is_active) == ("a", True)
