from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from feedback.models import Output, Project, User
from review import audits, bulk, intake
from review.filters import ReviewFilter
from review.models import Claim, Queue, QueueItem, Review, Skip, Stratum
from review.queues import claim_next
from review.rules import Rules, StratumRule, create_queue, edit_queue
from review.triage import submit_review
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_output,
    make_provisional,
    make_queue,
    make_review,
    make_user,
)


@pytest.fixture
def reviewer(project: Project) -> User:
    return make_user(project, "expert")


@pytest.fixture
def queue(project: Project) -> Queue:
    """Both severe answers of 60, and a random half of the rest."""
    queue = make_queue(project)
    for number in range(60):
        output = make_output(project)
        if number < 2:
            make_feedback(output, score=-1)
    Stratum.objects.create(queue=queue, position=1, name="Severe", filter={"score": "negative"})
    Stratum.objects.create(queue=queue, position=2, name="Audit", rate=0.5, is_audit=True)
    intake.feed(queue=queue, now=NOW)
    return queue


def decide(
    item: QueueItem, reviewer: User, verdict: str, *reasons: str, routes: Sequence[str] = ()
) -> Review:
    place = Claim.objects.get(item=item)
    Claim.objects.filter(pk=place.pk).update(
        reviewer=reviewer, fence=1, claimed_at=NOW, lease_until=NOW + timedelta(hours=1)
    )
    return submit_review(
        item=item,
        by=reviewer,
        fence=1,
        verdict=verdict,
        reasons=reasons,
        routes=routes,
        comment="No." if verdict != "accept" else "",
        now=NOW,
    )


class TestAudit:
    def test_leaves_out_what_was_put_in_by_hand_or_matches_no_more(
        self, project: Project, reviewer: User
    ) -> None:
        queue = make_queue(project, filter={"model": "a"})
        good = [make_output(project, model="a") for _ in range(10)]
        changed = make_output(project, model="a")
        intake.feed(queue=queue, now=NOW)
        for output in [make_output(project, model="b") for _ in range(10)]:
            make_item(queue, output)
        changed.model = "c"
        changed.save()
        for item in queue.items.all():
            is_good = item.output in good
            decide(item, reviewer, "accept" if is_good else "reject", *["unsafe"] * (not is_good))
        found = audits.audit(queue=queue)
        [only] = found.strata
        assert (only.counted.size, only.counted.num_decided, only.counted.num_faulty) == (10, 10, 0)
        assert found.faulty
        assert found.faulty.value == 0
        assert found.reasons == []

    def test_weighs_each_stratum_by_how_many_answers_it_stands_for(
        self, queue: Queue, reviewer: User
    ) -> None:
        severe, audit = queue.strata.order_by("position")
        for item in severe.items.all():
            decide(item, reviewer, "reject", "unsafe")
        drawn = list(audit.items.order_by("-rank"))
        for number, item in enumerate(drawn[:10]):
            faulty = number == 3
            decide(item, reviewer, "reject" if faulty else "accept", *["incomplete"] * faulty)
        found = audits.audit(queue=queue)
        assert [(one.counted.size, one.counted.num_decided) for one in found.strata] == [
            (2, 2),
            (58, 10),
        ]
        assert found.faulty
        assert found.faulty.value == pytest.approx((2 + 58 * 0.1) / 60)
        assert found.faulty.low < (2 + 58 * 0.1) / 60 < found.faulty.high
        assert found.plain == 3 / 12
        assert [(one.slug, one.num_given) for one in found.reasons] == [
            ("incomplete", 1),
            ("unsafe", 2),
        ]
        assert found.reasons[1].share.value == pytest.approx(2 / 60)

    def test_tells_no_share_while_severe_ones_wait(self, queue: Queue, reviewer: User) -> None:
        audit = queue.strata.get(position=2)
        for item in audit.items.all():
            decide(item, reviewer, "accept")
        found = audits.audit(queue=queue).faulty
        assert found
        assert found.value is None
        assert found.high - found.low > 2 / 60

    def test_what_was_passed_over_in_an_audit_may_be_anything(
        self, queue: Queue, reviewer: User
    ) -> None:
        items = list(queue.items.order_by("-rank"))
        for item in items[1:]:
            decide(item, reviewer, "accept")
        before = audits.audit(queue=queue).faulty
        Skip.objects.create(item=items[0], reviewer=reviewer, reason="Odd", skipped_at=NOW)
        after = audits.audit(queue=queue).faulty
        assert before
        assert after
        assert before.value == 0
        assert after.value is None
        assert after.high > before.high

    def test_what_was_taken_out_of_an_audit_was_not_left_out_by_lot(
        self, project: Project, reviewer: User
    ) -> None:
        queue = make_queue(project)
        Stratum.objects.create(queue=queue, position=1, name="Audit", is_audit=True)
        for _ in range(9):
            make_output(project)
        make_feedback(make_output(project), score=-1)
        intake.feed(queue=queue, now=NOW)
        bulk.start(
            project=project,
            wanted=ReviewFilter.parse("score:negative"),
            act="queue_remove",
            queue=queue,
            by=make_user(project, "moderator"),
            now=NOW,
        )
        bulk.work_off(now=NOW)
        for item in queue.items.open():
            decide(item, reviewer, "accept")
        found = audits.audit(queue=queue).faulty
        assert found
        assert found.value is None
        assert (found.low, found.high) == (0, 0.1)

    def test_what_was_out_of_an_audit_for_a_while_was_not_left_out_by_lot(
        self, project: Project, queue: Queue, reviewer: User
    ) -> None:
        moderator = make_user(project, "moderator")
        [first, *others] = queue.items.order_by("-rank", "pk").filter(stratum__is_audit=True)
        job = bulk.start(
            project=project,
            wanted=ReviewFilter(),
            outputs=[first.output_id],
            act="queue_remove",
            queue=queue,
            by=moderator,
            now=NOW,
        )
        bulk.work_off(now=NOW)
        for item in others[:5]:
            decide(item, reviewer, "accept")
        bulk.undo(job=job, by=moderator, now=NOW)
        bulk.work_off(now=NOW)
        [_, audit] = audits.audit(queue=queue).strata
        assert (audit.counted.num_decided, audit.counted.num_undecided) == (5, 1)
        decide(first, reviewer, "accept")
        [_, audit] = audits.audit(queue=queue).strata
        assert (audit.counted.num_decided, audit.counted.num_undecided) == (6, 0)

    def test_what_was_decided_before_it_was_audited_stands_for_itself_alone(
        self, project: Project, reviewer: User
    ) -> None:
        part = StratumRule(name="All")
        rules = Rules(name="A", strata=[part])
        for number in range(20):
            make_feedback(make_output(project), score=-1 if number < 4 else 1)
        queue = create_queue(project=project, rules=rules, by=reviewer, now=NOW)
        for item in queue.items.order_by("-rank")[:4]:
            decide(item, reviewer, "reject", "unsafe")
        edit_queue(
            queue=queue,
            rules=replace(rules, strata=[replace(part, is_audit=True)]),
            by=reviewer,
            now=NOW,
        )
        intake.feed_all(now=NOW)
        before = audits.audit(queue=queue).faulty
        assert before
        assert (before.value, before.low, before.high) == (None, 0.2, 1)
        for item in queue.items.open().order_by("-rank")[:8]:
            decide(item, reviewer, "accept")
        found = audits.audit(queue=queue)
        [only] = found.strata
        assert (only.counted.size, only.counted.num_decided, only.counted.num_faulty) == (20, 12, 4)
        assert found.faulty
        assert found.faulty.value == found.faulty.low == 0.2
        assert found.faulty.high < 0.6
        assert found.reasons[0].share == found.faulty

    @pytest.mark.parametrize("rates", [[0.5], [1, 0.5]])
    def test_what_was_decided_of_a_share_before_it_was_audited_leaves_the_rest_undecided(
        self, project: Project, reviewer: User, rates: list[float]
    ) -> None:
        part = StratumRule(name="Some", rate=0.5)
        rules = Rules(name="A", strata=[part])
        for _ in range(20):
            make_output(project)
        queue = create_queue(project=project, rules=rules, by=reviewer, now=NOW)
        [first, *others] = queue.items.order_by("-rank")
        decide(first, reviewer, "reject")
        for rate in rates:
            audit = replace(part, rate=rate, is_audit=True)
            edit_queue(queue=queue, rules=replace(rules, strata=[audit]), by=reviewer, now=NOW)
            intake.feed_all(now=NOW)
        [only] = audits.audit(queue=queue).strata
        assert (only.counted.num_decided, only.counted.num_undecided) == (1, len(others))

    def test_what_waits_by_age_was_not_left_out_of_an_audit_by_lot(
        self, project: Project, reviewer: User
    ) -> None:
        queue = make_queue(project, order=Queue.Order.OLDEST)
        Stratum.objects.create(queue=queue, position=1, name="Audit", is_audit=True)
        for days in range(10):
            make_output(project, at=NOW - timedelta(days=days))
        intake.feed(queue=queue, now=NOW)
        for item in queue.items.order_by("-rank")[:4]:
            decide(item, reviewer, "accept")
        found = audits.audit(queue=queue).faulty
        assert found
        assert (found.value, found.low, found.high) == (None, 0, 0.6)

    def test_what_was_decided_as_one_was_not_left_out_of_an_audit_by_lot(
        self, queue: Queue, reviewer: User
    ) -> None:
        [first, *others] = queue.items.order_by("-rank", "pk").filter(stratum__is_audit=True)
        make_provisional(first, reviewer)
        for item in others:
            decide(item, reviewer, "accept")
        [_, audit] = audits.audit(queue=queue).strata
        assert (audit.counted.num_decided, audit.counted.num_undecided) == (len(others), 1)

    def test_an_audit_takes_no_decision_from_elsewhere(self, queue: Queue, reviewer: User) -> None:
        item = queue.strata.get(position=2).items.all()[0]
        make_review(item.output, reviewer)
        assert audits.audit(queue=queue).num_decided == 0

    def test_what_was_escalated_counts_as_decided(self, queue: Queue, reviewer: User) -> None:
        item = queue.strata.get(position=2).items.all()[0]
        decide(item, reviewer, "reject", routes=["escalate"])
        item.refresh_from_db()
        assert item.status == QueueItem.Status.ESCALATED
        [_, audit] = audits.audit(queue=queue).strata
        counted = audit.counted
        assert (counted.num_decided, counted.num_faulty, counted.num_undecided) == (1, 1, 0)

    def test_what_came_in_as_severe_does_not_stand_for_the_rest(
        self, queue: Queue, reviewer: User
    ) -> None:
        out = Output.objects.exclude(queue_items__queue=queue)[0]
        said = make_feedback(out, score=-1)
        intake.feed_all(now=NOW)
        decide(QueueItem.objects.get(output=out), reviewer, "reject")
        said.delete()
        intake.feed_all(now=NOW)
        for item in queue.items.filter(stratum__is_audit=False):
            decide(item, reviewer, "accept")
        for item in queue.items.open().order_by("-rank")[:9]:
            decide(item, reviewer, "accept")
        found = audits.audit(queue=queue)
        assert [(one.counted.size, one.counted.num_decided) for one in found.strata] == [
            (2, 2),
            (58, 10),
        ]
        assert found.faulty
        assert found.faulty.value == pytest.approx(1 / 60)

    def test_what_others_are_still_to_judge_alone_counts_as_undecided(
        self, project: Project, reviewer: User
    ) -> None:
        queue = make_queue(project, reviewers_per_item=2)
        make_output(project)
        intake.feed(queue=queue, now=NOW)
        held = claim_next(queue=queue, by=reviewer, now=NOW)
        assert held
        submit_review(item=held.item, by=reviewer, fence=held.fence, verdict="accept", now=NOW)
        [whole] = audits.audit(queue=queue).strata
        assert (whole.counted.num_decided, whole.counted.num_undecided) == (0, 1)

    @pytest.mark.parametrize(
        ("wanted", "why"),
        [
            ({"verdict": "fix"}, audits.FOLLOWS),
            ({"-state": "reviewed"}, audits.FOLLOWS),
            ({}, audits.NO_ANSWERS),
        ],
    )
    def test_says_why_there_is_no_share(
        self, project: Project, wanted: dict[str, str], why: str
    ) -> None:
        found = audits.audit(queue=make_queue(project, filter=wanted))
        assert (found.faulty, found.why) == (None, why)

    def test_takes_as_many_queries_for_many_items_as_for_one(
        self, queue: Queue, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_max_num_queries(12):
            audits.audit(queue=queue)
