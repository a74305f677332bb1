"""What is alike, on the pages of its queue."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from feedback.models import Project
from review.models import ItemGroup, Queue, QueueItem
from tests.factories import make_group, make_item, make_output, make_queue, make_theme, make_user

HTMX = {"HX-Request": "true"}


def client_of(project: Project, role: str = "viewer") -> Client:
    client = Client()
    client.force_login(make_user(project, role))
    return client


def rows(client: Client, queue: Queue, **query: str) -> list[QueueItem]:
    answer = client.get(reverse("queue", args=[queue.project.slug, queue.slug]), query)
    return [row.item for row in answer.context["listing"].rows]


def address(group: ItemGroup) -> str:
    return reverse("alike", args=[group.queue.project.slug, group.queue.slug, group.pk])


class TestQueue:
    def test_shows_one_row_for_what_is_alike_with_a_count(self, project: Project) -> None:
        queue, client = make_queue(project), client_of(project)
        low, best, other = (make_item(queue, priority=points) for points in (10, 50, 30))
        lone = make_item(queue, priority=40)
        group = make_group(low, best, other)
        assert rows(client, queue, group="flat") == [best, lone]
        assert rows(client, queue) == [best, lone]
        page = client.get(reverse("queue", args=[project.slug, queue.slug])).content.decode()
        assert "3</span> alike" in page
        assert f"{address(group)}?besides={best.pk}" in page

    def test_a_filter_shows_the_first_of_what_it_leaves(self, project: Project) -> None:
        queue = make_queue(project)
        best = make_item(queue, make_output(project, model="a"), priority=50)
        kept = make_item(queue, make_output(project, model="b"), priority=10)
        make_group(best, kept)
        assert rows(client_of(project), queue, group="flat", model="b") == [kept]

    def test_each_theme_shows_its_own_first(self, project: Project) -> None:
        queue = make_queue(project)
        theme = make_theme(project)
        items = [
            make_item(queue, priority=points, theme=one)
            for points, one in ((50, theme), (40, theme), (30, None), (20, None), (10, None))
        ]
        make_group(*items)
        answer = client_of(project).get(reverse("queue", args=[project.slug, queue.slug]))
        groups = answer.context["listing"].groups
        assert [[row.item for row in one.rows] for one in groups] == [[items[0]], [items[2]]]
        assert [(one.num_items, one.num_more) for one in groups] == [(2, 0), (3, 0)]
        assert [row.num_alike for one in groups for row in one.rows] == [5, 5]

    def test_one_left_of_a_group_is_alone(self, project: Project) -> None:
        queue = make_queue(project)
        left = make_item(queue)
        make_group(left, make_item(queue, status="done", closed_at=left.entered_at))
        page = client_of(project).get(reverse("queue", args=[project.slug, queue.slug]))
        assert b"alike" not in page.content

    def test_many_groups_take_one_query(
        self, project: Project, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        queue, client = make_queue(project), client_of(project)
        make_group(make_item(queue), make_item(queue))
        url = reverse("queue", args=[project.slug, queue.slug]) + "?group=flat"
        client.get(url)
        with django_assert_num_queries(18):
            client.get(url)
        for _ in range(5):
            make_group(make_item(queue), make_item(queue))
        with django_assert_num_queries(18):
            client.get(url)


class TestAlike:
    def test_unfolds_the_others_as_rows(self, project: Project) -> None:
        queue = make_queue(project)
        items = [make_item(queue, priority=points) for points in (50, 40, 30)]
        group = make_group(*items)
        answer = client_of(project).get(f"{address(group)}?besides={items[0].pk}", headers=HTMX)
        assert [row.item for row in answer.context["rows"]] == items[1:]
        assert b"<html" not in answer.content

    def test_is_a_page_without_a_script(self, project: Project) -> None:
        queue = make_queue(project)
        output = make_output(project, query="<b>When?</b>")
        group = make_group(make_item(queue, output), make_item(queue))
        page = client_of(project).get(address(group)).content.decode()
        assert "2 alike</h1>" in page
        assert "&lt;b&gt;When?&lt;/b&gt;" in page

    def test_is_found_in_its_own_queue_only(self, project: Project) -> None:
        group = make_group(make_item(make_queue(project)))
        other = make_queue(project)
        url = reverse("alike", args=[project.slug, other.slug, group.pk])
        assert client_of(project).get(url).status_code == 404

    def test_a_long_list_takes_as_many_queries_as_a_short_one(
        self, project: Project, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        queue, client = make_queue(project), client_of(project)
        group = make_group(*(make_item(queue) for _ in range(12)))
        with django_assert_max_num_queries(12):
            client.get(address(group))
