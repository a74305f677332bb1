from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from curation import context_libraries, experiments, serving
from curation.context_libraries import LibraryError
from curation.experiments import ExperimentError, Trial
from curation.models import ContextEntry, ContextLibrary, Experiment, Exposure, LibraryVersion
from curation.serving import Asked, Served
from feedback.embedding import Encoder
from feedback.models import Project, User
from review.models import Event
from tests.factories import NOW, make_entry, make_library

pytestmark = pytest.mark.django_db

QUERY = "When did Bloom come out?"


@pytest.fixture
def publish(library: ContextLibrary, curator: User, encoder: Encoder) -> Any:
    """Publishes one more entry, with a trial and another encoder if they are given."""

    def published(trial: Trial | None = None, *, encoder: Encoder = encoder) -> LibraryVersion:
        make_entry(library, answer=f"Answer {library.entries.count()}.", created_by=curator)
        return context_libraries.publish(
            library=library, encoder=encoder, by=curator, now=NOW, trial=trial
        )

    return published


@pytest.fixture
def roll_back(library: ContextLibrary, curator: User, encoder: Encoder) -> Any:
    """Serves a version again."""

    def rolled_back(version: LibraryVersion, **given: Any) -> None:
        usual: dict[str, Any] = {
            "library": library,
            "model": encoder.model_id,
            "reason": "",
            "now": NOW,
        }
        context_libraries.roll_back(version=version, by=curator, **usual | given)

    return rolled_back


def serve(library: ContextLibrary, encoder: Encoder, session: str = "") -> Served:
    return serving.serve_context(
        project=library.project,
        library_slug=library.slug,
        asked=Asked(messages=[{"role": "user", "content": QUERY}], session=session),
        encoder=encoder,
        now=NOW,
    )


def shares(library: ContextLibrary, encoder: Encoder, num: int = 120) -> dict[str, set[str]]:
    """Which of so many sessions get which version, or nothing."""
    got: dict[str, set[str]] = {}
    for number in range(num):
        served = serve(library, encoder, f"s-{number}")
        what = "nothing" if served.held_out else str(served.version.number)
        got.setdefault(what, set()).add(f"s-{number}")
    return got


class TestTrial:
    @pytest.mark.parametrize(
        "trial",
        [
            Trial(stages=[]),
            Trial(stages=[0]),
            Trial(stages=[101]),
            Trial(stages=[50, 50]),
            Trial(stages=[50, 10]),
            Trial(stages=[95], held_out=10),
            Trial(held_out=100),
            Trial(stages=[50], held_out=-1),
            Trial(stages=[10, 50], held_out=4),
            Trial(stages=[10, 50, 100], held_out=0),
            Trial(hours_per_stage=0),
        ],
    )
    def test_refuses_what_cannot_be(self, publish: Any, trial: Trial) -> None:
        with pytest.raises(ExperimentError, match=r"\w"):
            publish(trial)
        assert not LibraryVersion.objects.exists()

    def test_says_in_which_field_it_is_wrong(self) -> None:
        assert Trial().fault() is None
        assert Trial(stages=[50], held_out=0).fault() is None
        widened = Trial(stages=[10, 50], held_out=0).fault()
        assert widened is not None
        assert (widened.field, "at least 5 percent" in widened.says) == ("held_out", True)

    def test_is_kept_whole_by_the_database(self, publish: Any) -> None:
        experiment = publish(Trial(stages=[10, 90])).experiment
        wrong: dict[str, Any]
        for wrong in (
            {"stage": 2},
            {"stages": []},
            {"held_out": 100},
            {"held_out": 4},
            {"status": "ended"},
        ):
            with pytest.raises(IntegrityError), transaction.atomic():
                Experiment.objects.filter(pk=experiment.pk).update(**wrong)


class TestServing:
    def test_gives_each_session_the_same_and_the_rest_the_version_before(
        self, library: ContextLibrary, publish: Any, encoder: Encoder
    ) -> None:
        publish()
        publish(Trial(stages=[30], held_out=30))
        got = shares(library, encoder)
        assert set(got) == {"1", "2", "nothing"}
        assert shares(library, encoder) == got
        exposures = Exposure.objects.filter(version__number=2, is_held_out=True)
        assert {one.session_external_id for one in exposures} == got["nothing"]

    def test_of_a_first_version_gives_the_rest_nothing(
        self, library: ContextLibrary, publish: Any, encoder: Encoder
    ) -> None:
        publish(Trial(stages=[50], held_out=10))
        assert set(shares(library, encoder)) == {"1", "nothing"}

    def test_holds_nothing_out_where_there_is_no_session_to_compare(
        self, library: ContextLibrary, publish: Any, encoder: Encoder
    ) -> None:
        publish(Trial(stages=[1], held_out=99))
        publish(Trial(stages=[1], held_out=99))
        served = serve(library, encoder)
        assert (served.held_out, served.version.number) in {(False, 1), (False, 2)}

    def test_serves_all_once_it_has_ended(
        self, library: ContextLibrary, publish: Any, encoder: Encoder, curator: User
    ) -> None:
        publish()
        experiment = publish(Trial(stages=[10], held_out=50)).experiment
        experiments.end(experiment=experiment, by=curator, now=NOW)
        assert set(shares(library, encoder)) == {"2"}
        with pytest.raises(ExperimentError, match="has ended"):
            experiments.end(experiment=experiment, by=curator, now=NOW)
        with pytest.raises(ExperimentError, match="has ended"):
            experiments.stop(experiment=experiment, reason="", by=curator, now=NOW)

    def test_goes_back_when_it_is_stopped(
        self, library: ContextLibrary, publish: Any, encoder: Encoder, curator: User
    ) -> None:
        former = publish()
        experiment = publish(Trial(stages=[90])).experiment
        experiments.stop(experiment=experiment, reason="Wrong.", by=curator, now=NOW)
        assert set(shares(library, encoder)) == {"1"}
        library.refresh_from_db()
        assert library.live == former
        assert Event.objects.filter(verb="stopped_experiment", actor=curator).count() == 1

    def test_answers_without_entries_when_there_is_nothing_to_go_back_to(
        self, library: ContextLibrary, publish: Any, encoder: Encoder, roll_back: Any
    ) -> None:
        experiment = publish(Trial(stages=[90])).experiment
        experiments.stop(experiment=experiment, reason="Wrong.", by=None, now=NOW)
        assert set(shares(library, encoder)) == {"nothing"}
        assert serve(library, encoder).held_out
        # Whoever knows better makes it live again; its trial ended when it was stopped.
        roll_back(experiment.version, now=NOW + timedelta(days=1))
        assert set(shares(library, encoder)) == {"1"}
        experiment.refresh_from_db()
        assert (experiment.status, experiment.ended_at) == ("ended", NOW)

    def test_holds_nobody_out_from_what_is_over(
        self, library: ContextLibrary, publish: Any, encoder: Encoder
    ) -> None:
        experiment = publish(Trial(stages=[50], held_out=50)).experiment
        tried = shares(library, encoder)
        experiments.stop(experiment=experiment, reason="Wrong.", by=None, now=NOW)
        served = serve(library, encoder, "later")
        assert served.held_out
        assert Exposure.objects.get(token=served.exposure).session_external_id == ""
        shares(library, encoder)
        held_out = Exposure.objects.filter(is_held_out=True).exclude(session_external_id="")
        assert {one.session_external_id for one in held_out} == tried["nothing"]


class TestBaseline:
    """What the rest of the sessions gets while a version is tried."""

    def test_is_never_a_version_that_was_stopped(
        self, library: ContextLibrary, publish: Any, encoder: Encoder
    ) -> None:
        harmful = publish(Trial(stages=[90], held_out=10)).experiment
        experiments.stop(experiment=harmful, reason="Wrong.", by=None, now=NOW)
        mended = publish(Trial(stages=[10, 50, 90], held_out=10)).experiment
        assert mended.baseline is None
        assert set(shares(library, encoder)) == {"2", "nothing"}
        experiments.stop(experiment=mended, reason="Wrong too.", by=None, now=NOW)
        assert set(shares(library, encoder)) == {"nothing"}

    def test_is_never_a_version_that_was_still_tried(
        self, library: ContextLibrary, publish: Any, encoder: Encoder
    ) -> None:
        proven = publish()
        publish(Trial(stages=[10, 90], held_out=10))
        publish(Trial(stages=[10, 90], held_out=10))
        latest = publish(Trial(stages=[10, 90], held_out=10)).experiment
        assert latest.baseline == proven
        assert set(shares(library, encoder)) == {"1", "4", "nothing"}
        experiments.stop(experiment=latest, reason="Wrong.", by=None, now=NOW)
        assert set(shares(library, encoder)) == {"1"}

    def test_is_nothing_where_the_first_version_was_still_tried(
        self, library: ContextLibrary, publish: Any, encoder: Encoder
    ) -> None:
        publish(Trial(stages=[10, 90], held_out=10))
        publish(Trial(stages=[10, 90], held_out=10))
        assert set(shares(library, encoder)) == {"2", "nothing"}

    def test_is_never_a_version_of_another_embedding_model(
        self, library: ContextLibrary, publish: Any, encoder: Encoder, former_encoder: Encoder
    ) -> None:
        publish(encoder=former_encoder)
        anew = publish(Trial(stages=[30], held_out=30)).experiment
        assert set(shares(library, encoder)) == {"2", "nothing"}
        experiments.stop(experiment=anew, reason="Wrong.", by=None, now=NOW)
        assert set(shares(library, encoder)) == {"nothing"}

    @pytest.mark.parametrize("is_stopped", [False, True])
    def test_is_the_version_before_once_somebody_gives_that_to_all(
        self,
        library: ContextLibrary,
        publish: Any,
        roll_back: Any,
        curator: User,
        is_stopped: bool,
    ) -> None:
        former = publish(Trial(stages=[10, 90], held_out=10))
        if is_stopped:
            experiments.stop(experiment=former.experiment, reason="", by=None, now=NOW)
            roll_back(former)
        else:
            experiments.end(experiment=former.experiment, by=curator, now=NOW)
        assert publish(Trial(stages=[10, 90], held_out=10)).experiment.baseline == former


class TestRollBack:
    def test_serves_a_former_version_and_ends_what_was_tried(
        self, library: ContextLibrary, publish: Any, encoder: Encoder, roll_back: Any
    ) -> None:
        former = publish()
        latest = publish(Trial(stages=[50]))
        roll_back(former, reason="Wrong.")
        assert set(shares(library, encoder)) == {"1"}
        assert Experiment.objects.get(version=latest).status == "ended"
        [event] = Event.objects.filter(verb="rolled_back")
        assert event.data == {"version": 1, "reason": "Wrong."}
        with pytest.raises(LibraryError, match="live already"):
            roll_back(former)
        assert publish().number == 3

    def test_takes_no_other_librarys_version(
        self, project: Project, publish: Any, roll_back: Any
    ) -> None:
        version = publish()
        with pytest.raises(LibraryError, match="another library"):
            roll_back(version, library=make_library(project))

    def test_takes_no_version_of_another_embedding_model(
        self,
        library: ContextLibrary,
        publish: Any,
        roll_back: Any,
        encoder: Encoder,
        former_encoder: Encoder,
    ) -> None:
        former = publish(encoder=former_encoder)
        publish()
        with pytest.raises(LibraryError, match="Version 1 was published with another"):
            roll_back(former)
        assert set(shares(library, encoder, 2)) == {"2"}
        # Nothing is left in it that could not be served.
        ContextEntry.objects.all().delete()
        roll_back(former)

    def test_allows_publishing_again_what_was_rolled_back(
        self,
        library: ContextLibrary,
        publish: Any,
        roll_back: Any,
        curator: User,
        encoder: Encoder,
    ) -> None:
        former = publish()
        publish()
        roll_back(former)
        again = context_libraries.publish(library=library, encoder=encoder, by=curator, now=NOW)
        assert again.number == 3
