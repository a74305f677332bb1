"""What happens when the reviewers of an item disagree."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from feedback.models import Membership, Project, User
from review import queues, triage
from review.models import Claim, Event, QueueItem, Review
from review.tasks import feed_queues
from tests.factories import NOW, make_item, make_queue, make_review, make_user

LATER = NOW + timedelta(seconds=901)


def submit(claim: Claim, **decision: Any) -> Review:
    assert claim.reviewer is not None
    decision.setdefault("verdict", "accept")
    return triage.submit_review(
        item=claim.item, by=claim.reviewer, fence=claim.fence, now=NOW, **decision
    )


def demote(user: User, role: str | None) -> None:
    mine = Membership.objects.filter(user=user)
    if role:
        mine.update(role=role)
    else:
        mine.delete()


@pytest.fixture
def both(project: Project) -> list[User]:
    return [make_user(project), make_user(project)]


@pytest.fixture
def disputed(project: Project, both: list[User]) -> QueueItem:
    """An item that one called good and the other wrong."""
    item = make_item(make_queue(project, reviewers_per_item=2))
    submit(queues.claim(item=item, by=both[0], now=NOW))
    submit(queues.claim(item=item, by=both[1], now=NOW), verdict="reject", comment="Wrong.")
    item.refresh_from_db()
    return item


class TestDispute:
    def test_nothing_counts_until_a_third_person_has_decided(
        self, project: Project, disputed: QueueItem
    ) -> None:
        assert (disputed.status, disputed.closed_at) == ("disputed", None)
        assert not Review.objects.authoritative().exists()
        assert Event.objects.get(verb="disputed").target_id == disputed.pk
        third = queues.adjudicate(item=disputed, by=make_user(project), now=NOW)
        decision = submit(third, verdict="fix", comment="Half right.")
        assert list(Review.objects.authoritative()) == [decision]
        disputed.refresh_from_db()
        assert (disputed.status, disputed.closed_at) == ("done", NOW)

    def test_who_disagrees_does_not_decide(self, disputed: QueueItem, both: list[User]) -> None:
        for one in both:
            with pytest.raises(queues.DoneError):
                queues.adjudicate(item=disputed, by=one, now=NOW)

    def test_is_not_handed_out_as_one_more_review(
        self, project: Project, disputed: QueueItem
    ) -> None:
        by = make_user(project)
        assert queues.claim_next(queue=disputed.queue, by=by, now=NOW) is None
        with pytest.raises(queues.DoneError, match="third person"):
            queues.claim(item=disputed, by=by, now=NOW)

    def test_one_decides_at_a_time_under_a_lease(
        self, project: Project, disputed: QueueItem
    ) -> None:
        first, other = make_user(project), make_user(project)
        held = queues.adjudicate(item=disputed, by=first, now=NOW)
        with pytest.raises(queues.HeldError) as error:
            queues.adjudicate(item=disputed, by=other, now=NOW)
        assert error.value.claim.reviewer == first
        queues.adjudicate(item=disputed, by=other, now=LATER)
        with pytest.raises(queues.LeaseLostError):
            submit(held)

    def test_reviewers_who_agree_leave_nothing_to_decide(self, project: Project) -> None:
        item = make_item(make_queue(project, reviewers_per_item=2))
        with pytest.raises(queues.DoneError, match="do not disagree"):
            queues.adjudicate(item=item, by=make_user(project), now=NOW)
        for _ in range(2):
            submit(queues.claim(item=item, by=make_user(project), now=NOW))
        item.refresh_from_db()
        assert item.status == "done"
        assert not item.claims.filter(place=Claim.ADJUDICATION).exists()

    def test_the_third_persons_decision_is_taken_back_and_nothing_counts_again(
        self, project: Project, disputed: QueueItem
    ) -> None:
        by = make_user(project)
        review = submit(queues.adjudicate(item=disputed, by=by, now=NOW))
        triage.undo_review(review=review, by=by, now=NOW)
        disputed.refresh_from_db()
        assert disputed.status == "disputed"
        assert not Review.objects.authoritative().exists()
        place = disputed.claims.get(place=Claim.ADJUDICATION)
        assert (place.reviewer, place.finished_at, place.fence) == (by, None, 2)

    @pytest.mark.parametrize("becomes", ["expert", None])
    def test_who_is_no_moderator_any_more_does_not_decide(
        self, project: Project, disputed: QueueItem, becomes: str | None
    ) -> None:
        by = make_user(project, "moderator")
        held = queues.adjudicate(item=disputed, by=by, now=NOW)
        demote(by, becomes)
        with pytest.raises(queues.LeaseLostError):
            queues.renew(item=disputed, by=by, fence=held.fence, now=NOW)
        with pytest.raises(triage.LeaseLostError):
            submit(held)
        assert not Review.objects.filter(place=Claim.ADJUDICATION).exists()

    @pytest.mark.parametrize("becomes", ["expert", None])
    def test_what_they_held_to_decide_is_another_moderators_with_the_next_feed(
        self, project: Project, disputed: QueueItem, becomes: str | None
    ) -> None:
        by, other = make_user(project, "moderator"), make_user(project, "moderator")
        queues.adjudicate(item=disputed, by=by, now=NOW)
        own = queues.claim(item=make_item(disputed.queue), by=by, now=NOW)
        feed_queues()
        assert disputed.claims.get(place=Claim.ADJUDICATION).reviewer == by
        demote(by, becomes)
        feed_queues()
        event = Event.objects.get(verb="took_back")
        assert (event.target_id, event.data) == (disputed.pk, {"from": by.pk})
        assert submit(queues.adjudicate(item=disputed, by=other, now=NOW)).is_authoritative
        own.refresh_from_db()
        assert own.reviewer == by

    def test_nor_takes_their_decision_back(self, project: Project, disputed: QueueItem) -> None:
        by = make_user(project, "moderator")
        review = submit(queues.adjudicate(item=disputed, by=by, now=NOW))
        demote(by, "expert")
        assert triage.undoable(item=disputed, by=by, now=NOW) is None
        with pytest.raises(triage.UndoError, match="moderator"):
            triage.undo_review(review=review, by=by, now=NOW)
        assert list(Review.objects.authoritative()) == [review]

    def test_it_counts_over_what_another_queue_decided(
        self, project: Project, disputed: QueueItem
    ) -> None:
        other = make_review(disputed.output, make_user(project))
        third = submit(queues.adjudicate(item=disputed, by=make_user(project), now=NOW))
        assert list(Review.objects.authoritative()) == [third]
        other.refresh_from_db()
        assert not other.is_authoritative


class TestPlaces:
    def test_a_place_takes_no_second_review(self, project: Project) -> None:
        """Complaint 3."""
        item = make_item(make_queue(project, reviewers_per_item=2))
        make_review(item.output, make_user(project), item=item, place=1)
        with pytest.raises(IntegrityError), transaction.atomic():
            make_review(item.output, make_user(project), item=item, place=1, is_authoritative=False)

    @pytest.mark.django_db(transaction=True)
    def test_there_is_no_review_beyond_the_places_of_an_item(self, project: Project) -> None:
        """Complaint 3."""
        item = make_item(make_queue(project, reviewers_per_item=2))
        with pytest.raises(IntegrityError, match="of_a_claim"):
            make_review(item.output, make_user(project), item=item, place=3)
        with pytest.raises(IntegrityError, match="in_a_place"):
            make_review(item.output, make_user(project), item=item, place=None)

    def test_reviews_outlive_their_queue(self, project: Project) -> None:
        item = make_item(make_queue(project))
        submit(queues.claim(item=item, by=make_user(project), now=NOW))
        item.queue.delete()
        assert Review.objects.get().item is None
