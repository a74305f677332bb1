from __future__ import annotations

from typing import Any

import pytest

from curation import context_libraries, drafts
from curation.diffs import Piece
from curation.drafts import Counts
from curation.models import ContextEntry, ContextLibrary, LibraryVersion
from feedback.embedding import Encoder
from feedback.models import User
from tests.factories import NOW, make_entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def live(library: ContextLibrary, curator: User, encoder: Encoder) -> LibraryVersion:
    """A version of three entries: one is changed since, one removed; two more came and one went."""
    same, changed, removed = (
        make_entry(library, query=f"Question {number}?", answer="In 2018.") for number in range(3)
    )
    version = context_libraries.publish(library=library, encoder=encoder, by=curator, now=NOW)
    ContextEntry.objects.filter(pk=changed.pk).update(answer="In 2019.", roles=["member"])
    ContextEntry.objects.filter(pk=removed.pk).update(removed_at=NOW)
    make_entry(library, query="New?")
    make_entry(library, query="Gone before it was ever published?", removed_at=NOW)
    assert same.query == "Question 0?"
    return version


def states(library: ContextLibrary, version: LibraryVersion | None) -> dict[str, str]:
    found = library.entries.compared_to(version).order_by("pk")
    return {entry.query: entry.state for entry in found}  # type: ignore[attr-defined]


class TestComparedTo:
    def test_says_what_the_next_version_does_to_each_entry(
        self, library: ContextLibrary, live: LibraryVersion
    ) -> None:
        assert states(library, live) == {
            "Question 0?": "unchanged",
            "Question 1?": "changed",
            "Question 2?": "removed",
            "New?": "added",
        }

    def test_finds_everything_new_without_a_version(
        self, library: ContextLibrary, live: LibraryVersion
    ) -> None:
        assert states(library, None) == {
            "Question 0?": "added",
            "Question 1?": "added",
            "New?": "added",
        }

    @pytest.mark.parametrize(
        "change",
        [
            {"kind": "instruction"},
            {"query": "Else?"},
            {"why": "x"},
            {"environments": ["production"]},
            {"for_models": ["m-3"]},
        ],
    )
    def test_notices_every_change_of_what_is_published(
        self, library: ContextLibrary, curator: User, encoder: Encoder, change: dict[str, Any]
    ) -> None:
        make_entry(library)
        version = context_libraries.publish(library=library, encoder=encoder, by=curator, now=NOW)
        library.entries.update(embedded_with="", vector=None)
        assert set(states(library, version).values()) == {"unchanged"}
        library.entries.update(**change)
        assert set(states(library, version).values()) == {"changed"}


class TestCount:
    def test_counts_entries_by_state(self, library: ContextLibrary, live: LibraryVersion) -> None:
        counts = drafts.count(library=library, version=live)
        assert counts == Counts(added=1, changed=1, removed=1, unchanged=1)
        assert (counts.num_kept, counts.num_changes) == (3, 3)
        assert drafts.count(library=library, version=None) == Counts(added=3)


class TestCompare:
    def test_shows_what_an_entry_says_otherwise(
        self, library: ContextLibrary, live: LibraryVersion, django_assert_num_queries: Any
    ) -> None:
        entries = list(library.entries.order_by("pk"))
        with django_assert_num_queries(1):
            same, changed, removed, added, _ = drafts.compare(entries=entries, version=live)
        for unchanged in (same, removed, added):
            assert (unchanged.texts, unchanged.names) == ([], [])
        [text] = changed.texts
        assert (text.label, text.before[-2], text.after[-2]) == (
            "Text",
            Piece("2018", True),
            Piece("2019", True),
        )
        [name] = changed.names
        assert (name.label, name.before, name.after) == ("Only for roles", "", "member")

    def test_shows_nothing_without_a_version(
        self, library: ContextLibrary, live: LibraryVersion
    ) -> None:
        for one in drafts.compare(entries=list(library.entries.all()), version=None):
            assert (one.texts, one.names) == ([], [])
