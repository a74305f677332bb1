from __future__ import annotations

from datetime import timedelta

import pytest

from feedback.models import Project
from review import queues
from review.models import Claim, Event, Notification, Skip
from tests.factories import (
    NOW,
    make_item,
    make_queue,
    make_review,
    make_user,
)

LATER = NOW + timedelta(seconds=901)


class TestClaimNext:
    def test_hands_out_the_most_urgent_item_first(self, project: Project) -> None:
        queue, by = make_queue(project, lease_seconds=600), make_user(project)
        make_item(queue, priority=10)
        urgent = make_item(queue, priority=90)
        held = queues.claim_next(queue=queue, by=by, now=NOW)
        assert held is not None
        assert (held.item, held.reviewer, held.fence) == (urgent, by, 1)
        assert held.lease_until == NOW + timedelta(minutes=10)

    def test_gives_a_reviewer_the_item_they_hold_already(self, project: Project) -> None:
        queue, by = make_queue(project), make_user(project)
        make_item(queue, priority=10)
        first = queues.claim_next(queue=queue, by=by, now=NOW)
        make_item(queue, priority=90)
        assert queues.claim_next(queue=queue, by=by, now=NOW) == first

    def test_skips_an_item_another_reviewer_holds(self, project: Project) -> None:
        queue = make_queue(project)
        make_item(queue, priority=90)
        left = make_item(queue, priority=10)
        queues.claim_next(queue=queue, by=make_user(project), now=NOW)
        other = queues.claim_next(queue=queue, by=make_user(project), now=NOW)
        assert other is not None
        assert other.item == left
        assert queues.claim_next(queue=queue, by=make_user(project), now=NOW) is None

    def test_hands_out_a_place_whose_lease_ran_out_with_a_higher_fence(
        self, project: Project
    ) -> None:
        """Complaint 2."""
        queue, slow, other = make_queue(project), make_user(project), make_user(project)
        item = make_item(queue)
        lost = queues.claim_next(queue=queue, by=slow, now=NOW)
        again = queues.claim_next(queue=queue, by=other, now=LATER)
        assert lost is not None
        assert again is not None
        assert (again.pk, again.fence, again.reviewer) == (lost.pk, lost.fence + 1, other)
        with pytest.raises(queues.LeaseLostError):
            queues.renew(item=item, by=slow, fence=lost.fence, now=LATER)

    def test_never_hands_out_what_the_reviewer_reviewed_or_skipped(self, project: Project) -> None:
        queue, by = make_queue(project, reviewers_per_item=2), make_user(project)
        reviewed = make_item(queue)
        make_review(reviewed.output, by, item=reviewed)
        queues.skip(item=make_item(queue), by=by, reason="Not my field", now=NOW)
        assert queues.claim_next(queue=queue, by=by, now=NOW) is None

    def test_never_gives_one_reviewer_two_places_on_an_item(self, project: Project) -> None:
        queue, by = make_queue(project, reviewers_per_item=2), make_user(project)
        item = make_item(queue)
        Claim.objects.filter(item=item, place=1).update(
            reviewer=by, fence=1, claimed_at=NOW, lease_until=NOW, finished_at=NOW
        )
        assert queues.claim_next(queue=queue, by=by, now=LATER) is None
        assert queues.claim_next(queue=queue, by=make_user(project), now=LATER) is not None

    def test_two_reviewers_share_an_item_that_asks_for_two(self, project: Project) -> None:
        queue = make_queue(project, reviewers_per_item=2)
        make_item(queue)
        places = [queues.claim_next(queue=queue, by=make_user(project), now=NOW) for _ in range(3)]
        assert [place and place.place for place in places] == [1, 2, None]

    def test_leaves_done_items_and_other_queues_alone(self, project: Project) -> None:
        queue = make_queue(project)
        make_item(queue, status="done", closed_at=NOW)
        make_item(make_queue(project))
        assert queues.claim_next(queue=queue, by=make_user(project), now=NOW) is None


class TestClaim:
    def test_hands_out_the_item_asked_for(self, project: Project) -> None:
        queue, by = make_queue(project), make_user(project)
        make_item(queue, priority=90)
        item = make_item(queue)
        held = queues.claim(item=item, by=by, now=NOW)
        assert (held.item, held.fence) == (item, 1)
        assert queues.claim(item=item, by=by, now=NOW) == held

    def test_says_who_holds_an_item(self, project: Project) -> None:
        item, holder = make_item(make_queue(project)), make_user(project)
        queues.claim(item=item, by=holder, now=NOW)
        with pytest.raises(queues.HeldError) as error:
            queues.claim(item=item, by=make_user(project), now=NOW)
        assert error.value.claim.reviewer == holder

    def test_takes_over_a_place_whose_lease_ran_out(self, project: Project) -> None:
        item = make_item(make_queue(project))
        queues.claim(item=item, by=make_user(project), now=NOW)
        assert queues.claim(item=item, by=make_user(project), now=LATER).fence == 2

    def test_refuses_an_item_that_needs_no_review_of_this_reviewer(self, project: Project) -> None:
        by = make_user(project)
        done = make_item(make_queue(project), status="done", closed_at=NOW)
        done.claims.update(finished_at=NOW)
        reviewed = make_item(make_queue(project))
        make_review(reviewed.output, by, item=reviewed)
        for item in (done, reviewed):
            with pytest.raises(queues.DoneError):
                queues.claim(item=item, by=by, now=NOW)


class TestSteal:
    def test_takes_a_running_lease_over_and_says_from_whom(self, project: Project) -> None:
        """Complaint 2."""
        item, slow, by = make_item(make_queue(project)), make_user(project), make_user(project)
        lost = queues.claim(item=item, by=slow, now=NOW)
        held = queues.steal(item=item, by=by, now=NOW)
        assert (held.reviewer, held.fence) == (by, lost.fence + 1)
        event = Event.objects.get(verb="took_over")
        assert event.data == {"from": slow.pk, "was_held": True}
        assert (event.actor, event.target_id, event.output) == (by, item.pk, item.output)
        with pytest.raises(queues.LeaseLostError):
            queues.renew(item=item, by=slow, fence=lost.fence, now=NOW)

    def test_who_loses_the_item_is_told_though_others_are_hidden(self, project: Project) -> None:
        item = make_item(make_queue(project, reviewers_per_item=2))
        slow, by = make_user(project), make_user(project)
        queues.claim(item=item, by=slow, now=NOW)
        queues.claim(item=item, by=make_user(project), now=LATER)
        for taker in (by, make_user(project)):
            queues.steal(item=item, by=taker, now=LATER)
        told = Notification.objects.seen_by(slow).get()
        assert (told.kind, told.item) == ("taken", item)

    def test_takes_a_free_place_first_and_then_the_one_that_ends_first(
        self, project: Project
    ) -> None:
        item = make_item(make_queue(project, reviewers_per_item=2))
        early, late = make_user(project), make_user(project)
        queues.claim(item=item, by=early, now=NOW)
        queues.steal(item=item, by=late, now=NOW + timedelta(seconds=1))
        assert not Event.objects.filter(verb="took_over").exists()
        assert queues.steal(item=item, by=make_user(project), now=NOW).place == 1
        assert Event.objects.get(verb="took_over").data["from"] == early.pk

    def test_ones_own_hold_stays_as_it_is(self, project: Project) -> None:
        item, by = make_item(make_queue(project)), make_user(project)
        held = queues.claim(item=item, by=by, now=NOW)
        assert queues.steal(item=item, by=by, now=NOW) == held

    def test_who_reviewed_does_not_review_again(self, project: Project) -> None:
        item, by = make_item(make_queue(project, reviewers_per_item=2)), make_user(project)
        make_review(item.output, by, item=item)
        with pytest.raises(queues.DoneError):
            queues.steal(item=item, by=by, now=NOW)

    def test_a_lease_that_ran_out_is_told_as_such(self, project: Project) -> None:
        """Complaint 2."""
        queue, slow = make_queue(project), make_user(project)
        make_item(queue)
        queues.claim_next(queue=queue, by=slow, now=NOW)
        assert queues.claim_next(queue=queue, by=make_user(project), now=LATER)
        assert Event.objects.get(verb="took_over").data == {"from": slow.pk, "was_held": False}


class TestRenew:
    def test_starts_the_lease_anew(self, project: Project) -> None:
        item, by = make_item(make_queue(project)), make_user(project)
        held = queues.claim(item=item, by=by, now=NOW)
        renewed = queues.renew(item=item, by=by, fence=held.fence, now=LATER)
        assert (renewed.lease_until, renewed.fence) == (LATER + timedelta(seconds=900), 1)

    def test_refuses_another_reviewer_and_another_fence(self, project: Project) -> None:
        item, by = make_item(make_queue(project)), make_user(project)
        queues.claim(item=item, by=by, now=NOW)
        for who, fence in ((make_user(project), 1), (by, 0), (by, 2)):
            with pytest.raises(queues.LeaseLostError):
                queues.renew(item=item, by=who, fence=fence, now=NOW)


class TestRelease:
    def test_gives_the_place_back_and_keeps_the_fence_growing(self, project: Project) -> None:
        item, by = make_item(make_queue(project)), make_user(project)
        held = queues.claim(item=item, by=by, now=NOW)
        queues.release(item=item, by=by, fence=held.fence, now=NOW)
        with pytest.raises(queues.LeaseLostError):
            queues.release(item=item, by=by, fence=held.fence, now=NOW)
        assert queues.claim(item=item, by=make_user(project), now=NOW).fence == 2


class TestSkip:
    def test_gives_the_hold_back_to_others(self, project: Project) -> None:
        queue, by = make_queue(project), make_user(project)
        item = make_item(queue)
        queues.claim_next(queue=queue, by=by, now=NOW)
        queues.skip(item=item, by=by, reason=" Not my field ", now=NOW)
        assert Skip.objects.get().reason == "Not my field"
        assert queues.claim_next(queue=queue, by=by, now=NOW) is None
        assert queues.claim_next(queue=queue, by=make_user(project), now=NOW) is not None

    def test_asks_for_a_reason(self, project: Project) -> None:
        item = make_item(make_queue(project))
        with pytest.raises(queues.QueueError) as error:
            queues.skip(item=item, by=make_user(project), reason=" ", now=NOW)
        assert error.value.path == "reason"

    def test_under_a_stale_fence_skips_nothing(self, project: Project) -> None:
        item, by = make_item(make_queue(project)), make_user(project)
        held = queues.claim(item=item, by=by, now=NOW)
        with pytest.raises(queues.LeaseLostError):
            queues.skip(item=item, by=by, reason="Long", fence=held.fence + 1, now=NOW)
        assert not Skip.objects.exists()
        assert queues.skip(item=item, by=by, reason="Long", fence=held.fence, now=NOW).pk

    def test_leaves_other_reviewers_holds_alone(self, project: Project) -> None:
        item, holder = make_item(make_queue(project)), make_user(project)
        held = queues.claim(item=item, by=holder, now=NOW)
        queues.skip(item=item, by=make_user(project), reason="Long", now=NOW)
        assert queues.renew(item=item, by=holder, fence=held.fence, now=NOW).reviewer == holder

    def test_is_none_of_an_item_that_the_reviewer_has_reviewed(self, project: Project) -> None:
        item, by = make_item(make_queue(project)), make_user(project)
        make_review(item.output, by, item=item)
        with pytest.raises(queues.DoneError):
            queues.skip(item=item, by=by, reason="Long", now=NOW)
        assert not Skip.objects.exists()

    def test_is_taken_back_and_the_item_held_again(self, project: Project) -> None:
        queue, by = make_queue(project), make_user(project)
        item = make_item(queue)
        assert not queues.unskip(item=item, by=by, now=NOW)
        queues.skip(item=item, by=by, reason="Long", now=NOW)
        assert queues.unskip(item=item, by=by, now=NOW)
        held = queues.claim(item=item, by=by, now=NOW)
        assert held.reviewer == by
        assert not Skip.objects.exists()
        assert Event.objects.filter(verb="unskipped", target_id=item.pk).count() == 1

    def test_is_taken_back_also_when_somebody_took_the_item_meanwhile(
        self, project: Project
    ) -> None:
        queue, by, other = make_queue(project), make_user(project), make_user(project)
        item = make_item(queue)
        queues.skip(item=item, by=by, reason="Long", now=NOW)
        queues.claim(item=item, by=other, now=NOW)
        assert queues.unskip(item=item, by=by, now=NOW)
        with pytest.raises(queues.HeldError):
            queues.claim(item=item, by=by, now=NOW)
