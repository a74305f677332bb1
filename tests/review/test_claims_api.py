"""Places on items, taken, kept and given back by script."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from feedback.models import Project
from review import queues
from review.models import Claim, Notification, Queue, QueueItem, Review, Skip
from tests.calling import Caller
from tests.factories import (
    make_escalation,
    make_item,
    make_output,
    make_queue,
    make_review,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "expert", username="ann"))


@pytest.fixture
def mo(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "moderator", username="mo"))


@pytest.fixture
def queue(project: Project) -> Queue:
    return make_queue(project, slug="all")


class TestClaim:
    def test_gives_an_item_its_output_and_a_fence(
        self, ann: Caller, queue: Queue, project: Project
    ) -> None:
        item = make_item(queue, make_output(project, external_id="o/1"))
        reply = ann.post("queues/all/claim")
        place = Claim.objects.get(item=item)
        assert reply.status_code == 200
        told = {**reply.json()}
        until = datetime.fromisoformat(told.pop("lease_until"))
        assert told == {"item": item.pk, "output": "o/1", "fence": 1}
        assert place.lease_until is not None
        assert abs(until - place.lease_until) < timedelta(milliseconds=1)
        # After a lost answer the same is handed out again.
        assert ann.post("queues/all/claim").json() == reply.json()

    def test_has_no_body_when_nothing_is_left(self, ann: Caller, queue: Queue) -> None:
        reply = ann.post("queues/all/claim")
        assert (reply.status_code, reply.content) == (204, b"")

    def test_is_the_same_as_on_the_page(
        self, ann: Caller, queue: Queue, project: Project, client: Client
    ) -> None:
        make_item(queue, priority=1)
        best = make_item(queue, priority=2)
        client.force_login(ann.user)
        page = client.post(reverse("queue_next", args=[project.slug, "all"]))
        assert page["Location"] == reverse("item", args=[project.slug, best.pk])
        assert ann.post("queues/all/claim").json()["item"] == best.pk


class TestHold:
    def test_is_kept_by_a_heartbeat(self, ann: Caller, queue: Queue) -> None:
        item = make_item(queue)
        old = timezone.now() - timedelta(minutes=10)
        held = queues.claim(item=item, by=ann.user, now=old)
        reply = ann.post(f"items/{item.pk}/heartbeat", {"fence": held.fence})
        assert reply.status_code == 200
        held.refresh_from_db()
        assert held.lease_until is not None
        assert held.lease_until > old + timedelta(minutes=20)

    def test_can_be_given_back(self, ann: Caller, queue: Queue) -> None:
        item = make_item(queue)
        fence = ann.post("queues/all/claim").json()["fence"]
        assert ann.post(f"items/{item.pk}/release", {"fence": fence}).status_code == 204
        assert Claim.objects.get(item=item).reviewer is None

    def test_ends_by_skipping_with_a_reason(self, ann: Caller, queue: Queue) -> None:
        item = make_item(queue)
        fence = ann.post("queues/all/claim").json()["fence"]
        refused = ann.post(f"items/{item.pk}/skip", {"fence": fence, "reason": " "})
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "reason")
        done = ann.post(f"items/{item.pk}/skip", {"fence": fence, "reason": "Not my field"})
        assert done.status_code == 204
        assert Skip.objects.get(item=item).reason == "Not my field"
        assert not Review.objects.exists()
        assert ann.post("queues/all/claim").status_code == 204

    @pytest.mark.parametrize("act", ["heartbeat", "release", "skip", "review"])
    def test_is_lost_with_a_stale_fence_and_says_who_holds_the_item(
        self, ann: Caller, queue: Queue, project: Project, act: str
    ) -> None:
        item = make_item(queue)
        now = timezone.now()
        mine = queues.claim(item=item, by=ann.user, now=now - timedelta(hours=1))
        stale = mine.fence
        bob = make_user(project, "expert", username="bob")
        theirs = queues.claim(item=item, by=bob, now=now)
        more = {"skip": {"reason": "x"}, "review": {"verdict": "accept"}}.get(act, {})
        body = {"fence": stale, **more}
        reply = ann.post(f"items/{item.pk}/{act}", body)
        assert reply.status_code == 409
        assert reply.json()["holder"] == "bob"
        assert reply.json()["lease_until"][:19] == theirs.lease_until.isoformat()[:19]  # type: ignore[union-attr]
        assert (Review.objects.count(), Skip.objects.count()) == (0, 0)
        theirs.refresh_from_db()
        assert theirs.reviewer == bob


class TestClaimOne:
    def test_takes_the_item_asked_for_again_and_again(self, ann: Caller, queue: Queue) -> None:
        make_item(queue, priority=9)
        item = make_item(queue)
        queues.skip(item=item, by=ann.user, reason="Later", now=timezone.now())
        first = ann.post(f"items/{item.pk}/claim").json()
        assert (first["item"], first["fence"]) == (item.pk, 1)
        assert ann.post(f"items/{item.pk}/claim").json() == first

    def test_says_who_holds_it_and_what_is_done(
        self, ann: Caller, queue: Queue, project: Project
    ) -> None:
        item, bob = make_item(queue), make_user(project, "expert", username="bob")
        queues.claim(item=item, by=bob, now=timezone.now())
        held = ann.post(f"items/{item.pk}/claim")
        assert (held.status_code, held.json()["holder"]) == (409, "bob")
        assert held.json()["message"] == "Somebody else is reviewing this."
        gone = make_item(queue)
        Claim.objects.filter(item=gone).update(finished_at=timezone.now())
        done = ann.post(f"items/{gone.pk}/claim")
        assert (done.status_code, done.json()["message"]) == (409, "This item is done.")
        assert done.json()["holder"] is None


class TestAdjudication:
    def test_of_a_dispute_is_a_claim_and_a_review_of_a_third_person(
        self, ann: Caller, mo: Caller, project: Project
    ) -> None:
        item = make_item(make_queue(project, reviewers_per_item=2))
        bob = Caller(ann.client, project, make_user(project, "moderator", username="bob"))
        for by, verdict in ((ann, "accept"), (bob, "reject")):
            fence = by.post(f"items/{item.pk}/claim").json()["fence"]
            body = {"fence": fence, "verdict": verdict, "comment": "Thus."}
            assert by.post(f"items/{item.pk}/review", body).status_code == 201
        assert ann.post(f"items/{item.pk}/claim").status_code == 403
        party = bob.post(f"items/{item.pk}/claim")
        assert (party.status_code, party.json()["message"]) == (409, "You have reviewed this item.")
        fence = mo.post(f"items/{item.pk}/claim").json()["fence"]
        body = {"fence": fence, "verdict": "fix", "comment": "Neither."}
        decided = mo.post(f"items/{item.pk}/review", body)
        assert (decided.status_code, decided.json()["counts"]) == (201, True)
        assert Review.objects.authoritative().get().place == Claim.ADJUDICATION
        item.refresh_from_db()
        assert item.status == QueueItem.Status.DONE

    def test_settles_an_escalation_too(self, mo: Caller, project: Project) -> None:
        one = make_escalation(project)
        fence = mo.post(f"items/{one.item_id}/claim").json()["fence"]
        body = {"fence": fence, "verdict": "accept"}
        assert mo.post(f"items/{one.item_id}/review", body).status_code == 201
        one.refresh_from_db()
        assert (one.status, one.settled_by) == ("decided", mo.user)


class TestSteal:
    def test_takes_the_item_over_and_tells_who_held_it(
        self, ann: Caller, mo: Caller, queue: Queue, project: Project
    ) -> None:
        item = make_item(queue)
        fence = ann.post(f"items/{item.pk}/claim").json()["fence"]
        taken = mo.post(f"items/{item.pk}/steal")
        assert (taken.status_code, taken.json()["fence"]) == (200, fence + 1)
        told = Notification.objects.get(user=ann.user)
        assert (told.kind, told.item, told.actor) == ("taken", item, mo.user)
        late = ann.post(f"items/{item.pk}/heartbeat", {"fence": fence})
        assert (late.status_code, late.json()["holder"]) == (409, "mo")

    def test_of_several_who_hold_it_names_who_took_it(
        self, ann: Caller, mo: Caller, project: Project
    ) -> None:
        item = make_item(make_queue(project, slug="two", reviewers_per_item=2))
        bob = make_user(project, "expert", username="bob")
        queues.claim(item=item, by=bob, now=timezone.now())
        later = timezone.now() + timedelta(minutes=5)
        fence = queues.claim(item=item, by=ann.user, now=later).fence
        Claim.objects.filter(item=item, reviewer=ann.user).update(lease_until=timezone.now())
        queues.steal(item=item, by=mo.user, now=later)
        late = ann.post(f"items/{item.pk}/heartbeat", {"fence": fence})
        assert (late.status_code, late.json()["holder"]) == (409, "mo")

    def test_takes_nothing_that_is_done(self, mo: Caller, queue: Queue) -> None:
        item = make_item(queue)
        make_review(item.output, mo.user, item=item)
        refused = mo.post(f"items/{item.pk}/steal")
        assert refused.status_code == 409
        assert refused.json()["message"] == "You have reviewed this item."
        assert Claim.objects.get(item=item).reviewer is None


class TestUnskip:
    def test_holds_the_item_again_as_the_page_does(
        self, ann: Caller, client: Client, queue: Queue, project: Project
    ) -> None:
        by_script, by_page = make_item(queue), make_item(queue)
        for item in (by_script, by_page):
            queues.skip(item=item, by=ann.user, reason="Later", now=timezone.now())
        reply = ann.post(f"items/{by_script.pk}/unskip")
        assert (reply.status_code, reply.json()["item"]) == (200, by_script.pk)
        client.force_login(ann.user)
        client.post(reverse("item_undo", args=[project.slug, by_page.pk]))
        held = Claim.objects.held_by(ann.user, at=timezone.now())
        assert {one.item for one in held} == {by_script, by_page}
        assert not Skip.objects.exists()

    def test_has_no_body_where_somebody_took_it(
        self, ann: Caller, queue: Queue, project: Project
    ) -> None:
        item = make_item(queue)
        queues.skip(item=item, by=ann.user, reason="Later", now=timezone.now())
        queues.claim(item=item, by=make_user(project, "expert"), now=timezone.now())
        reply = ann.post(f"items/{item.pk}/unskip")
        assert (reply.status_code, reply.content) == (204, b"")
        assert not Skip.objects.exists()

    def test_needs_a_skip_of_ones_own(self, ann: Caller, mo: Caller, queue: Queue) -> None:
        item = make_item(queue)
        queues.skip(item=item, by=mo.user, reason="Later", now=timezone.now())
        refused = ann.post(f"items/{item.pk}/unskip")
        assert refused.status_code == 409
        assert refused.json()["message"] == "You have not skipped this item."
        assert Skip.objects.get().reviewer == mo.user
