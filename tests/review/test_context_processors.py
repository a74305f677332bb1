from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import ResolverMatch, resolve
from pytest_django import DjangoAssertNumQueries

from feedback.models import Membership, Project, User
from review.context_processors import Nav, nav
from tests.factories import make_project, make_user


def request_of(user: User | AnonymousUser, path: str = "/patterns/") -> HttpRequest:
    request = RequestFactory().get(path)
    request.user = user
    match: ResolverMatch = resolve(path)
    request.resolver_match = match
    return request


def labels(of: Nav) -> list[str]:
    return [section.label for group in of.groups for section in group.sections]


class TestNav:
    def test_leads_through_the_project_of_the_page(self, project: Project) -> None:
        user = make_user(make_project(name="A first one"))
        request = request_of(user)
        request.membership = Membership.objects.create(  # type: ignore[attr-defined]
            project=project, user=user, role="viewer"
        )
        found = Nav(request)
        assert found.project == project
        assert f"/p/{project.slug}/queues/" in [
            section.url for group in found.groups for section in group.sections
        ]

    def test_leads_through_the_first_project_away_from_projects(self, db: None) -> None:
        first, second = make_project(name="Almanac"), make_project(name="Zoo")
        user = make_user(second)
        Membership.objects.create(project=first, user=user, role="viewer")
        found = Nav(request_of(user))
        assert found.project == first
        assert found.projects == [first, second]

    def test_lists_no_project_of_others(self, project: Project) -> None:
        mine = make_project()
        assert Nav(request_of(make_user(mine))).projects == [mine]

    def test_is_empty_without_a_project(self, db: None) -> None:
        found = Nav(request_of(make_user()))
        assert found.project is None
        assert found.groups == []
        assert not found.search_url

    def test_is_empty_for_strangers(self, project: Project) -> None:
        found = Nav(request_of(AnonymousUser()))
        assert found.projects == []
        assert found.groups == []

    def test_marks_the_section_of_the_page(self, project: Project) -> None:
        request = request_of(make_user(project), f"/p/{project.slug}/queues/")
        active = [s for group in Nav(request).groups for s in group.sections if s.is_active]
        assert [section.label for section in active] == ["Queues"]

    @pytest.mark.parametrize(("role", "is_shown"), [("moderator", False), ("curator", True)])
    def test_shows_ingestion_to_curators(
        self, project: Project, role: str, *, is_shown: bool
    ) -> None:
        assert ("Ingestion" in labels(Nav(request_of(make_user(project, role))))) == is_shown

    def test_each_section_has_a_key_of_its_own(self, project: Project) -> None:
        found = Nav(request_of(make_user(project)))
        keys = [section.key for group in found.groups for section in group.sections]
        assert len(keys) == len(set(keys))

    def test_asks_the_database_once_and_only_when_drawn(
        self, project: Project, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        request = request_of(make_user(project))
        with django_assert_num_queries(0):
            found = Nav(request)
        with django_assert_num_queries(1):
            assert found.groups
            assert found.projects == [project]


class TestAppearance:
    def test_comes_from_the_cookies(self) -> None:
        request = RequestFactory(headers={"cookie": "theme=dark; nav=rail"}).get("/")
        assert nav(request)["appearance"] == {"theme": "dark", "nav": "rail"}

    def test_ignores_what_it_does_not_know(self) -> None:
        request = RequestFactory(headers={"cookie": 'theme="><script>; nav=x'}).get("/")
        assert nav(request)["appearance"] == {"theme": "system", "nav": "full"}
