from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from pgvector.django import HalfVectorField

from curation import erasing
from curation.models import ContextLibrary, Exposure, LibraryVersion, TrainingSet
from feedback.models import ErasedRecord, Project, RejectedRecord, Session, User
from tests.curation.erased import LATER, ask, whole, work_off
from tests.curation.planted import Trace, everything, publish
from tests.factories import NOW, make_library, make_project, make_training_set, make_user


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

    def test_of_what_was_asked_for_meanwhile_no_session_is_named(
        self, trace: Trace, library: ContextLibrary, admin: User
    ) -> None:
        """A request that began before the erasure, and waited for the encoder."""
        version = LibraryVersion.objects.create(
            library=library, number=9, content_hash="", published_by=admin, published_at=NOW
        )
        served = {"project": trace.project, "version": version, "num_tokens": 0}
        served |= {"served_at": LATER - timedelta(seconds=10)}
        made = ask(trace.project, admin, trace.session)
        work_off()
        late, other = (
            Exposure.objects.create(session_external_id=one, **served)
            for one in (trace.session, "other")
        )
        assert whole(made).status == "done"
        late.refresh_from_db()
        other.refresh_from_db()
        assert (late.session_external_id, other.session_external_id) == ("", "other")

    def test_may_be_wanted(self, trace: Trace, admin: User) -> None:
        whole(ask(trace.project, admin, trace.session, may_return=True))
        assert not ErasedRecord.objects.exists()
        report = trace.send(*trace.records())
        assert (report.rejected, report.accepted) == ([], len(trace.records()))
