from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from curation import context_libraries, experiments, resources
from curation.experiments import Trial
from curation.models import ContextEntry, ContextLibrary, Exposure, LibraryVersion
from curation.serving import LibraryUnknownError, NothingPublishedError
from feedback.embedding import Encoder
from feedback.models import Project, User
from tests.factories import NOW, make_entry, make_project

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def publish(library: ContextLibrary, curator: User, encoder: Encoder) -> Any:
    """Publishes one more entry, with a trial if one is given."""

    def published(trial: Trial | None = None) -> LibraryVersion:
        make_entry(library, answer=f"Answer {library.entries.count()}.", created_by=curator)
        return context_libraries.publish(
            library=library, encoder=encoder, by=curator, now=NOW, trial=trial
        )

    return published


def read(library: ContextLibrary, number: int, now: Any = NOW) -> Any:
    return resources.read_version(
        project=library.project, library_slug=library.slug, number=number, now=now
    )


class TestReadLibrary:
    def test_tells_its_versions_and_none_of_their_entries(
        self, library: ContextLibrary, publish: Any, django_assert_num_queries: Any
    ) -> None:
        publish()
        harmful = publish(Trial(stages=[10, 90]))
        experiments.stop(experiment=harmful.experiment, reason="", by=None, now=NOW)
        library.refresh_from_db()
        publish(Trial(stages=[10, 90]))
        project = library.project
        with django_assert_num_queries(2):
            told: Any = resources.read_library(project=project, library_slug=library.slug)
        assert (told["name"], told["live"]) == (library.name, 3)
        rows = [(one["version"], one["status"], one["num_entries"]) for one in told["versions"]]
        assert rows == [
            (3, "tried", 3),
            (2, "stopped", 2),
            (1, "former", 1),
        ]
        assert "Answer" not in str(told)
        assert not Exposure.objects.exists()

    def test_is_of_the_project(self, library: ContextLibrary) -> None:
        with pytest.raises(LibraryUnknownError):
            resources.read_library(project=make_project(), library_slug=library.slug)


class TestReadVersion:
    def test_gives_what_all_sessions_get_and_remembers_it(
        self, library: ContextLibrary, publish: Any
    ) -> None:
        publish()
        last_day = ContextEntry.objects.get()
        ContextEntry.objects.update(expires_on=NOW.date())
        publish()
        told = read(library, 2)
        assert (told["status"], len(told["entries"])) == ("live", 2)
        later = read(library, 2, NOW + DAY)
        assert (later["num_entries"], len(later["entries"])) == (2, 1)
        assert last_day.pk not in [one["entry_id"] for one in later["entries"]]
        assert read(library, 2, NOW + DAY)["exposure"] == later["exposure"] != told["exposure"]
        kept = Exposure.objects.get(token=later["exposure"])
        assert kept.entry_ids == [one["entry_id"] for one in later["entries"]]
        assert (kept.version.number, kept.session_external_id, kept.is_held_out) == (2, "", False)
        assert kept.num_calls == 2
        assert kept.num_tokens > 0

    def test_gives_no_entries_of_what_only_some_or_no_sessions_get(
        self, library: ContextLibrary, publish: Any
    ) -> None:
        publish(Trial(stages=[10, 90]))
        publish(Trial(stages=[10, 90]))
        library.refresh_from_db()
        tried = library.live
        assert tried is not None
        told = [read(library, number) for number in (1, 2)]
        experiments.stop(experiment=tried.experiment, reason="", by=None, now=NOW)
        told.append(read(library, 2))
        assert [(one["status"], one["entries"], one["exposure"]) for one in told] == [
            ("former", [], None),
            ("tried", [], None),
            ("stopped", [], None),
        ]
        assert not Exposure.objects.exists()

    def test_knows_no_other_version_nor_project(
        self, library: ContextLibrary, publish: Any, project: Project
    ) -> None:
        publish()
        with pytest.raises(NothingPublishedError):
            read(library, 2)
        with pytest.raises(LibraryUnknownError):
            resources.read_version(
                project=make_project(), library_slug=library.slug, number=1, now=NOW
            )
