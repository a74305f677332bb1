from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from curation import context_libraries
from curation.models import ContextLibrary, Exposure
from feedback.embedding import Encoder
from feedback.models import Project, User
from tests.factories import (
    NOW,
    make_annotation,
    make_entry,
    make_feedback,
    make_item,
    make_library,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_user,
)

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def viewer(project: Project) -> User:
    return make_user(project, role="viewer")


@pytest.fixture
def library(project: Project) -> ContextLibrary:
    return make_library(project, slug="facts")


@pytest.fixture
def address(library: ContextLibrary) -> str:
    return f"/p/{library.project.slug}/libraries/facts/"


def publish(library: ContextLibrary, by: User, encoder: Encoder, note: str = "") -> None:
    context_libraries.publish(library=library, encoder=encoder, by=by, now=NOW, note=note)


class TestLibraryList:
    def test_shows_drafted_and_live(
        self,
        client: Client,
        project: Project,
        library: ContextLibrary,
        curator: User,
        viewer: User,
        encoder: Encoder,
    ) -> None:
        make_entry(library)
        make_entry(library, removed_at=NOW)
        publish(library, curator, encoder)
        make_library(make_project(), name="Of another project")
        client.force_login(viewer)
        response = client.get(f"/p/{project.slug}/libraries/")
        [shown] = response.context["libraries"]
        assert (shown.num_entries, shown.live_number, shown.live_since) == (1, 1, NOW)
        assert "New library" not in response.content.decode()

    def test_costs_the_same_for_many(
        self, client: Client, project: Project, viewer: User, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(20):
            make_entry(make_library(project), created_by=viewer)
        client.force_login(viewer)
        with django_assert_max_num_queries(7):
            client.get(f"/p/{project.slug}/libraries/")

    def test_is_empty_with_a_next_step(
        self, client: Client, project: Project, curator: User, viewer: User
    ) -> None:
        client.force_login(curator)
        assert "New library" in client.get(f"/p/{project.slug}/libraries/").content.decode()
        client.force_login(viewer)
        assert "Ask a curator" in client.get(f"/p/{project.slug}/libraries/").content.decode()


class TestLibraryCreate:
    def test_makes_one(self, client: Client, project: Project, curator: User) -> None:
        client.force_login(curator)
        create = f"/p/{project.slug}/new-library/"
        assert client.get(create).status_code == 200
        response = client.post(create, {"name": "Facts", "description": "All of them"})
        assert response["Location"] == f"/p/{project.slug}/libraries/facts/"
        assert project.context_libraries.get().description == "All of them"

    @pytest.mark.parametrize("name", ["", "Facts", "—", "x" * 121, "a\x00b"])
    def test_says_what_is_wrong_with_a_name(
        self, client: Client, project: Project, curator: User, library: ContextLibrary, name: str
    ) -> None:
        client.force_login(curator)
        response = client.post(f"/p/{project.slug}/new-library/", {"name": name})
        assert response.status_code == 422
        assert response.context["form"].errors["name"]
        assert project.context_libraries.count() == 1


class TestLibrary:
    def test_shows_an_entry_with_its_way_back(
        self, client: Client, project: Project, library: ContextLibrary, viewer: User, address: str
    ) -> None:
        output = make_output(project, external_id="o/1 ?")
        review = make_review(output, viewer, verdict="accept")
        entry = make_entry(
            library, output=output, review=review, answer="<script>alert(1)</script>", why="often"
        )
        entry.feedback.add(make_feedback(output, comment="<b>Wrong</b>"))
        note = make_annotation(output, viewer, "Bloom", comment="<i>Which?</i>")
        entry.annotations.add(note)
        client.force_login(viewer)
        page = client.get(address, {"entry": entry.pk}).content.decode()
        assert "&lt;i&gt;Which?&lt;/i&gt;" in page
        assert f"/p/{project.slug}/annotations/{note.pk}" in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "&lt;b&gt;Wrong&lt;/b&gt;" in page
        assert f"/p/{project.slug}/outputs/o/1%20%3F" in page
        assert f"/p/{project.slug}/sessions/{output.session.external_id}" in page
        assert "Edit" not in page
        assert "Publish" not in page

    def test_hides_what_others_said_from_who_is_to_judge_without_it(
        self, client: Client, project: Project, library: ContextLibrary, viewer: User, address: str
    ) -> None:
        output = make_output(project)
        review = make_review(output, make_user(project), correction="Better.")
        entry = make_entry(library, output=output, review=review)
        entry.annotations.add(make_annotation(output, make_user(project), "Bloom", comment="Odd"))
        client.force_login(viewer)
        page = client.get(address, {"entry": entry.pk}).content.decode()
        assert "Odd" in page
        assert "Reviewed by" in page
        make_item(make_queue(project, reviewers_per_item=2), output)
        page = client.get(address, {"entry": entry.pk}).content.decode()
        assert "Odd" not in page
        assert "Reviewed by" not in page

    def test_shows_how_the_draft_differs_from_live(
        self,
        client: Client,
        library: ContextLibrary,
        curator: User,
        address: str,
        encoder: Encoder,
    ) -> None:
        changed, removed = make_entry(library, answer="In 2015."), make_entry(library)
        publish(library, curator, encoder, note="First.")
        library.entries.filter(pk=changed.pk).update(answer="In 2018.")
        library.entries.filter(pk=removed.pk).update(removed_at=NOW)
        make_entry(library)
        client.force_login(curator)
        response = client.get(address, {"entry": changed.pk})
        counts = response.context["counts"]
        assert (counts.added, counts.changed, counts.removed) == (1, 1, 1)
        page = response.content.decode()
        assert "<b>2015</b>" in page
        assert "<b>2018</b>" in page
        assert "Compare and publish" in page
        assert "First." in page

    def test_narrows_by_kind_and_words(
        self, client: Client, library: ContextLibrary, viewer: User, address: str
    ) -> None:
        make_entry(library, kind="instruction", query="", answer="Name the 100 % date.")
        make_entry(library)
        client.force_login(viewer)

        def num_found(**query: str) -> int:
            return len(client.get(address, query).context["entries"].rows)

        assert num_found() == 2
        assert num_found(kind="instruction") == 1
        assert num_found(kind="nonsense") == 2
        assert num_found(words="100 %") == 1
        assert num_found(words="BLOOM") == 1
        assert num_found(words="\x00") == 2
        assert num_found(words="nothing like it") == 0

    def test_finds_only_its_own_entries(
        self, client: Client, project: Project, library: ContextLibrary, viewer: User, address: str
    ) -> None:
        other = make_entry(make_library(project))
        client.force_login(viewer)
        for entry in (other.pk, 10**18 - 1):
            assert client.get(address, {"entry": entry}).status_code == 404
        assert client.get(address, {"entry": "x"}).status_code == 200
        assert client.get(address, {"cursor": "nonsense"}).status_code == 400

    def test_pages_by_keys_and_costs_the_same_for_many(
        self,
        client: Client,
        library: ContextLibrary,
        curator: User,
        address: str,
        encoder: Encoder,
        django_assert_max_num_queries: Any,
    ) -> None:
        for number in range(60):
            make_entry(library, query=f"Question {number}?", created_by=curator)
        publish(library, curator, encoder)
        client.force_login(curator)
        with django_assert_max_num_queries(19):
            first = client.get(address)
        cursor = first.context["entries"].next_cursor
        second = client.get(address, {"cursor": cursor})
        assert [len(one.context["entries"].rows) for one in (first, second)] == [50, 10]


class TestLibraryTry:
    QUESTION = {"question": "When did Bloom come out?", "k": "4", "token_budget": "900"}

    def test_shows_entries_scores_and_messages_and_records_nothing(
        self, client: Client, library: ContextLibrary, curator: User, viewer: User, address: str
    ) -> None:
        entry = make_entry(library, answer="<b>In 2018.</b>")
        client.force_login(viewer)
        data = self.QUESTION | {"of": "draft"}
        whole = client.post(f"{address}try/", data)
        part = client.post(f"{address}try/", data, headers=HTMX)
        for response in (whole, part):
            assert response.status_code == 200
            page = response.content.decode()
            assert "&lt;b&gt;In 2018.&lt;/b&gt;" in page
            assert f"?entry={entry.pk}" in page
            assert "1.00" in page
        assert b"<html" in whole.content
        assert b"<html" not in part.content
        assert not Exposure.objects.exists()

    def test_tells_live_from_draft(
        self,
        client: Client,
        library: ContextLibrary,
        curator: User,
        address: str,
        encoder: Encoder,
    ) -> None:
        make_entry(library, answer="Live.")
        client.force_login(curator)
        live = self.QUESTION | {"of": "live"}
        response = client.post(f"{address}try/", live)
        assert response.status_code == 422
        assert "Nothing is published yet" in response.content.decode()
        publish(library, curator, encoder)
        library.entries.update(answer="Draft.", vector=None, embedded_with="")

        def answer(of: str) -> str:
            data = self.QUESTION | {"of": of}
            tried = client.post(f"{address}try/", data).context["tried"]
            return str(tried.picks[0].entry.answer)

        assert (answer("live"), answer("draft")) == ("Live.", "Draft.")

    def test_asks_as_a_role(
        self, client: Client, library: ContextLibrary, viewer: User, address: str
    ) -> None:
        make_entry(library, roles=["member"])
        client.force_login(viewer)
        for role, number in (("member", 1), ("guest", 0)):
            data = self.QUESTION | {"of": "draft", "role": role}
            assert len(client.post(f"{address}try/", data).context["tried"].picks) == number

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("question", " "),
            ("question", "\x00"),
            ("k", "0"),
            ("k", "x"),
            ("token_budget", ""),
            ("of", "else"),
            ("role", "r" * 201),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self,
        client: Client,
        library: ContextLibrary,
        viewer: User,
        address: str,
        field: str,
        value: str,
    ) -> None:
        client.force_login(viewer)
        data = self.QUESTION | {"of": "draft", field: value}
        response = client.post(f"{address}try/", data, headers=HTMX)
        assert response.status_code == 422
        assert list(response.context["form"].errors) == [field]
        assert 'class="err"' in response.content.decode()


class TestLibraryVersion:
    def test_shows_what_was_published(
        self,
        client: Client,
        library: ContextLibrary,
        curator: User,
        viewer: User,
        address: str,
        encoder: Encoder,
    ) -> None:
        make_entry(library, answer="As published.")
        publish(library, curator, encoder, note="First.")
        library.entries.update(answer="As drafted.")
        client.force_login(viewer)
        page = client.get(f"{address}versions/1/").content.decode()
        assert "As published." in page
        assert "As drafted." not in page
        version = library.versions.get()
        assert version.content_hash in page
        assert "First." in page
        library.entries.update(removed_at=NOW)
        make_entry(library, created_by=curator)
        publish(library, curator, encoder)
        former = client.get(address, {"entry": version.entries.get().entry_id})
        assert "As drafted." in former.content.decode()
        for missing in ("3", str(10**30)):
            assert client.get(f"{address}versions/{missing}/").status_code == 404

    def test_tells_what_it_changed_since_the_one_before(
        self,
        client: Client,
        library: ContextLibrary,
        curator: User,
        viewer: User,
        address: str,
        encoder: Encoder,
        django_assert_max_num_queries: Any,
    ) -> None:
        day = NOW.date()
        for number in range(30):
            make_entry(library, query=f"Same {number}?", created_by=curator)
        changed, until, removed = (
            make_entry(library, query=query, answer="In 2015.", created_by=curator)
            for query in ("Changed?", "Until?", "Removed?")
        )
        publish(library, curator, encoder)
        library.entries.filter(pk=changed.pk).update(answer="In 2018.")
        library.entries.filter(pk=until.pk).update(expires_on=day)
        library.entries.filter(pk=removed.pk).update(removed_at=NOW)
        make_entry(library, query="New?", created_by=curator)
        publish(library, curator, encoder)
        client.force_login(viewer)
        with django_assert_max_num_queries(12):
            page = client.get(f"{address}versions/2/", {"only": "changes"}).content.decode()
        assert "1 added, 2 changed, 1 removed" in page
        assert "<b>2018</b>" in page
        assert "Same" not in page
        assert page.count('aria-label="E-') == 4
        assert (
            "1 added, 2 changed, 1 removed" in client.get(f"{address}versions/2/").content.decode()
        )
        gone = client.get(f"{address}versions/2/", {"only": "removed"}).content.decode()
        assert gone.count('aria-label="E-') == gone.count("Removed?") == 1
        assert "Since" not in client.get(f"{address}versions/1/").content.decode()
        assert client.get(f"{address}versions/1/", {"cursor": "x"}).status_code == 400

    def test_tells_of_all_that_it_removed(
        self,
        client: Client,
        library: ContextLibrary,
        curator: User,
        address: str,
        encoder: Encoder,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("curation.views.libraries.PAGE_SIZE", 2)
        for number in range(3):
            make_entry(library, query=f"Removed {number}?", created_by=curator)
        publish(library, curator, encoder)
        library.entries.update(removed_at=NOW)
        for number in range(3):
            make_entry(library, query=f"New {number}?", created_by=curator)
        publish(library, curator, encoder)
        client.force_login(curator)
        link, told = "?only=changes", []
        while link:
            shown = client.get(f"{address}versions/2/{link}")
            told.append([one.entry.query for one in shown.context["comparisons"]])
            found = re.findall(r'rel="next" href="([^"]+)"', shown.content.decode())
            link = unescape(found[0]) if found else ""
        assert told == [
            ["New 0?", "New 1?"],
            ["New 2?", "Removed 0?", "Removed 1?"],
            ["Removed 2?"],
        ]
