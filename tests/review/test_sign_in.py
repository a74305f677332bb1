from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from feedback.models import User
from review import sign_in
from tests.factories import NOW, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _at_one_moment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def mira() -> User:
    return make_user(username="mira")


def attempt(entered: str = "wrong", username: str = "mira", **more: Any) -> Any:
    path = more.pop("path", "/sign-in/")
    return Client().post(path, {"username": username, "password": entered}, **more)


class TestSignIn:
    def test_too_many_wrong_passwords_are_refused_with_the_time_to_wait(self, mira: User) -> None:
        for _ in range(sign_in.ATTEMPTS):
            assert attempt().status_code == 200
        refused = attempt("secret")
        assert refused.status_code == 429
        assert 0 < int(refused["Retry-After"]) <= sign_in.WINDOW
        assert "Too many attempts. Try again in" in refused.content.decode()

    def test_they_are_let_in_again_after_that_time(
        self, mira: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(sign_in.ATTEMPTS + 1):
            refused = attempt()
        later = NOW + timedelta(seconds=int(refused["Retry-After"]))
        monkeypatch.setattr(timezone, "now", lambda: later)
        assert attempt("secret").status_code == 302

    def test_another_name_and_another_address_are_let_in(self, mira: User) -> None:
        make_user(username="noor")
        for _ in range(sign_in.ATTEMPTS + 1):
            attempt()
        assert attempt("secret", "noor").status_code == 302
        assert attempt("secret", REMOTE_ADDR="192.0.2.7").status_code == 302

    def test_an_address_that_the_caller_only_claims_does_not_count(self, mira: User) -> None:
        for number in range(sign_in.ATTEMPTS + 1):
            refused = attempt(headers={"x-forwarded-for": f"192.0.2.{number}"})
        assert refused.status_code == 429

    def test_the_right_password_begins_the_count_anew(self, mira: User) -> None:
        for _ in range(2):
            for _ in range(sign_in.ATTEMPTS - 1):
                attempt()
            assert attempt("secret").status_code == 302

    def test_the_admin_site_counts_along(self) -> None:
        make_user(username="mira", is_staff=True)
        for _ in range(sign_in.ATTEMPTS):
            attempt(path="/admin/login/")
        assert attempt("secret").status_code == 429
        assert "Too many attempts" in attempt("secret", path="/admin/login/").content.decode()

    def test_a_name_that_nobody_has_is_counted_like_one_that_somebody_has(self) -> None:
        for _ in range(sign_in.ATTEMPTS + 1):
            refused = attempt(username="nobody")
        assert refused.status_code == 429
