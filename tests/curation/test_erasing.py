from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchVectorField
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, models, transaction
from pgvector.django import HalfVectorField

from curation import context_libraries, erasing, releasing, rewriting, serving, shelves
from curation.experiments import Trial
from curation.models import (
    ContextLibrary,
    Example,
    LibraryVersion,
    PublishedEntry,
    Release,
    ReleasedExample,
    Revocation,
    TrainingSet,
)
from curation.training_sets import TrainingSetError
from feedback import erasure as sent
from feedback.models import ErasedRecord, Erasure, Project, RejectedRecord, Session, User
from review.models import Event
from tests.curation.planted import Stub, Trace, everything, publish
from tests.factories import (
    NOW,
    make_entry,
    make_library,
    make_output,
    make_project,
    make_session,
    make_training_set,
    make_user,
)

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def admin(project: Project) -> User:
    return make_user(project, "admin")


@pytest.fixture
def library(project: Project) -> ContextLibrary:
    return make_library(project)


@pytest.fixture
def training_set(project: Project) -> TrainingSet:
    return make_training_set(project)


def work_off(now: datetime = LATER) -> None:
    while erasing.work_off(now=now):
        pass
    while releasing.work_off(now=now):
        pass


def whole(made: Erasure) -> Erasure:
    """Let a worker do all of an erasure."""
    for minutes in range(5):
        work_off(LATER + timedelta(minutes=2 * minutes))
    made.refresh_from_db()
    return made


def ask(project: Project, by: User, subject: str, scope: str = "session", **more: Any) -> Erasure:
    given: dict[str, Any] = {"confirmed": subject, "now": LATER} | more
    return erasing.start(project=project, scope=scope, subject=subject, by=by, **given)


def entry_of(library: ContextLibrary, session: Session, number: int = 1) -> None:
    for _ in range(number):
        output = make_output(library.project, session)
        make_entry(library, output=output, query=f"What of {output.external_id}?")


def published(library: ContextLibrary, by: User, **more: Any) -> LibraryVersion:
    return context_libraries.publish(library=library, encoder=Stub(), by=by, now=NOW, **more)


def filled(training_set: TrainingSet, by: User, session: Session, number: int = 3) -> list[int]:
    """Examples made of a session's outputs, by their ids."""
    return [
        Example.objects.create(
            training_set=training_set,
            prompt=[{"role": "user", "content": f"Q {session.external_id} {place}"}],
            chosen=f"A {session.external_id} {place}",
            output=make_output(session.project, session),
            created_by=by,
            created_at=NOW,
        ).pk
        for place in range(number)
    ]


def lines_of(release: Release, name: str = "examples/train.jsonl") -> list[str]:
    return releasing.folder_of(release).path(name).read_text().splitlines()


@pytest.mark.django_db(transaction=True)
class TestEverything:
    @pytest.mark.parametrize("scope", ["user", "session"])
    def test_not_a_word_is_left_and_no_other_one_is_gone(self, scope: str) -> None:
        project = make_project()
        curator = make_user(project)
        admin = make_user(project, "admin")
        library, set_ = make_library(project), make_training_set(project)
        gone, kept = (Trace(project, who, library, set_) for who in ("aa", "bb"))
        for trace in (gone, kept):
            trace.send(
                {"type": "session", "id": f"third-{trace.user[2:4]}"},
                {
                    "type": "output",
                    "id": f"third-output-{trace.user[2:4]}",
                    "session": f"third-{trace.user[2:4]}",
                    "query": "q",
                    "text": "a",
                },
            )
            trace.plant(curator=curator, elsewhere=f"third-output-{trace.user[2:4]}")
        publish(library, set_, [gone, kept], by=curator, second=admin)
        before = everything()
        missing = [
            what
            for trace in (gone, kept)
            for what, word in trace.mark.words.items()
            if word not in before
        ]
        assert missing == []
        made = erasing.start(
            project=project,
            scope=scope,
            subject=gone.user if scope == "user" else gone.session,
            confirmed=gone.user if scope == "user" else gone.session,
            by=admin,
            now=LATER,
        )
        assert whole(made).status == "done"
        after = everything()
        of_user = {"user id", "elsewhere", "elsewhere id", "waiting", "waiting id"}
        of_user |= {"unsent output", "refused session", "refused metadata"}
        left = [what for what, word in gone.mark.words.items() if word in after]
        if scope == "session":
            left = [what for what in left if what not in of_user]
        assert left == []
        assert [what for what, word in kept.mark.words.items() if word not in after] == []


REACHED = Path(__file__).parents[2] / "docs" / "reference" / "erasure.md"
TEXTS = (
    models.CharField,
    models.TextField,
    models.JSONField,
    models.UUIDField,
    ArrayField,
    HalfVectorField,
    SearchVectorField,
)


class TestColumns:
    def test_say_how_erasure_reaches_each(self) -> None:
        told = re.findall(r"^\| (\w+\.\w+) \| (.+?) \| .+ \|$", REACHED.read_text(), re.MULTILINE)
        there = {
            model._meta.label: names
            for model in apps.get_models(include_auto_created=True)
            if (names := {one.name for one in model._meta.local_fields if isinstance(one, TEXTS)})
        }
        assert {label: set(names.split(", ")) for label, names in told} == there
        assert len(told) == len(there)


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
        found = erasing.preview(project=project, scope="session", subject="s-1")
        assert found.num_releases == 1
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


@pytest.mark.django_db
class TestReleases:
    @pytest.fixture
    def release(self, project: Project, admin: User, training_set: TrainingSet) -> Release:
        for name in ("s-1", "s-2", "s-3"):
            filled(training_set, admin, make_session(project, external_id=name))
        return releasing.release(training_set=training_set, by=admin, now=NOW)

    def test_are_written_anew_without_it(
        self, project: Project, admin: User, release: Release
    ) -> None:
        before = lines_of(release)
        gone = set(
            Example.objects.filter(output__session__external_id="s-1").values_list("pk", flat=True)
        )
        hash_before = release.content_hash
        whole(ask(project, admin, "s-1"))
        release.refresh_from_db()
        assert (release.status, release.num_erased) == ("done", 3)
        assert release.former_hashes == [hash_before] != [release.content_hash]
        assert lines_of(release) == [
            one for one in before if int(json.loads(one)["id"]) not in gone
        ]
        manifest = json.loads(releasing.folder_of(release).path("manifest.json").read_text())
        assert (manifest["erased"], sum(manifest["examples"].values())) == (3, 6)
        assert manifest["former_hashes"] == [hash_before]
        told = releasing.revocations(release=release)
        assert {(int(str(one["example"])), one["reason"]) for one in told} == {
            (one, "erased") for one in gone
        }
        assert Revocation.objects.filter(revoked_by=admin).count() == 3

    def test_twice_keep_both_hashes(self, project: Project, admin: User, release: Release) -> None:
        first = release.content_hash
        whole(ask(project, admin, "s-1"))
        release.refresh_from_db()
        second = release.content_hash
        whole(ask(project, admin, "s-2"))
        release.refresh_from_db()
        assert (release.former_hashes, release.num_erased) == ([first, second], 6)

    def test_have_no_files_meanwhile_and_cannot_be_stopped(
        self, project: Project, admin: User, release: Release
    ) -> None:
        made = ask(project, admin, "s-1")
        while erasing.work_off(now=LATER):
            pass
        release.refresh_from_db()
        assert (release.status, release.files.count()) == ("writing", 0)
        with pytest.raises(releasing.OverError, match="cannot be stopped"):
            releasing.cancel(release=release, by=admin, now=LATER)
        # Erased of while it is written: it begins once more.
        whole(ask(project, admin, "s-2"))
        assert whole(made).status == "done"
        release.refresh_from_db()
        assert (release.status, release.num_erased) == ("done", 6)
        assert len(release.former_hashes) == 1

    def test_are_the_same_as_the_next_one(
        self, project: Project, admin: User, training_set: TrainingSet, release: Release
    ) -> None:
        whole(ask(project, admin, "s-1"))
        with pytest.raises(TrainingSetError, match="Nothing has changed"):
            releasing.start(training_set=training_set, by=admin, now=LATER)

    def test_fail_while_they_are_made(
        self, project: Project, admin: User, training_set: TrainingSet
    ) -> None:
        for name in ("s-1", "s-2"):
            filled(training_set, admin, make_session(project, external_id=name))
        made = releasing.start(training_set=training_set, by=admin, now=NOW)
        while made.status != "writing":
            releasing.work_off(now=NOW, most=1)
            made.refresh_from_db()
        assert whole(ask(project, admin, "s-1")).status == "done"
        made.refresh_from_db()
        assert made.status == "failed"
        assert "erased" in made.problem
        assert not made.examples.exists()

    def test_hold_their_tools_and_filter(
        self, project: Project, admin: User, training_set: TrainingSet
    ) -> None:
        [one, *_] = filled(training_set, admin, make_session(project, external_id="s-2"))
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
        Example.objects.filter(pk=one).update(
            prompt=[
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c", "content": "7"},
            ]
        )
        filled(training_set, admin, make_session(project, external_id="s-1"))
        training_set.filter = {"session": ["s-1", "s-2"]}
        training_set.save()
        made = releasing.release(training_set=training_set, by=admin, now=NOW)
        whole(ask(project, admin, "s-1"))
        training_set.refresh_from_db()
        assert training_set.filter == {"session": ["erased", "s-2"]}
        manifest = json.loads(releasing.folder_of(made).path("manifest.json").read_text())
        assert manifest["filter"] == {"session": ["erased", "s-2"]}
        made.refresh_from_db()
        assert made.status == "done"
        shards = [one.path for one in made.files.filter(format="huggingface", split="train")]
        assert any(path.endswith(".parquet") for path in shards)


@pytest.mark.django_db
class TestGuards:
    @pytest.fixture
    def release(self, project: Project, admin: User, training_set: TrainingSet) -> Release:
        filled(training_set, admin, make_session(project))
        return releasing.release(training_set=training_set, by=admin, now=NOW)

    @pytest.mark.parametrize(
        "change",
        [
            {"erased_at": NOW},
            {"erased_at": NOW, "prompt": [], "tools": [], "chosen": "x", "lineage": {}},
            {"prompt": [], "tools": [], "chosen": "", "rejected": "", "lineage": {}},
            {
                "erased_at": NOW,
                "prompt": [],
                "tools": [],
                "chosen": "",
                "rejected": "",
                "lineage": {},
                "position": 90,
            },
        ],
    )
    def test_a_released_row_is_emptied_wholly_or_not(
        self, release: Release, change: dict[str, object]
    ) -> None:
        with pytest.raises(IntegrityError, match="published"), transaction.atomic():
            ReleasedExample.objects.filter(release=release).update(**change)

    @pytest.mark.parametrize(
        "change",
        [
            {"status": "writing"},
            {"status": "writing", "former_hashes": ["x"]},
            {"num_erased": 1},
        ],
    )
    def test_a_release_is_written_anew_only_with_its_former_hash(
        self, release: Release, change: dict[str, object]
    ) -> None:
        with pytest.raises(IntegrityError, match="published"), transaction.atomic():
            Release.objects.filter(pk=release.pk).update(**change)

    def test_a_version_only_counts(self, admin: User, library: ContextLibrary) -> None:
        entry_of(library, make_session(library.project))
        made = published(library, admin)
        rows = LibraryVersion.objects.filter(pk=made.pk)
        for change in ({"num_erased": 0}, {"num_erased": 1, "note": "x"}, {"note": "x"}):
            with pytest.raises(IntegrityError, match="published"), transaction.atomic():
                rows.update(**change)
        assert rows.update(num_erased=1) == 1
        with pytest.raises(IntegrityError, match="published"), transaction.atomic():
            PublishedEntry.objects.filter(version=made).update(answer="x")

    def test_an_erased_example_says_nothing(self, admin: User, training_set: TrainingSet) -> None:
        [one, *_] = filled(training_set, admin, make_session(training_set.project))
        with pytest.raises(IntegrityError, match="erased_says_nothing"), transaction.atomic():
            Example.objects.filter(pk=one).update(erased_at=NOW)

    @pytest.mark.parametrize("change", [{"subject": "x"}, {"checkpoint": {"a": 1}}])
    def test_an_erasure_that_is_done_forgets(
        self, project: Project, admin: User, change: dict[str, object]
    ) -> None:
        make_session(project, external_id="s-1")
        made = whole(ask(project, admin, "s-1"))
        with pytest.raises(IntegrityError, match="forgets"), transaction.atomic():
            Erasure.objects.filter(pk=made.pk).update(**change)


@pytest.mark.django_db
class TestReturn:
    @pytest.fixture
    def trace(self, project: Project, library: ContextLibrary, training_set: TrainingSet) -> Trace:
        trace = Trace(project, "cc", library, training_set)
        trace.send(*trace.records())
        return trace

    def test_is_refused_and_nothing_of_it_kept(self, trace: Trace, admin: User) -> None:
        whole(ask(trace.project, admin, trace.user, "user"))
        report = trace.send(*trace.records())
        assert len(report.rejected) == len(trace.records())
        assert {fault.path for one in report.rejected for fault in one.errors} == {"id"}
        late = {"type": "feedback", "name": "r", "score": 1, "annotator_kind": "HUMAN"}
        report = trace.send(
            {**late, "output": trace.mark("first id")}, {**late, "session": trace.session}
        )
        assert [one.errors[0].path for one in report.rejected] == ["output", "session"]
        assert not Session.objects.exists()
        assert not RejectedRecord.objects.exists()
        new = {"type": "session", "id": "new", "user": {"id": trace.user}}
        assert trace.send(new).accepted == 1

    def test_may_be_wanted(self, trace: Trace, admin: User) -> None:
        whole(ask(trace.project, admin, trace.session, may_return=True))
        assert not ErasedRecord.objects.exists()
        report = trace.send(*trace.records())
        assert (report.rejected, report.accepted) == ([], len(trace.records()))


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


def test_a_stale_folder_goes_first(
    db: None, project: Project, admin: User, training_set: TrainingSet
) -> None:
    """Formats that have no row left leave no file behind."""
    filled(training_set, admin, make_session(project, external_id="s-1"))
    filled(training_set, admin, make_session(project, external_id="s-2"))
    made = releasing.release(training_set=training_set, by=admin, now=NOW)
    stray = releasing.folder_of(made).path("trl/stray.jsonl")
    stray.write_text("{}")
    whole(ask(project, admin, "s-1"))
    assert not stray.exists()
    assert rewriting._has_tools(made) is False
