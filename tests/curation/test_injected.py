"""The corpus of injections the whole way: reviewed, promoted, published, and served over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from curation import context_libraries, promotion, publishing
from curation.models import ContextEntry, ContextLibrary, EntryKind, LibraryVersion, Proposal
from curation.publishing import FoundError
from curation.screening import STOPPED, Danger
from feedback.embedding import Encoder
from feedback.models import Project, User
from tests.curation.injections import CORPUS, SYSTEM, asked, shape
from tests.factories import NOW, make_key, make_library, make_output, make_review, make_user

pytestmark = pytest.mark.django_db

# By the name of the text, what cannot be published in any kind of entry, and why.
HIDDEN = {
    *("zero width", "tag characters", "variation selectors", "bidi", "isolates"),
    *("blank letters", "soft hyphens", "control", "private use"),
}
STRUCTURE = {
    *("special tokens", "wide special tokens", "inst", "sys", "turns", "tags"),
    *("tool result", "json", "role in brackets"),
}
HARMLESS = "The reading room has forty seats."
NOTICED = {danger.value for danger in Danger}


class Drafted:
    """A library whose draft has an entry of one kind for each text, and one that is harmless."""

    def __init__(self, project: Project, curator: User, kind: str, encoder: Encoder) -> None:
        self.library: ContextLibrary = make_library(project)
        self.curator, self.kind, self.encoder = curator, kind, encoder
        texts = CORPUS | {"harmless": HARMLESS}
        self.entries = {name: self._promoted(text) for name, text in texts.items()}
        self.names = {entry.pk: name for name, entry in self.entries.items()}

    def _promoted(self, text: str) -> ContextEntry:
        """What a user asked, a model answered and a reviewer accepted, all saying the same."""
        output = make_output(self.library.project, query=text, text=text)
        return promotion.promote_to_library(
            review=make_review(output, self.curator, verdict="accept"),
            library=self.library,
            kind=self.kind,
            why=text[:200],
            by=self.curator,
            now=NOW,
        )

    def propose(self, *, is_acknowledged: bool) -> Proposal:
        return publishing.propose(
            library=self.library,
            encoder=self.encoder,
            by=self.curator,
            now=NOW,
            is_acknowledged=is_acknowledged,
        )

    def found(self, *, is_acknowledged: bool) -> dict[str, dict[str, bool]]:
        """For each name, what refuses to publish noticed in its text, and whether it is stopped."""
        with pytest.raises(FoundError) as refused:
            self.propose(is_acknowledged=is_acknowledged)
        found: dict[str, dict[str, bool]] = {}
        for finding in refused.value.findings:
            if finding.entry and finding.check in NOTICED:
                assert finding.words
                found.setdefault(self.names[finding.entry], {})[finding.check] = finding.is_stopped
        return found

    def remove(self, names: set[str]) -> None:
        for name in names:
            context_libraries.remove_entry(entry=self.entries[name], by=self.curator, now=NOW)


@pytest.fixture(params=EntryKind.values)
def drafted(
    request: pytest.FixtureRequest, project: Project, curator: User, encoder: Encoder
) -> Drafted:
    return Drafted(project, curator, request.param, encoder)


def serve(client: Client, key: str, library: ContextLibrary, question: str) -> Any:
    body = {"library": library.slug, "messages": asked(question), "k": 1}
    response = client.post(
        "/api/v1/context",
        json.dumps(body),
        content_type="application/json",
        headers={"authorization": f"Bearer {key}"},
    )
    assert response.status_code == 200
    return response.json()


class TestCorpus:
    def test_is_noticed_and_stays_stopped_whoever_acknowledges_it(self, drafted: Drafted) -> None:
        # All of it is noticed, and nobody can acknowledge away what hides or passes for a prompt.
        found = drafted.found(is_acknowledged=True)
        assert set(found) == set(CORPUS)
        stopped = {name: checks for name, checks in found.items() if any(checks.values())}
        assert set(stopped) == HIDDEN | STRUCTURE
        for names, danger in ((HIDDEN, Danger.HIDDEN), (STRUCTURE, Danger.STRUCTURE)):
            assert danger in STOPPED
            assert all(stopped[name][danger.value] for name in names)
        noticed = set(CORPUS) - set(stopped)
        drafted.remove(noticed)
        assert set(drafted.found(is_acknowledged=True)) == set(stopped)
        assert not LibraryVersion.objects.exists()
        assert not Proposal.objects.exists()

    def test_keeps_its_place_where_a_curator_publishes_it_all_the_same(
        self, drafted: Drafted, project: Project, encoder: Encoder, client: Client
    ) -> None:
        second, key = make_user(project), make_key(project)
        drafted.remove(HIDDEN | STRUCTURE)
        published = set(CORPUS) - HIDDEN - STRUCTURE
        assert set(drafted.found(is_acknowledged=False)) == published
        publishing.approve(
            proposal=drafted.propose(is_acknowledged=True), encoder=encoder, by=second, now=NOW
        )

        usual = shape(drafted.kind, serve(client, key, drafted.library, HARMLESS)["messages"])
        for name in sorted(published):
            reply = serve(client, key, drafted.library, CORPUS[name])
            assert [drafted.names[one["id"]] for one in reply["entries"]] == [name]
            messages = reply["messages"]
            assert shape(drafted.kind, messages) == usual, name
            assert messages[-1] == asked(CORPUS[name])[-1]
            if drafted.kind != "instruction":
                assert messages[0] == {"role": "system", "content": SYSTEM}
