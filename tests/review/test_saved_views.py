from __future__ import annotations

from collections.abc import Callable
from threading import Event as Moment
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from feedback.models import Project, User
from review import saved_views
from review.filters import ReviewFilter
from review.models import Event, SavedView
from review.saved_views import GoneError, NotYoursError, ViewError
from tests.calling import Caller
from tests.factories import NOW, make_output, make_user, make_view
from tests.threads import at_once


@pytest.fixture
def owner(project: Project) -> User:
    return make_user(project, role="viewer")


@pytest.fixture
def viewer(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def save(project: Project, owner: User, name: str = "Angry", text: str = "", **rest: Any) -> Any:
    return saved_views.save_view(
        project=project, name=name, wanted=ReviewFilter.parse(text), by=owner, now=NOW, **rest
    )


class TestSaving:
    def test_keeps_the_very_filter(self, project: Project, owner: User) -> None:
        text = 'refund "money back" -tag:x since:2026-10-01'
        view = save(project, owner, text=text)
        assert str(ReviewFilter.from_json(view.filter)) == str(ReviewFilter.parse(text))
        assert Event.objects.get(target_type="saved_view").verb == "saved"

    def test_wants_a_name_that_the_owner_has_not_given_yet(
        self, project: Project, owner: User
    ) -> None:
        save(project, owner)
        for name in ("angry", " ANGRY ", "", "x" * 81, "a\x00b"):
            with pytest.raises(ViewError):
                save(project, owner, name)
        save(project, make_user(project), "Angry")
        with pytest.raises(IntegrityError), transaction.atomic():
            make_view(project, owner, name="angry")


class TestChanging:
    def test_is_for_owners_and_of_shared_ones_for_moderators(
        self, project: Project, owner: User
    ) -> None:
        view = save(project, owner, is_shared=True)
        other, moderator = make_user(project, role="expert"), make_user(project, role="moderator")
        change: dict[str, Any] = {"name": "Calm", "is_shared": True, "now": NOW}
        with pytest.raises(NotYoursError):
            saved_views.change_view(view=view, by=other, **change)
        assert saved_views.change_view(view=view, by=moderator, **change).name == "Calm"
        saved_views.change_view(view=view, by=owner, name="Calm", is_shared=False, now=NOW)
        with pytest.raises(NotYoursError):
            saved_views.delete_view(view=view, by=moderator, now=NOW)
        saved_views.delete_view(view=view, by=owner, now=NOW)
        assert not SavedView.objects.exists()

    def test_tells_that_a_view_was_deleted_meanwhile(self, project: Project, owner: User) -> None:
        view = save(project, owner)
        SavedView.objects.all().delete()
        for change, fields in (
            (saved_views.delete_view, {}),
            (saved_views.change_view, {"name": "Calm", "is_shared": False}),
            (saved_views.replace_view, {"wanted": ReviewFilter.parse("")}),
        ):
            with pytest.raises(GoneError):
                change(view=view, by=owner, now=NOW, **fields)


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    @pytest.mark.parametrize("act", ["", "search/", "delete/"])
    def test_a_view_deleted_meanwhile_is_not_there(self, project: Project, act: str) -> None:
        owner = make_user(project, "viewer")
        view = make_view(project, owner)
        key = Caller(Client(), project, owner)
        is_locked = Moment()

        def on_the_page() -> int:
            is_locked.wait(20)
            page = Client()
            page.force_login(owner)
            sent = {"name": "Calm", "filter": ""}
            return page.post(f"/p/{project.slug}/views/{view.pk}/{act}", sent).status_code

        def by_script() -> int:
            is_locked.wait(20)
            body = {"": {"name": "Calm"}, "search/": {"filter": ""}}.get(act, {})
            status: int = key.post(f"views/{view.pk}/{act}".rstrip("/"), body).status_code
            return status

        assert at_once(deleting(view, is_locked), on_the_page, by_script) == [204, 404, 404]


def deleting(view: SavedView, is_locked: Moment, others: int = 2) -> Callable[[], int]:
    """Delete the view once so many others wait for it: they have found it before."""

    def act() -> int:
        with transaction.atomic():
            SavedView.objects.select_for_update().get(pk=view.pk)
            is_locked.set()
            until = monotonic() + 20
            while monotonic() < until and waiting() < others:
                sleep(0.05)
            assert waiting() >= others
            SavedView.objects.filter(pk=view.pk).delete()
        return 204

    return act


def waiting() -> int:
    """How many connections to this database wait for a lock."""
    with connection.cursor() as cursor:
        # Else it is told as it was when this transaction first asked.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE NOT granted AND datname = current_database()"
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0


class TestPages:
    def test_open_a_view_as_it_was_saved(
        self, viewer: Client, project: Project, owner: User
    ) -> None:
        make_output(project, external_id="a", model="a")
        make_output(project, external_id="b", model="b")
        address = f"/p/{project.slug}/"
        saved = viewer.post(
            f"{address}views/", {"name": "Only a", "filter": "model:a", "list": "output"}
        )
        assert saved.status_code == 302
        page = viewer.get(saved.headers["Location"])
        [view] = page.context["views"]
        assert (view["is_on"], view["is_changed"]) == (True, False)
        assert [one.output.external_id for one in page.context["findings"]] == ["a"]
        changed = viewer.get(f"{address}search/", {"filter": "model:b", "view": view["view"].pk})
        assert changed.context["views"][0]["is_changed"]
        viewer.post(f"{address}views/{view['view'].pk}/search/", {"filter": "model:b"})
        assert SavedView.objects.get().filter == {"model": "b"}

    def test_keep_no_search_for_more_like_an_answer(
        self, viewer: Client, project: Project, owner: User
    ) -> None:
        """A view has a filter, and would keep nothing of it."""
        make_output(project, external_id="a")
        asked = {"view": str(make_view(project, owner).pk), "filter": "model:a"}
        for like, is_offered in (("", True), ("a", False)):
            html = viewer.get(f"/p/{project.slug}/search/", {**asked, "like": like})
            for offer in ("Save view", "save-view", "Save changes"):
                assert (offer in html.content.decode()) is is_offered, offer

    def test_show_what_is_shared_and_hide_what_is_not(
        self, viewer: Client, project: Project
    ) -> None:
        other = make_user(project)
        shared = make_view(project, other, name="<b>shared</b>")
        private = make_view(project, other, name="private", is_shared=False)
        page = viewer.get(f"/p/{project.slug}/search/", {"view": private.pk})
        assert [one["view"] for one in page.context["views"]] == [shared]
        assert "&lt;b&gt;shared" in page.content.decode()
        assert page.context["asked"].view is None
        for view, status in ((shared, 403), (private, 404)):
            for act in ("", "search/", "delete/"):
                answer = viewer.post(f"/p/{project.slug}/views/{view.pk}/{act}", {"name": "x"})
                assert answer.status_code == status

    def test_say_what_is_wrong_with_a_name(self, viewer: Client, project: Project) -> None:
        address = f"/p/{project.slug}/views/"
        asked = {"headers": {"HX-Request": "true"}}
        assert viewer.post(address, {"name": "x"}, **asked).status_code == 200  # type: ignore[arg-type]
        refused = viewer.post(address, {"name": "X"}, **asked)  # type: ignore[arg-type]
        assert (refused.status_code, refused.content) == (422, b"There is a view of that name.")
        assert viewer.post(address, {"name": ""}).status_code == 302
