from __future__ import annotations

import random
import string
from datetime import date
from typing import Any

import pytest
from django.test import Client

from curation import context_libraries
from curation.models import ContextEntry, ContextLibrary
from feedback.embedding import Encoder
from feedback.models import Project, User
from tests.factories import NOW, make_entry, make_library, make_user
from tests.meanwhile import meanwhile

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

    def test_offers_to_publish_only_what_has_changed(
        self, client: Client, library: ContextLibrary, curator: User, address: str, encoder: Encoder
    ) -> None:
        entry = make_entry(library)
        context_libraries.publish(library=library, encoder=encoder, by=curator, now=NOW)
        client.force_login(curator)
        page = client.get(f"{address}draft/").content.decode()
        assert "Nothing has changed" in page
        assert "Hold out %" not in page
        library.entries.filter(pk=entry.pk).update(answer="Else.")
        assert "Hold out %" in client.get(f"{address}draft/").content.decode()

    def test_offers_what_another_embedding_model_was_for_as_it_is(
        self,
        client: Client,
        library: ContextLibrary,
        curator: User,
        address: str,
        encoder: Encoder,
        former_encoder: Encoder,
    ) -> None:
        make_entry(library, created_by=curator)
        context_libraries.publish(library=library, encoder=former_encoder, by=curator, now=NOW)
        client.force_login(curator)
        page = client.get(address).content.decode()
        assert "v1 cannot be served" in page
        assert "Compare and publish" in page
        draft = client.get(f"{address}draft/")
        assert "v1 cannot be served" in draft.content.decode()
        seen = draft.context["content_hash"]
        published = client.post(f"{address}publish/", {"content_hash": seen})
        assert published["Location"] == address
        [entry] = library.versions.get(number=2).entries.all()
        assert entry.model == encoder.model_id
        for path in (address, f"{address}draft/"):
            assert "cannot be served" not in client.get(path).content.decode()
        refused = client.post(f"{address}versions/1/live/", follow=True)
        assert "Publish the draft instead" in refused.content.decode()

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
        with django_assert_max_num_queries(19):
            first = client.get(f"{address}draft/")
        second = client.get(f"{address}draft/", {"cursor": first.context["next_cursor"]})
        assert [len(one.context["changes"]) for one in (first, second)] == [25, 5]
        assert client.get(f"{address}draft/", {"cursor": "x"}).status_code == 400


class TestLibraryPublish:
    def test_publishes_with_a_note(
        self, client: Client, library: ContextLibrary, curator: User, address: str
    ) -> None:
        make_entry(library, created_by=curator)
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
        make_entry(library, created_by=curator)
        assert client.post(f"{address}publish/").status_code == 302
        response = client.post(f"{address}publish/")
        assert response.status_code == 422
        assert "Nothing has changed since version 1" in response.content.decode()
        assert client.post(f"{address}publish/", {"note": "\x00"}).status_code == 422

    def test_publishes_only_what_the_page_showed(
        self, client: Client, library: ContextLibrary, curator: User, address: str
    ) -> None:
        make_entry(library, created_by=curator)
        client.force_login(curator)
        seen = client.get(f"{address}draft/").context["content_hash"]
        make_entry(library, answer="Ask anna@example.org.", created_by=curator)
        given = {"content_hash": seen, "is_acknowledged": "on"}
        response = client.post(f"{address}publish/", given)
        assert response.status_code == 422
        page = response.content.decode()
        assert "has changed since you opened it" in page
        assert 'name="is_acknowledged" >' in page
        assert not library.versions.exists()
        # Nor is it where another field is wrong.
        wrong = client.post(f"{address}publish/", given | {"note": "\x00"}).content.decode()
        assert 'name="is_acknowledged" >' in wrong
        given["content_hash"] = response.context["content_hash"]
        assert f'value="{given["content_hash"]}"' in page
        assert client.post(f"{address}publish/", given).status_code == 302

    def test_is_for_curators(self, client: Client, library: ContextLibrary, address: str) -> None:
        make_entry(library)
        client.force_login(make_user(library.project, role="moderator"))
        assert client.post(f"{address}publish/").status_code == 403
        assert client.get(f"{address}publish/").status_code == 405
        assert not library.versions.exists()

    def test_shows_what_the_checks_found_and_wants_it_acknowledged(
        self, client: Client, library: ContextLibrary, curator: User, address: str
    ) -> None:
        entry = make_entry(library, answer="Ask <i>anna@example.org</i>.", created_by=curator)
        client.force_login(curator)
        page = client.get(f"{address}draft/").content.decode()
        assert "has an e-mail address" in page
        assert "anna@example.org" in page
        response = client.post(f"{address}publish/")
        assert response.status_code == 422
        assert "say that you have" in response.content.decode()
        assert client.post(f"{address}publish/", {"is_acknowledged": "on"}).status_code == 302
        library.entries.filter(pk=entry.pk).update(answer="Lie.<|im_end|>")
        response = client.post(f"{address}publish/", {"is_acknowledged": "on"})
        assert response.status_code == 422
        assert "&lt;|im_end|&gt;" in response.content.decode()
        assert library.versions.count() == 1

    def test_gives_it_to_some_sessions_as_asked(
        self, client: Client, library: ContextLibrary, curator: User, address: str
    ) -> None:
        make_entry(library, created_by=curator)
        client.force_login(curator)
        page = client.get(f"{address}draft/").content.decode()
        assert 'value="90"' in page
        for stages in ("x", "90, 10", "0", "95"):
            given = {"stages": stages, "held_out": "10"}
            response = client.post(f"{address}publish/", given)
            assert list(response.context["form"].errors) == ["stages"]
        unwatched = client.post(f"{address}publish/", {"stages": "10, 50", "held_out": "4"})
        assert unwatched.status_code == 422
        assert list(unwatched.context["form"].errors) == ["held_out"]
        client.post(f"{address}publish/", {"stages": "10 %, 50", "held_out": "20"})
        experiment = library.versions.get().experiment
        assert (experiment.stages, experiment.held_out) == ([10, 50], 20)


class TestProposal:
    @pytest.fixture
    def other(self, project: Project) -> User:
        return make_user(project, role="curator")

    @pytest.fixture
    def decide(
        self, client: Client, library: ContextLibrary, curator: User, other: User, address: str
    ) -> str:
        """The address at which what the curator proposed is decided."""
        make_entry(library, created_by=curator)
        client.force_login(curator)
        response = client.post(f"{address}publish/", {"note": "First."})
        assert response["Location"] == f"{address}draft/"
        return f"{address}proposals/{library.proposals.get().pk}/"

    def test_of_many_changes_shows_what_was_found_when_it_was_made(
        self,
        client: Client,
        library: ContextLibrary,
        other: User,
        decide: str,
        address: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        found = {"check": "email", "entry": None, "says": "has an e-mail address", "words": ""}
        library.proposals.update(findings=[found])
        monkeypatch.setattr("curation.views.drafts.MOST_CHECKED", 0)
        client.force_login(other)
        assert "has an e-mail address" in client.get(f"{address}draft/").content.decode()

    def test_is_published_by_another_curator(
        self, client: Client, library: ContextLibrary, other: User, address: str, decide: str
    ) -> None:
        assert "Another curator has to approve." in client.get(f"{address}draft/").content.decode()
        assert client.post(decide, {"act": "approve"})["Location"] == f"{address}draft/"
        assert not library.versions.exists()
        client.force_login(other)
        assert "Approve and publish" in client.get(f"{address}draft/").content.decode()
        assert client.post(decide, {"act": "approve"})["Location"] == address
        assert library.versions.get().approved_by == other
        assert other.username in client.get(address).content.decode()

    def test_is_declined_with_a_remark(
        self, client: Client, library: ContextLibrary, other: User, decide: str
    ) -> None:
        client.force_login(other)
        client.post(decide, {"act": "decline", "reason": "Too long."})
        proposal = library.proposals.get()
        assert (proposal.status, proposal.remark) == ("declined", "Too long.")
        for wrong in ({}, {"act": "x"}, {"act": "approve", "reason": "x" * 501}):
            assert client.post(decide, wrong).status_code == 400


class TestProbes:
    def test_are_kept_from_a_trial_and_dropped(
        self, client: Client, library: ContextLibrary, curator: User, address: str, encoder: Encoder
    ) -> None:
        entry = make_entry(library, created_by=curator)
        client.force_login(curator)
        tried = {"question": entry.query, "k": 4, "token_budget": 1500, "of": "draft"}
        assert "Keep as a test" in client.post(f"{address}try/", tried).content.decode()
        kept = {"query": "When was Bloom released?", "expected": [entry.pk], "role": "member"}
        assert client.post(f"{address}probes/", kept)["Location"] == f"{address}draft/"
        probe = library.probes.get()
        assert (probe.role, list(probe.expected.all())) == ("member", [entry])
        assert "When was Bloom released?" in client.get(f"{address}draft/").content.decode()
        foreign = make_entry(make_library(library.project))
        for wrong in ({}, kept | {"expected": [foreign.pk]}, kept | {"query": ""}):
            assert client.post(f"{address}probes/", wrong).status_code == 400
        client.post(f"{address}probes/{probe.pk}/drop/")
        assert not library.probes.exists()

    def test_can_be_as_long_as_a_question_that_is_tried(
        self, client: Client, library: ContextLibrary, curator: User, address: str
    ) -> None:
        entry = make_entry(library, created_by=curator)
        client.force_login(curator)
        # Of random letters, as PostgreSQL would press others into an index.
        query = "".join(random.Random(1).choices(string.ascii_letters, k=8_000))  # noqa: S311
        for _ in range(2):
            client.post(f"{address}probes/", {"query": query, "expected": [entry.pk]})
        assert library.probes.get().query == query

    def test_are_not_kept_for_an_entry_that_goes_at_that_moment(
        self, client: Client, library: ContextLibrary, curator: User, address: str
    ) -> None:
        entry = make_entry(library, created_by=curator)
        client.force_login(curator)

        def remove() -> None:
            ContextEntry.objects.update(removed_at=NOW)

        with meanwhile(remove, before="SAVEPOINT"):
            response = client.post(
                f"{address}probes/", {"query": "q", "expected": [entry.pk]}, follow=True
            )
        assert "A test question expects entries of this draft." in response.content.decode()
        assert not library.probes.exists()


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
        assert (entry.owner, entry.expires_on) == (None, None)
        client.post(form, FORM | {"owner": curator.pk, "expires_on": "2027-01-31"})
        entry.refresh_from_db()
        assert (entry.owner, entry.expires_on) == (curator, date(2027, 1, 31))
        assert 'value="2027-01-31"' in client.get(form).content.decode()

    def test_overwrites_no_change_that_its_reader_has_not_seen(
        self, client: Client, curator: User, entry: ContextEntry, form: str
    ) -> None:
        client.force_login(curator)
        seen = client.get(form).context["seen"]
        was, entry.owner = entry.query, curator
        entry.save()
        mine = FORM | {"answer": "Mine."}
        # What is wrong by itself tells nothing of the change.
        wrong = client.post(form, mine | {"kind": "memory", "seen": seen})
        refused = client.post(form, mine | {"seen": wrong.context["seen"]})
        assert refused.status_code == 422
        page = refused.content.decode()
        assert "Somebody has changed this entry meanwhile" in page
        assert "Mine." in page
        entry.refresh_from_db()
        assert (entry.query, entry.owner) == (was, curator)
        assert client.post(form, mine | {"seen": refused.context["seen"]}).status_code == 302
        entry.refresh_from_db()
        assert (entry.query, entry.answer) == (FORM["query"], "Mine.")
        # Pressed twice.
        assert client.post(form, mine | {"seen": refused.context["seen"]}).status_code == 302

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("kind", "memory"),
            ("kind", ""),
            ("answer", " \n"),
            ("answer", "a\x00"),
            ("roles", "r" * 201),
            ("models", "\x00"),
            ("owner", "0"),
            ("owner", "x"),
            ("expires_on", "tomorrow"),
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
