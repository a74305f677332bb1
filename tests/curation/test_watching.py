from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from curation import effects, sequential, watching
from curation.models import Experiment, Exposure, LibraryVersion
from feedback.models import Project
from tests.factories import (
    NOW,
    make_feedback,
    make_library,
    make_output,
    make_session,
    make_user,
)

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


class TestWatch:
    @pytest.fixture
    def experiment(self, project: Project) -> Experiment:
        version = LibraryVersion.objects.create(
            library=make_library(project),
            number=1,
            content_hash="",
            published_by=make_user(project),
            published_at=NOW,
        )
        return Experiment.objects.create(
            version=version,
            salt="a",
            stages=[10, 50, 90],
            held_out=10,
            started_at=NOW,
            stage_since=NOW,
        )

    def expose(
        self,
        experiment: Experiment,
        session: str,
        *,
        held_out: bool,
        complains: bool,
        version: LibraryVersion | None = None,
        at: datetime = NOW,
    ) -> None:
        """One session with one answer after its exposure."""
        project = experiment.version.library.project
        Exposure.objects.create(
            token=uuid4(),
            project=project,
            version=version or experiment.version,
            session_external_id=session,
            is_held_out=held_out,
            num_tokens=0,
            served_at=at,
        )
        output = make_output(
            project, make_session(project, external_id=session), at=at + timedelta(minutes=1)
        )
        if complains:
            make_feedback(output, score=-1)

    def test_widens_stage_by_stage_when_it_is_due(self, experiment: Experiment) -> None:
        assert watching.watch(now=NOW + DAY / 2) == 0
        for hours, stage in ((24, 1), (25, 1), (48, 2), (480, 2)):
            watching.watch(now=NOW + timedelta(hours=hours))
            experiment.refresh_from_db()
            assert (experiment.stage, experiment.status) == (stage, "running")
        assert experiment.served == 90

    def test_stops_what_does_harm_and_says_so(self, experiment: Experiment) -> None:
        for number in range(40):
            self.expose(experiment, f"served-{number}", held_out=False, complains=number < 36)
            self.expose(experiment, f"held-{number}", held_out=True, complains=number < 2)
        assert watching.watch(now=NOW + DAY) == 1
        experiment.refresh_from_db()
        assert experiment.status == "stopped"
        assert "36 of 40" in experiment.reason
        assert "2 of 40" in experiment.reason
        assert watching.watch(now=NOW + 2 * DAY) == 0

    @pytest.fixture
    def former(self, experiment: Experiment) -> LibraryVersion:
        """The version before, which the rest of the sessions gets."""
        version = LibraryVersion.objects.create(
            library=experiment.version.library,
            number=2,
            content_hash="",
            published_by=experiment.version.published_by,
            published_at=NOW - DAY,
        )
        experiment.baseline = version
        experiment.save()
        return version

    def test_stops_what_is_worse_than_the_version_before_though_better_than_nothing(
        self, experiment: Experiment, former: LibraryVersion
    ) -> None:
        for number in range(60):
            self.expose(experiment, f"held-{number}", held_out=True, complains=number < 54)
            self.expose(experiment, f"served-{number}", held_out=False, complains=number < 36)
            self.expose(
                experiment, f"b-{number}", held_out=False, complains=number < 3, version=former
            )
        assert watching.watch(now=NOW + DAY) == 1
        experiment.refresh_from_db()
        assert experiment.status == "stopped"
        assert "36 of 60" in experiment.reason
        assert experiment.reason.endswith("3 of 60 (5.0%) with the version before.")
        found = effects.of_version(version=experiment.version, now=NOW + DAY)
        assert found.former is not None
        assert found.former.reading.words == "made it worse"
        assert found.effects[0].reading.words == "works"

    def test_holds_it_against_sessions_of_the_trial_alone(
        self, experiment: Experiment, former: LibraryVersion
    ) -> None:
        def expose(session: str, version: LibraryVersion, at: datetime) -> None:
            self.expose(
                experiment, session, held_out=False, complains=False, version=version, at=at
            )

        expose("earlier", former, NOW - DAY)
        expose("before", former, NOW)
        expose("served", experiment.version, NOW)
        expose("when nobody got the former", experiment.version, NOW + 3 * DAY)
        served, before = watching.beside_former(experiment)
        assert (served.sessions, before.sessions) == (1, 1)

    def test_an_output_counts_for_the_version_that_its_session_got_at_the_time(
        self, experiment: Experiment, former: LibraryVersion
    ) -> None:
        """Else those that come again were left out of the one arm alone, stage by stage."""
        project = former.library.project
        self.expose(experiment, "again", held_out=False, complains=False, version=former)
        self.expose(experiment, "served", held_out=False, complains=False)
        for name, at in (("again", NOW + DAY), ("served", NOW + DAY), ("served", NOW + 3 * DAY)):
            experiment.version.exposures.create(
                project=project,
                session_external_id=name,
                token=uuid4(),
                num_tokens=0,
                served_at=at,
            )
        self.expose(
            experiment, "last", held_out=False, complains=False, version=former, at=NOW + DAY
        )
        for name, days in (("again", 1), ("served", 1), ("served", 3)):
            session = project.sessions.get(external_id=name)
            make_feedback(make_output(project, session, at=NOW + days * DAY), score=-1)
        served, before = watching.beside_former(experiment)
        assert (served.sessions, served.outputs, served.complaints) == (2, 3, 2)
        assert (before.sessions, before.outputs, before.complaints) == (2, 2, 0)

    def test_days_after_it_was_stopped_do_not_count(
        self, experiment: Experiment, former: LibraryVersion
    ) -> None:
        """Nor where it is made live again, which gives it another end."""
        for days in (0, 5):
            self.expose(
                experiment,
                f"before-{days}",
                held_out=False,
                complains=True,
                version=former,
                at=NOW + days * DAY,
            )
        self.expose(experiment, "served", held_out=False, complains=False)
        experiment.status, experiment.ended_at = "ended", NOW + 9 * DAY
        experiment.save()
        served, before = watching.beside_former(experiment)
        assert (served.sessions, before.sessions) == (1, 1)

    @pytest.mark.parametrize(("stages", "is_stopped"), [([90], True), ([50], False)])
    def test_shares_the_error_only_where_both_get_sessions(
        self,
        experiment: Experiment,
        former: LibraryVersion,
        stages: list[int],
        is_stopped: bool,
    ) -> None:
        experiment.stages = stages
        experiment.save()
        for number in range(100):
            self.expose(experiment, f"served-{number}", held_out=False, complains=number < 24)
            self.expose(experiment, f"held-{number}", held_out=True, complains=number < 7)
        evidence = sequential.evidence(*watching.arms_of(experiment))
        assert 20 < evidence < 40
        watching.watch(now=NOW + DAY)
        experiment.refresh_from_db()
        assert (experiment.status == "stopped") is is_stopped

    def test_lets_what_helps_go_on(self, experiment: Experiment) -> None:
        for number in range(40):
            self.expose(experiment, f"served-{number}", held_out=False, complains=number < 2)
            self.expose(experiment, f"held-{number}", held_out=True, complains=number < 36)
        watching.watch(now=NOW)
        experiment.refresh_from_db()
        assert experiment.status == "running"

    def test_counts_a_session_from_its_exposure_on_and_what_people_said(
        self, experiment: Experiment
    ) -> None:
        project = experiment.version.library.project
        self.expose(experiment, "s", held_out=False, complains=True)
        session = project.sessions.get(external_id="s")
        make_feedback(make_output(project, session, at=NOW - DAY), score=-1)
        signalled = make_output(project, session, at=NOW + DAY)
        make_feedback(signalled, score=-1, is_implicit=True, name="regenerate")
        for days in range(2):
            at = NOW + days * DAY
            self.expose(experiment, f"held-{days}", held_out=True, complains=False, at=at)
        served, held_out = watching.arms_of(experiment)
        assert (served.sessions, served.outputs, served.complaints) == (1, 2, 1)
        assert (held_out.sessions, held_out.outputs, held_out.complaints) == (2, 2, 0)
