"""The page of a person's own work, and when it is where one lands."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from feedback.models import Project, User
from review import queues
from review.annotations import annotate
from tests.factories import make_item, make_output, make_project, make_queue, make_review, make_user


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

    def test_refuses_what_the_list_never_gave(
        self, client: Client, project: Project, ann: User
    ) -> None:
        client.force_login(ann)
        url = reverse("my_work", args=[project.slug])
        assert client.get(url, {"verdict": "x"}).status_code == 400
        assert client.get(url, {"cursor": "x"}).status_code == 400

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
        client.force_login(ann)
        with django_assert_max_num_queries(10):
            client.get(reverse("my_work", args=[project.slug]))


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
