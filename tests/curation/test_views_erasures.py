from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import DjangoAssertNumQueries

from curation import erasing, forgetting
from feedback.authentication import create_own_key
from feedback.models import Erasure, Membership, Project, Session, User
from review.rendering import _kept
from tests.factories import NOW, make_key, make_output, make_project, make_session, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(project: Project, client: Client) -> User:
    admin = make_user(project, "admin")
    client.force_login(admin)
    return admin


@pytest.fixture
def session(project: Project) -> Session:
    session = make_session(project, external_id="s-1", user_external_id="u-1")
    make_output(project, session)
    return session


def url(name: str, project: Project, *more: object) -> str:
    return reverse(name, args=[project.slug, *more])


class TestPages:
    def test_show_what_would_go_and_erase_it_once_typed(
        self, client: Client, project: Project, admin: User, session: Session
    ) -> None:
        given = {"scope": "user", "subject": "u-1"}
        shown = client.post(url("erasure_preview", project), given)
        assert shown.context["found"].counts == {"sessions": 1, "outputs": 1}
        assert not Erasure.objects.exists()
        wrong = client.post(url("erasure_start", project), given | {"confirm": "u-2"})
        assert wrong.status_code == 422
        assert wrong.context["form"].errors["confirm"]
        assert "Sessions" in wrong.content.decode()
        right = client.post(url("erasure_start", project), given | {"confirm": "u-1"})
        made = Erasure.objects.get()
        assert right.headers["Location"] == url("erasure", project, made.pk)
        page = client.get(right.headers["Location"]).content.decode()
        assert "A worker is at it" in page
        assert "u-1" not in page

    def test_take_an_id_with_its_spaces(
        self, client: Client, project: Project, admin: User
    ) -> None:
        make_session(project, user_external_id="anna ")
        given = {"scope": "user", "subject": "anna "}
        shown = client.post(url("erasure_preview", project), given)
        assert shown.status_code == 200
        assert shown.context["subject"] == "anna "
        assert 'value="anna "' in shown.content.decode()
        wrong = client.post(url("erasure_start", project), given | {"confirm": "anna"})
        assert wrong.context["form"].errors["confirm"]
        client.post(url("erasure_start", project), given | {"confirm": "anna "})
        assert Erasure.objects.get().subject == "anna "

    @pytest.mark.parametrize(
        "given", [{"scope": "user", "subject": "nobody"}, {"scope": "x", "subject": "u-1"}, {}]
    )
    @pytest.mark.parametrize("name", ["erasure_preview", "erasure_start"])
    def test_name_what_is_wrong(
        self,
        client: Client,
        project: Project,
        admin: User,
        session: Session,
        given: dict[str, str],
        name: str,
    ) -> None:
        response = client.post(url(name, project), given | {"confirm": given.get("subject", "")})
        assert response.status_code == 422
        assert response.context["form"].errors
        assert not Erasure.objects.exists()

    def test_list_what_was_erased_in_few_queries(
        self,
        client: Client,
        project: Project,
        admin: User,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for number in range(12):
            make_session(project, external_id=f"s-{number}")
            erasing.start(
                project=project,
                scope="session",
                subject=f"s-{number}",
                confirmed=f"s-{number}",
                by=admin,
                now=NOW,
            )
        with django_assert_max_num_queries(8):
            page = client.get(url("erasure_list", project))
        assert len(page.context["page"].rows) == 12

    def test_try_again_what_failed(
        self, client: Client, project: Project, admin: User, session: Session
    ) -> None:
        made = erasing.start(
            project=project, scope="session", subject="s-1", confirmed="s-1", by=admin, now=NOW
        )
        client.post(url("erasure_again", project, made.pk))
        assert Erasure.objects.get().status == "waiting"
        Erasure.objects.update(status="failed", ended_at=NOW, problem="It broke.")
        assert "It broke." in client.get(url("erasure", project, made.pk)).content.decode()
        client.post(url("erasure_again", project, made.pk))
        assert Erasure.objects.get().status == "waiting"


class TestApi:
    def call(self, client: Client, key: str, path: str, **body: Any) -> Any:
        return client.post(
            f"/api/v1/erasures{path}",
            body,
            content_type="application/json",
            headers={"authorization": f"Bearer {key}"},
        )

    def key(self, user: User) -> str:
        membership = Membership.objects.get(user=user)
        return create_own_key(membership=membership, name="k", now=NOW)[1]

    def test_previews_erases_and_tells(
        self, client: Client, project: Project, admin: User, session: Session
    ) -> None:
        key = self.key(admin)
        about = {"scope": "user", "id": "u-1"}
        assert self.call(client, key, "/preview", **about).json() == {
            "counts": {"sessions": 1, "outputs": 1},
            "releases": 0,
        }
        made = self.call(client, key, "", **about)
        assert made.status_code == 202
        again = self.call(client, key, "", **about)
        assert again.json()["id"] == made.json()["id"]
        for minutes in (0, 2):
            while erasing.work_off(now=NOW + timedelta(minutes=minutes)):
                pass
        told = client.get(
            f"/api/v1/erasures/{made.json()['id']}", headers={"authorization": f"Bearer {key}"}
        ).json()
        assert (told["status"], told["counts"]) == ("done", {"sessions": 1, "outputs": 1})
        assert "u-1" not in str(told)

    def test_names_what_is_wrong(self, client: Client, project: Project, admin: User) -> None:
        key = self.key(admin)
        for path in ("", "/preview"):
            for body in (
                {"scope": "all", "id": "x"},
                {"scope": "user"},
                {"scope": "user", "id": ""},
            ):
                assert self.call(client, key, path, **body).status_code == 422
        refused = self.call(client, key, "", scope="user", id="nobody")
        assert refused.json()["errors"] == [
            {"path": "id", "message": "There is nothing of this user here."}
        ]

    def test_wants_an_admins_own_key(
        self, client: Client, project: Project, session: Session
    ) -> None:
        for key in (self.key(make_user(project, "curator")), make_key(project)):
            for path in ("", "/preview"):
                refused = self.call(client, key, path, scope="session", id="s-1")
                assert refused.status_code == 403
        assert not Erasure.objects.exists()

    def test_knows_nothing_of_other_projects(
        self, client: Client, project: Project, admin: User, session: Session
    ) -> None:
        made = erasing.start(
            project=project, scope="session", subject="s-1", confirmed="s-1", by=admin, now=NOW
        )
        key = self.key(make_user(make_project(), "admin"))
        headers = {"authorization": f"Bearer {key}"}
        assert client.get(f"/api/v1/erasures/{made.pk}", headers=headers).status_code == 404


class TestForgetting:
    def test_drops_what_is_kept_in_memory(
        self, client: Client, project: Project, admin: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(forgetting, "ASKS_EVERY", 0.0)
        page = url("erasure_list", project)
        client.get(page)
        caches["cards"].set("card", "text")
        _kept("What was said.")
        client.get(page)
        assert caches["cards"].get("card") == "text"
        assert _kept.cache_info().currsize
        erasing.forget()
        client.get(page)
        assert caches["cards"].get("card") is None
        assert not _kept.cache_info().currsize
        cache.delete(erasing.FORGET_KEY)
