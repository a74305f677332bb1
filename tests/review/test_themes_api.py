"""Themes by script."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from feedback.models import Project
from review.models import Event
from review.themes import count
from tests.calling import Caller
from tests.factories import make_item, make_key, make_project, make_queue, make_user
from tests.review.test_theme_pages import make_theme

pytestmark = pytest.mark.django_db


@pytest.fixture
def mo(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "moderator", username="mo"))


@pytest.fixture
def ann(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "viewer"))


class TestList:
    def test_tells_of_themes_with_members_the_largest_first(
        self,
        ann: Caller,
        project: Project,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        make_theme(project, number=1, size=1)
        theme = make_theme(project, number=2, name="Prices", size=3)
        make_theme(project, number=3, size=0)
        make_theme(make_project(), number=4)
        said = theme.memberships.order_by("pk")[0].feedback
        assert said.output is not None
        make_item(make_queue(project, slug="all"), said.output, theme=theme)
        count(project=project)
        ann.get("themes")
        # The key, the themes, their reasons and their open items.
        with django_assert_num_queries(4):
            told = ann.get("themes").json()
        assert [(one["number"], one["size"]) for one in told["themes"]] == [(2, 3), (1, 1)]
        first = told["themes"][0]
        assert (first["name"], first["named_by"], first["open"]) == ("Prices", None, 1)
        assert (sum(first["per_week"]), len(first["per_week"])) == (3, 12)
        assert first["terms"] == ["release date", "song"]
        assert ann.get("themes", cursor="x").json()["errors"][0]["path"] == "cursor"

    def test_goes_on_behind_a_page(
        self, ann: Caller, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("review.themes_api.PAGE_SIZE", 1)
        make_theme(project, number=1, size=1)
        make_theme(project, number=2, size=2)
        first = ann.get("themes").json()
        rest = ann.get("themes", cursor=first["next_cursor"]).json()
        assert [one["number"] for one in first["themes"] + rest["themes"]] == [2, 1]
        assert rest["next_cursor"] is None


class TestTheme:
    def test_tells_when_by_whom_and_where_it_waits(self, ann: Caller, project: Project) -> None:
        theme = make_theme(project, number=7, size=4)
        said = theme.memberships.order_by("pk")[0].feedback
        assert said.output is not None
        make_item(make_queue(project, slug="all"), said.output, theme=theme)
        told = ann.get("themes/7").json()
        assert (told["number"], told["queues"]) == (7, [{"name": "all", "count": 1}])
        assert sum(sum(one["counts"]) for one in told["versions"]) == 4
        assert all(len(one["counts"]) == len(told["mondays"]) for one in told["versions"])
        assert sum(one["count"] for one in told["origins"]) == 4
        assert told["sessions"] == 4

    def test_has_its_feedback_in_pages(
        self,
        ann: Caller,
        project: Project,
        monkeypatch: pytest.MonkeyPatch,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        monkeypatch.setattr("review.themes_api.PAGE_SIZE", 3)
        theme = make_theme(project, number=7, size=4)
        ann.get("themes/7/feedback")
        # The key, the theme, its feedback with outputs, and their reasons.
        with django_assert_num_queries(4):
            first = ann.get("themes/7/feedback").json()
        rest = ann.get("themes/7/feedback", cursor=first["next_cursor"]).json()
        told = first["feedback"] + rest["feedback"]
        members = theme.memberships.order_by("-similarity").select_related("feedback__output")
        assert [(one["feedback"], one["output"]) for one in told] == [
            (one.feedback.external_id, one.feedback.output and one.feedback.output.external_id)
            for one in members
        ]
        assert [one["similarity"] for one in told] == sorted(
            (one["similarity"] for one in told), reverse=True
        )
        assert ann.get("themes/7/feedback", cursor="x").status_code == 422

    def test_is_renamed_by_moderators(self, mo: Caller, client: Client, project: Project) -> None:
        theme = make_theme(project, number=7)
        told = mo.post("themes/7/rename", {"name": "  Dates of  release "})
        assert (told.status_code, told.json()["name"]) == (200, "Dates of release")
        assert told.json()["named_by"] == "mo"
        assert Event.objects.get(target_type="theme").verb == "renamed"
        for name in ("", "x" * 201, "a\x00"):
            refused = mo.post("themes/7/rename", {"name": name})
            assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "name")
        expert = Caller(client, project, make_user(project, "expert"))
        assert expert.post("themes/7/rename", {"name": "x"}).status_code == 403
        theme.refresh_from_db()
        assert theme.name == "Dates of release"

    def test_is_for_members_of_the_project(self, client: Client, project: Project) -> None:
        make_theme(project, number=7)
        other = make_project()
        stranger = Caller(client, other, make_user(other, "admin"))
        product = {"authorization": f"Bearer {make_key(project)}"}
        for path in ("themes/7", "themes/7/feedback"):
            assert stranger.get(path).status_code == 404
            assert client.get(f"/api/v1/{path}", headers=product).status_code == 403
        assert stranger.post("themes/7/rename", {"name": "x"}).status_code == 404
        assert stranger.get("themes").json()["themes"] == []
