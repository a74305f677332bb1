from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from feedback.models import Project
from review import bulk, escalations, intake, queues, triage
from review.filters import ReviewFilter
from review.models import Claim, Event, Queue, QueueItem
from review.queues import QueueError
from review.rules import Rules, StratumRule, create_queue, edit_queue, rules_of
from tests.factories import (
    NOW,
    make_escalation,
    make_feedback,
    make_output,
    make_review,
    make_user,
)

SEVERE_AND_SOME = Rules(
    name="Risky",
    strata=[
        StratumRule(name="Severe", filter={"reason": "unsafe"}),
        StratumRule(name="Random audit", rate=0.2, is_audit=True),
    ],
)


class TestCreateQueue:
    def test_keeps_the_filter_and_puts_matching_outputs_in(self, project: Project) -> None:
        by = make_user(project)
        wanted = make_output(project, model_version="1.4")
        make_output(project, model_version="1.3")
        queue = create_queue(
            project=project,
            rules=Rules(name="New in 1.4", filter={"model_version": "1.4", "reason": ""}),
            by=by,
            now=NOW,
        )
        assert (queue.slug, queue.filter) == ("new-in-14", {"model_version": "1.4"})
        assert [item.output for item in queue.items.all()] == [wanted]
        assert Event.objects.get(target_type="queue").actor == by

    def test_a_second_queue_of_one_name_gets_a_slug_of_its_own(self, project: Project) -> None:
        slugs = [
            create_queue(project=project, rules=Rules(name=name), by=None, now=NOW).slug
            for name in ("Audit", "Audit", "検査")
        ]
        assert slugs == ["audit", "audit-2", "queue"]

    def test_keeps_the_policy_and_the_strata_in_order(self, project: Project) -> None:
        rules = replace(
            SEVERE_AND_SOME, reviewers_per_item=2, lease_seconds=60, due_hours=4, order="oldest"
        )
        make_output(project)
        queue = create_queue(project=project, rules=rules, by=None, now=NOW)
        assert rules_of(queue=Queue.objects.get(pk=queue.pk)) == rules
        dues = queue.items.values_list("due_at", flat=True)
        assert set(dues) <= {NOW + timedelta(hours=4)}

    @pytest.mark.parametrize(
        ("path", "rules"),
        [
            ("name", Rules(name=" ")),
            ("name", Rules(name="a" * 121)),
            ("name", Rules(name="a\x00")),
            ("lease_seconds", Rules(name="a", lease_seconds=59)),
            ("reviewers_per_item", Rules(name="a", reviewers_per_item=0)),
            ("reviewers_per_item", Rules(name="a", reviewers_per_item=21)),
            ("due_hours", Rules(name="a", due_hours=0)),
            ("order", Rules(name="a", order="random")),
            ("since", Rules(name="a", filter={"since": "yesterday"})),
            ("password", Rules(name="a", filter={"password": "a"})),
            ("strata", Rules(name="a", strata=7 * [StratumRule(name="a")])),
            ("strata.0.name", Rules(name="a", strata=[StratumRule(name="")])),
            ("strata.0.rate", Rules(name="a", strata=[StratumRule(name="a", rate=0)])),
            ("strata.0.rate", Rules(name="a", strata=[StratumRule(name="a", rate=float("nan"))])),
            (
                "strata.1.filter.score",
                Rules(
                    name="a",
                    strata=[StratumRule(name="a"), StratumRule(name="b", filter={"score": "low"})],
                ),
            ),
        ],
    )
    def test_names_the_field_that_is_not_valid(
        self, project: Project, path: str, rules: Rules
    ) -> None:
        with pytest.raises(QueueError) as error:
            create_queue(project=project, rules=rules, by=None, now=NOW)
        assert error.value.path == path
        assert not Queue.objects.exists()


class TestEditQueue:
    def test_what_matches_now_comes_in_and_what_nobody_began_leaves(self, project: Project) -> None:
        by, reviewer = make_user(project), make_user(project, "expert")
        outputs = [make_output(project, model=model) for model in ("a", "a", "b")]
        queue = create_queue(
            project=project, rules=Rules(name="Risky", filter={"model": "a"}), by=by, now=NOW
        )
        begun = queues.claim_next(queue=queue, by=reviewer, now=NOW)
        assert begun
        edit_queue(queue=queue, rules=Rules(name="B", filter={"model": "b"}), by=by, now=NOW)
        intake.feed_all(now=NOW)
        queue.refresh_from_db()
        assert (queue.slug, queue.name, queue.is_unswept) == ("risky", "B", False)
        assert set(queue.items.values_list("output", flat=True)) == {
            begun.item.output_id,
            outputs[2].pk,
        }
        assert Event.objects.filter(verb="edited", target_id=queue.pk, actor=by).count() == 1

    def test_what_people_put_in_stays(self, project: Project) -> None:
        by = make_user(project, "moderator")
        make_output(project, model="a")
        rules = Rules(name="A", filter={"model": "a"})
        queue = create_queue(project=project, rules=rules, by=by, now=NOW)
        added = make_output(project, model="b")
        wanted = ReviewFilter.parse("model:b")
        bulk.start(project=project, wanted=wanted, act="queue_add", queue=queue, by=by, now=NOW)
        bulk.work_off(now=NOW)
        returned = make_escalation(project)
        escalations.send_back(escalation=returned, queue=queue, by=by, comment="", now=NOW)
        assert queue.items.count() == 3
        edit_queue(queue=queue, rules=Rules(name="C", filter={"model": "c"}), by=by, now=NOW)
        intake.feed_all(now=NOW)
        assert {item.output for item in queue.items.all()} == {added, returned.output}

    def test_what_people_put_in_stays_where_undoing_that_left_it(self, project: Project) -> None:
        by = make_user(project, "moderator")
        rules = Rules(name="A", filter={"model": "a"})
        queue = create_queue(project=project, rules=rules, by=by, now=NOW)
        left, _ = (make_output(project, model="b") for _ in range(2))
        wanted = ReviewFilter.parse("model:b")
        job = bulk.start(
            project=project, wanted=wanted, act="queue_add", queue=queue, by=by, now=NOW
        )
        bulk.work_off(now=NOW)
        held = queues.claim(item=queue.items.get(output=left), by=by, now=NOW)
        bulk.undo(job=job, by=by, now=NOW)
        bulk.work_off(now=NOW)
        queues.release(item=held.item, by=by, fence=held.fence, now=NOW)
        edit_queue(queue=queue, rules=replace(rules, filter={"model": "c"}), by=by, now=NOW)
        intake.feed_all(now=NOW)
        assert [item.output for item in queue.items.all()] == [left]

    def test_what_matches_no_more_stays_until_the_rules_draw_otherwise(
        self, project: Project
    ) -> None:
        by = make_user(project)
        output = make_output(project, model="a")
        rules = Rules(name="A", filter={"model": "a"})
        queue = create_queue(project=project, rules=rules, by=by, now=NOW)
        output.model = "b"
        output.save()
        severe = replace(rules, filter={}, strata=SEVERE_AND_SOME.strata[:1])
        for changed, num_left in ((replace(rules, name="B"), 1), (severe, 0)):
            edit_queue(queue=queue, rules=changed, by=by, now=NOW)
            intake.feed_all(now=NOW)
            assert queue.items.count() == num_left

    @pytest.mark.parametrize(
        "before", [[StratumRule(name="Bad", filter={"score": "negative"})], []]
    )
    def test_the_part_that_is_left_or_first_made_has_all_items(
        self, project: Project, before: list[StratumRule]
    ) -> None:
        by = make_user(project)
        audit = StratumRule(name="Audit", is_audit=True)
        rules = Rules(name="A", strata=[*before, audit] if before else [])
        make_feedback(make_output(project), score=-1)
        make_output(project)
        queue = create_queue(project=project, rules=rules, by=by, now=NOW)
        edit_queue(queue=queue, rules=replace(rules, strata=[audit]), by=by, now=NOW)
        intake.feed_all(now=NOW)
        left = queue.strata.get()
        assert [(item.stratum, item.is_by_lot) for item in queue.items.all()] == 2 * [(left, True)]

    def test_a_higher_rate_makes_what_is_there_as_likely_as_what_comes_by_it(
        self, project: Project
    ) -> None:
        by = make_user(project)
        some = StratumRule(name="Some", rate=0.3, is_audit=True)
        rules = Rules(name="A", strata=[some])
        for _ in range(40):
            make_output(project)
        queue = create_queue(project=project, rules=rules, by=by, now=NOW)
        num_first = queue.items.count()
        assert 0 < num_first < 40
        for rate in (0.9, 0.8):
            changed = replace(rules, strata=[replace(some, rate=rate)])
            edit_queue(queue=queue, rules=changed, by=by, now=NOW)
            intake.feed_all(now=NOW)
            assert queue.items.count() > num_first
            assert set(queue.items.values_list("inclusion", flat=True)) == {0.9}

    def test_what_matches_no_more_stays_when_a_part_is_renamed(self, project: Project) -> None:
        by = make_user(project)
        output = make_output(project, model="a")
        part = StratumRule(name="Model a", filter={"model": "a"})
        rules = Rules(name="A", strata=[part])
        queue = create_queue(project=project, rules=rules, by=by, now=NOW)
        output.model = "b"
        output.save()
        for changed, num_left in (
            (replace(part, name="A"), 1),
            (replace(part, is_audit=True), 1),
            (replace(part, rate=0.9), 0),
        ):
            edit_queue(queue=queue, rules=replace(rules, strata=[changed]), by=by, now=NOW)
            intake.feed_all(now=NOW)
            assert queue.items.count() == num_left

    def test_another_order_and_due_time_reach_the_items_that_are_there(
        self, project: Project
    ) -> None:
        by = make_user(project)
        make_output(project, external_id="old", at=NOW - timedelta(days=1))
        make_feedback(make_output(project, external_id="bad"), score=-1)
        queue = create_queue(project=project, rules=Rules(name="All"), by=by, now=NOW)
        rules = Rules(name="All", order="oldest", due_hours=2)
        edit_queue(queue=queue, rules=rules, by=by, now=NOW)
        intake.feed_all(now=NOW)
        items = queue.items.order_by("-rank").select_related("output")
        assert [item.output.external_id for item in items] == ["old", "bad"]
        assert {item.due_at for item in items} == {NOW + timedelta(hours=2)}

    @pytest.mark.parametrize("status", ["out", "done", "disputed", "escalated"])
    def test_another_order_and_due_time_reach_what_is_open_again_later(
        self, project: Project, status: str
    ) -> None:
        by = make_user(project)
        make_output(project)
        rules = Rules(name="All", order="newest", due_hours=9)
        queue = create_queue(project=project, rules=rules, by=by, now=NOW)
        closed_at = NOW if status in {"out", "done"} else None
        queue.items.update(status=status, closed_at=closed_at)
        edit_queue(queue=queue, rules=Rules(name="All", due_hours=2), by=by, now=NOW)
        queue.items.update(status="open", closed_at=None)
        intake.feed_all(now=NOW)
        item = queue.items.get()
        assert (item.due_at, item.fixed_rank) == (NOW + timedelta(hours=2), None)

    def test_another_due_time_counts_from_when_an_item_was_sent_back(
        self, project: Project
    ) -> None:
        by = make_user(project, "moderator")
        returned = make_escalation(project)
        entered_at, later = NOW - timedelta(days=3), NOW + timedelta(days=1)
        rules = Rules(name="All", due_hours=9)
        queue = create_queue(project=project, rules=rules, by=by, now=entered_at)
        queue.items.update(status="done", closed_at=NOW)
        escalations.send_back(escalation=returned, queue=queue, by=by, comment="", now=NOW)
        edit_queue(queue=queue, rules=replace(rules, due_hours=2), by=by, now=later)
        assert queue.items.get().due_at == NOW + timedelta(hours=2)

    def test_more_reviewers_get_places_until_somebody_has_reviewed(self, project: Project) -> None:
        by = make_user(project)
        output = make_output(project)
        queue = create_queue(project=project, rules=Rules(name="All"), by=by, now=NOW)
        for number in (3, 2):
            rules = Rules(name="All", reviewers_per_item=number)
            edit_queue(queue=queue, rules=rules, by=by, now=NOW)
            queue.refresh_from_db()
            assert Claim.objects.count() == number
        make_review(output, by, item=QueueItem.objects.get())
        with pytest.raises(QueueError) as error:
            edit_queue(queue=queue, rules=Rules(name="All"), by=by, now=NOW)
        assert error.value.path == "reviewers_per_item"

    def test_a_place_that_somebody_holds_does_not_go(self, project: Project) -> None:
        make_output(project)
        rules = Rules(name="All", reviewers_per_item=2)
        queue = create_queue(project=project, rules=rules, by=None, now=NOW)
        for _ in range(2):
            queues.claim_next(queue=queue, by=make_user(project), now=NOW)
        with pytest.raises(QueueError, match="holds a place"):
            edit_queue(queue=queue, rules=Rules(name="All"), by=make_user(project), now=NOW)

    def test_a_place_whose_lease_ran_out_goes_and_its_holder_submits_in_vain(
        self, project: Project
    ) -> None:
        make_output(project)
        rules = Rules(name="All", reviewers_per_item=2)
        queue = create_queue(project=project, rules=rules, by=None, now=NOW)
        reviewers = [make_user(project) for _ in range(2)]
        item = queue.items.get()
        _, lost = (queues.claim(item=item, by=by, now=NOW) for by in reviewers)
        later = NOW + timedelta(seconds=rules.lease_seconds)
        edit_queue(queue=queue, rules=Rules(name="All"), by=make_user(project), now=later)
        assert [place.reviewer for place in item.claims.all()] == reviewers[:1]
        with pytest.raises(queues.LeaseLostError):
            triage.submit_review(
                item=item, by=reviewers[1], fence=lost.fence, verdict="accept", now=later
            )

    def test_a_stratum_that_stays_keeps_its_row(self, project: Project) -> None:
        queue = create_queue(project=project, rules=SEVERE_AND_SOME, by=None, now=NOW)
        first = queue.strata.get(position=1)
        rules = replace(SEVERE_AND_SOME, strata=[StratumRule(name="Unsafe", rate=0.5)])
        edit_queue(queue=queue, rules=rules, by=make_user(project), now=NOW)
        [left] = queue.strata.all()
        assert (left.pk, left.name, left.rate) == (first.pk, "Unsafe", 0.5)
