"""The moderators' board: what waits where, due and overdue, and who is at it."""

from __future__ import annotations

from datetime import timedelta

from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from feedback.models import Project
from review import queues
from review.board import waiting
from tests.factories import NOW, make_item, make_project, make_queue, make_user

HOUR = timedelta(hours=1)


class TestWaiting:
    def test_tells_open_due_overdue_and_held(self, project: Project) -> None:
        ann = make_user(project, "expert", username="ann")
        calm, late = make_queue(project, name="Calm"), make_queue(project, name="Late")
        make_queue(make_project())
        make_item(calm, due_at=NOW + HOUR, entered_at=NOW - HOUR)
        make_item(calm, due_at=NOW + 2 * HOUR)
        make_item(late, due_at=NOW)
        make_item(late, due_at=NOW, status="done", closed_at=NOW)
        held = make_item(late)
        queues.claim(item=held, by=ann, now=NOW)
        mod = make_user(project, "moderator")
        first, second = waiting(project=project, to=mod, now=NOW)
        assert (first.queue, first.num_open, first.num_overdue) == (late, 2, 1)
        assert (first.holders, first.num_held) == ([("ann", 1)], 1)
        assert (second.queue, second.num_open, second.num_overdue) == (calm, 2, 0)
        assert (second.next_due, second.oldest) == (NOW + HOUR, NOW - HOUR)
        later = {one.queue: one for one in waiting(project=project, to=mod, now=NOW + HOUR)}
        assert later[late].holders == []

    def test_takes_three_queries(
        self, project: Project, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(5):
            make_item(make_queue(project))
        mod = make_user(project, "moderator")
        with django_assert_num_queries(3):
            waiting(project=project, to=mod, now=NOW)


class TestBoard:
    def test_says_overdue_in_words(self, client: Client, project: Project) -> None:
        make_item(make_queue(project, name="<b>Late</b>"), due_at=NOW)
        client.force_login(make_user(project, "moderator"))
        page = client.get(reverse("board", args=[project.slug])).content.decode()
        assert "1 overdue" in page
        assert "&lt;b&gt;Late" in page
