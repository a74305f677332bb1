"""Deciding look-alikes as one, on a sample that people reviewed."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from feedback.models import Output, Project, User
from review import agreeing, audits, bulk, queues, triage, triage_models
from review.filters import ReviewFilter
from review.models import (
    BulkChange,
    BulkJob,
    Claim,
    DrawnItem,
    Event,
    ItemGroup,
    Provisional,
    Queue,
    QueueItem,
    Review,
    SpotCheck,
)
from review.proof import lowest_share, sample_size, sure_of_draw
from review.sampling import numbers
from review.spot_checks import (
    SEVERAL,
    TOO_FEW,
    UNDER_WAY,
    SpotCheckError,
    State,
    decide,
    draw_sample,
    plan,
    standing,
)
from tests.factories import (
    NOW,
    make_group,
    make_item,
    make_output,
    make_project,
    make_provisional,
    make_queue,
    make_review,
    make_user,
)
from tests.review.test_bulk import dump
from tests.threads import at_once

SIZE = 40


@pytest.fixture
def moderator(project: Project) -> User:
    return make_user(project, role="moderator", username="mo")


@pytest.fixture
def expert(project: Project) -> User:
    return make_user(project, role="expert", username="ann")


@pytest.fixture
def group(project: Project) -> ItemGroup:
    return filled(make_queue(project, slug="all"))


def filled(queue: Queue, size: int = SIZE) -> ItemGroup:
    return make_group(*(make_item(queue) for _ in range(size)))


def review(item: QueueItem, by: User, verdict: str = "accept") -> Review:
    place = queues.claim(item=item, by=by, now=NOW)
    return triage.submit_review(
        item=item, by=by, fence=place.fence, verdict=verdict, comment="So.", now=NOW
    )


def sample(check: SpotCheck) -> list[QueueItem]:
    drawn = check.drawn.filter(is_sampled=True).order_by("number")
    return [one.item for one in drawn.select_related("item__queue")]


def rest(check: SpotCheck) -> list[QueueItem]:
    drawn = check.drawn.filter(is_sampled=False).order_by("pk")
    return [one.item for one in drawn.select_related("item__queue")]


def reviewed(group: ItemGroup, moderator: User, by: User, verdict: str = "accept") -> SpotCheck:
    """A sample that is drawn and reviewed, all with one verdict."""
    check = draw_sample(group=group, by=moderator, now=NOW)
    for item in sample(check):
        review(item, by, verdict)
    return check


def run(job: BulkJob) -> BulkJob:
    bulk.work_off(now=NOW)
    job.refresh_from_db()
    return job


def decided(check: SpotCheck, by: User) -> BulkJob:
    return run(decide(check=check, by=by, now=NOW))


class TestDrawSample:
    def test_draws_as_many_as_prove_the_share_by_a_seed_that_is_kept(
        self, group: ItemGroup, moderator: User
    ) -> None:
        check = draw_sample(group=group, by=moderator, now=NOW)
        asked = sample_size(size=SIZE, share=0.9, sure=0.975)
        assert (check.size, check.num_asked, check.share) == (SIZE, asked, 0.9)
        assert asked < SIZE
        rows = list(check.drawn.values_list("item", "number", "is_sampled"))
        again = numbers(seed=check.seed, rows=[item for item, _, _ in rows])
        assert {item: number for item, number, _ in rows} == again
        least = sorted(again, key=lambda item: again[item])[:asked]
        assert {item for item, _, is_sampled in rows if is_sampled} == set(least)
        told = Event.objects.get(verb="drew").data
        assert (told["seed"], told["asked"]) == (check.seed, asked)

    def test_each_item_is_as_likely_as_another(self) -> None:
        rows = range(20)
        counts: Counter[int] = Counter()
        for seed in range(2_000):
            drawn = numbers(seed=seed, rows=rows)
            counts.update(sorted(drawn, key=lambda row: drawn[row])[:5])
        # 500 each; six standard deviations are 116.
        assert all(abs(counts[row] - 500) < 116 for row in rows)

    def test_is_refused_where_each_has_to_be_looked_at(
        self, project: Project, moderator: User
    ) -> None:
        few = filled(make_queue(project), 3)
        with pytest.raises(SpotCheckError, match=TOO_FEW):
            draw_sample(group=few, by=moderator, now=NOW)
        several = filled(make_queue(project, reviewers_per_item=2))
        with pytest.raises(SpotCheckError, match=SEVERAL):
            draw_sample(group=several, by=moderator, now=NOW)

    def test_is_refused_while_one_is_being_reviewed(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        check = draw_sample(group=group, by=moderator, now=NOW)
        with pytest.raises(SpotCheckError, match=UNDER_WAY):
            draw_sample(group=group, by=moderator, now=NOW)
        for item in sample(check):
            review(item, expert)
        with pytest.raises(SpotCheckError, match=UNDER_WAY):
            draw_sample(group=group, by=moderator, now=NOW)

    def test_another_is_drawn_of_what_is_open_then_and_has_to_prove_more(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        first = draw_sample(group=group, by=moderator, now=NOW)
        usual, odd, *_ = sample(first)
        review(usual, expert)
        review(odd, expert, "reject")
        assert standing(check=first).state == State.DISAGREES
        second = draw_sample(group=group, by=moderator, now=NOW)
        assert (second.number, second.size) == (2, SIZE - 2)
        assert not second.drawn.filter(item=odd).exists()
        assert second.num_asked == sample_size(size=SIZE - 2, share=0.9, sure=0.9875)
        with pytest.raises(SpotCheckError, match="Another sample"):
            decide(check=first, by=moderator, now=NOW)

    @pytest.mark.parametrize("role", ["viewer", "tagger", "expert"])
    def test_is_for_moderators(self, group: ItemGroup, role: str) -> None:
        for user in (make_user(group.queue.project, role), make_user(make_project(), "admin")):
            with pytest.raises(bulk.NotAllowedError):
                draw_sample(group=group, by=user, now=NOW)

    def test_an_audit_has_no_part_in_it(self, group: ItemGroup, moderator: User) -> None:
        lot = group.queue.strata.create(position=0, name="lot", is_audit=True)
        QueueItem.objects.filter(pk=group.items.order_by("pk")[:1].get().pk).update(stratum=lot)
        assert plan(group=group).size == SIZE - 1


class TestStanding:
    def test_tells_the_share_once_all_are_reviewed(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        check = draw_sample(group=group, by=moderator, now=NOW)
        *most, last = sample(check)
        for item in most:
            review(item, expert)
        found = standing(check=check)
        assert (found.state, found.num_reviewed, found.bound) == (State.WAITING, len(most), None)
        review(last, expert)
        found = standing(check=check)
        assert (found.state, found.verdict) == (State.READY, "accept")
        assert (found.num_agreeing, found.num_rest) == (check.num_asked, SIZE - check.num_asked)
        assert found.bound == lowest_share(
            size=SIZE, sampled=check.num_asked, agreeing=check.num_asked, sure=0.975
        )
        assert found.bound is not None
        assert found.bound >= 0.9

    def test_a_review_of_another_version_proves_nothing(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        check = draw_sample(group=group, by=moderator, now=NOW)
        first, *others = sample(check)
        Output.objects.filter(pk=first.output_id).update(version=2)
        review(first, expert)
        for item in others:
            review(item, expert)
        found = standing(check=check)
        assert (found.state, found.num_reviewed) == (State.LOST, check.num_asked - 1)

    def test_one_that_was_taken_out_or_erased_is_missed(
        self, group: ItemGroup, moderator: User
    ) -> None:
        check = draw_sample(group=group, by=moderator, now=NOW)
        first, second, *_ = sample(check)
        QueueItem.objects.filter(pk=first.pk).update(status="out", closed_at=NOW)
        assert standing(check=check).state == State.LOST
        QueueItem.objects.filter(pk=first.pk).update(status="open", closed_at=None)
        assert standing(check=check).state == State.WAITING
        Output.objects.filter(pk=second.output_id).delete()
        assert standing(check=check).state == State.LOST

    def test_what_is_escalated_waits_and_then_says_what_settled_it(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        check = draw_sample(group=group, by=moderator, now=NOW)
        first, *others = sample(check)
        place = queues.claim(item=first, by=expert, now=NOW)
        triage.submit_review(
            item=first, by=expert, fence=place.fence, verdict="accept", routes=["escalate"], now=NOW
        )
        for item in others:
            review(item, expert)
        found = standing(check=check)
        assert (found.state, found.num_reviewed) == (State.WAITING, check.num_asked - 1)
        place = queues.adjudicate(item=first, by=moderator, now=NOW)
        triage.submit_review(
            item=first, by=moderator, fence=place.fence, verdict="reject", comment="No.", now=NOW
        )
        found = standing(check=check)
        assert (found.state, found.num_reviewed) == (State.DISAGREES, check.num_asked)
        assert found.sample[0].review == first.reviews.get(is_authoritative=True)

    def test_a_bar_that_was_raised_since_is_not_reached(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        check = reviewed(group, moderator, expert)
        Project.objects.update(spot_check_share=0.99)
        check = SpotCheck.objects.get()
        assert standing(check=check).state == State.LOW
        with pytest.raises(SpotCheckError, match="too little"):
            decide(check=check, by=moderator, now=NOW)


class TestProof:
    def test_all_samples_together_err_no_oftener_than_one_may(self) -> None:
        errors = [1 - sure_of_draw(number, sure=0.95) for number in range(1, 40)]
        assert errors[0] == pytest.approx(0.025)
        assert sum(errors) < 0.05 + 1e-9
        with pytest.raises(ValueError, match="counted from 1"):
            sure_of_draw(0, sure=0.95)

    def test_drawing_until_one_is_pleased_is_rarely_wrong(self) -> None:
        """Of 50 a fifth is faulty; whoever draws anew after each disagreement, four times."""
        wrong, trials = 0, 1_500
        for trial in range(trials):
            left = dict.fromkeys(range(50), False) | dict.fromkeys(range(10), True)
            for number in range(1, 5):
                size = len(left)
                asked = sample_size(size=size, share=0.9, sure=sure_of_draw(number, sure=0.95))
                drawn = numbers(seed=trial * 10 + number, rows=list(left))
                seen = sorted(drawn, key=lambda row: drawn[row])[:asked]
                faulty = [row for row in seen if left[row]]
                if not faulty:
                    wrong += sum(left.values()) > 0.1 * size
                    break
                # Reviewed one by one until the first that disagrees.
                for row in seen[: seen.index(faulty[0]) + 1]:
                    del left[row]
        assert wrong / trials <= 0.05


class TestDecide:
    def test_carries_the_verdict_over_to_the_rest(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        check = reviewed(group, moderator, expert, "reject")
        job = decided(check, moderator)
        num_rest = SIZE - check.num_asked
        assert (job.status, job.num_matching, job.num_changed) == ("done", num_rest, num_rest)
        made = Provisional.objects.all()
        assert {one.item_id for one in made} == {item.pk for item in rest(check)}
        assert {(one.verdict, one.decided_by, one.spot_check) for one in made} == {
            ("reject", moderator, check)
        }
        assert Counter(group.items.values_list("status", flat=True)) == {
            "done": check.num_asked,
            "provisional": num_rest,
        }
        found = standing(check=SpotCheck.objects.get())
        assert (found.state, found.num_decided, found.left_out) == (State.DECIDED, num_rest, {})

    def test_is_refused_when_one_disagrees_or_waits(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        check = draw_sample(group=group, by=moderator, now=NOW)
        first, *others = sample(check)
        with pytest.raises(SpotCheckError, match=f"{check.num_asked} of the sample wait"):
            decide(check=check, by=moderator, now=NOW)
        for item in others:
            review(item, expert)
        review(first, expert, "fix")
        with pytest.raises(SpotCheckError, match="Not all of the sample"):
            decide(check=check, by=moderator, now=NOW)
        assert not BulkJob.objects.exists()

    def test_happens_once_and_again_with_the_same_key(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        check, key = reviewed(group, moderator, expert), uuid4()
        job = decide(check=check, by=moderator, now=NOW, request_key=key)
        assert decide(check=check, by=moderator, now=NOW, request_key=key) == job
        with pytest.raises(SpotCheckError, match="already"):
            decide(check=check, by=moderator, now=NOW)

    def test_is_for_moderators(self, group: ItemGroup, moderator: User, expert: User) -> None:
        check = reviewed(group, moderator, expert)
        for user in (expert, make_user(make_project(), "admin")):
            with pytest.raises(bulk.NotAllowedError):
                decide(check=check, by=user, now=NOW)

    def test_cannot_be_started_without_a_sample(self, group: ItemGroup, moderator: User) -> None:
        with pytest.raises(bulk.BulkError, match="no such act"):
            bulk.start(
                project=group.queue.project,
                wanted=ReviewFilter(),
                act="decide",
                queue=group.queue,
                by=moderator,
                now=NOW,
            )

    def test_leaves_out_and_counts_what_somebody_holds_began_or_reviewed(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        check = reviewed(group, moderator, expert)
        held, done, skipped, changed, out, elsewhere, *others = rest(check)
        job = decide(check=check, by=moderator, now=NOW)
        queues.claim(item=held, by=expert, now=NOW)
        review(done, expert, "fix")
        queues.skip(item=skipped, by=expert, reason="Too hard", now=NOW)
        Output.objects.filter(pk=changed.output_id).update(version=2)
        QueueItem.objects.filter(pk=out.pk).update(status="out", closed_at=NOW)
        make_review(elsewhere.output, expert)
        job = run(job)
        assert (job.num_seen, job.num_changed) == (len(others) + 6, len(others))
        assert dict(check.drawn.exclude(left_out="").values_list("item", "left_out")) == {
            held.pk: "held",
            done.pk: "reviewed",
            skipped.pk: "begun",
            changed.pk: "changed",
            out.pk: "out",
            elsewhere.pk: "reviewed",
        }
        found = standing(check=SpotCheck.objects.get())
        assert found.num_decided == len(others)
        assert found.left_out["reviewed already"] == 2

    def test_a_lease_that_ran_out_holds_nothing(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        check = reviewed(group, moderator, expert)
        first, *_ = rest(check)
        queues.claim(item=first, by=expert, now=NOW - timedelta(days=1))
        decided(check, moderator)
        assert Provisional.objects.filter(item=first).exists()

    def test_an_output_is_decided_once_in_whatever_queue(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        decided(reviewed(group, moderator, expert), moderator)
        outputs = [item.output for item in group.items.filter(status="provisional")]
        other = make_queue(group.queue.project)
        spread = make_group(
            *(make_item(other, one) for one in outputs), *(make_item(other) for _ in range(40))
        )
        check = draw_sample(group=spread, by=moderator, now=NOW)
        for item in sample(check):
            review(item, expert)
        job = decided(check, moderator)
        left = check.drawn.filter(left_out="decided")
        assert left.exists()
        assert job.num_changed == job.num_matching - left.count()

    def test_the_sample_cannot_be_taken_back_any_more(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        check = reviewed(group, moderator, expert)
        first, second, *_ = sample(check)
        made = Review.objects.get(item=first)
        triage.undo_review(review=made, by=expert, now=NOW)
        assert standing(check=check).state == State.WAITING
        queues.claim(item=first, by=expert, now=NOW)
        review(first, expert)
        decide(check=check, by=moderator, now=NOW)
        with pytest.raises(triage.UndoError, match="Something was made"):
            triage.undo_review(review=Review.objects.get(item=second), by=expert, now=NOW)


class TestNoReview:
    """A provisional decision counts as nobody's."""

    @pytest.fixture
    def check(self, group: ItemGroup, moderator: User, expert: User) -> SpotCheck:
        check = reviewed(group, moderator, expert, "reject")
        decided(check, moderator)
        return check

    def test_makes_no_review_and_teaches_nothing(self, check: SpotCheck) -> None:
        assert Review.objects.count() == check.num_asked
        project = check.group.queue.project
        assert triage_models.standing(project=project).num_verdicts == check.num_asked

    def test_is_undecided_to_how_common_faults_are(self, check: SpotCheck) -> None:
        found = audits.audit(queue=check.group.queue)
        assert found.num_decided == check.num_asked
        assert found.faulty is not None
        assert found.faulty.value is None
        assert found.faulty.low == pytest.approx(check.num_asked / SIZE)
        assert found.faulty.high == 1

    def test_is_no_reviewer_to_agree_with(self, check: SpotCheck) -> None:
        report = agreeing.report(project=check.group.queue.project, queue=None)
        assert report.pairs == []

    def test_is_found_as_such(self, check: SpotCheck) -> None:
        outputs = Output.objects.filter(project=check.group.queue.project)

        def num(text: str) -> int:
            return ReviewFilter.parse(text).apply(outputs).count()

        num_rest = SIZE - check.num_asked
        assert num("state:provisional") == num("state:unreviewed") == num_rest
        assert num("verdict:reject") == num("state:reviewed") == check.num_asked
        assert num("state:open") == 0

    def test_is_not_handed_out_but_may_be_reviewed(self, check: SpotCheck, expert: User) -> None:
        assert queues.claim_next(queue=check.group.queue, by=expert, now=NOW) is None
        item, *_ = rest(check)
        made = review(item, expert, "accept")
        assert not Provisional.objects.filter(item=item).exists()
        item.refresh_from_db()
        assert (item.status, made.is_authoritative) == ("done", True)
        assert Event.objects.get(verb="replaced").data["verdict"] == "reject"

    def test_a_review_in_another_queue_opens_its_item_again(
        self, check: SpotCheck, expert: User
    ) -> None:
        item, *_ = rest(check)
        other = make_item(make_queue(check.group.queue.project), item.output)
        review(other, expert)
        item.refresh_from_db()
        assert (item.status, item.closed_at) == ("open", None)
        assert not Provisional.objects.filter(output=item.output).exists()


class TestUndo:
    def test_restores_every_row_bit_for_bit(
        self, group: ItemGroup, moderator: User, expert: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bulk, "CHUNK", 3)
        check = reviewed(group, moderator, expert)
        before = dump()
        job = decided(check, moderator)
        assert dump() != before
        bulk.undo(job=job, by=moderator, now=NOW)
        job = run(job)
        assert dump() == before
        assert (job.status, job.num_undone, job.num_conflicts) == ("undone", job.num_changed, 0)
        assert not Provisional.objects.exists()

    def test_leaves_what_somebody_reviewed_since(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        check = reviewed(group, moderator, expert)
        job = decided(check, moderator)
        item, *_ = rest(check)
        review(item, expert, "fix")
        bulk.undo(job=job, by=moderator, now=NOW)
        job = run(job)
        assert (job.num_undone, job.num_conflicts) == (job.num_changed - 1, 1)
        [left] = BulkChange.objects.filter(outcome="conflict")
        assert (left.output, left.conflict) == (item.output, "Somebody has reviewed it since.")
        item.refresh_from_db()
        assert item.status == "done"

    def test_then_another_sample_may_be_drawn(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        job = decided(reviewed(group, moderator, expert), moderator)
        bulk.undo(job=job, by=moderator, now=NOW)
        run(job)
        Project.objects.update(spot_check_share=0.7)
        group = ItemGroup.objects.get()
        assert draw_sample(group=group, by=moderator, now=NOW).number == 2


class TestConstraints:
    @pytest.fixture
    def one(self, group: ItemGroup, moderator: User) -> Provisional:
        made = make_provisional(group.items.order_by("pk")[0], moderator)
        connection.check_constraints()
        return made

    def refused(self, name: str) -> Any:
        return pytest.raises(IntegrityError, match=name)

    def test_an_item_is_provisional_as_long_as_its_decision_is_there(
        self, one: Provisional
    ) -> None:
        item = QueueItem.objects.filter(pk=one.item_id)
        with self.refused("is not provisional together"), transaction.atomic():
            item.update(status="open", closed_at=None)
            connection.check_constraints()
        with self.refused("is not provisional together"), transaction.atomic():
            one.delete()
            connection.check_constraints()
        with self.refused("is not provisional together"), transaction.atomic():
            Provisional.objects.update(output=make_output(one.project))
            connection.check_constraints()
        with self.refused("is not provisional together"), transaction.atomic():
            make_item(one.item.queue, status="provisional", closed_at=NOW)
            connection.check_constraints()

    def test_none_stands_beside_a_review_that_counts(self, one: Provisional, expert: User) -> None:
        with self.refused("has a review that counts"), transaction.atomic():
            make_review(one.output, expert)
            connection.check_constraints()
        make_review(one.output, expert, is_authoritative=False)
        connection.check_constraints()

    def test_goes_with_its_output_and_its_project(self, one: Provisional) -> None:
        one.output.delete()
        connection.check_constraints()
        assert not Provisional.objects.exists()

    def test_a_project_goes_with_all_of_it(
        self, group: ItemGroup, moderator: User, expert: User
    ) -> None:
        decided(reviewed(group, moderator, expert), moderator)
        group.queue.delete()
        connection.check_constraints()
        assert not DrawnItem.objects.exists()

    def test_a_sample_asks_for_some_and_not_for_all(self, group: ItemGroup) -> None:
        for asked in (0, 5):
            with self.refused("asks_some"), transaction.atomic():
                SpotCheck.objects.create(
                    group=group, number=1, seed=1, size=5, num_asked=asked, share=0.9, drawn_at=NOW
                )

    def test_a_bar_is_above_a_half(self, project: Project) -> None:
        with self.refused("spot_check_share_range"), transaction.atomic():
            Project.objects.update(spot_check_share=0.5)


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_whoever_claims_or_reviews_meanwhile_loses_nothing(self) -> None:
        """Reviewers take the rest while the worker decides it: each item has one of both."""
        project = make_project()
        moderator, expert = make_user(project, "moderator"), make_user(project, "expert")
        group = filled(make_queue(project))
        check = reviewed(group, moderator, expert)
        items = rest(check)
        job = decide(check=check, by=moderator, now=NOW)
        reviewers = [make_user(project, "expert") for _ in range(4)]
        start = threading.Barrier(5)

        def work(number: int) -> int:
            start.wait()
            if number == 4:
                bulk.work_off(now=NOW)
                return 0
            done = 0
            for item in items[number::4]:
                try:
                    review(item, reviewers[number], "fix")
                except (queues.DoneError, queues.HeldError, queues.LeaseLostError):
                    continue
                done += 1
            return done

        done = sum(at_once(*(partial(work, number) for number in range(5))))
        bulk.work_off(now=NOW)
        job.refresh_from_db()
        assert job.status == "done"
        assert done == len(items)
        assert not Provisional.objects.exists()
        assert Claim.objects.filter(finished_at=None).count() == 0
        assert QueueItem.objects.exclude(status="done").count() == 0
