"""The page of a person's own work, and when it is where one lands."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from feedback.models import Project, User
from review import queues, triage
from review.annotations import annotate
from review.models import Claim, Queue, QueueItem, Review, Skip
from tests.factories import (
    NOW,
    make_entry,
    make_item,
    make_library,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_user,
)


@pytest.fixture
def ann(project: Project) -> User:
    return make_user(project, "expert", username="ann")


def shown(client: Client, project: Project, user: User, **query: str) -> str:
    client.force_login(user)
    return client.get(reverse("my_work", args=[project.slug]), query).content.decode()


class TestMyWork:
    def test_shows_what_i_hold_and_how_long(
        self, client: Client, project: Project, ann: User
    ) -> None:
        queue = make_queue(project)
        mine = make_item(queue, make_output(project, query="Mine?"))
        lost = make_item(queue, make_output(project, query="Lost?"))
        now = timezone.now()
        queues.claim(item=mine, by=ann, now=now - timedelta(seconds=890))
        queues.claim(item=lost, by=ann, now=now - timedelta(seconds=901))
        page = shown(client, project, ann)
        assert "Mine?" in page
        assert "less than a minute left" in page
        assert "Lost?" not in page

    def test_leads_back_to_what_i_finished(
        self, client: Client, project: Project, ann: User
    ) -> None:
        """Complaint 17."""
        item = make_item(make_queue(project), make_output(project, query="Mine?"))
        make_review(item.output, ann, item=item, verdict="reject")
        make_review(make_output(project, query="Theirs?"), make_user(project))
        page = shown(client, project, ann)
        assert reverse("item", args=[project.slug, item.pk]) in page
        assert "Theirs?" not in page
        assert "Mine?" in shown(client, project, ann, verdict="reject")
        assert "Mine?" not in shown(client, project, ann, verdict="fix")

    def test_takes_a_decision_back_while_that_can_be(
        self, client: Client, project: Project, ann: User
    ) -> None:
        """Complaint 17."""
        queue = make_queue(project)
        fresh, used, old = (decide(queue, ann) for _ in range(3))
        make_entry(make_library(project), review=used)
        ago = timezone.now() - timedelta(hours=25)
        Review.objects.filter(pk=old.pk).update(created_at=ago)
        page = shown(client, project, ann)
        undo = {
            one: reverse("item_undo", args=[project.slug, one.item_id])
            for one in (fresh, used, old)
        }
        assert [one for one in undo if f'action="{undo[one]}"' in page] == [fresh]
        went = client.post(undo[fresh])
        assert went["Location"] == reverse("item", args=[project.slug, fresh.item_id])
        assert Claim.objects.held_by(ann, at=timezone.now()).get().item_id == fresh.item_id
        assert set(Review.objects.all()) == {used, old}

    def test_leads_back_to_what_i_skipped_and_why(
        self, client: Client, project: Project, ann: User
    ) -> None:
        """Complaint 17."""
        queue = make_queue(project)
        waits = make_item(queue, make_output(project, query="Waits?"))
        gone = make_item(queue, make_output(project, query="Gone?"), status="done", closed_at=NOW)
        for item in (waits, gone):
            queues.skip(item=item, by=ann, reason="Not my <field>", now=timezone.now())
        queues.skip(
            item=waits, by=make_user(project, "expert"), reason="Theirs", now=timezone.now()
        )
        page = shown(client, project, ann)
        assert page.count("Not my &lt;field&gt;") == 2
        assert "Theirs" not in page
        again, no = (reverse("item_undo", args=[project.slug, one.pk]) for one in (waits, gone))
        assert f'action="{again}"' in page
        assert f'action="{no}"' not in page
        client.post(again)
        assert Claim.objects.held_by(ann, at=timezone.now()).get().item == waits
        assert Skip.objects.filter(reviewer=ann).get().item == gone

    def test_offers_no_way_back_to_who_may_not_review_any_more(
        self, client: Client, project: Project, ann: User
    ) -> None:
        queue = make_queue(project)
        decide(queue, ann)
        queues.skip(item=make_item(queue), by=ann, reason="Not mine", now=timezone.now())
        project.memberships.filter(user=ann).update(role="viewer")
        page = shown(client, project, ann)
        assert "Not mine" in page
        assert "/undo/" not in page

    def test_pages_what_i_skipped_by_itself(
        self, client: Client, project: Project, ann: User
    ) -> None:
        queue = make_queue(project)
        for number in range(11):
            item = make_item(queue, make_output(project, query=f"Number {number}?"))
            queues.skip(item=item, by=ann, reason="Later", now=timezone.now())
        client.force_login(ann)
        first = client.get(reverse("my_work", args=[project.slug]))
        assert "Number 0?" not in first.content.decode()
        cursor = first.context["skipped"].next_cursor
        assert "Number 0?" in shown(client, project, ann, skipped=cursor)

    def test_refuses_what_the_list_never_gave(
        self, client: Client, project: Project, ann: User
    ) -> None:
        client.force_login(ann)
        url = reverse("my_work", args=[project.slug])
        assert client.get(url, {"verdict": "x"}).status_code == 400
        assert client.get(url, {"cursor": "x"}).status_code == 400
        assert client.get(url, {"skipped": "x"}).status_code == 400

    def test_takes_as_many_queries_for_much_work(
        self,
        client: Client,
        project: Project,
        ann: User,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        queue, ben = make_queue(project), make_user(project, "expert")
        for _ in range(8):
            item = make_item(queue)
            queues.claim(item=item, by=ann, now=timezone.now())
            done = make_item(queue)
            make_review(done.output, ann, item=done)
            note(done.output, ben)
            queues.skip(item=make_item(queue), by=ann, reason="Later", now=timezone.now())
        client.force_login(ann)
        with django_assert_max_num_queries(14):
            client.get(reverse("my_work", args=[project.slug]))


def decide(queue: Queue, by: User) -> Review:
    item: QueueItem = make_item(queue)
    held = queues.claim(item=item, by=by, now=timezone.now())
    return triage.submit_review(
        item=item, by=by, fence=held.fence, verdict="accept", now=timezone.now()
    )


def note(output: object, by: User) -> None:
    annotate(
        output=output,  # type: ignore[arg-type]
        version=1,
        by=by,
        start=0,
        end=5,
        exact="Bloom",
        comment="@ann: wrong.",
        now=timezone.now(),
    )


class TestHome:
    def test_is_my_work_where_there_is_any(
        self, client: Client, project: Project, ann: User
    ) -> None:
        other = make_project(name="Aaa")
        other.memberships.create(user=ann, role="expert")
        client.force_login(ann)
        assert client.get("/")["Location"] == reverse("queue_list", args=[other.slug])
        note(make_output(project), make_user(project, "expert"))
        assert client.get("/")["Location"] == reverse("my_work", args=[project.slug])
