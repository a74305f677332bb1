from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from feedback.models import Project
from review.views.pages import theme_switch
from tests.factories import make_project, make_user


def client_of(project: Project | None = None, **fields: str) -> Client:
    client = Client()
    client.force_login(make_user(project, **fields))
    return client


class TestHome:
    def test_leads_to_the_queues_of_the_first_project(self, db: None) -> None:
        make_project(name="Aardvark")
        response = client_of(make_project(slug="zoo")).get("/")
        assert response.status_code == 302
        assert response.headers["Location"] == "/p/zoo/queues/"

    def test_says_what_to_do_without_a_project(self, db: None) -> None:
        response = client_of(username="mira").get("/")
        assert response.status_code == 200
        assert "You are in no project yet" in response.text
        assert "mira" in response.text

    def test_sends_strangers_to_sign_in(self, db: None) -> None:
        assert Client().get("/").headers["Location"] == "/sign-in/?next=/"

    def test_is_only_read(self, db: None) -> None:
        assert client_of().post("/").status_code == 405


class TestThemeSwitch:
    def test_stores_the_theme_and_goes_back(self, db: None) -> None:
        client = client_of()
        response = client.post("/appearance/", {"theme": "dark", "next": "/patterns/"})
        assert response.headers["Location"] == "/patterns/"
        cookie = client.cookies["theme"]
        assert (cookie.value, cookie["samesite"], cookie["httponly"]) == ("dark", "Lax", True)
        assert 'data-theme="dark"' in client.get("/patterns/").text

    def test_stores_the_width_of_the_navigation(self, db: None) -> None:
        client = client_of()
        client.post("/appearance/", {"nav": "rail"})
        assert 'data-nav="rail"' in client.get("/patterns/").text

    @pytest.mark.parametrize("sent", [{}, {"theme": "pink"}, {"theme": "dark", "nav": "none"}])
    def test_refuses_what_it_does_not_know(self, db: None, sent: dict[str, str]) -> None:
        client = client_of()
        assert client.post("/appearance/", sent).status_code == 400
        assert "theme" not in client.cookies

    @pytest.mark.parametrize("back", ["https://elsewhere.example/", "//elsewhere.example", ""])
    def test_never_leads_elsewhere(self, db: None, back: str) -> None:
        response = client_of().post("/appearance/", {"theme": "dark", "next": back})
        assert response.headers["Location"] == "/"

    def test_takes_no_word_for_the_name_of_a_page(self, db: None) -> None:
        response = client_of().post("/appearance/", {"theme": "dark", "next": "nowhere"})
        assert response.headers["Location"] == "nowhere"

    def test_is_only_written(self, db: None) -> None:
        assert client_of().get(reverse(theme_switch)).status_code == 405

    def test_wants_a_csrf_token(self, db: None) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(make_user())
        assert client.post("/appearance/", {"theme": "dark"}).status_code == 403


class TestPatterns:
    def test_shows_every_reason_in_both_themes(self, db: None) -> None:
        page = client_of().get("/patterns/").text
        for theme in ("light", "dark"):
            assert f'data-theme="{theme}"' in page
        for position in range(1, 9):
            assert page.count(f'class="catrow" data-cat="{position}"') == 2

    def test_has_no_style_attribute_and_no_inline_script(self, db: None) -> None:
        page = client_of().get("/patterns/").text
        assert " style=" not in page
        assert "<script>" not in page
        assert " onclick=" not in page

    def test_ids_are_unique(self, db: None) -> None:
        page = client_of(make_project()).get("/patterns/").text
        ids = [part.split('"')[0] for part in page.split(' id="')[1:]]
        assert sorted(ids) == sorted(set(ids))

    def test_sends_strangers_to_sign_in(self, db: None) -> None:
        assert Client().get("/patterns/").headers["Location"] == "/sign-in/?next=/patterns/"

    def test_is_only_read(self, db: None) -> None:
        assert client_of().post("/patterns/").status_code == 405

    def test_costs_few_queries(
        self, project: Project, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        client = client_of(project)
        # Each form of a decision asks for the suggestions on its answer.
        with django_assert_max_num_queries(15):
            client.get("/patterns/")


class TestSignIn:
    def test_says_what_is_wrong_and_keeps_the_name(self, db: None) -> None:
        response = Client().post("/sign-in/", {"username": "mira", "password": "wrong"})
        assert "User name or password is wrong." in response.text
        assert 'value="mira"' in response.text

    def test_comes_back_to_the_page_asked_for(self, db: None) -> None:
        make_user(username="mira")
        response = Client().post(
            "/sign-in/", {"username": "mira", "password": "secret", "next": "/patterns/"}
        )
        assert response.headers["Location"] == "/patterns/"

    def test_leads_on_who_is_signed_in(self, db: None) -> None:
        assert client_of().get("/sign-in/").headers["Location"] == "/"

    def test_sends_a_strict_policy(self, db: None) -> None:
        policy = Client().get("/sign-in/").headers["Content-Security-Policy"]
        assert {"default-src 'none'", "style-src 'self'"} <= set(policy.split("; "))
        assert "unsafe" not in policy


class TestErrorPages:
    def test_not_found_is_shown_in_the_frame(self, project: Project) -> None:
        response = client_of(project).get("/nothing-here/")
        assert response.status_code == 404
        assert "There is nothing here" in response.text
        assert 'aria-label="Main"' in response.text

    def test_not_found_is_bare_for_strangers(self, db: None) -> None:
        response = Client().get("/nothing-here/")
        assert response.status_code == 404
        assert 'aria-label="Main"' not in response.text

    def test_forbidden_says_who_can_help(self, project: Project) -> None:
        response = client_of(project, role="viewer").get(f"/p/{project.slug}/ingestion/")
        assert response.status_code == 403
        assert "An admin of the project can change your role." in response.text

    def test_an_error_is_shown_without_a_request(self, db: None) -> None:
        client = client_of()
        client.raise_request_exception = False
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("review.views.patterns.PatternForm", None)
            response = client.get("/patterns/")
        assert response.status_code == 500
        assert "Something went wrong" in response.text
