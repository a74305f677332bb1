"""What reviewers hand up: who is told, who settles it and how, and what counts meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from feedback.models import Project, User
from review import escalations, my_work, queues, triage
from review.models import Claim, Escalation, Event, Notification, QueueItem, Review
from tests.factories import (
    NOW,
    make_escalation,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_rule,
    make_user,
)
from tests.threads import at_once

LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def ann(project: Project) -> User:
    return make_user(project, "expert", username="ann")


@pytest.fixture
def mod(project: Project) -> User:
    return make_user(project, "moderator", username="mod")


def submit(claim: Claim, **decision: Any) -> Review:
    assert claim.reviewer is not None
    for name, value in {"verdict": "reject", "comment": "Dangerous.", "now": NOW}.items():
        decision.setdefault(name, value)
    item = QueueItem.objects.get(pk=claim.item_id)
    return triage.submit_review(item=item, by=claim.reviewer, fence=claim.fence, **decision)


def escalate(project: Project, by: User, **queue: Any) -> Escalation:
    item = make_item(make_queue(project, **queue))
    submit(queues.claim(item=item, by=by, now=NOW), routes=["escalate", "issue"])
    return Escalation.objects.get(item=item)


def news(user: User) -> list[str]:
    found = Notification.objects.unread().seen_by(user).order_by("-happened_at", "-id")
    return list(found.values_list("kind", flat=True))


def counting(escalation: Escalation) -> list[Review]:
    return list(Review.objects.authoritative().filter(output=escalation.output_id))


class TestRaising:
    def test_a_review_that_routes_there_is_put_before_the_moderators(
        self, project: Project, ann: User, mod: User
    ) -> None:
        other = make_user(make_project(), "moderator")
        escalation = escalate(project, ann)
        assert (escalation.status, escalation.review.reviewer) == ("open", ann)
        assert escalation.item.status == "escalated"
        assert counting(escalation) == [escalation.review]
        assert news(mod) == ["escalated"]
        assert news(ann) == news(other) == []
        assert Event.objects.filter(verb="escalated", actor=ann).count() == 1

    def test_so_is_what_a_rule_routes_there(self, project: Project, ann: User) -> None:
        make_rule(project, verdicts=["reject"], routes=["escalate"])
        submit(queues.claim(item=make_item(make_queue(project)), by=ann, now=NOW))
        assert Escalation.objects.open().count() == 1

    def test_waits_for_the_others_who_are_to_review_it(
        self, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann, reviewers_per_item=2)
        assert escalation.item.status == "open"
        with pytest.raises(queues.DoneError):
            queues.adjudicate(item=escalation.item, by=mod, now=NOW)
        ben = make_user(project, "expert")
        submit(queues.claim(item=escalation.item, by=ben, now=NOW), routes=["escalate"])
        escalation.item.refresh_from_db()
        assert escalation.item.status == "escalated"
        assert Escalation.objects.count() == 1

    def test_reviewers_who_disagree_too_are_settled_by_one_decision(
        self, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann, reviewers_per_item=2)
        ben = make_user(project, "expert")
        submit(queues.claim(item=escalation.item, by=ben, now=NOW), verdict="accept")
        escalation.item.refresh_from_db()
        assert escalation.item.status == "disputed"
        assert sorted(news(mod)) == ["disputed", "escalated"]
        submit(queues.adjudicate(item=escalation.item, by=mod, now=NOW))
        escalation.refresh_from_db()
        assert escalation.status == "decided"
        assert news(mod) == []

    def test_an_answer_is_escalated_once_at_a_time(self, project: Project, ann: User) -> None:
        first = escalate(project, ann)
        second = make_item(make_queue(project), first.output)
        submit(queues.claim(item=second, by=ann, now=NOW), routes=["escalate"])
        assert list(Escalation.objects.all()) == [first]
        second.refresh_from_db()
        assert second.status == "done"
        with pytest.raises(IntegrityError), transaction.atomic():
            make_escalation(project, output=first.output)

    def test_is_not_handed_out_as_one_more_review(
        self, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann)
        assert queues.claim_next(queue=escalation.item.queue, by=mod, now=NOW) is None


class TestDeciding:
    def test_a_third_persons_verdict_counts_from_then_on(
        self, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann)
        held = queues.adjudicate(item=escalation.item, by=mod, now=NOW)
        decision = submit(held, verdict="accept", comment="", now=LATER)
        escalation.refresh_from_db()
        assert (escalation.status, escalation.settled_by) == ("decided", mod)
        assert (escalation.decision, escalation.settled_at) == (decision, LATER)
        assert counting(escalation) == [decision]
        assert QueueItem.objects.get().status == "done"
        assert (news(ann), news(mod)) == (["settled"], [])
        assert Event.objects.filter(verb="decided_escalation", actor=mod).exists()

    def test_who_escalated_does_not_decide(self, project: Project, mod: User) -> None:
        escalation = escalate(project, mod)
        with pytest.raises(queues.DoneError):
            queues.adjudicate(item=escalation.item, by=mod, now=NOW)

    def test_cannot_be_escalated_once_more_nor_by_rule(
        self, project: Project, ann: User, mod: User
    ) -> None:
        make_rule(project, routes=["escalate", "issue"])
        escalation = escalate(project, ann)
        held = queues.adjudicate(item=escalation.item, by=mod, now=NOW)
        with pytest.raises(triage.VerdictError) as error:
            submit(held, routes=["escalate"])
        assert error.value.path == "routes"
        assert submit(held).routes == ["issue"]

    def test_taken_back_it_is_open_again(self, project: Project, ann: User, mod: User) -> None:
        escalation = escalate(project, ann)
        held = queues.adjudicate(item=escalation.item, by=mod, now=NOW)
        decision = submit(held, verdict="fix")
        triage.undo_review(review=decision, by=mod, now=LATER)
        escalation.refresh_from_db()
        assert (escalation.status, escalation.decision) == ("open", None)
        assert QueueItem.objects.get().status == "escalated"
        assert counting(escalation) == [escalation.review]

    def test_stays_where_another_escalated_the_answer_anew(
        self, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann)
        decision = submit(queues.adjudicate(item=escalation.item, by=mod, now=NOW), verdict="fix")
        there = make_item(make_queue(project), escalation.output)
        ben = make_user(project, "expert")
        submit(queues.claim(item=there, by=ben, now=NOW), routes=["escalate"], now=LATER)
        with pytest.raises(triage.UndoError, match="escalated again"):
            triage.undo_review(review=decision, by=mod, now=LATER)
        assert [one.item for one in Escalation.objects.open()] == [there]


class TestTakingBack:
    def test_a_review_takes_its_escalation_along(
        self, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann)
        triage.undo_review(review=escalation.review, by=ann, now=NOW)
        assert not Escalation.objects.exists()
        item = QueueItem.objects.get()
        assert item.status == "open"
        assert list(item.claims.values_list("place", flat=True)) == [1]
        assert news(mod) == []

    def test_leaves_it_to_the_next_who_asked_for_it_in_another_queue(
        self, project: Project, ann: User, mod: User
    ) -> None:
        first = escalate(project, ann)
        there = make_item(make_queue(project), first.output)
        ben = make_user(project, "expert")
        asked = submit(queues.claim(item=there, by=ben, now=LATER), routes=["escalate"], now=LATER)
        triage.undo_review(review=first.review, by=ann, now=LATER)
        [left] = Escalation.objects.open()
        assert (left.item, left.review, left.raised_at) == (there, asked, LATER)
        there.refresh_from_db()
        assert (there.status, there.closed_at) == ("escalated", None)
        assert news(mod) == ["escalated"]
        decision = submit(queues.adjudicate(item=there, by=mod, now=LATER), now=LATER)
        left.refresh_from_db()
        assert (left.status, counting(left)) == ("decided", [decision])

    def test_leaves_it_to_one_whose_item_others_are_still_to_review(
        self, project: Project, ann: User, mod: User
    ) -> None:
        first = escalate(project, ann)
        there = make_item(make_queue(project, reviewers_per_item=2), first.output)
        ben, cleo = (make_user(project, "expert") for _ in range(2))
        submit(queues.claim(item=there, by=ben, now=NOW), routes=["escalate"])
        triage.undo_review(review=first.review, by=ann, now=LATER)
        assert [one.item for one in Escalation.objects.open()] == [there]
        there.refresh_from_db()
        assert there.status == "open"
        submit(queues.claim(item=there, by=cleo, now=LATER), now=LATER)
        there.refresh_from_db()
        assert there.status == "escalated"

    def test_raises_nothing_that_was_asked_for_and_settled_before(
        self, project: Project, ann: User, mod: User
    ) -> None:
        first = escalate(project, ann)
        ben = make_user(project, "expert")
        there = make_item(make_queue(project), first.output)
        submit(queues.claim(item=there, by=ben, now=NOW), routes=["escalate"])
        escalations.close(escalation=first, by=mod, comment="Known.", now=NOW)
        again = make_item(make_queue(project), first.output)
        asked = submit(queues.claim(item=again, by=ann, now=LATER), routes=["escalate"], now=LATER)
        triage.undo_review(review=asked, by=ann, now=LATER)
        assert list(Escalation.objects.all()) == [first]

    def test_raises_nothing_that_a_third_person_decided(
        self, project: Project, ann: User, mod: User
    ) -> None:
        first = escalate(project, ann)
        there = make_item(make_queue(project, reviewers_per_item=2), first.output)
        ben, cleo = (make_user(project, "expert") for _ in range(2))
        submit(queues.claim(item=there, by=ben, now=NOW), routes=["escalate"])
        submit(queues.claim(item=there, by=cleo, now=NOW), verdict="accept")
        submit(queues.adjudicate(item=there, by=mod, now=NOW))
        triage.undo_review(review=first.review, by=ann, now=LATER)
        assert not Escalation.objects.exists()

    def test_not_while_a_moderator_decides_nor_once_it_is_settled(
        self, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann)
        queues.adjudicate(item=escalation.item, by=mod, now=NOW)
        with pytest.raises(triage.UndoError, match="is deciding"):
            triage.undo_review(review=escalation.review, by=ann, now=NOW)
        escalations.close(escalation=escalation, by=mod, comment="It is fine.", now=NOW)
        with pytest.raises(triage.UndoError, match="settled"):
            triage.undo_review(review=escalation.review, by=ann, now=NOW)


class TestClosing:
    def test_leaves_the_decision_that_counts(self, project: Project, ann: User, mod: User) -> None:
        escalation = escalate(project, ann)
        escalations.close(escalation=escalation, by=mod, comment=" Known.\r\n", now=LATER)
        escalation.refresh_from_db()
        assert (escalation.status, escalation.comment) == ("closed", "Known.")
        item = QueueItem.objects.get()
        assert (item.status, item.closed_at) == ("done", LATER)
        assert list(item.claims.values_list("place", flat=True)) == [1]
        assert counting(escalation) == [escalation.review]
        assert news(ann) == ["settled"]

    def test_asks_for_a_comment(self, project: Project, ann: User, mod: User) -> None:
        escalation = escalate(project, ann)
        for comment in (" ", "a\x00", "a" * 20_001):
            with pytest.raises(escalations.EscalationError):
                escalations.close(escalation=escalation, by=mod, comment=comment, now=NOW)
        with pytest.raises(IntegrityError), transaction.atomic():
            Escalation.objects.update(status="closed", settled_at=NOW)

    def test_not_while_another_decides_and_not_twice(
        self, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann)
        queues.adjudicate(item=escalation.item, by=make_user(project, "moderator"), now=NOW)
        with pytest.raises(escalations.SettledError, match="deciding"):
            escalations.close(escalation=escalation, by=mod, comment="Known.", now=NOW)
        after = NOW + timedelta(hours=1)
        escalations.close(escalation=escalation, by=mod, comment="Known.", now=after)
        with pytest.raises(escalations.SettledError, match="settled"):
            escalations.close(escalation=escalation, by=mod, comment="Again.", now=after)

    def test_one_of_those_being_reviewed_lets_the_others_go_on(
        self, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann, reviewers_per_item=2)
        escalations.close(escalation=escalation, by=mod, comment="Known.", now=NOW)
        ben = make_user(project, "expert")
        submit(queues.claim(item=escalation.item, by=ben, now=NOW))
        assert QueueItem.objects.get().status == "done"


class TestSendingBack:
    def test_somebody_else_reviews_it_and_only_that_counts(
        self, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann)
        queue = escalation.item.queue
        escalations.send_back(escalation=escalation, queue=queue, by=mod, comment="Look.", now=NOW)
        escalation.refresh_from_db()
        assert (escalation.status, escalation.returned_to) == ("returned", queue)
        assert counting(escalation) == []
        assert queues.claim_next(queue=queue, by=ann, now=NOW) is None
        ben = make_user(project, "expert")
        held = queues.claim_next(queue=queue, by=ben, now=NOW)
        assert held is not None
        anew = submit(held, verdict="accept", comment="")
        assert counting(escalation) == [anew]
        assert QueueItem.objects.get().status == "done"
        assert news(ann) == ["settled"]

    def test_another_queue_takes_it_in(self, project: Project, ann: User, mod: User) -> None:
        escalation = escalate(project, ann)
        other = make_queue(project, name="Doctors", reviewers_per_item=2, due_hours=4)
        item = escalations.send_back(
            escalation=escalation, queue=other, by=mod, comment="", now=NOW
        )
        assert (item.queue, item.status, item.claims.count()) == (other, "open", 2)
        assert item.due_at == NOW + timedelta(hours=4)
        escalation.item.refresh_from_db()
        assert escalation.item.status == "done"

    def test_in_another_queue_too_somebody_else_reviews_it(
        self, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann)
        ben, cleo = (make_user(project, "expert") for _ in range(2))
        elsewhere = make_item(make_queue(project, reviewers_per_item=2), escalation.output)
        submit(queues.claim(item=elsewhere, by=ben, now=NOW))
        queue = make_queue(project)
        item = escalations.send_back(
            escalation=escalation, queue=queue, by=mod, comment="", now=LATER
        )
        other = make_item(queue, priority=-1)
        for by in (ann, ben):
            held = queues.claim_next(queue=queue, by=by, now=LATER)
            assert held is not None
            assert held.item == other
            queues.release(item=other, by=by, fence=held.fence, now=LATER)
            for take in (queues.claim, queues.steal):
                with pytest.raises(queues.DoneError, match="before it was sent back"):
                    take(item=item, by=by, now=LATER)
        # Who decides on it elsewhere after that has not decided before.
        after = LATER + timedelta(seconds=1)
        submit(queues.claim(item=elsewhere, by=cleo, now=after), now=after)
        held = queues.claim_next(queue=queue, by=cleo, now=after)
        assert held is not None
        assert held.item == item

    def test_who_decided_before_may_settle_a_dispute_of_those_who_review_it_anew(
        self, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, mod)
        queue = make_queue(project, reviewers_per_item=2)
        item = escalations.send_back(
            escalation=escalation, queue=queue, by=mod, comment="", now=LATER
        )
        for by, verdict in ((ann, "reject"), (make_user(project, "expert"), "accept")):
            held = queues.claim(item=item, by=by, now=LATER)
            submit(held, verdict=verdict, comment="So.", now=LATER)
        item.refresh_from_db()
        assert item.status == "disputed"
        assert queues.adjudicate(item=item, by=mod, now=LATER).reviewer == mod

    @pytest.mark.parametrize(("status", "num"), [("open", 1), ("done", 2), ("out", 1)])
    def test_a_queue_that_has_it_opens_it_again(
        self, project: Project, ann: User, mod: User, status: str, num: int
    ) -> None:
        escalation = escalate(project, ann)
        closed_at = None if status == "open" else NOW
        there = make_item(
            make_queue(project), escalation.output, status=status, closed_at=closed_at
        )
        if status == "out":
            there.claims.all().delete()
        escalations.send_back(escalation=escalation, queue=there.queue, by=mod, comment="", now=NOW)
        there.refresh_from_db()
        assert (there.status, there.claims.count()) == ("open", num)

    def test_taking_the_review_that_followed_back_leaves_none_that_counts(
        self, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann)
        elsewhere = make_item(make_queue(project), escalation.output)
        ben, cleo = (make_user(project, "expert") for _ in range(2))
        submit(queues.claim(item=elsewhere, by=ben, now=NOW))
        there = escalations.send_back(
            escalation=escalation, queue=make_queue(project), by=mod, comment="", now=LATER
        )
        anew = submit(queues.claim(item=there, by=cleo, now=LATER), now=LATER)
        assert counting(escalation) == [anew]
        triage.undo_review(review=anew, by=cleo, now=LATER)
        assert counting(escalation) == []

    def test_who_disagrees_with_what_was_sent_back_disputes_nothing(
        self, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann, reviewers_per_item=2)
        ben, cleo = (make_user(project, "expert") for _ in range(2))
        submit(queues.claim(item=escalation.item, by=ben, now=NOW))
        item = escalations.send_back(
            escalation=escalation, queue=escalation.item.queue, by=mod, comment="", now=LATER
        )
        held = queues.claim(item=item, by=cleo, now=LATER)
        anew = submit(held, verdict="accept", comment="", now=LATER)
        item.refresh_from_db()
        assert (item.status, counting(escalation)) == ("done", [anew])

    def test_not_where_a_third_person_decides_nor_before_all_are_in(
        self, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann)
        there = make_item(make_queue(project), escalation.output, status="disputed")
        early = escalate(project, ann, reviewers_per_item=2)
        for one, queue in (
            (escalation, there.queue),
            (early, early.item.queue),
            (escalation, make_queue(make_project())),
        ):
            with pytest.raises(escalations.EscalationError) as error:
                escalations.send_back(escalation=one, queue=queue, by=mod, comment="", now=NOW)
            assert error.value.path == "queue"
        escalation.refresh_from_db()
        assert (escalation.status, counting(escalation)) == ("open", [escalation.review])


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_one_of_two_moderators_settles_it(self) -> None:
        project = make_project()
        escalation = escalate(project, make_user(project, "expert"))
        moderators = [make_user(project, "moderator") for _ in range(4)]

        def settle(by: User) -> str:
            try:
                escalations.close(escalation=escalation, by=by, comment="Known.", now=NOW)
            except escalations.SettledError:
                return "late"
            return "settled"

        told = at_once(*[lambda by=one: settle(by) for one in moderators])
        assert sorted(told) == ["late", "late", "late", "settled"]
        assert Event.objects.filter(verb="closed_escalation").count() == 1


class TestPages:
    def test_list_what_is_open_and_what_became_of_it(
        self, client: Client, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann)
        client.force_login(mod)
        url = reverse("escalation_list", args=[project.slug])
        page = client.get(url).content.decode()
        assert "Dangerous." in page
        assert reverse("item_claim", args=[project.slug, escalation.item_id]) in page
        assert "Nothing was settled yet" in client.get(url, {"state": "settled"}).content.decode()
        close = reverse("escalation_close", args=[project.slug, escalation.pk])
        refused = client.post(close, {"comment": ""})
        assert refused.status_code == 422
        assert "Say why" in refused.content.decode()
        assert client.post(close, {"comment": "<b>Known</b>"}).status_code == 302
        one = client.get(reverse("escalation", args=[project.slug, escalation.pk]))
        assert "&lt;b&gt;Known" in one.content.decode()
        assert "Escalation closed" in one.content.decode()
        assert "Closed by" in client.get(url, {"state": "settled"}).content.decode()
        assert client.get(url, {"state": "x"}).status_code == 400
        assert client.get(url, {"cursor": "x"}).status_code == 400

    def test_send_it_back(self, client: Client, project: Project, ann: User, mod: User) -> None:
        escalation = escalate(project, ann)
        client.force_login(mod)
        url = reverse("escalation_return", args=[project.slug, escalation.pk])
        assert client.post(url, {"queue": "nowhere"}).status_code == 404
        client.post(url, {"queue": escalation.item.queue.slug})
        escalation.refresh_from_db()
        assert escalation.status == "returned"
        assert client.post(url, {"queue": escalation.item.queue.slug}).status_code == 302

    def test_are_decided_on_the_desk_by_a_moderator(
        self, client: Client, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann)
        ben = make_user(project, "expert")
        item = reverse("item", args=[project.slug, escalation.item_id])
        claim = reverse("item_claim", args=[project.slug, escalation.item_id])
        client.force_login(ben)
        assert "A moderator decides" in client.get(item).content.decode()
        assert client.post(claim).status_code == 403
        client.force_login(mod)
        client.post(claim)
        assert "Your decision will count" in client.get(item).content.decode()

    def test_hide_what_one_is_still_to_judge(
        self, client: Client, project: Project, ann: User, mod: User
    ) -> None:
        """Complaint 24."""
        escalation = escalate(project, ann, reviewers_per_item=2)
        client.force_login(mod)
        for url in (
            reverse("escalation_list", args=[project.slug]),
            reverse("escalation", args=[project.slug, escalation.pk]),
        ):
            assert "Dangerous." not in client.get(url).content.decode()

    def test_my_work_tells_what_waits_and_what_became_of_mine(
        self, client: Client, project: Project, ann: User, mod: User
    ) -> None:
        escalation = escalate(project, ann)
        escalate(project, mod)
        assert my_work.to_decide(project=project, by=mod) == (0, 1)
        url = reverse("my_work", args=[project.slug])
        client.force_login(mod)
        assert "For you to decide" in client.get(url).content.decode()
        escalations.close(escalation=escalation, by=mod, comment="Known.", now=NOW)
        [mine] = my_work.escalated(project=project, by=ann, now=NOW + timedelta(days=13))
        assert mine == escalation
        assert not my_work.escalated(project=project, by=ann, now=NOW + timedelta(days=15))

    def test_take_as_many_queries_for_many(
        self,
        client: Client,
        project: Project,
        ann: User,
        mod: User,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for _ in range(9):
            make_item(make_queue(project), make_output(project))
            make_escalation(project)
        client.force_login(mod)
        with django_assert_max_num_queries(6):
            client.get(reverse("escalation_list", args=[project.slug]))
        with django_assert_max_num_queries(13):
            client.get(reverse("escalation", args=[project.slug, Escalation.objects.all()[0].pk]))
