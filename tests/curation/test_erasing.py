from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from curation import erasing, releasing
from curation.models import ContextLibrary, TrainingSet
from feedback import erasure as sent
from feedback.models import Erasure, Project, Session, User
from review.models import Event
from tests.curation.erased import LATER, ask, entry_of, filled, published, whole, work_off
from tests.factories import (
    NOW,
    make_candidate,
    make_output,
    make_project,
    make_review,
    make_session,
    make_user,
)


@pytest.mark.django_db
class TestStart:
    def test_wants_the_id_once_more(self, project: Project, admin: User) -> None:
        make_session(project, external_id="s-1")
        with pytest.raises(erasing.ErasureError) as error:
            ask(project, admin, "s-1", confirmed="s-2")
        assert error.value.path == "confirm"
        assert not Erasure.objects.exists()

    @pytest.mark.parametrize(
        ("scope", "subject", "path"),
        [("all", "x", "scope"), ("user", " ", "subject"), ("user", "x" * 201, "subject")],
    )
    def test_names_what_cannot_be(
        self, project: Project, admin: User, scope: str, subject: str, path: str
    ) -> None:
        with pytest.raises(erasing.ErasureError) as error:
            ask(project, admin, subject, scope)
        assert error.value.path == path

    def test_knows_nothing_of_other_projects(self, project: Project, admin: User) -> None:
        make_session(make_project(), external_id="s-1", user_external_id="u")
        for scope, subject in (("session", "s-1"), ("user", "u")):
            with pytest.raises(erasing.ErasureError, match="nothing of this"):
                ask(project, admin, subject, scope)

    @pytest.mark.parametrize("scope", ["user", "session"])
    def test_takes_an_id_as_it_was_sent(self, project: Project, admin: User, scope: str) -> None:
        for one in ("anna", "anna ", " "):
            make_session(project, external_id=one, user_external_id=one)
        for one in ("anna ", " "):
            with pytest.raises(erasing.ErasureError, match="once more"):
                ask(project, admin, one, scope, confirmed="anna")
            assert whole(ask(project, admin, one, scope)).status == "done"
        assert Session.objects.get().external_id == "anna"

    def test_is_the_same_while_it_goes_on(self, project: Project, admin: User) -> None:
        make_session(project, external_id="s-1")
        first = ask(project, admin, "s-1")
        assert ask(project, make_user(project, "admin"), "s-1").pk == first.pk
        assert whole(first).status == "done"
        with pytest.raises(erasing.ErasureError, match="nothing of this"):
            ask(project, admin, "s-1")

    def test_says_afterwards_who_and_how_much_and_not_of_whom(
        self, project: Project, admin: User
    ) -> None:
        make_output(project, make_session(project, external_id="s-1", user_external_id="u-17"))
        made = whole(ask(project, admin, "u-17", "user"))
        assert (made.asked_by, made.counts) == (admin, {"sessions": 1, "outputs": 1})
        assert (made.subject, made.checkpoint, len(made.subject_hash)) == ("", {}, 64)
        told = Event.objects.filter(target_type="erasure").order_by("pk")
        assert [(one.verb, one.actor) for one in told] == [
            ("asked_erasure", admin),
            ("erased", admin),
        ]
        assert told[1].data == {"scope": "user", "rows": 2}

    def test_counts_beforehand_what_goes(
        self, project: Project, admin: User, library: ContextLibrary, training_set: TrainingSet
    ) -> None:
        session = make_session(project, external_id="s-1")
        entry_of(library, session)
        published(library, admin)
        filled(training_set, admin, session)
        filled(training_set, admin, make_session(project))
        releasing.release(training_set=training_set, by=admin, now=NOW)
        make_candidate(project, review=make_review(make_output(project, session), admin))
        found = erasing.preview(project=project, scope="session", subject="s-1")
        assert found.num_releases == 1
        assert found.counts["candidates"] == 1
        made = whole(ask(project, admin, "s-1"))
        assert made.counts == found.counts
        assert made.num_rows == found.num_rows


@pytest.mark.django_db
class TestWork:
    def test_goes_on_after_it_was_killed_anywhere(
        self,
        project: Project,
        admin: User,
        library: ContextLibrary,
        training_set: TrainingSet,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for number in range(3):
            session = make_session(project, external_id=f"s-{number}", user_external_id="u")
            entry_of(library, session)
            filled(training_set, admin, session)
        filled(training_set, admin, make_session(project, external_id="kept"))
        published(library, admin)
        releasing.release(training_set=training_set, by=admin, now=NOW)
        monkeypatch.setattr(erasing, "SESSIONS_AT_ONCE", 1)
        made = ask(project, admin, "u", "user")
        step, kills = erasing._step, 0

        def dying(one: Erasure, now: datetime) -> None:
            nonlocal kills
            step(one, now)
            kills += 1
            if kills % 2:
                raise KeyboardInterrupt

        monkeypatch.setattr(erasing, "_step", dying)
        for minute in range(40):
            try:
                work_off(LATER + timedelta(minutes=minute))
            except KeyboardInterrupt:
                continue
        made.refresh_from_db()
        assert made.status == "done"
        assert made.counts["sessions"] == 3
        assert kills > 6
        assert list(Session.objects.values_list("external_id", flat=True)) == ["kept"]
        assert library.versions.count() == 2

    def test_fails_in_words_and_is_tried_again(
        self, project: Project, admin: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_session(project, external_id="s-1")
        made = ask(project, admin, "s-1")
        with monkeypatch.context() as patch:
            patch.setattr(sent, "erase", lambda *_, **__: 1 / 0)
            for _ in range(erasing.MOST_TRIES):
                with pytest.raises(ZeroDivisionError):
                    erasing.work_off(now=LATER)
        assert not erasing.work_off(now=LATER)
        made.refresh_from_db()
        assert (made.status, made.ended_at) == ("failed", LATER)
        assert "ZeroDivisionError" in made.problem
        again = ask(project, admin, "s-1")
        assert again.pk == made.pk
        assert whole(again).status == "done"

    def test_only_one_that_failed_is_tried_again(self, project: Project, admin: User) -> None:
        make_session(project, external_id="s-1")
        with pytest.raises(erasing.ErasureError):
            erasing.try_again(erasure=ask(project, admin, "s-1"), by=admin, now=LATER)

    def test_looks_once_more_for_what_was_being_stored(self, project: Project, admin: User) -> None:
        make_session(project, external_id="s-1")
        made = ask(project, admin, "s-1")
        work_off()
        made.refresh_from_db()
        assert made.status == "running"
        # By a request that had asked before the id was known to be erased.
        make_output(project, make_session(project, external_id="s-1"))
        assert whole(made).status == "done"
        assert not Session.objects.exists()


@pytest.mark.django_db
class TestCommand:
    def test_erases_and_waits(
        self,
        project: Project,
        admin: User,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(erasing, "SETTLES_AFTER", timedelta(0))
        make_output(project, make_session(project, external_id="s-1"))
        given = [project.slug, "session", "s-1", "--by", admin.username]
        call_command("erase", *given, "--preview")
        assert Session.objects.exists()
        monkeypatch.setattr("builtins.input", lambda _: "s-2")
        with pytest.raises(CommandError, match="once more"):
            call_command("erase", *given)
        call_command("erase", *given, "--yes")
        assert "Done: 2 rows are gone." in capsys.readouterr().out
        assert not Session.objects.exists()

    def test_wants_an_admin_of_the_project(self, project: Project) -> None:
        curator = make_user(project)
        for by in (curator.username, "nobody"):
            with pytest.raises(CommandError, match="no admin"):
                call_command("erase", project.slug, "session", "s", "--by", by)
        with pytest.raises(CommandError, match="no project"):
            call_command("erase", "none", "session", "s", "--by", curator.username)
