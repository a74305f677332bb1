from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from curation import context_libraries
from curation.models import ContextEntry, ContextLibrary
from feedback.embedding import Encoder
from feedback.models import Project, User
from tests.factories import NOW, make_entry, make_library, make_user

pytestmark = pytest.mark.django_db

FORM = {
    "kind": "instruction",
    "query": "When?",
    "answer": "Name the date.\r\nAlways.",
    "why": "",
    "roles": "member, advisor, member,",
    "environments": "",
    "models": "m-3",
}


@pytest.fixture
def curator(project: Project) -> User:
    return make_user(project, role="curator")


@pytest.fixture
def library(project: Project) -> ContextLibrary:
    return make_library(project, slug="facts")


@pytest.fixture
def address(library: ContextLibrary) -> str:
    return f"/p/{library.project.slug}/libraries/facts/"


class TestLibraryDraft:
    def test_shows_only_what_changes(
        self, client: Client, library: ContextLibrary, curator: User, address: str, encoder: Encoder
    ) -> None:
        make_entry(library, query="Same?")
        changed = make_entry(library, query="Changed?", answer="In 2015.")
        context_libraries.publish(library=library, encoder=encoder, by=curator, now=NOW)
        library.entries.filter(pk=changed.pk).update(answer="In 2018.")
        make_entry(library, query="<i>New</i>?")
        client.force_login(make_user(library.project, role="viewer"))
        page = client.get(f"{address}draft/").content.decode()
        assert "&lt;i&gt;New&lt;/i&gt;?" in page
        assert "<b>2018</b>" in page
        assert "Same?" not in page
        assert "Publish v2" not in page

    def test_pages_by_keys_and_costs_the_same_for_many(
        self,
        client: Client,
        library: ContextLibrary,
        curator: User,
        address: str,
        encoder: Encoder,
        django_assert_max_num_queries: Any,
    ) -> None:
        for number in range(30):
            make_entry(library, query=f"Question {number}?", created_by=curator)
        context_libraries.publish(library=library, encoder=encoder, by=curator, now=NOW)
        library.entries.update(answer="Else.")
        client.force_login(curator)
        with django_assert_max_num_queries(10):
            first = client.get(f"{address}draft/")
        second = client.get(f"{address}draft/", {"cursor": first.context["next_cursor"]})
        assert [len(one.context["changes"]) for one in (first, second)] == [25, 5]
        assert client.get(f"{address}draft/", {"cursor": "x"}).status_code == 400


class TestLibraryPublish:
    def test_publishes_with_a_note(
        self, client: Client, library: ContextLibrary, curator: User, address: str
    ) -> None:
        make_entry(library)
        client.force_login(curator)
        response = client.post(f"{address}publish/", {"note": "First."})
        assert response["Location"] == address
        version = library.versions.get()
        assert (version.note, version.published_by, version.entries.count()) == (
            "First.",
            curator,
            1,
        )

    def test_says_why_not(
        self, client: Client, library: ContextLibrary, curator: User, address: str
    ) -> None:
        client.force_login(curator)
        response = client.post(f"{address}publish/")
        assert response.status_code == 422
        assert "no entries" in response.content.decode()
        make_entry(library)
        assert client.post(f"{address}publish/").status_code == 302
        response = client.post(f"{address}publish/")
        assert response.status_code == 422
        assert "Nothing has changed since version 1" in response.content.decode()
        assert client.post(f"{address}publish/", {"note": "\x00"}).status_code == 422

    def test_is_for_curators(self, client: Client, library: ContextLibrary, address: str) -> None:
        make_entry(library)
        client.force_login(make_user(library.project, role="moderator"))
        assert client.post(f"{address}publish/").status_code == 403
        assert client.get(f"{address}publish/").status_code == 405
        assert not library.versions.exists()


class TestEntryEdit:
    @pytest.fixture
    def entry(self, library: ContextLibrary) -> ContextEntry:
        return make_entry(library, roles=["guest", "member"])

    @pytest.fixture
    def form(self, address: str, entry: ContextEntry) -> str:
        return f"{address}entries/{entry.pk}/"

    def test_shows_and_saves(
        self, client: Client, curator: User, address: str, entry: ContextEntry, form: str
    ) -> None:
        client.force_login(curator)
        assert 'value="guest, member"' in client.get(form).content.decode()
        response = client.post(form, FORM)
        assert response["Location"] == f"{address}?entry={entry.pk}"
        entry.refresh_from_db()
        assert (entry.kind, entry.answer) == ("instruction", "Name the date.\nAlways.")
        assert (entry.roles, entry.environments, entry.for_models) == (
            ["member", "advisor"],
            [],
            ["m-3"],
        )

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("kind", "memory"),
            ("kind", ""),
            ("answer", " \n"),
            ("answer", "a\x00"),
            ("roles", "r" * 201),
            ("models", "\x00"),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self, client: Client, curator: User, entry: ContextEntry, form: str, field: str, value: str
    ) -> None:
        client.force_login(curator)
        response = client.post(form, FORM | {field: value})
        assert response.status_code == 422
        assert list(response.context["form"].errors) == [field]
        before = entry.answer
        entry.refresh_from_db()
        assert entry.answer == before

    def test_asks_for_an_examples_question(self, client: Client, curator: User, form: str) -> None:
        client.force_login(curator)
        response = client.post(form, FORM | {"kind": "example", "query": " "})
        assert response.context["form"].errors["query"] == ["An example needs a question."]

    def test_does_not_find_what_was_removed(
        self, client: Client, curator: User, entry: ContextEntry, form: str, address: str
    ) -> None:
        client.force_login(curator)
        response = client.post(f"{form}remove/")
        assert response["Location"] == address
        entry.refresh_from_db()
        assert entry.removed_at is not None
        assert client.get(form).status_code == 404
        assert client.post(f"{form}remove/").status_code == 302

    def test_is_for_curators(self, client: Client, project: Project, form: str) -> None:
        client.force_login(make_user(project, role="moderator"))
        assert client.get(form).status_code == 403
        assert client.post(form, FORM).status_code == 403
        assert client.post(f"{form}remove/").status_code == 403
        assert client.get(f"{form}remove/").status_code == 405
