from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from curation import entry_effects, readings
from curation.models import ContextEntry, LibraryVersion
from feedback.models import Embedding, Output, Project, Session
from tests.curation.exposed import answer, publish
from tests.factories import NOW, make_entry, make_library

pytestmark = pytest.mark.django_db

NORTH, EAST, UP = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]


@pytest.fixture
def version(project: Project) -> LibraryVersion:
    return publish(make_library(project))


def _entry(version: LibraryVersion, vector: list[float], **fields: Any) -> ContextEntry:
    entry = make_entry(version.library)
    fields = {"kind": "example", "model": "m"} | fields
    position = version.entries.count()
    version.entries.create(
        entry=entry, position=position, query="q", answer="a", vector=vector, **fields
    )
    return entry


def _ask(outputs: list[Output], vector: list[float]) -> None:
    Embedding.objects.bulk_create(
        Embedding(
            project_id=output.project_id,
            output=output,
            part="query",
            model="m",
            text_sha256="0" * 64,
            vector=vector,
        )
        for output in outputs
    )


def _traffic(version: LibraryVersion, vector: list[float], *, served: int, held_out: int) -> None:
    """Two hundred sessions of each arm that ask near the vector; so many complain."""
    project = version.library.project
    _ask(answer(project, 200, at=NOW, bad=served, version=version), vector)
    _ask(answer(project, 200, at=NOW, bad=held_out, version=version, held_out=True), vector)


class TestOfEntries:
    def test_tells_which_help_and_which_harm(
        self, version: LibraryVersion, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        helps, harms, idle = (_entry(version, vector) for vector in (NORTH, EAST, UP))
        _traffic(version, NORTH, served=4, held_out=80)
        _traffic(version, EAST, served=80, held_out=4)
        _traffic(version, UP, served=20, held_out=20)
        # Savepoint, limit, outputs, entries, questions, release.
        with django_assert_num_queries(6):
            found = entry_effects.of_entries(version=version)
        words = {one.entry.entry_id: one.reading.words for one in found.effects}
        assert words == {helps.pk: "helps", harms.pk: "harms", idle.pk: "cannot be told"}
        assert found.num_entries == 3
        assert found.effects[0].served.outputs == 200

    def test_an_example_far_from_the_question_is_not_what_did_it(
        self, version: LibraryVersion
    ) -> None:
        _entry(version, EAST)
        rule = _entry(version, UP, kind="instruction")
        _traffic(version, NORTH, served=4, held_out=80)
        found = entry_effects.of_entries(version=version)
        assert [one.entry.entry_id for one in found.effects] == [rule.pk]

    def test_only_the_nearest_are_held_to_have_been_served(self, version: LibraryVersion) -> None:
        for share in range(1, 7):
            _entry(version, [1.0, share / 10, 0.0])
        _traffic(version, NORTH, served=4, held_out=80)
        assert len(entry_effects.of_entries(version=version).effects) == 4

    def test_sessions_it_could_never_be_served_to_do_not_count(
        self, version: LibraryVersion
    ) -> None:
        scopes: list[dict[str, Any]] = [
            {"roles": ["student"]},
            {"environments": ["staging"]},
            {"for_models": ["other"]},
            {"expires_on": NOW.date() - timedelta(days=1)},
        ]
        for scope in scopes:
            _entry(version, NORTH, **scope)
        for_all = _entry(version, NORTH, roles=["teacher", "student"], expires_on=NOW.date())
        _traffic(version, NORTH, served=4, held_out=80)
        Session.objects.update(user_role="teacher", environment="production")
        found = entry_effects.of_entries(version=version)
        assert [one.entry.entry_id for one in found.effects] == [for_all.pk]

    def test_those_who_come_while_more_are_served_do_not_bias_it(
        self, version: LibraryVersion
    ) -> None:
        entry = _entry(version, NORTH)
        project = version.library.project
        for at, num_served, share in ((NOW, 20, 10), (NOW + timedelta(days=9), 180, 2)):
            _ask(
                answer(project, num_served, at=at, bad=num_served // share, version=version), NORTH
            )
            held_out = answer(project, 60, at=at, bad=60 // share, version=version, held_out=True)
            _ask(held_out, NORTH)
        found = entry_effects.of_entries(version=version).effects[0]
        assert found.entry.entry_id == entry.pk
        assert found.served.rate == pytest.approx(found.held_out.rate)

    def test_says_what_is_missing_to_compare(self, version: LibraryVersion) -> None:
        _entry(version, NORTH)
        assert entry_effects.of_entries(version=version).why == readings.NOTHING_YET
        answer(version.library.project, 5, at=NOW, version=version)
        assert entry_effects.of_entries(version=version).why == readings.NONE_HELD_OUT

    def test_questions_without_a_vector_tell_nothing(self, version: LibraryVersion) -> None:
        _entry(version, NORTH)
        for held_out in (False, True):
            answer(version.library.project, 5, at=NOW, version=version, held_out=held_out)
        found = entry_effects.of_entries(version=version)
        assert (found.effects, found.why) == ([], "")
