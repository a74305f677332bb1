from __future__ import annotations

from typing import Any

import pytest

from curation import context_libraries, serving, shelves
from curation.experiments import Trial
from curation.models import ContextLibrary, LibraryVersion
from feedback.models import Project, User
from tests.curation.erased import ask, entry_of, published, whole
from tests.curation.planted import Stub
from tests.factories import NOW, make_session


@pytest.mark.django_db
class TestLibraries:
    def test_publish_anew_and_keep_their_versions(
        self, project: Project, admin: User, library: ContextLibrary
    ) -> None:
        entry_of(library, make_session(project, external_id="s-1"), 2)
        entry_of(library, make_session(project))
        former = published(library, admin)
        whole(ask(project, admin, "s-1"))
        library.refresh_from_db()
        live = library.live
        assert live is not None
        assert (live.number, live.entries.count(), live.published_by) == (2, 1, admin)
        again = LibraryVersion.objects.get(pk=former.pk)
        assert (again.content_hash, again.num_erased) == (former.content_hash, 2)
        assert again.entries.count() == 1
        # What it says is what the draft says.
        assert live.content_hash == context_libraries.draft_hash(library=library, model="stub")

    def test_go_on_with_what_they_try(
        self, project: Project, admin: User, library: ContextLibrary
    ) -> None:
        entry_of(library, make_session(project))
        first = published(library, admin)
        entry_of(library, make_session(project, external_id="s-1"))
        trial = Trial(stages=[5, 50], held_out=10, hours_per_stage=3)
        tried = published(library, admin, trial=trial)
        whole(ask(project, admin, "s-1"))
        library.refresh_from_db()
        assert library.live is not None
        now = library.live.experiment
        before = tried.experiment
        before.refresh_from_db()
        assert (before.status, now.status, now.baseline) == ("ended", "running", first)
        for name in ("salt", "stages", "held_out", "hours_per_stage", "stage", "stage_since"):
            assert getattr(now, name) == getattr(before, name)

    def test_serve_nothing_when_nothing_is_left(
        self, project: Project, admin: User, library: ContextLibrary
    ) -> None:
        entry_of(library, make_session(project, external_id="s-1"))
        query = library.entries.get().query
        published(library, admin)
        asked = serving.Asked(messages=[{"role": "user", "content": query}])
        given: dict[str, Any] = {
            "project": project,
            "library_slug": library.slug,
            "asked": asked,
            "now": NOW,
        }
        before = serving.serve_context(**given, encoder=Stub())
        assert before.prompt is not None
        assert before.prompt.picks
        whole(ask(project, admin, "s-1"))
        after = serving.serve_context(**given, encoder=Stub(), known=frozenset({before.exposure}))
        assert after.prompt is not None
        assert after.prompt.picks == []
        assert after.exposure != before.exposure

    def test_former_ones_are_another_answer_than_before(
        self, project: Project, admin: User, library: ContextLibrary
    ) -> None:
        entry_of(library, make_session(project, external_id="s-1"))
        entry_of(library, make_session(project))
        first = published(library, admin)
        entry_of(library, make_session(project))
        published(library, admin)
        asked = serving.Asked(messages=[{"role": "user", "content": "What?"}])
        told: dict[str, Any] = {"asked": asked, "held_out": False, "today": NOW.date()}
        before = serving._token(project, first, **told)
        assert len(shelves.shelf_of(first).ids) == 2
        whole(ask(project, admin, "s-1"))
        again = LibraryVersion.objects.get(pk=first.pk)
        assert serving._token(project, again, **told) != before
        assert len(shelves.shelf_of(again).ids) == 1
