from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from curation import acts, effects
from curation.models import Exposure, LibraryVersion
from feedback.models import Project
from feedback.timeouts import TooSlowError
from review.models import Theme
from tests.curation.exposed import answer, publish
from tests.factories import NOW, make_library, make_project, make_theme

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LATER = NOW + 21 * DAY


@pytest.fixture
def theme(project: Project) -> Theme:
    return make_theme(project, name="Release dates")


@pytest.fixture
def version(project: Project, theme: Theme) -> LibraryVersion:
    return publish(make_library(project), theme)


def _serve(version: LibraryVersion, theme: Theme, *, bad: int, held_out_bad: int = 30) -> None:
    """Eight hundred served sessions and two hundred held-out ones, and a hundred before."""
    project = version.library.project
    answer(project, 200, at=NOW - DAY, bad=30, theme=theme, others=30)
    answer(project, 800, at=NOW + DAY, bad=bad, theme=theme, others=120, version=version)
    answer(
        project,
        200,
        at=NOW + DAY,
        bad=held_out_bad,
        theme=theme,
        others=30,
        version=version,
        held_out=True,
    )


class TestOfVersion:
    def test_tells_what_it_did_to_all_complaints_and_to_its_themes(
        self, version: LibraryVersion, theme: Theme
    ) -> None:
        _serve(version, theme, bad=16)
        found = effects.of_version(version=version, now=LATER)
        every, one = found.effects
        assert (every.theme, one.theme) == (None, theme)
        assert one.reading.words == "works"
        assert one.held_out is not None
        assert every.held_out is not None
        assert (one.held_out.served.rate, one.held_out.held_out.rate) == (0.02, 0.15)
        assert every.held_out.served.complaints == 136
        assert one.before_after.reading.words == "fewer than expected"

    def test_says_that_it_made_it_worse(self, version: LibraryVersion, theme: Theme) -> None:
        _serve(version, theme, bad=320)
        found = effects.of_version(version=version, now=LATER)
        assert found.effects[1].reading.words == "made it worse"

    def test_says_how_many_sessions_are_missing(
        self, version: LibraryVersion, theme: Theme
    ) -> None:
        _serve(version, theme, bad=120)
        reading = effects.of_version(version=version, now=LATER).effects[1].reading
        assert reading.words.startswith("inconclusive: ")
        assert reading.words.endswith(" more sessions needed")

    def test_before_anything_was_served_it_says_so(self, version: LibraryVersion) -> None:
        found = effects.of_version(version=version, now=NOW)
        assert found.effects[1].reading.words == "not measured"
        assert found.reviewed is None

    def test_counts_what_was_asked_for_also_where_no_answers_came_back(
        self, project: Project, version: LibraryVersion
    ) -> None:
        def expose(session: str, **fields: Any) -> None:
            Exposure.objects.create(
                project=project,
                version=version,
                session_external_id=session,
                num_tokens=0,
                served_at=NOW,
                **fields,
            )

        for session, num_calls in (("a", 5), ("a", 1), ("b", 1), ("", 2)):
            expose(session, entry_ids=[1], num_calls=num_calls)
        expose("c", is_held_out=True, num_calls=3)
        # Found nothing near, and came once it was stopped.
        expose("a", num_calls=7)
        expose("", is_held_out=True, num_calls=9)
        found = effects.of_version(version=version, now=LATER)
        assert (found.served.calls, found.served.sessions) == (16, 2)
        assert (found.held_out.calls, found.held_out.sessions) == (3, 1)
        none = effects.of_version(version=publish(version.library, number=2), now=LATER)
        assert none.served == none.held_out == effects.Served()

    def test_compares_no_longer_than_until_the_next_version(
        self, project: Project, version: LibraryVersion, theme: Theme
    ) -> None:
        publish(version.library, number=2, at=NOW + 3 * DAY)
        found = effects.of_version(version=version, now=LATER).effects[0]
        assert (found.since, found.until) == (NOW - 3 * DAY, NOW + 3 * DAY)

    def test_asks_as_often_for_many_themes(
        self,
        project: Project,
        version: LibraryVersion,
        theme: Theme,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        many = publish(make_library(project), *(make_theme(project) for _ in range(4)))
        many = LibraryVersion.objects.select_related("library__project").get(pk=many.pk)
        # Savepoint, limit, themes, the version, by time, days and sums by exposure, those of
        # reviews, trial, exposures, release.
        with django_assert_num_queries(12):
            found = effects.of_version(version=many, now=LATER)
        assert len(found.effects) == 5

    def test_gives_up_when_counting_takes_too_long(
        self, version: LibraryVersion, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def slow(**_: object) -> None:
            raise TooSlowError

        monkeypatch.setattr("curation.complaints.by_time", slow)
        found = effects.of_version(version=version, now=LATER)
        assert (found.effects, found.why) == ((), effects.TOO_SLOW)


class TestOfTheme:
    def test_tells_of_the_versions_against_it_the_newest_first(
        self, project: Project, version: LibraryVersion, theme: Theme
    ) -> None:
        second = publish(version.library, theme, number=2, at=NOW + 3 * DAY)
        publish(version.library, make_theme(project), number=3, at=NOW + 4 * DAY)
        found = effects.of_theme(theme=theme, now=LATER)
        assert [effect.act.version for effect in found] == [second, version]

    def test_an_entry_of_another_answer_in_the_theme_counts_too(
        self, project: Project, version: LibraryVersion, theme: Theme
    ) -> None:
        entry = version.entries.get().entry
        said = entry.feedback.get()
        entry.feedback.clear()
        assert list(acts.versions_against(theme)) == []
        entry.output = said.output
        entry.save(update_fields=["output"])
        assert list(acts.versions_against(theme)) == [version]
        assert list(acts.targets_of(version)) == [theme]

    def test_a_theme_of_another_project_is_not_meant(self, version: LibraryVersion) -> None:
        other = make_theme(make_project())
        assert effects.of_theme(theme=other, now=LATER) == []
