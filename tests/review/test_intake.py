from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from feedback.ingestion import ingest
from feedback.models import Feedback, Output, Project
from review import intake, priority
from review.models import Claim, Queue, QueueItem, Stratum, ThemeMembership, ThemeRun
from review.models.stratum import Draw
from review.sampling import draw
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_theme,
    make_user,
)

LATER = NOW + timedelta(seconds=901)


def stratum(queue: Queue, position: int, **fields: Any) -> Stratum:
    fields.setdefault("name", f"Part {position}")
    return Stratum.objects.create(queue=queue, position=position, **fields)


class TestFeed:
    def test_gives_every_item_as_many_places_as_reviewers_are_asked_for(
        self, project: Project
    ) -> None:
        queue = make_queue(project, reviewers_per_item=3)
        make_output(project)
        assert intake.feed(queue=queue, now=NOW) == 1
        assert list(Claim.objects.order_by("place").values_list("place", "fence")) == [
            (1, 0),
            (2, 0),
            (3, 0),
        ]

    def test_priority_is_the_sum_of_its_stored_parts(self, project: Project) -> None:
        output = make_output(project, confidence=0.3)
        make_feedback(output, score=-1, correction="Bloom came out in 2018.")
        make_feedback(output, name="rephrase", is_implicit=True)
        reason = make_feedback(output, name="error").feedback_reasons
        reason.create(reason=project.taxonomies.get().reasons.get(slug="unsafe"))
        intake.feed(queue=make_queue(project), now=NOW)
        item = QueueItem.objects.get()
        assert [(part["name"], part["value"]) for part in item.priority_parts] == [
            ("reasons", 24),
            ("rated_down", 18),
            ("correction", 8),
            ("signals", 7),
            ("unsure", 3),
            ("novelty", 3),
        ]
        assert (item.priority, item.rank) == (63, 63)
        assert item.priority_version == priority.VERSION

    def test_a_second_feed_adds_only_what_is_new(self, project: Project) -> None:
        queue = make_queue(project)
        make_output(project)
        assert intake.feed(queue=queue, now=NOW) == 1
        before = QueueItem.objects.get()
        make_output(project)
        assert intake.feed(queue=queue, now=LATER) == 1
        assert intake.feed(queue=queue, now=LATER) == 0
        assert QueueItem.objects.get(pk=before.pk).entered_at == NOW
        assert Claim.objects.count() == 2

    def test_leaves_other_projects_and_other_outputs_alone(self, project: Project) -> None:
        make_output(make_project())
        make_output(project, model="other")
        queue = make_queue(project, filter={"model": "almanac"})
        assert intake.feed(queue=queue, now=NOW) == 0

    def test_goes_on_beyond_one_chunk(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(intake, "FEED_ROWS", 2)
        for _ in range(5):
            make_output(project)
        assert intake.feed(queue=make_queue(project), now=NOW) == 5

    def test_takes_as_many_queries_for_many_outputs_as_for_one(
        self, project: Project, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        queue = make_queue(project)
        for _ in range(40):
            make_feedback(make_output(project), score=-1)
        with django_assert_num_queries(17):
            assert intake.feed(queue=queue, now=NOW) == 40

    def test_a_queue_that_cannot_be_read_holds_no_other_up(self, project: Project) -> None:
        make_queue(project, filter={"gone": "x"})
        make_queue(project)
        make_output(project)
        assert intake.feed_all(now=NOW) == 1

    def test_feed_all_feeds_every_queue(self, project: Project) -> None:
        make_queue(project)
        make_queue(project)
        make_output(project)
        assert intake.feed_all(now=NOW) == 2


class TestRerank:
    def test_what_came_in_since_moves_an_item_up(self, project: Project) -> None:
        queue = make_queue(project)
        output = make_output(project)
        intake.feed(queue=queue, now=NOW)
        assert QueueItem.objects.get().priority == 0
        make_feedback(output, score=-1)
        assert intake.rerank(queue=queue, now=NOW) == 1
        item = QueueItem.objects.get()
        assert (item.priority, item.priority_parts[0]["words"]) == (21, "Rated down")
        now = timezone.now() + timedelta(hours=1)
        intake.rerank(queue=queue, now=now)
        stale = QueueItem.objects.all().stale(version=priority.VERSION, at=now)
        assert not stale.exists()

    def test_goes_on_beyond_one_chunk(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(intake, "FEED_ROWS", 2)
        queue = make_queue(project)
        outputs = [make_output(project) for _ in range(5)]
        intake.feed(queue=queue, now=NOW)
        for output in outputs:
            make_feedback(output, score=-1)
        assert intake.rerank(queue=queue, now=NOW) == 5

    def test_done_items_and_other_queues_are_left_alone(self, project: Project) -> None:
        queue = make_queue(project)
        done = make_item(queue, status="done", closed_at=NOW, ranked_at=NOW)
        other = make_item(make_queue(project), ranked_at=NOW)
        for item in (done, other):
            make_feedback(item.output, score=-1)
        assert intake.rerank(queue=queue, now=NOW) == 0

    def test_each_day_of_waiting_counts_until_it_counts_no_more(self, project: Project) -> None:
        queue = make_queue(project)
        make_output(project)
        intake.feed(queue=queue, now=NOW)
        priorities = []
        for days in range(8):
            now = NOW + timedelta(days=days, minutes=5)
            intake.rerank(queue=queue, now=now)
            priorities.append(QueueItem.objects.get().priority)
        assert priorities == [0, 1, 2, 3, 4, 5, 5, 5]
        assert QueueItem.objects.get().look_again_at is None

    def test_scores_of_another_version_are_told_apart_and_replaced(self, project: Project) -> None:
        queue = make_queue(project)
        make_item(queue, priority=90, priority_version="rules-1", ranked_at=timezone.now())
        assert intake.num_outdated(queue=queue) == 1
        intake.rerank(queue=queue, now=NOW)
        item = QueueItem.objects.get()
        assert (item.priority, item.priority_version) == (0, priority.VERSION)
        assert intake.num_outdated(queue=queue) == 0

    def test_a_decision_on_its_theme_ranks_an_item_anew(self, project: Project) -> None:
        queue, theme = make_queue(project), make_theme(project)
        outputs = [make_output(project) for _ in range(2)]
        join(theme, [make_feedback(output, score=-1) for output in outputs])
        intake.feed(queue=queue, now=NOW)
        item = QueueItem.objects.get(output=outputs[1])
        QueueItem.objects.update(ranked_at=timezone.now() + timedelta(minutes=2))
        assert "novelty" in {part["name"] for part in item.priority_parts}
        now = timezone.now() + timedelta(minutes=4)
        decided_at = timezone.now() + timedelta(minutes=3)
        make_review(outputs[0], make_user(project), created_at=decided_at)
        intake.rerank(queue=queue, now=now)
        item.refresh_from_db()
        assert "novelty" not in {part["name"] for part in item.priority_parts}


def join(theme: Any, feedback: list[Feedback]) -> None:
    run = ThemeRun.objects.create(
        project=theme.project,
        model="m",
        algorithm="a",
        num_feedback=len(feedback),
        num_themes=1,
        started_at=NOW,
        finished_at=NOW,
    )
    for one in feedback:
        ThemeMembership.objects.create(theme=theme, feedback=one, run=run, similarity=1)


class TestStrata:
    def test_an_output_belongs_to_the_first_stratum_it_matches(self, project: Project) -> None:
        queue = make_queue(project, filter={"model": "m"})
        severe = stratum(queue, 1, filter={"score": "negative"})
        rest = stratum(queue, 2)
        bad, good = make_output(project, model="m"), make_output(project, model="m")
        make_feedback(bad, score=-1)
        make_output(project, model="other")
        assert intake.feed(queue=queue, now=NOW) == 2
        strata = dict(queue.items.values_list("output", "stratum"))
        assert strata == {bad.pk: severe.pk, good.pk: rest.pk}

    def test_what_matches_no_stratum_stays_out(self, project: Project) -> None:
        queue = make_queue(project)
        stratum(queue, 1, filter={"model": "m"})
        make_output(project)
        assert intake.feed(queue=queue, now=NOW) == 0

    def test_the_database_draws_the_same_numbers(self, project: Project) -> None:
        queue = make_queue(project)
        for _ in range(20):
            make_output(project)
        drawn = dict(Output.objects.annotate(draw=Draw(queue.pk)).values_list("pk", "draw"))
        assert drawn == {pk: draw(queue=queue.pk, output=pk) for pk in drawn}

    def test_a_share_is_drawn_once_and_never_again(self, project: Project) -> None:
        queue = make_queue(project)
        part = stratum(queue, 1, rate=0.3)
        outputs = [make_output(project) for _ in range(60)]
        meant = {one.pk for one in outputs if draw(queue=queue.pk, output=one.pk) < 0.3}
        assert intake.feed(queue=queue, now=NOW) == len(meant)
        assert intake.feed(queue=queue, now=LATER) == 0
        assert set(queue.items.values_list("output", flat=True)) == meant
        assert set(queue.items.values_list("inclusion", flat=True)) == {0.3}
        Stratum.objects.filter(pk=part.pk).update(rate=0.6)
        intake.feed(queue=queue, now=LATER)
        assert meant < set(queue.items.values_list("output", flat=True))

    def test_a_random_audit_is_worked_off_by_lot(self, project: Project) -> None:
        queue = make_queue(project)
        stratum(queue, 1, is_audit=True)
        for score in (-1, 1, -1, 1):
            make_feedback(make_output(project), score=score)
        intake.feed(queue=queue, now=NOW)
        items = list(queue.items.order_by("-rank"))
        assert [item.draw for item in items] == sorted(item.draw for item in items)
        assert {item.priority for item in items} == {0, 21}

    def test_what_people_put_in_is_not_worked_off_by_lot_unless_it_was_drawn(
        self, project: Project
    ) -> None:
        queue = make_queue(project)
        stratum(queue, 1, rate=0.5, is_audit=True)
        for place in range(20):
            make_item(queue, make_output(project), draw=place / 20)
        intake.restratify(queue=queue)
        intake.rerank(queue=queue, now=NOW)
        moved = set(queue.items.exclude(stratum=None).values_list("pk", flat=True))
        drawn = set(queue.items.filter(draw__lt=0.5).values_list("pk", flat=True))
        assert moved == drawn
        assert len(drawn) == 10

    def test_an_item_moves_up_with_its_output_and_keeps_the_higher_chance(
        self, project: Project
    ) -> None:
        queue = make_queue(project)
        severe = stratum(queue, 1, filter={"score": "negative"})
        rest = stratum(queue, 2, rate=0.999, is_audit=True)
        output = make_output(project)
        intake.feed_all(now=NOW)
        item = QueueItem.objects.get()
        assert (item.stratum, item.inclusion) == (rest, 0.999)
        said = make_feedback(output, score=-1)
        intake.feed_all(now=NOW)
        item.refresh_from_db()
        assert (item.stratum, item.inclusion, item.fixed_rank) == (severe, 1, None)
        Feedback.objects.filter(pk=said.pk).update(score=1)
        intake.feed_all(now=NOW)
        item.refresh_from_db()
        assert (item.stratum, item.inclusion) == (rest, 1)
        assert item.fixed_rank is not None


def send(project: Project, *records: dict[str, Any]) -> None:
    assert not ingest(project=project, records=list(records), now=timezone.now()).rejected


def rating(score: int, output: str = "o1") -> dict[str, Any]:
    return {
        "type": "feedback",
        "output": output,
        "name": "thumb",
        "score": score,
        "annotator_kind": "HUMAN",
    }


class TestComplaints:
    def test_an_output_is_never_twice_in_one_queue(self, project: Project) -> None:
        """Complaint 12."""
        queue = make_queue(project)
        output = make_output(project)
        for _ in range(3):
            intake.feed_all(now=NOW)
        assert QueueItem.objects.count() == Claim.objects.count() == 1
        with pytest.raises(IntegrityError), transaction.atomic():
            make_item(queue, output)

    def test_items_leave_with_their_erased_output(self, project: Project) -> None:
        """Complaint 13."""
        queue = make_queue(project)
        gone, stays = make_output(project), make_output(project)
        intake.feed_all(now=NOW)
        gone.delete()
        intake.feed_all(now=NOW)
        assert [item.output for item in queue.items.all()] == [stays]
        assert Claim.objects.count() == 1

    def test_a_flipped_thumb_is_one_feedback_and_ranks_anew(self, project: Project) -> None:
        """Complaint 14."""
        queue = make_queue(project, filter={"score": ["negative", "positive"]})
        send(
            project,
            {"type": "session", "id": "s"},
            {"type": "output", "id": "o1", "session": "s", "query": "q", "text": "a"},
            rating(1),
        )
        intake.feed_all(now=timezone.now())
        QueueItem.objects.update(ranked_at=timezone.now() + timedelta(hours=1))
        assert QueueItem.objects.get().priority == 0
        later = timezone.now() + timedelta(hours=2)
        ingest(project=project, records=[rating(-1)], now=later)
        intake.feed_all(now=later + timedelta(minutes=1))
        assert Feedback.objects.get().score == -1
        assert queue.items.get().priority_parts[0]["words"] == "Rated down"

    def test_scores_that_come_late_fill_a_live_queue_of_all_bad_and_some_of_the_rest(
        self, project: Project
    ) -> None:
        """Complaint 15."""
        queue = make_queue(project)
        severe = stratum(queue, 1, filter={"score": "negative"})
        stratum(queue, 2, rate=0.2, is_audit=True)
        send(project, {"type": "session", "id": "s"})
        for number in range(20):
            record = {"type": "output", "id": f"o{number}", "session": "s", "query": "q"}
            send(project, {**record, "text": "a"})
        intake.feed_all(now=NOW)
        out = Output.objects.exclude(queue_items__queue=queue).order_by("pk")[0]
        assert queue.items.count() < 20
        send(project, rating(-1, out.external_id))
        intake.feed_all(now=NOW)
        assert queue.items.get(output=out).stratum == severe
