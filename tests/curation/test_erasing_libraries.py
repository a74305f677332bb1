from __future__ import annotations

from typing import Any

import pytest

from curation import context_libraries, erasing, publishing, serving, shelves
from curation.experiments import Trial
from curation.models import ContextLibrary, Exposure, LibraryVersion
from feedback.models import Project, User
from review.models import Event, Notification
from tests.curation.erased import LATER, ask, entry_of, published, whole
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
        assert (former.follows_erasure, live.follows_erasure) == (False, True)
        again = LibraryVersion.objects.get(pk=former.pk)
        assert (again.content_hash, again.num_erased) == (former.content_hash, 2)
        assert again.entries.count() == 1
        # What it says is what the draft says.
        assert live.content_hash == context_libraries.draft_hash(library=library, model="stub")

    def test_withdraw_what_waits_and_say_so(
        self, project: Project, admin: User, curator: User, library: ContextLibrary
    ) -> None:
        entry_of(library, make_session(project, external_id="s-1"))
        proposal = publishing.propose(library=library, encoder=Stub(), by=curator, now=NOW)
        assert proposal.status == "waiting"
        before = erasing.preview(project=project, scope="session", subject="s-1")
        made = whole(ask(project, admin, "s-1"))
        assert made.counts == before.counts
        assert made.counts["withdrawn proposals"] == 1
        proposal.refresh_from_db()
        assert (proposal.status, proposal.decided_by) == ("withdrawn", admin)
        assert Event.objects.get(verb="withdrawn").data == {"proposal": proposal.pk}
        [answered] = Notification.objects.unread()
        assert (answered.user, answered.title) == (curator, f"{library.name}, withdrawn")

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
        for name in ("salt", "stages", "held_out", "hours_per_stage", "stage"):
            assert getattr(now, name) == getattr(before, name)
        # No stage goes by on what was heard of the version before alone.
        assert now.stage_since > before.stage_since

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

    def test_are_served_to_an_erased_session_that_goes_on_without_its_id(
        self, project: Project, admin: User, library: ContextLibrary
    ) -> None:
        make_session(project, external_id="s-1")
        entry_of(library, make_session(project))
        published(library, admin)
        whole(ask(project, admin, "s-1"))
        project.refresh_from_db()
        for session in ("s-1", "s-2"):
            asked = serving.Asked(messages=[{"role": "user", "content": "What?"}], session=session)
            serving.serve_context(
                project=project, library_slug=library.slug, asked=asked, encoder=Stub(), now=LATER
            )
        kept = Exposure.objects.values_list("session_external_id", flat=True)
        assert sorted(kept) == ["", "s-2"]

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
