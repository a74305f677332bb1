from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from curation import context_libraries, tasks
from curation.context_libraries import LibraryError
from curation.models import ContextEntry, ContextLibrary, LibraryVersion, PublishedEntry
from feedback.embedding import Encoder
from feedback.models import Project, User
from review.models import Event
from tests.factories import NOW, make_entry, make_library, make_project

pytestmark = pytest.mark.django_db


class Fake:
    """An encoder that remembers what it was asked, and may do something meanwhile."""

    def __init__(self, model_id: str = "model-a") -> None:
        self.model_id = model_id
        self.asked: list[str] = []
        self.meanwhile: Callable[[], object] = list

    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked += texts
        self.meanwhile()
        return [[1.0, float(len(text))] for text in texts]


def publish(library: ContextLibrary, by: User, encoder: Encoder | None = None) -> LibraryVersion:
    return context_libraries.publish(library=library, encoder=encoder or Fake(), by=by, now=NOW)


def edit(entry: ContextEntry, **changes: Any) -> None:
    given: dict[str, Any] = {
        "kind": entry.kind,
        "query": entry.query,
        "answer": entry.answer,
        "why": entry.why,
        "roles": entry.roles,
        "environments": entry.environments,
        "models": entry.for_models,
        "by": entry.created_by,
        "now": NOW,
    }
    context_libraries.edit_entry(entry=entry, **given | changes)


class TestCreateLibrary:
    def test_makes_a_slug_of_the_name(self, project: Project, curator: User) -> None:
        library = context_libraries.create_library(
            project=project, name="Facts & dates", description="All of them", by=curator, now=NOW
        )
        assert (library.slug, library.project) == ("facts-dates", project)
        assert Event.objects.get().target_id == library.pk

    def test_refuses_a_taken_slug_and_a_name_without_one(
        self, project: Project, curator: User
    ) -> None:
        make_library(project, slug="facts")
        for name, why in (("Facts", "already"), ("答え", "letter or a digit")):
            with pytest.raises(LibraryError, match=why):
                context_libraries.create_library(
                    project=project, name=name, description="", by=curator, now=NOW
                )
        other = make_project()
        context_libraries.create_library(
            project=other, name="Facts", description="", by=curator, now=NOW
        )
        assert ContextLibrary.objects.filter(slug="facts").count() == 2


class TestEditEntry:
    def test_changes_the_draft_and_forgets_its_vector(self, library: ContextLibrary) -> None:
        entry = make_entry(library)
        context_libraries.embed_entries(library=library, encoder=Fake())
        edit(entry, kind="instruction", query="", answer="Name the date.", roles=["member"])
        entry.refresh_from_db()
        assert (entry.kind, entry.answer, entry.roles) == (
            "instruction",
            "Name the date.",
            ["member"],
        )
        assert (entry.vector, entry.embedded_with) == (None, "")
        assert Event.objects.get().verb == "edited_entry"

    @pytest.mark.parametrize(
        "changes", [{"answer": " "}, {"kind": "example", "query": " "}, {"kind": "memory"}]
    )
    def test_refuses_what_cannot_be_served(
        self, library: ContextLibrary, changes: dict[str, str]
    ) -> None:
        entry = make_entry(library)
        with pytest.raises(LibraryError):
            edit(entry, **changes)
        assert not Event.objects.exists()

    def test_refuses_an_entry_removed_in_the_meantime(self, library: ContextLibrary) -> None:
        entry = make_entry(library, removed_at=NOW)
        with pytest.raises(LibraryError, match="removed"):
            edit(entry, answer="x")


class TestRemoveEntry:
    def test_takes_it_out_once(self, library: ContextLibrary, curator: User) -> None:
        entry = make_entry(library)
        for _ in range(2):
            context_libraries.remove_entry(entry=entry, by=curator, now=NOW)
        assert list(library.entries.kept()) == []
        assert Event.objects.count() == 1


class TestEmbedEntries:
    def test_encodes_the_question_or_else_the_text_and_only_once(
        self, library: ContextLibrary
    ) -> None:
        make_entry(library, query="Why?")
        make_entry(library, kind="instruction", query="", answer="Be kind.")
        make_entry(library, query="Gone?", removed_at=NOW)
        encoder = Fake()
        for _ in range(2):
            context_libraries.embed_entries(library=library, encoder=encoder)
        assert encoder.asked == ["Why?", "Be kind."]

    def test_leaves_what_was_edited_meanwhile_waiting(self, library: ContextLibrary) -> None:
        entry = make_entry(library)
        encoder = Fake()
        encoder.meanwhile = lambda: edit(entry, query="Another question?")
        context_libraries.embed_entries(library=library, encoder=encoder)
        assert library.entries.unembedded(model=encoder.model_id).get() == entry

    def test_a_worker_does_it_so_that_publishing_need_not(
        self, library: ContextLibrary, curator: User
    ) -> None:
        for query in ("Why?", "How?", "Who?"):
            make_entry(library, query=query)
        make_entry(library, query="Gone?", removed_at=NOW)
        worker, page = Fake(), Fake()
        done = [context_libraries.embed_drafts(encoder=worker, limit=2) for _ in range(3)]
        assert (done, worker.asked) == ([2, 1, 0], ["Who?", "How?", "Why?"])
        publish(library, curator, page)
        assert page.asked == []
        # Another model has all to do anew.
        assert context_libraries.embed_drafts(encoder=Fake("model-b")) == 3

    def test_is_asked_of_workers_again_until_nothing_is_left(
        self, library: ContextLibrary, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_entry(library, query="Why?")
        again: list[None] = []
        monkeypatch.setattr(tasks, "get_encoder", Fake)
        monkeypatch.setattr(tasks.embed_drafts, "delay", lambda: again.append(None))
        tasks.embed_drafts()
        tasks.embed_drafts()
        assert len(again) == 1


class TestPublish:
    def test_freezes_what_the_entries_say(self, library: ContextLibrary, curator: User) -> None:
        entry = make_entry(library, why="asked often", roles=["member"], for_models=["m-3"])
        make_entry(library, query="Gone?", removed_at=NOW)
        version = publish(library, curator)
        assert (version.number, version.published_by, version.published_at) == (1, curator, NOW)
        published = version.entries.get()
        assert published.entry == entry
        for name in ("kind", "query", "answer", "why", "roles", "environments", "for_models"):
            assert getattr(published, name) == getattr(entry, name)
        edit(entry, answer="Something else.")
        published.refresh_from_db()
        assert published.answer == entry.answer
        assert Event.objects.filter(verb="published").count() == 1

    def test_numbers_versions_and_hashes_their_content(
        self, library: ContextLibrary, curator: User
    ) -> None:
        entry = make_entry(library)
        first = publish(library, curator)
        edit(entry, answer="Something else.")
        second = publish(library, curator)
        edit(entry, answer=first.entries.get().answer)
        third = publish(library, curator)
        assert [version.number for version in (first, second, third)] == [1, 2, 3]
        assert len(first.content_hash) == 64
        assert first.content_hash == third.content_hash != second.content_hash

    def test_refuses_when_there_is_nothing_or_nothing_new(
        self, library: ContextLibrary, curator: User
    ) -> None:
        with pytest.raises(LibraryError, match="no entries"):
            publish(library, curator)
        entry = make_entry(library)
        publish(library, curator)
        with pytest.raises(LibraryError, match="Nothing has changed since version 1"):
            publish(library, curator)
        context_libraries.remove_entry(entry=entry, by=curator, now=NOW)
        with pytest.raises(LibraryError, match="no entries"):
            publish(library, curator)
        assert LibraryVersion.objects.count() == 1

    def test_publishes_again_for_another_embedding_model(
        self, library: ContextLibrary, curator: User
    ) -> None:
        make_entry(library)
        publish(library, curator)
        second = publish(library, curator, Fake("model-b"))
        assert second.entries.get().model == "model-b"

    def test_refuses_while_an_entry_is_being_edited(
        self, library: ContextLibrary, curator: User
    ) -> None:
        entry = make_entry(library)
        encoder = Fake()
        encoder.meanwhile = lambda: edit(entry, query="Another question?")
        with pytest.raises(LibraryError, match="just been edited"):
            publish(library, curator, encoder)
        assert not LibraryVersion.objects.exists()


class TestVersions:
    @pytest.mark.parametrize(
        ("model", "field"),
        [(LibraryVersion, "content_hash"), (PublishedEntry, "answer")],
    )
    def test_cannot_be_changed(
        self, library: ContextLibrary, curator: User, model: Any, field: str
    ) -> None:
        make_entry(library)
        publish(library, curator)
        with pytest.raises(IntegrityError, match="cannot be changed"), transaction.atomic():
            model.objects.update(**{field: "forged"})

    def test_go_with_their_project(self, library: ContextLibrary, curator: User) -> None:
        make_entry(library)
        publish(library, curator)
        library.project.delete()
        assert not PublishedEntry.objects.exists()
