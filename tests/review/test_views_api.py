"""Searches kept by script."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from feedback.models import Project
from review import views_api
from review.models import Event, SavedView
from tests.calling import Caller
from tests.factories import make_key, make_project, make_user, make_view

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "viewer", username="ann"))


class TestViews:
    def test_are_kept_as_the_page_keeps_them(
        self, ann: Caller, client: Client, project: Project
    ) -> None:
        sent = {
            "name": "Refunds",
            "filter": "refund -tag:done",
            "mode": "words",
            "listing": "session",
            "newest_first": True,
            "is_shared": True,
        }
        reply = ann.post("views", sent)
        assert reply.status_code == 201
        told = reply.json()
        assert told["filter"] == {"words": "refund", "-tag": "done"}
        assert (told["written"], told["owner"], told["may_change"]) == (
            "refund -tag:done",
            "ann",
            True,
        )
        assert ann.get(f"views/{told['view']}").json() == told
        client.force_login(ann.user)
        form = {"name": "By page", "q": "refund -tag:done", "mode": "words", "list": "session"}
        client.post(
            reverse("view_save", args=[project.slug]), form | {"sort": "newest", "is_shared": "on"}
        )
        by_script, by_page = SavedView.objects.order_by("pk")
        for name in ("filter", "mode", "listing", "newest_first", "is_shared", "owner"):
            assert getattr(by_script, name) == getattr(by_page, name), name
        again = ann.post("views", sent)
        assert (again.status_code, again.json()["errors"][0]["path"]) == (422, "name")

    def test_are_listed_in_pages_own_and_shared(
        self, ann: Caller, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(views_api, "PAGE_SIZE", 1)
        other = make_user(project)
        make_view(project, ann.user, name="B", is_shared=False)
        make_view(project, other, name="A")
        make_view(project, other, name="C", is_shared=False)
        first = ann.get("views").json()
        second = ann.get("views", cursor=first["next_cursor"]).json()
        found = first["views"] + second["views"]
        assert [(one["name"], one["may_change"]) for one in found] == [("A", False), ("B", True)]
        assert second["next_cursor"] is None
        assert ann.get("views", cursor="x").json()["errors"][0]["path"] == "cursor"

    def test_take_as_many_queries_for_many(
        self, ann: Caller, project: Project, django_assert_num_queries: Any
    ) -> None:
        for _ in range(9):
            make_view(project, make_user(project))
        ann.get("views")
        with django_assert_num_queries(2):
            ann.get("views")

    def test_are_renamed_shared_and_given_another_search(
        self, ann: Caller, project: Project
    ) -> None:
        view = make_view(project, ann.user, name="Old", is_shared=False, filter={"words": "x"})
        renamed = ann.post(f"views/{view.pk}", {"name": "New"}).json()
        assert (renamed["name"], renamed["is_shared"]) == ("New", False)
        shared = ann.post(f"views/{view.pk}", {"is_shared": True}).json()
        assert (shared["name"], shared["is_shared"]) == ("New", True)
        other = ann.post(f"views/{view.pk}/search", {"filter": {"model": ["a", "b"]}}).json()
        assert (other["name"], other["written"]) == ("New", "model:a,b")
        assert ann.post(f"views/{view.pk}/delete").status_code == 204
        assert not SavedView.objects.exists()
        verbs = Event.objects.filter(target_type="saved_view").order_by("pk")
        assert list(verbs.values_list("verb", flat=True)) == [
            "changed",
            "changed",
            "replaced",
            "deleted",
        ]

    def test_are_listed_though_a_filter_means_nothing_any_more(
        self, ann: Caller, project: Project
    ) -> None:
        make_view(project, ann.user, filter={"colour": "red"})
        [found] = ann.get("views").json()["views"]
        assert (found["filter"], found["written"]) == ({"colour": "red"}, None)

    @pytest.mark.parametrize(
        ("act", "body", "path"),
        [
            ("", {"name": " "}, "name"),
            ("", {"name": "Taken"}, "name"),
            ("", {"mode": "words"}, "mode"),
            ("/search", {"filter": "colour:red"}, "filter"),
            ("/search", {"filter": {"colour": "red"}}, "filter"),
            ("/search", {"filter": {"words": ["a\x00"]}}, "filter"),
            ("/search", {"filter": {"model": "\ud800"}}, "filter"),
            ("/search", {"filter": "", "mode": "guess"}, "mode"),
            ("/search", {}, "filter"),
        ],
    )
    def test_name_the_field_that_cannot_be(
        self, ann: Caller, project: Project, act: str, body: dict[str, Any], path: str
    ) -> None:
        view = make_view(project, ann.user, name="Mine")
        make_view(project, ann.user, name="Taken")
        reply = ann.post(f"views/{view.pk}{act}", body)
        assert reply.status_code == 422
        assert reply.json()["errors"][0]["path"] == path
        view.refresh_from_db()
        assert (view.name, view.filter) == ("Mine", {})


ACTS: list[tuple[str, dict[str, Any]]] = [
    ("", {"name": "X"}),
    ("/search", {"filter": "x"}),
    ("/delete", {}),
]


class TestWhoMay:
    def test_others_change_no_view_but_moderators_a_shared_one(
        self, ann: Caller, client: Client, project: Project
    ) -> None:
        curator = Caller(client, project, make_user(project, "viewer"))
        moderator = Caller(client, project, make_user(project, "moderator"))
        shared, own = (
            make_view(project, ann.user, name=name, is_shared=name == "Shared")
            for name in ("Shared", "Own")
        )
        for act, body in ACTS:
            assert curator.post(f"views/{shared.pk}{act}", body).status_code == 403
            assert moderator.post(f"views/{own.pk}{act}", body).status_code == 404
        assert moderator.get(f"views/{own.pk}").status_code == 404
        assert [moderator.post(f"views/{shared.pk}{act}", b).status_code for act, b in ACTS] == [
            200,
            200,
            204,
        ]
        assert SavedView.objects.get() == own

    def test_products_and_other_projects_do_not(
        self, ann: Caller, client: Client, project: Project
    ) -> None:
        """Complaint 23."""
        view = make_view(project, ann.user)
        other = make_project()
        stranger = Caller(client, other, make_user(other, "admin"))
        assert stranger.get("views").json()["views"] == []
        assert stranger.get(f"views/{view.pk}").status_code == 404
        product = {"authorization": f"Bearer {make_key(project)}"}
        assert client.get("/api/v1/views", headers=product).status_code == 403
        for act, body in ACTS:
            assert stranger.post(f"views/{view.pk}{act}", body).status_code == 404
            path = f"/api/v1/views/{view.pk}{act}"
            sent = client.post(path, body, content_type="application/json", headers=product)
            assert sent.status_code == 403
        assert SavedView.objects.get() == view
