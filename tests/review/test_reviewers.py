"""Queues of some people only: who is named, who sees, and what becomes of what is held."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from feedback.models import Membership, Project, User
from review import drafts, queues, reviewers, rules, triage
from review.models import (
    Claim,
    Draft,
    Event,
    Notification,
    Queue,
    QueueItem,
    QueueReviewer,
)
from review.queues import DoneError, QueueError
from review.tasks import feed_queues
from tests.factories import NOW, make_item, make_project, make_queue, make_review, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(project: Project) -> User:
    return make_user(project, "expert", username="ann", email="ann@example.org")


@pytest.fixture
def bob(project: Project) -> User:
    return make_user(project, "expert", username="bob", email="Bob@example.org")


@pytest.fixture
def mod(project: Project) -> User:
    return make_user(project, "moderator", username="mod")


def named(queue: Queue, *wanted: str) -> None:
    """Have the queue reviewed by these alone."""
    rules.edit_queue(
        queue=queue,
        rules=replace(rules.rules_of(queue=queue), reviewers=wanted),
        by=make_user(),
        now=NOW,
    )
    queue.refresh_from_db()


@transaction.atomic
def stored(**fields: object) -> None:
    """Write the row, and see to what is checked at the end of a transaction."""
    QueueReviewer.objects.create(**fields)
    connection.check_constraints()


class TestVisible:
    def test_who_is_named_and_moderators_see_a_queue_of_some(
        self, project: Project, ann: User, bob: User, mod: User
    ) -> None:
        queue = make_queue(project)
        item = make_item(queue)
        named(queue, "ann@example.org")
        for user, sees in ((ann, True), (bob, False), (mod, True), (make_user(), False)):
            assert Queue.objects.visible_to(user).filter(pk=queue.pk).exists() == sees
            assert QueueItem.objects.visible_to(user).filter(pk=item.pk).exists() == sees

    def test_everybody_sees_the_others_once(self, project: Project, ann: User, bob: User) -> None:
        queue = make_queue(project)
        named(queue, "ann@example.org", "bob@example.org")
        plain = make_queue(project)
        make_queue(make_project())
        viewer = make_user(project, "viewer")
        assert [*Queue.objects.visible_to(ann).order_by("pk")] == [queue, plain]
        assert [*Queue.objects.visible_to(viewer)] == [plain]

    def test_a_moderator_elsewhere_sees_nothing_of_it(self, project: Project) -> None:
        queue = make_queue(project)
        named(queue)
        user = make_user(make_project(), "admin")
        Membership.objects.create(project=project, user=user, role="expert")
        assert not Queue.objects.visible_to(user).exists()

    def test_nothing_is_asked_where_a_queue_is_everybodys(
        self, project: Project, ann: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        queue = make_queue(project)
        with django_assert_num_queries(0):
            assert queue.is_seen_by(ann)


class TestNaming:
    def test_by_address_whatever_its_case_or_by_user_name(
        self, project: Project, ann: User, bob: User, mod: User
    ) -> None:
        queue = make_queue(project)
        named(queue, "ANN@example.org", "bob", "mod")
        assert rules.rules_of(queue=queue).reviewers == (
            "ann@example.org",
            "Bob@example.org",
            "mod",
        )

    def test_whose_address_is_shared_is_named_by_user_name(
        self, project: Project, ann: User
    ) -> None:
        make_user(project, "expert", username="ann-2", email="ann@example.org")
        queue = make_queue(project)
        with pytest.raises(QueueError, match=r"reviewers\.0: Several members"):
            named(queue, "ann@example.org")
        named(queue, "ann")
        assert rules.rules_of(queue=queue).reviewers == ("ann",)
        named(queue, *rules.rules_of(queue=queue).reviewers or ())

    def test_a_user_name_that_is_anothers_address_names_neither(
        self, project: Project, ann: User
    ) -> None:
        eve = make_user(project, "expert", username="ann@example.org", email="eve@example.org")
        queue = make_queue(project)
        with pytest.raises(QueueError, match=r"reviewers\.0: Several members"):
            named(queue, "Ann@example.org")
        named(queue, "ann")
        assert rules.rules_of(queue=queue).reviewers == ("ann",)
        assert queue.named.get().user == ann
        named(queue, "eve@example.org")
        assert queue.named.get().user == eve

    def test_refuses_who_is_no_member_and_names_them(self, project: Project, ann: User) -> None:
        queue = make_queue(project)
        make_user(make_project(), "expert", email="eve@example.org")
        for wrong in ("eve@example.org", "nobody@example.org", "x\x00"):
            with pytest.raises(QueueError) as caught:
                named(queue, "ann@example.org", wrong)
            assert caught.value.path == "reviewers.1"
            assert caught.value.message == f"{wrong} is no member of this project."
        queue.refresh_from_db()
        assert not queue.is_restricted

    @pytest.mark.parametrize("role", ["viewer", "tagger"])
    def test_refuses_who_may_not_review_and_names_them(self, project: Project, role: str) -> None:
        queue = make_queue(project)
        user = make_user(project, role, email="vera@example.org")
        with pytest.raises(QueueError, match=rf"reviewers\.0: vera@example\.org is {role}"):
            named(queue, "vera@example.org")
        # Whose role changed since stays named, and what else changes is not refused.
        Membership.objects.filter(user=user).update(role="expert")
        named(queue, "vera@example.org")
        Membership.objects.filter(user=user).update(role=role)
        rules.edit_queue(
            queue=queue,
            rules=replace(rules.rules_of(queue=queue), due_hours=3),
            by=make_user(),
            now=NOW,
        )
        assert queue.named.get().user == user

    def test_refuses_too_many(self, project: Project) -> None:
        with pytest.raises(QueueError, match="reviewers"):
            named(make_queue(project), *["ann"] * (reviewers.MOST_NAMED + 1))

    def test_nobody_named_leaves_moderators_alone(
        self, project: Project, ann: User, mod: User
    ) -> None:
        queue = make_queue(project)
        named(queue)
        assert rules.rules_of(queue=queue).reviewers == ()
        assert not Queue.objects.visible_to(ann).exists()
        assert Queue.objects.visible_to(mod).exists()

    def test_is_logged_with_who_came_and_who_went(
        self, project: Project, ann: User, bob: User, mod: User
    ) -> None:
        queue = make_queue(project)
        named(queue, "ann")
        rules.edit_queue(
            queue=queue,
            rules=replace(rules.rules_of(queue=queue), reviewers=["bob"]),
            by=mod,
            now=NOW,
        )
        event = Event.objects.filter(verb="named").latest("pk")
        assert (event.actor, event.target_type, event.target_id) == (mod, "queue", queue.pk)
        assert event.data == {"is_restricted": True, "named": [bob.pk], "taken_off": [ann.pk]}
        # The items stay as they are ranked: nothing of what is taken in has changed.
        assert not Event.objects.filter(verb="edited").exists()
        queue.refresh_from_db()
        assert not queue.is_unswept

    def test_is_no_part_of_the_form_that_the_first_review_locks(
        self, project: Project, ann: User, bob: User
    ) -> None:
        queue = make_queue(project)
        item = make_item(queue)
        make_review(item.output, bob, item=item)
        named(queue, "ann")
        assert queue.named.get().user == ann

    def test_a_new_queue_is_of_some_from_the_start(self, project: Project, ann: User) -> None:
        made = rules.create_queue(
            project=project, rules=rules.Rules(name="Ann’s", reviewers=["ann"]), by=None, now=NOW
        )
        assert made.is_restricted
        assert made.named.get().user == ann


class TestTruths:
    def test_who_is_no_member_cannot_be_named(self, project: Project) -> None:
        queue, stranger = make_queue(project), make_user(make_project())
        with pytest.raises(IntegrityError, match="member_of_its_project"):
            stored(project=project, queue=queue, user=stranger)

    def test_a_queue_of_another_project_cannot_name_a_member_of_this(
        self, project: Project, ann: User
    ) -> None:
        other = make_queue(make_project())
        with pytest.raises(IntegrityError, match="queue_of_its_project"):
            stored(project=project, queue=other, user=ann)

    def test_nobody_is_named_twice(self, project: Project, ann: User) -> None:
        queue = make_queue(project)
        named(queue, "ann")
        with pytest.raises(IntegrityError, match="once"):
            stored(project=project, queue=queue, user=ann)

    def test_a_membership_that_ends_takes_its_person_off_and_opens_nothing(
        self, project: Project, ann: User, bob: User
    ) -> None:
        queue = make_queue(project)
        named(queue, "ann")
        Membership.objects.get(user=ann).delete()
        connection.check_constraints()
        assert not queue.named.exists()
        assert not Queue.objects.visible_to(bob).exists()
        Membership.objects.create(project=project, user=ann, role="expert")
        assert not Queue.objects.visible_to(ann).exists()

    def test_a_queue_a_person_and_a_project_go_with_their_names(
        self, project: Project, ann: User, bob: User
    ) -> None:
        first, second, third = (make_queue(project) for _ in range(3))
        for queue in (first, second, third):
            named(queue, "ann", "bob")
        first.delete()
        ann.delete()
        connection.check_constraints()
        assert {(one.queue, one.user) for one in QueueReviewer.objects.all()} == {
            (second, bob),
            (third, bob),
        }
        project.delete()
        connection.check_constraints()
        assert not QueueReviewer.objects.exists()


class TestHolding:
    def test_only_who_is_named_and_moderators_are_handed_items(
        self, project: Project, ann: User, bob: User, mod: User
    ) -> None:
        queue = make_queue(project)
        items = [make_item(queue) for _ in range(3)]
        named(queue, "ann")
        assert queues.claim_next(queue=queue, by=ann, now=NOW) is not None
        assert queues.claim_next(queue=queue, by=mod, now=NOW) is not None
        assert queues.claim_next(queue=queue, by=bob, now=NOW) is None
        item = QueueItem.objects.get(pk=items[2].pk)
        for take in (queues.claim, queues.steal, queues.adjudicate):
            with pytest.raises(DoneError, match="Others review this"):
                take(item=item, by=bob, now=NOW)
        assert not Claim.objects.filter(reviewer=bob).exists()

    def test_who_is_taken_off_gives_back_what_they_hold_and_keeps_the_draft(
        self, project: Project, ann: User, bob: User, mod: User
    ) -> None:
        queue = make_queue(project)
        item, other = make_item(queue), make_item(queue)
        fence = queues.claim(item=item, by=ann, now=NOW).fence
        kept = queues.claim(item=other, by=mod, now=NOW)
        drafts.save(item=item, by=ann, revision=0, version=1, fields={"comment": "x"}, now=NOW)
        named(queue, "bob")
        later = NOW + timedelta(minutes=1)
        with pytest.raises(triage.LeaseLostError):
            triage.submit_review(item=item, by=ann, fence=fence, verdict="accept", now=later)
        assert Draft.objects.get(item=item, reviewer=ann).fields == {"comment": "x"}
        assert Claim.objects.get(item=other).reviewer == mod
        event = Event.objects.get(verb="took_back")
        assert (event.target_id, event.data) == (item.pk, {"from": ann.pk})
        # Nobody waits for the lease to run out, and who comes back has the draft.
        held = queues.claim(item=QueueItem.objects.get(pk=item.pk), by=bob, now=later)
        assert held.fence > fence
        queues.release(item=item, by=bob, fence=held.fence, now=later)
        named(queue, "ann", "bob")
        queues.claim(item=QueueItem.objects.get(pk=item.pk), by=ann, now=later)
        assert Draft.objects.get(item=item, reviewer=ann).fields == {"comment": "x"}
        assert Claim.objects.get(pk=kept.pk).fence == kept.fence

    @pytest.mark.parametrize("ends", ["membership", "role", "claim"])
    def test_what_is_held_by_who_sees_it_no_more_comes_back_with_the_next_feed(
        self, project: Project, ann: User, mod: User, ends: str
    ) -> None:
        queue = make_queue(project)
        items = [make_item(queue) for _ in range(2)]
        named(queue, "ann")
        who = mod if ends == "role" else ann
        for item, by in zip(items, (who, make_user(project, "moderator")), strict=True):
            queues.claim(item=QueueItem.objects.get(pk=item.pk), by=by, now=NOW)
        if ends == "membership":
            Membership.objects.get(user=who).delete()
            connection.check_constraints()
        elif ends == "role":
            Membership.objects.filter(user=who).update(role="expert")
        else:
            # As a claim does that was under way while its reviewer was taken off.
            QueueReviewer.objects.filter(user=who).delete()
        feed_queues()
        assert [one.reviewer is None for one in Claim.objects.order_by("item")] == [True, False]
        event = Event.objects.get(verb="took_back")
        assert (event.target_id, event.actor, event.data) == (items[0].pk, None, {"from": who.pk})

    def test_a_feed_takes_nothing_back_of_what_has_become_everybodys(
        self, project: Project, ann: User
    ) -> None:
        queue = make_queue(project)
        item = make_item(queue)
        named(queue)
        Queue.objects.filter(pk=queue.pk).update(is_restricted=False)
        queues.claim(item=QueueItem.objects.get(pk=item.pk), by=ann, now=NOW)
        assert queue.is_restricted
        queues.take_back(queue=queue, by=None, now=NOW)
        assert Claim.objects.get(item=item).reviewer == ann

    def test_who_stays_keeps_what_they_hold(self, project: Project, ann: User, bob: User) -> None:
        queue = make_queue(project)
        item = make_item(queue)
        held = queues.claim(item=item, by=ann, now=NOW)
        named(queue, "ann")
        named(queue, "ann", "bob")
        rules.edit_queue(
            queue=queue,
            rules=replace(rules.rules_of(queue=queue), reviewers=None),
            by=make_user(),
            now=NOW,
        )
        assert queues.renew(item=item, by=ann, fence=held.fence, now=NOW)
        assert not queue.named.exists()


class TestNews:
    def test_who_is_named_anew_is_told_once_and_no_more_when_taken_off(
        self, project: Project, ann: User, bob: User, mod: User
    ) -> None:
        queue = make_queue(project, name="Risky")
        for wanted in (["ann", "mod"], ["ann", "bob", "mod"]):
            rules.edit_queue(
                queue=queue,
                rules=replace(rules.rules_of(queue=queue), reviewers=wanted),
                by=mod,
                now=NOW,
            )
            queue.refresh_from_db()
        assert not Notification.objects.filter(user=mod).exists()
        for user in (ann, bob):
            [line] = Notification.objects.unread().seen_by(user)
            assert (line.kind, line.title, line.actor, line.num) == ("named", "Risky", mod, 1)
            client = Client()
            client.force_login(user)
            assert "named you to review this queue" in client.get("/inbox/").content.decode()
            opened = client.post(reverse("inbox_open", args=[line.pk]), follow=True)
            assert opened.redirect_chain[-1][0] == line.path
            assert opened.status_code == 200
        named(queue, "ann")
        assert not Notification.objects.filter(user=bob).exists()
        assert Notification.objects.filter(user=ann).exists()

    def test_who_comes_back_to_the_project_is_not_told_of_what_named_them_before(
        self, project: Project, ann: User
    ) -> None:
        queue = make_queue(project, name="Risky")
        named(queue, "ann")
        Membership.objects.get(user=ann).delete()
        connection.check_constraints()
        Membership.objects.create(project=project, user=ann, role="expert")
        assert not Notification.objects.seen_by(ann).exists()
        named(queue, "ann")
        assert Notification.objects.unread().seen_by(ann).get().title == "Risky"
