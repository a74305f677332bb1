"""What holds when several reviewers and workers act at the same moment, on real connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Barrier, BrokenBarrierError, Event
from time import sleep

import pytest
from django.db import connection, transaction

from feedback.models import User
from review import intake, picking, queues, reviewers, routing, triage
from review.models import Claim, Queue, QueueItem, RoutingRule
from tests.factories import (
    NOW,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_rule,
    make_user,
)
from tests.meanwhile import meanwhile
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def claims_held_open(queue: Queue, reviewers: Sequence[User]) -> list[int | None]:
    """The item each reviewer is handed while no claim of the others is committed yet.

    A reviewer who would have to wait for another one's commit makes the barrier break.
    """
    barrier = Barrier(len(reviewers))

    def act(reviewer: User) -> int | None:
        with transaction.atomic():
            held = queues.claim_next(queue=queue, by=reviewer, now=NOW)
            with suppress(BrokenBarrierError):
                barrier.wait(timeout=1)
            return held.item_id if held else None

    return at_once(*(lambda reviewer=reviewer: act(reviewer) for reviewer in reviewers))


class TestClaimNext:
    def test_many_workers_never_hold_one_item_and_leave_none(self) -> None:
        project = make_project()
        queue = make_queue(project)
        items = [make_item(queue, make_output(project), priority=n) for n in range(60)]

        def work(reviewer: User) -> list[int]:
            mine: list[int] = []
            while held := queues.claim_next(queue=queue, by=reviewer, now=NOW):
                mine.append(held.item_id)
                Claim.objects.filter(pk=held.pk, fence=held.fence).update(finished_at=NOW)
            return mine

        reviewers = [make_user(project) for _ in range(8)]
        handed_out = at_once(*(lambda reviewer=reviewer: work(reviewer) for reviewer in reviewers))
        times = Counter(item for mine in handed_out for item in mine)
        assert times == {item.pk: 1 for item in items}
        assert set(Claim.objects.values_list("fence", flat=True)) == {1}

    def test_a_reviewer_gets_the_next_item_while_another_one_still_claims(self) -> None:
        project = make_project()
        queue = make_queue(project)
        items = {make_item(queue, make_output(project)).pk for _ in range(2)}
        reviewers = [make_user(project) for _ in range(2)]
        assert set(claims_held_open(queue, reviewers)) == items

    def test_without_the_lock_two_reviewers_would_hold_one_item(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unlocked = picking.FREE.replace("FOR UPDATE OF place SKIP LOCKED", "")
        monkeypatch.setattr(picking, "FREE", unlocked)
        project = make_project()
        queue = make_queue(project)
        for _ in range(2):
            make_item(queue, make_output(project))
        reviewers = [make_user(project) for _ in range(2)]
        assert len(set(claims_held_open(queue, reviewers))) == 1

    def test_one_reviewer_in_two_tabs_holds_one_item(self) -> None:
        project = make_project()
        queue, reviewer = make_queue(project), make_user(project)
        for _ in range(2):
            make_item(queue, make_output(project))
        held = claims_held_open(queue, [reviewer, reviewer])
        assert len(set(held)) == 1
        assert Claim.objects.filter(reviewer=reviewer).count() == 1


class TestClaim:
    def test_only_one_of_many_gets_the_item_they_all_ask_for(self) -> None:
        """Complaint 1."""
        project = make_project()
        item = make_item(make_queue(project))

        def ask(reviewer: User) -> str:
            try:
                queues.claim(item=item, by=reviewer, now=NOW)
            except queues.HeldError:
                return "held"
            return "claimed"

        reviewers = [make_user(project) for _ in range(6)]
        answers = at_once(*(lambda reviewer=reviewer: ask(reviewer) for reviewer in reviewers))
        assert sorted(answers) == ["claimed"] + 5 * ["held"]


class TestTakingOff:
    def test_waits_for_no_submit_that_waits_for_it(self) -> None:
        project = make_project()
        queue, reviewer = make_queue(project), make_user(project, "expert")
        item = make_item(queue, make_output(project))
        fence = queues.claim(item=item, by=reviewer, now=NOW).fence

        def submit() -> str:
            try:
                triage.submit_review(item=item, by=reviewer, fence=fence, verdict="accept", now=NOW)
            except triage.LeaseLostError:
                return "lost"
            return "stored"

        def take_off() -> str:
            with transaction.atomic():
                queues.hold_form(queue_id=queue.pk, may_change=True)
                waits.set()
                until(is_waited_for)
                shown = Queue.objects.select_for_update(no_key=True).get(pk=queue.pk)
                reviewers.name(queue=shown, wanted=[], by=None, now=NOW)
            return "taken off"

        def submit_then() -> str:
            assert waits.wait(timeout=5)
            return submit()

        waits = Event()
        assert at_once(take_off, submit_then) == ["taken off", "lost"]
        assert Claim.objects.get(item=item).reviewer is None


def is_waited_for() -> bool:
    """Whether somebody waits for an advisory lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
        )
        return bool((cursor.fetchone() or [False])[0])


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds, for five seconds at most."""
    for _ in range(500):
        if holds():
            return
        sleep(0.01)
    raise AssertionError("It never held.")


class TestRules:
    def test_a_rule_switched_off_while_it_is_edited_stays_off(self) -> None:
        project = make_project()
        rule, by = make_rule(project), make_user(project, "moderator")
        is_edited, is_off = Event(), Event()

        def give_time() -> None:
            is_edited.set()
            is_off.wait(timeout=1)

        def edit() -> None:
            with meanwhile(give_time, before='UPDATE "review_routingrule"'):
                routing.edit_rule(
                    edited=RoutingRule.objects.get(), changes={"name": "Edited"}, by=by, now=NOW
                )

        def switch_off() -> None:
            assert is_edited.wait(timeout=5)
            routing.switch_rule(rule=rule, is_on=False, by=by, now=NOW)
            is_off.set()

        at_once(edit, switch_off)
        rule.refresh_from_db()
        assert (rule.name, rule.is_active) == ("Edited", False)


class TestFeed:
    def test_several_feeds_at_once_put_every_output_in_once(self) -> None:
        project = make_project()
        queue = make_queue(project, reviewers_per_item=2)
        for _ in range(30):
            make_output(project)
        fed = at_once(*4 * [lambda: intake.feed(queue=queue, now=NOW)])
        assert sum(fed) == QueueItem.objects.count() == 30
        assert Claim.objects.count() == 60
