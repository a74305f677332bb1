"""What migrations of data make of the rows that are there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from curation import context_libraries
from curation.experiments import Trial
from curation.models import ContextLibrary, Example, Experiment, LibraryVersion, Release
from feedback.embedding import Encoder
from feedback.models import Project, User
from review.models import Event, Handover, Review, ThemeRun
from tests.factories import (
    NOW,
    make_annotation,
    make_entry,
    make_handover,
    make_library,
    make_output,
    make_project,
    make_review,
    make_theme,
    make_training_set,
    make_user,
)
from tests.migrating import apply, unapply

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def routed(project: Project, **fields: Any) -> Review:
    """A review on both routes, as a migration opened what it asks for."""
    review = make_review(make_output(project), make_user(project), **fields)
    for route in ("library", "training"):
        make_handover(project, review=review, route=route)
    return review


def make_example(project: Project, **fields: Any) -> Example:
    fields = {"prompt": [], "chosen": "a", "created_at": NOW} | fields
    return Example.objects.create(training_set=make_training_set(project), **fields)


def done(review: Review) -> dict[str, Any]:
    found = Handover.objects.filter(review=review, status="done", is_promoted=True)
    return {one.route: (one.done_by, one.done_at) for one in found}


class TestPromotedHandovers:
    """0004: what was promoted before."""

    def test_is_done_since_the_first_that_is_kept(self, project: Project, curator: User) -> None:
        review, gone, never = (routed(project) for _ in range(3))
        first, second = make_user(project), make_user(project)

        def add(of: Review, by: User, at: Any, **fields: Any) -> None:
            make_entry(make_library(project), review=of, created_by=by, created_at=at, **fields)

        add(review, curator, NOW - HOUR, removed_at=NOW)
        add(review, second, NOW + HOUR)
        add(review, first, NOW)
        add(gone, curator, NOW, removed_at=NOW)
        make_entry(make_library(project))
        make_example(project, review=gone, created_by=curator, created_at=NOW + HOUR)
        make_example(project, created_by=curator)
        for _ in range(2):
            apply("curation", "0004_promoted_handovers")
        assert done(review) == {"library": (first, NOW)}
        assert done(gone) == {"training": (curator, NOW + HOUR)}
        assert done(never) == {}
        assert Handover.objects.filter(status="open").count() == 4

    def test_leaves_what_somebody_closed_as_it_is(self, project: Project, curator: User) -> None:
        review = routed(project)
        Handover.objects.filter(route="library").update(
            status="done", done_at=NOW - HOUR, comment="No."
        )
        make_entry(make_library(project), review=review, created_by=curator, created_at=NOW)
        apply("curation", "0004_promoted_handovers")
        assert done(review) == {}


class TestLiveVersions:
    """0006: until then the version published last was the one served."""

    def test_are_the_newest_of_each_library(self, project: Project, curator: User) -> None:
        empty, one, other = (make_library(project) for _ in range(3))
        for library, numbers in ((one, (1, 3, 2)), (other, (1,))):
            LibraryVersion.objects.bulk_create(
                LibraryVersion(
                    library=library,
                    number=number,
                    content_hash="",
                    published_by=curator,
                    published_at=NOW,
                )
                for number in numbers
            )
        apply("curation", "0006_live_versions")
        for library, number in ((empty, None), (one, 3), (other, 1)):
            library.refresh_from_db()
            assert (library.live.number if library.live else None) == number


class TestWatchedTrials:
    """0023: trials that nobody watched, or that fell back on what was not proven."""

    def tried(self, library: ContextLibrary, number: int, **fields: Any) -> Experiment:
        version = LibraryVersion.objects.create(
            library=library,
            number=number,
            content_hash="",
            published_by=make_user(library.project),
            published_at=NOW,
        )
        given = {"salt": "a", "stages": [10, 90], "held_out": 10, "started_at": NOW}
        return Experiment.objects.create(version=version, **{"stage_since": NOW, **given, **fields})

    def test_go_to_no_more_sessions_without_any_held_out(self, project: Project) -> None:
        library = make_library(project)
        with connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE curation_experiment "
                "DROP CONSTRAINT curation_experiment_widens_beside_held_out"
            )
        over = {"status": "ended", "ended_at": NOW}
        rows = [
            self.tried(library, 1, stages=[10, 50, 90], stage=1, held_out=4),
            self.tried(library, 2, stages=[10, 90], held_out=5),
            self.tried(library, 3, stages=[10, 90], held_out=0, **over),
        ]
        apply("curation", "0023_watched_trials")
        for row in rows:
            row.refresh_from_db()
        assert [(row.stages, row.stage) for row in rows] == [
            ([50], 0),
            ([10, 90], 0),
            ([10, 90], 0),
        ]

    def test_fall_back_on_the_last_that_was_proven(self, project: Project) -> None:
        library = make_library(project)
        ended = {"status": "ended", "started_at": NOW - HOUR}
        proven = self.tried(library, 1, **ended, ended_at=NOW - HOUR / 2).version
        stopped = self.tried(library, 2, baseline=proven, status="stopped", ended_at=NOW).version
        still = self.tried(library, 3, baseline=stopped, **ended, ended_at=NOW).version
        latest = self.tried(library, 4, baseline=still)
        other = make_library(project)
        first = self.tried(other, 1, status="stopped", ended_at=NOW).version
        second = self.tried(other, 2, baseline=first)
        apply("curation", "0023_watched_trials")
        latest.refresh_from_db()
        second.refresh_from_db()
        assert (latest.baseline, second.baseline) == (proven, None)


class TestAnnotationsInLineage:
    """0025: what stood on an answer that was promoted before."""

    def test_goes_to_what_was_promoted_of_it_later(self, project: Project, curator: User) -> None:
        review, worse = (make_review(make_output(project), curator) for _ in range(2))
        notes = [
            make_annotation(one.output, curator, "Bloom", created_at=NOW - HOUR)
            for one in (review, worse)
        ]
        make_annotation(review.output, curator, "Bloom", created_at=NOW + HOUR)
        make_annotation(review.output, curator, "Bloom", created_at=NOW - HOUR, deleted_at=NOW)
        fields = {"created_by": curator, "created_at": NOW}
        entry = make_entry(make_library(project), review=review, **fields)
        pair = make_example(
            project,
            is_pair=True,
            rejected="b",
            created_by=curator,
            chosen_review=review,
            rejected_review=worse,
        )
        unapply("curation", "0025_annotations_in_lineage")
        apply("curation", "0025_annotations_in_lineage")
        assert list(entry.annotations.all()) == notes[:1]
        assert set(pair.annotations.all()) == set(notes)


class TestFiltersOfReleases:
    """0026: by what filter a release goes that is taking in what it matches."""

    def test_is_the_one_of_its_set(self, project: Project, curator: User) -> None:
        begun = {"after_review": 0, "until_review": 9}
        filtered, by_hand = (
            make_training_set(project, filter=wanted) for wanted in ({"model": "m"}, None)
        )
        fields = {"number": 1, "formats": [], "released_by": curator, "released_at": NOW}
        for one in (filtered, by_hand):
            Release.objects.create(training_set=one, checkpoint=begun, **fields)
        for _ in range(2):
            apply("curation", "0026_filters_of_releases")
        assert Release.objects.get(training_set=filtered).checkpoint == begun | {
            "filter": {"model": "m"}
        }
        assert Release.objects.get(training_set=by_hand).checkpoint == begun


class TestNumbersOfThemes:
    """review 0041: the highest number that was given in a project."""

    def test_are_known_of_earlier_runs(self, project: Project) -> None:
        themes = [make_theme(one) for one in (project, project, make_project())]
        times = {"started_at": NOW, "finished_at": NOW}
        for one in themes[1:]:
            ThemeRun.objects.create(
                project=one.project, model="m", num_feedback=1, num_themes=1, **times
            )
        unapply("review", "0041_numbers_of_themes")
        apply("review", "0041_numbers_of_themes")
        for one in themes[1:]:
            assert ThemeRun.objects.get(project=one.project).last_number == one.number


class TestVersionsThatFollowErasures:
    """0027: which versions were published by an erasure."""

    def test_are_those_whose_event_says_so(self, project: Project, curator: User) -> None:
        library, other = make_library(project), make_library(project)
        fields = {"content_hash": "", "published_by": curator, "published_at": NOW}
        for of, number, more in (
            (library, 1, {}),
            (library, 2, {"erased": 1}),
            (library, 3, {}),
            (other, 2, {}),
        ):
            LibraryVersion.objects.create(library=of, number=number, **fields)
            Event.objects.create(
                project=project,
                verb="published",
                target_type="context_library",
                target_id=of.pk,
                data={"version": number} | more,
                at=NOW,
            )
        unapply("curation", "0027_versions_that_follow_erasures")
        apply("curation", "0027_versions_that_follow_erasures")
        found = LibraryVersion.objects.filter(follows_erasure=True)
        assert list(found.values_list("library", "number")) == [(library.pk, 2)]


class TestBaselinesOfTheSameModel:
    """0029: trials beside a version of another embedding model."""

    def test_fall_back_on_no_other_model(
        self, project: Project, curator: User, encoder: Encoder, former_encoder: Encoder
    ) -> None:
        def publish(library: ContextLibrary, by: Encoder, trial: Trial | None) -> LibraryVersion:
            make_entry(library, created_by=curator)
            return context_libraries.publish(
                library=library, encoder=by, by=curator, now=NOW, trial=trial
            )

        other, same = make_library(project), make_library(project)
        of_other, of_same = publish(other, former_encoder, None), publish(same, encoder, None)
        trials = [publish(library, encoder, Trial()).experiment for library in (other, same)]
        Experiment.objects.filter(pk=trials[0].pk).update(baseline=of_other)
        apply("curation", "0029_baselines_of_the_same_model")
        for one in trials:
            one.refresh_from_db()
        assert [one.baseline for one in trials] == [None, of_same]
