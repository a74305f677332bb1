"""The pages and addresses of what was measured."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from curation import effects
from curation.models import LibraryVersion
from feedback.models import Embedding, Project, User
from feedback.timeouts import TooSlowError
from review.models import Theme
from tests.curation.exposed import answer, publish
from tests.factories import make_key, make_library, make_project, make_theme, make_user

pytestmark = pytest.mark.django_db

HX = {"HX-Request": "true"}
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def theme(project: Project) -> Theme:
    return make_theme(project, number=7, name=HOSTILE)


@pytest.fixture
def version(project: Project, theme: Theme) -> LibraryVersion:
    """One that helped: complaints fell from fifteen in a hundred to two."""
    published_at = timezone.now() - timedelta(days=10)
    library = make_library(project, slug="style", name="House style")
    version = publish(library, theme, at=published_at)
    before, after = published_at - timedelta(days=1), published_at + timedelta(days=1)
    answer(project, 100, at=before, bad=15, theme=theme, others=20)
    outputs = answer(project, 400, at=after, bad=8, theme=theme, others=80, version=version)
    outputs += answer(
        project, 100, at=after, bad=15, theme=theme, others=20, version=version, held_out=True
    )
    Embedding.objects.bulk_create(
        Embedding(
            project=project,
            output=output,
            part="query",
            model="m",
            text_sha256="0" * 64,
            vector=[1.0],
        )
        for output in outputs
    )
    return version


@pytest.fixture
def signed_in(client: Client, project: Project) -> Client:
    viewer: User = make_user(project, "viewer")
    client.force_login(viewer)
    return client


def _page(client: Client, name: str, *parts: object, fragment: bool = False) -> str:
    response = client.get(reverse(name, args=parts), headers=HX if fragment else {})
    assert response.status_code == 200
    return unescape(response.content.decode())


class TestVersionEffect:
    def test_tells_by_theme_what_it_did(
        self, signed_in: Client, project: Project, version: LibraryVersion
    ) -> None:
        page = _page(signed_in, "version_effect", project.slug, "style", 1)
        assert "works" in page
        assert "15 of 100<" in page
        assert "8 of 400<" in page
        assert "fewer than expected" in page
        assert "Something else may have changed in the same days" in page

    def test_charts_say_the_same_in_words(
        self, signed_in: Client, project: Project, version: LibraryVersion
    ) -> None:
        page = _page(signed_in, "version_effect", project.slug, "style", 1)
        assert 'aria-label="Held out 15.0 % (9.3 to 23.3); served 2.0 % (1.0 to 3.9)."' in page
        assert page.count('<svg class="chart"') == 4

    def test_escapes_what_a_theme_is_called(
        self, signed_in: Client, project: Project, version: LibraryVersion
    ) -> None:
        address = reverse("version_effect", args=[project.slug, "style", 1])
        assert HOSTILE not in signed_in.get(address).content.decode()

    def test_asks_the_database_as_often_for_more_themes(
        self,
        signed_in: Client,
        project: Project,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        publish(make_library(project, slug="many"), *(make_theme(project) for _ in range(5)))
        address = reverse("version_effect", args=[project.slug, "many", 1])
        signed_in.get(address)
        # Four of the frame, the version, and twelve to count.
        with django_assert_num_queries(17):
            signed_in.get(address)

    def test_says_that_there_is_too_much_to_count(
        self,
        signed_in: Client,
        project: Project,
        version: LibraryVersion,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        _make_slow(monkeypatch)
        assert effects.TOO_SLOW in _page(signed_in, "version_effect", project.slug, "style", 1)
        assert effects.TOO_SLOW in _page(signed_in, "theme_effect", project.slug, 7)

    def test_the_page_of_the_version_leads_to_it(
        self, signed_in: Client, project: Project, version: LibraryVersion
    ) -> None:
        page = _page(signed_in, "library_version", project.slug, "style", 1)
        assert reverse("version_effect", args=[project.slug, "style", 1]) in page


class TestVersionEntries:
    def test_lists_what_each_does(
        self, signed_in: Client, project: Project, version: LibraryVersion
    ) -> None:
        parts = (project.slug, "style", 1)
        panel = _page(signed_in, "version_entries", *parts, fragment=True)
        assert f"E-{version.entries.get().entry_id}" in panel
        assert "<html" not in panel
        assert "<html" in _page(signed_in, "version_entries", *parts)

    def test_says_why_there_is_nothing(self, signed_in: Client, project: Project) -> None:
        publish(make_library(project, slug="new"))
        for page in ("version_entries", "version_effect"):
            assert "Nothing was served yet" in _page(signed_in, page, project.slug, "new", 1)


class TestThemeEffect:
    def test_tells_what_was_done_and_whether_it_helped(
        self, signed_in: Client, project: Project, version: LibraryVersion
    ) -> None:
        Theme.objects.filter(number=7).update(state="fixed", state_since=timezone.now())
        panel = _page(signed_in, "theme_effect", project.slug, 7, fragment=True)
        assert "House style v1" in panel
        assert "works" in panel
        assert "Fixed" in panel
        assert "<html" not in panel

    def test_says_that_nothing_was_done(
        self, signed_in: Client, project: Project, theme: Theme
    ) -> None:
        page = _page(signed_in, "theme_effect", project.slug, 7)
        assert "Nothing is published against it yet" in page

    def test_is_asked_for_by_the_page_of_the_theme(
        self, signed_in: Client, project: Project, theme: Theme
    ) -> None:
        page = _page(signed_in, "theme", project.slug, 7)
        assert f'hx-get="{reverse("theme_effect", args=[project.slug, 7])}"' in page

    def test_the_list_of_themes_shows_the_state(
        self, signed_in: Client, project: Project, theme: Theme
    ) -> None:
        Theme.objects.update(size=3, state="regressed")
        assert "Came back" in _page(signed_in, "theme_list", project.slug)


class TestApi:
    def _get(self, client: Client, project: Project, path: str, **fields: list[str]) -> Any:
        key = make_key(project, **fields)
        return client.get(f"/api/v1/{path}", headers={"authorization": f"Bearer {key}"})

    def test_gives_the_numbers_of_a_version(
        self, client: Client, project: Project, version: LibraryVersion
    ) -> None:
        response = self._get(client, project, "libraries/style/versions/1/effect")
        assert response.status_code == 200
        every, one = response.json()["effects"]
        assert response.json()["held_out"] == {"calls": 100, "sessions": 100}
        assert (every["theme"], one["theme"]) == (None, 7)
        assert one["reading"]["kind"] == "works"
        assert one["held_out"]["served"]["complaints"] == 8
        assert one["held_out"]["always"]["high"] < 0
        assert one["held_out"]["evidence"] > 20
        assert [entry["id"] for entry in response.json()["entries"]] == [
            version.entries.get().entry_id
        ]
        assert response.json()["why_no_entries"] == ""

    def test_gives_the_state_of_a_theme(
        self, client: Client, project: Project, version: LibraryVersion
    ) -> None:
        found = self._get(client, project, "themes/7/effect").json()
        assert (found["state"], found["name"]) == ("open", HOSTILE)
        assert [effect["library"] for effect in found["effects"]] == ["style"]

    def test_knows_nothing_of_other_projects(
        self, client: Client, project: Project, version: LibraryVersion
    ) -> None:
        other = make_project()
        for path in ("libraries/style/versions/1/effect", "themes/7/effect"):
            assert self._get(client, other, path).status_code == 404

    def test_wants_a_key_that_may_read(
        self, client: Client, project: Project, version: LibraryVersion
    ) -> None:
        for path in ("libraries/style/versions/1/effect", "themes/7/effect"):
            assert self._get(client, project, path, scopes=["ingest"]).status_code == 403

    def test_says_when_it_is_too_much(
        self,
        client: Client,
        project: Project,
        version: LibraryVersion,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        _make_slow(monkeypatch)
        for path in ("libraries/style/versions/1/effect", "themes/7/effect"):
            assert self._get(client, project, path).status_code == 503

    def test_says_when_only_the_entries_are_too_much(
        self,
        client: Client,
        project: Project,
        version: LibraryVersion,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        _make_slow(monkeypatch, "exposed")
        response = self._get(client, project, "libraries/style/versions/1/effect")
        assert response.status_code == 200
        told = response.json()
        assert len(told["effects"]) == 2
        assert told["entries"] == []
        assert told["why_no_entries"] == "There are too many outputs to compare at the moment."


def _make_slow(monkeypatch: pytest.MonkeyPatch, what: str = "by_time") -> None:
    def slow(**_: object) -> None:
        raise TooSlowError

    monkeypatch.setattr(f"curation.complaints.{what}", slow)
