"""What became of a promotion, place by place: told by operation, page and API."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from curation import acts, context_libraries, effects, experiments, issues, promoted
from curation.models import (
    ContextEntry,
    ContextLibrary,
    Example,
    Experiment,
    Issue,
    IssueSource,
    LibraryVersion,
    Placing,
    PromotionJob,
    Release,
    ReleasedExample,
    TrainingSet,
)
from curation.promoted import Destination
from feedback.models import Project, User
from feedback.timeouts import TooSlowError
from review.models import Review, Theme
from tests.curation.exposed import answer, complain, put_in
from tests.factories import (
    make_entry,
    make_handover,
    make_issue,
    make_key,
    make_library,
    make_output,
    make_project,
    make_promotion,
    make_review,
    make_theme,
    make_training_set,
    make_user,
)

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NOW = timezone.now()
ACTED = NOW - 14 * DAY


@pytest.fixture
def theme(project: Project) -> Theme:
    return make_theme(project, number=7, name="Release <dates>")


@pytest.fixture
def review(project: Project, curator: User, theme: Theme) -> Review:
    """A corrected answer that somebody complained of, long ago."""
    output = make_output(project, at=ACTED - 90 * DAY)
    put_in(theme, complain([output]))
    return make_review(output, curator, correction="Better.")


@pytest.fixture
def fallen(project: Project, theme: Theme) -> None:
    """Complaints of the theme fell from fifteen in a hundred answers to two."""
    answer(project, 400, at=ACTED - DAY, bad=60, theme=theme, others=60)
    answer(project, 400, at=ACTED + DAY, bad=8, theme=theme, others=60)


def entry_of(review: Review, library: ContextLibrary) -> ContextEntry:
    return make_entry(
        library, review=review, output=review.output, created_by=review.reviewer, answer="Better."
    )


def publish(entry: ContextEntry, *, number: int = 1, at: Any = ACTED) -> LibraryVersion:
    version = LibraryVersion.objects.create(
        library=entry.library,
        number=number,
        content_hash="0" * 64,
        published_by=entry.created_by,
        published_at=at,
    )
    version.entries.create(
        entry=entry, position=0, kind="example", query="q", answer="a", model="m", vector=[1.0]
    )
    return version


def example_of(review: Review, training_set: TrainingSet) -> Example:
    return Example.objects.create(
        training_set=training_set,
        prompt=[{"role": "user", "content": "q"}],
        chosen="Better.",
        output=review.output,
        review=review,
        created_by=review.reviewer,
        created_at=ACTED,
    )


def release(example: Example, *, split: str = "train", at: Any = ACTED) -> Release:
    made = Release.objects.create(
        training_set=example.training_set,
        number=example.training_set.releases.count() + 1,
        status="freezing",
        released_by=example.created_by,
        released_at=at,
    )
    ReleasedExample.objects.create(
        release=made,
        example=example,
        split=split,
        position=1,
        prompt=example.prompt,
        chosen=example.chosen,
        lineage={},
    )
    made.status, made.content_hash = "done", "0" * 64
    made.save()
    return made


def issue_of(review: Review, theme: Theme | None) -> Issue:
    issue = make_issue(review.project, theme=theme, opened_at=ACTED - DAY)
    handover = make_handover(review.project, review=review, route="issue")
    IssueSource.objects.create(issue=issue, handover=handover)
    return issue


def tell(review: Review, now: Any = NOW) -> list[Destination]:
    theme = issues.theme_of(review=review)
    return promoted.of_review(review=review, theme=theme, now=now)


def words(found: list[Destination]) -> list[str]:
    return [
        one.state.words if one.state else ", ".join(each.reading.words for each in one.effects)
        for one in found
    ]


class TestOfReview:
    def test_says_where_nothing_is_done_yet(
        self, review: Review, theme: Theme, library: ContextLibrary, training_set: TrainingSet
    ) -> None:
        entry_of(review, library)
        example_of(review, training_set)
        issue_of(review, theme)
        found = words(tell(review))
        assert found == ["not published yet", "not in a release yet", "the issue is open"]

    def test_tells_what_each_did_to_the_theme_of_the_answer(
        self,
        review: Review,
        theme: Theme,
        library: ContextLibrary,
        training_set: TrainingSet,
        curator: User,
        fallen: None,
    ) -> None:
        version = publish(entry_of(review, library))
        made = release(example_of(review, training_set))
        issue = issue_of(review, theme)
        issues.close(issue=issue, resolution="fixed", by=curator, now=ACTED)
        found = tell(review)
        assert words(found) == ["fewer than expected"] * 3
        by_place = [one.effects[0].act for one in found]
        assert [(one.version, one.release, one.issue) for one in by_place] == [
            (version, None, None),
            (None, made, None),
            (None, None, issue),
        ]
        arm = found[1].effects[0].before_after
        assert (arm.before.complaints, arm.after.complaints) == (60, 8)

    def test_says_how_many_sessions_are_missing_and_when_none_are_added(
        self, project: Project, review: Review, theme: Theme, training_set: TrainingSet
    ) -> None:
        release(example_of(review, training_set))
        answer(project, 60, at=ACTED - DAY, bad=9, theme=theme, others=25)
        answer(project, 60, at=ACTED + DAY, bad=8, theme=theme, others=25)
        [said] = words(tell(review))
        assert said.startswith("inconclusive: ")
        assert said.endswith(" more sessions needed")
        [over] = tell(review, now=ACTED + 30 * DAY)
        assert over.effects[0].reading.words == "inconclusive"
        assert "more sessions in those days" in over.effects[0].reading.why

    def test_tells_of_the_first_and_the_latest_version_that_has_the_entry(
        self, review: Review, library: ContextLibrary
    ) -> None:
        entry = entry_of(review, library)
        for number in (1, 2, 3):
            publish(entry, number=number, at=ACTED + number * DAY)
        [found] = tell(review)
        assert [one.act.version.number for one in found.effects if one.act.version] == [3, 1]
        first = found.effects[1]
        assert first.until == ACTED + 2 * DAY

    def test_a_version_is_compared_until_another_was_served_again(
        self, review: Review, library: ContextLibrary, curator: User, fallen: None
    ) -> None:
        former = publish(make_entry(library, created_by=curator), at=ACTED - 5 * DAY)
        version = publish(entry_of(review, library), number=2)
        library.live = version
        library.save()
        context_libraries.roll_back(
            library=library,
            version=former,
            model="m",
            reason="Worse.",
            by=curator,
            now=ACTED + 3 * DAY,
        )
        [found] = tell(review)
        assert found.effects[0].until == ACTED + 3 * DAY

    def test_a_version_is_compared_until_it_was_stopped(
        self, review: Review, library: ContextLibrary
    ) -> None:
        trial = Experiment.objects.create(
            version=publish(entry_of(review, library)),
            salt="a",
            stages=[90],
            held_out=10,
            started_at=ACTED,
            stage_since=ACTED,
        )
        experiments.stop(experiment=trial, reason="Worse.", by=None, now=ACTED + 2 * DAY)
        [found] = tell(review)
        assert found.effects[0].until == ACTED + 2 * DAY

    def test_a_release_that_is_being_made_tells_nothing(
        self, review: Review, training_set: TrainingSet
    ) -> None:
        example = example_of(review, training_set)
        begun = Release.objects.create(
            training_set=training_set,
            number=1,
            status="freezing",
            released_by=example.created_by,
            released_at=ACTED,
        )
        begun.examples.create(
            example=example, split="train", position=1, prompt=[], chosen="a", lineage={}
        )
        assert words(tell(review)) == ["not in a release yet"]

    def test_says_that_an_answer_in_no_theme_cannot_be_compared(
        self, project: Project, curator: User, library: ContextLibrary
    ) -> None:
        review = make_review(make_output(project), curator, correction="Better.")
        publish(entry_of(review, library))
        assert words(tell(review)) == ["has no theme"]

    def test_what_is_held_back_or_erased_or_tests_teaches_nothing(
        self, project: Project, review: Review, theme: Theme, training_set: TrainingSet
    ) -> None:
        release(example_of(review, training_set), split="validation")
        tests = make_training_set(project, purpose="evaluation")
        release(example_of(review, tests))
        assert words(tell(review)) == ["not trained on", "not trained on"]
        emptied = release(example_of(review, make_training_set(project)))
        assert list(acts.releases_against(theme)) == [emptied]
        emptied.examples.update(erased_at=NOW, prompt=[], chosen="", lineage={})
        assert list(acts.releases_against(theme)) == []

    def test_an_issue_that_came_back_is_compared_until_then(
        self, review: Review, theme: Theme, curator: User, fallen: None
    ) -> None:
        issue = issue_of(review, theme)
        issues.close(issue=issue, resolution="fixed", by=curator, now=ACTED)
        issues.reopen(issue=issue, by=curator, comment="No.", now=ACTED + 5 * DAY)
        [found] = tell(review)
        assert found.effects[0].until == ACTED + 5 * DAY
        issues.close(issue=issue, resolution="dropped", by=curator, now=ACTED + 6 * DAY)
        assert len(acts.closed(Issue.objects.all(), most=9)) == 1

    def test_an_issue_that_was_dropped_did_nothing(
        self, review: Review, theme: Theme, curator: User
    ) -> None:
        issue = issue_of(review, theme)
        issues.close(issue=issue, resolution="dropped", by=curator, now=ACTED)
        assert words(tell(review)) == ["not to be fixed"]

    def test_asks_as_often_however_many_versions_there_are(
        self,
        review: Review,
        library: ContextLibrary,
        theme: Theme,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        entry = entry_of(review, library)
        for number in range(1, 6):
            publish(entry, number=number, at=ACTED + number * DAY)
        # Savepoint and limit with their release, entries, versions twice, three to count for each
        # of both, four for the entry alone, examples, issues.
        with django_assert_num_queries(18):
            promoted.of_review(review=review, theme=theme, now=NOW)


class TestOfJob:
    @pytest.fixture
    def job(
        self, project: Project, curator: User, review: Review, library: ContextLibrary
    ) -> PromotionJob:
        job = make_promotion(project, curator, status="done", num_made=1)
        job.libraries.add(library)
        Placing.objects.create(
            job=job,
            review=review,
            library=library,
            entry=entry_of(review, library),
            made_sha256="0" * 64,
        )
        return job

    def test_tells_by_place_what_it_did_to_its_themes(
        self, job: PromotionJob, theme: Theme, fallen: None
    ) -> None:
        assert words(promoted.of_job(job=job, now=NOW)) == ["not published yet"]
        entry = job.placings.get().entry
        assert entry is not None
        publish(entry)
        [found] = promoted.of_job(job=job, now=NOW)
        assert [one.theme for one in found.effects] == [theme]
        assert words([found]) == ["fewer than expected"]

    def test_what_was_taken_back_did_nothing(self, job: PromotionJob, fallen: None) -> None:
        entry = job.placings.get().entry
        assert entry is not None
        publish(entry)
        job.placings.update(outcome="undone")
        assert promoted.of_job(job=job, now=NOW) == []

    def test_asks_as_often_for_many_reviews(
        self,
        project: Project,
        job: PromotionJob,
        theme: Theme,
        curator: User,
        library: ContextLibrary,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for _ in range(5):
            output = make_output(project, at=ACTED)
            put_in(theme, complain([output]))
            one = make_review(output, curator, correction="Better.")
            entry = entry_of(one, library)
            Placing.objects.create(
                job=job, review=one, library=library, entry=entry, made_sha256="0" * 64
            )
        publish(entry)
        # Savepoint, limit, themes, libraries, version, three to count, sets, release.
        with django_assert_num_queries(10):
            promoted.of_job(job=job, now=NOW)


class TestOfTheme:
    def test_tells_of_all_that_was_done_the_newest_first(
        self,
        review: Review,
        theme: Theme,
        library: ContextLibrary,
        training_set: TrainingSet,
        curator: User,
    ) -> None:
        publish(entry_of(review, library), at=ACTED)
        release(example_of(review, training_set), at=ACTED + DAY)
        issues.close(
            issue=issue_of(review, theme), resolution="fixed", by=curator, now=ACTED + 2 * DAY
        )
        found = effects.of_theme(theme=theme, now=NOW)
        assert [one.act.kind for one in found] == ["issue", "release", "version"]


class TestPages:
    @pytest.fixture
    def viewer(self, client: Client, project: Project) -> Client:
        client.force_login(make_user(project, "viewer"))
        return client

    def test_say_it_in_words_with_a_figure_and_a_link(
        self,
        viewer: Client,
        project: Project,
        review: Review,
        theme: Theme,
        training_set: TrainingSet,
        fallen: None,
    ) -> None:
        made = release(example_of(review, training_set))
        address = reverse("review_effect", args=[project.slug, review.pk])
        page = viewer.get(address).content.decode()
        assert "<dates>" not in page
        assert "fewer than expected" in page
        assert reverse("release", args=[project.slug, training_set.slug, made.number]) in page
        assert 'aria-label="Before 15.0 %' in unescape(page)
        part = viewer.get(address, headers={"HX-Request": "true"}).content.decode()
        assert "<html" not in part
        of_theme = viewer.get(reverse("theme_effect", args=[project.slug, 7])).content.decode()
        assert f"{training_set.name} r1" in of_theme
        assert "made" in of_theme

    def test_are_asked_for_by_the_pages_of_promotions(
        self, client: Client, project: Project, review: Review, curator: User
    ) -> None:
        entry_of(review, make_library(project))
        job = make_promotion(project, curator, status="done", num_made=1)
        client.force_login(curator)
        for name, pk in (("promote", review.pk), ("promotion_job", job.pk)):
            page = client.get(reverse(name, args=[project.slug, pk])).content.decode()
            effect = {"promote": "review_effect", "promotion_job": "promotion_effect"}[name]
            assert f'hx-get="{reverse(effect, args=[project.slug, pk])}"' in page
        response = client.get(reverse("promotion_effect", args=[project.slug, job.pk]))
        assert "promoted nowhere" in response.content.decode()

    def test_say_that_there_is_too_much_to_count(
        self, viewer: Client, project: Project, review: Review, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def slow(**_: object) -> None:
            raise TooSlowError

        monkeypatch.setattr("curation.promoted.of_review", slow)
        page = viewer.get(reverse("review_effect", args=[project.slug, review.pk]))
        assert effects.TOO_SLOW in page.content.decode()

    def test_know_nothing_of_other_projects(
        self, client: Client, project: Project, review: Review
    ) -> None:
        other = make_project()
        client.force_login(make_user(other, "admin"))
        assert client.get(reverse("review_effect", args=[other.slug, review.pk])).status_code == 404
        job = make_promotion(project, review.reviewer)
        for name, pk in (("reviews", review.pk), ("promotions", job.pk)):
            address = f"/api/v1/{name}/{pk}/effect"
            key = {"authorization": f"Bearer {make_key(other)}"}
            assert client.get(address, headers=key).status_code == 404


class TestApi:
    def test_tells_the_same(
        self,
        client: Client,
        project: Project,
        review: Review,
        training_set: TrainingSet,
        library: ContextLibrary,
        fallen: None,
    ) -> None:
        entry_of(review, library)
        release(example_of(review, training_set))
        headers = {"authorization": f"Bearer {make_key(project)}"}
        response = client.get(f"/api/v1/reviews/{review.pk}/effect", headers=headers)
        draft, trained = response.json()["destinations"]
        assert (draft["library"], draft["effects"]) == (library.slug, [])
        assert draft["state"]["words"] == "not published yet"
        [effect] = trained["effects"]
        assert (effect["kind"], effect["training_set"]) == ("release", training_set.slug)
        assert (effect["theme"], effect["held_out"]) == (7, None)
        assert effect["reading"]["kind"] == "works"
