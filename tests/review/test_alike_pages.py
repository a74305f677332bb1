"""What is alike, on the pages of its queue."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from feedback.models import Project
from review import bulk
from review.models import BulkJob, ItemGroup, Queue, QueueItem
from review.spot_checks import UNDER_WAY, draw_sample
from tests.factories import (
    NOW,
    make_group,
    make_item,
    make_output,
    make_provisional,
    make_queue,
    make_theme,
    make_user,
)
from tests.review.test_spot_checks import review, reviewed, sample

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
        with django_assert_num_queries(19):
            client.get(url)
        for _ in range(5):
            make_group(make_item(queue), make_item(queue))
        with django_assert_num_queries(19):
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
        with django_assert_max_num_queries(13):
            client.get(address(group))


class TestDeciding:
    def test_asks_for_a_sample_and_draws_it(self, project: Project) -> None:
        queue = make_queue(project)
        group = make_group(*(make_item(queue) for _ in range(40)))
        client = client_of(project, "moderator")
        page = client.get(address(group)).content.decode()
        assert '<b class="strong num">20</b> drawn at random' in page
        assert "at least 90 % of the 40 would" in page
        assert (
            "A moderator draws them"
            in client_of(project, "expert").get(address(group)).content.decode()
        )
        answer = client.post(address(group) + "draw/", follow=True)
        assert answer.context["found"].check.num_asked == 20
        assert answer.content.decode().count("Review: When did Bloom") == 20
        again = client.post(address(group) + "draw/", follow=True)
        assert UNDER_WAY in again.content.decode()

    def test_states_what_the_sample_proves_and_decides(self, project: Project) -> None:
        queue = make_queue(project)
        group = make_group(*(make_item(queue) for _ in range(40)))
        moderator, expert = make_user(project, "moderator"), make_user(project, "expert")
        check = reviewed(group, moderator, expert)
        page = client_of(project).get(address(group)).content.decode()
        assert '<span class="num">20</span> of <span class="num">20</span> agree: Good.' in page
        assert '<b class="strong num">90 %</b> of the 40 share the verdict' in page
        assert "A moderator can decide the other 20 as Good now" in page
        client = client_of(project, "moderator")
        assert "Decide the other 20 as Good" in client.get(address(group)).content.decode()
        sent = {"check": str(check.pk)}
        first = client.post(address(group) + "decide/", sent)
        job = BulkJob.objects.get()
        assert first["Location"] == reverse("bulk_job", args=[project.slug, job.pk])
        assert client.post(address(group) + "decide/", sent)["Location"] == first["Location"]
        bulk.work_off(now=timezone.now())
        page = client.get(address(group)).content.decode()
        assert "Decided as Good" in page
        assert "Nothing of these is open any more" in page
        shown = client.get(first["Location"]).content.decode()
        assert "Good, as 20 of 40 alike were reviewed" in shown
        assert "Undo all 20" in shown
        assert "20 of 40" in shown
        assert b"40 alike" in client.get(reverse("bulk_list", args=[project.slug])).content

    def test_says_why_it_is_refused(self, project: Project) -> None:
        queue = make_queue(project)
        group = make_group(*(make_item(queue) for _ in range(40)))
        moderator, expert = make_user(project, "moderator"), make_user(project, "expert")
        check = draw_sample(group=group, by=moderator, now=NOW)
        first, *others = sample(check)
        client = client_of(project, "moderator")
        for item in others:
            review(item, expert)
        sent = {"check": str(check.pk)}
        page = client.post(address(group) + "decide/", sent, follow=True).content.decode()
        assert "1 of the sample wait" in page
        review(first, expert, "fix")
        page = client.get(address(group)).content.decode()
        assert "Not all of the sample got the same verdict" in page
        assert "Decide the other" not in page
        assert "again</button>" in page
        assert not BulkJob.objects.exists()

    def test_another_groups_sample_is_not_found(self, project: Project) -> None:
        queue = make_queue(project)
        mine, other = (make_group(*(make_item(queue) for _ in range(40))) for _ in range(2))
        check = draw_sample(group=other, by=make_user(project, "moderator"), now=NOW)
        client = client_of(project, "moderator")
        answer = client.post(address(mine) + "decide/", {"check": str(check.pk)})
        assert answer.status_code == 404

    def test_a_large_sample_takes_as_many_queries_as_a_small_one(
        self, project: Project, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        queue, client = make_queue(project), client_of(project, "moderator")
        group = make_group(*(make_item(queue) for _ in range(40)))
        reviewed(group, make_user(project, "moderator"), make_user(project, "expert"))
        with django_assert_max_num_queries(18):
            client.get(address(group))


class TestShownAsSuch:
    def test_on_the_desk_the_answer_and_the_session(self, project: Project) -> None:
        item = make_item(make_queue(project))
        by = make_user(project, "moderator", username="mo-bell")
        make_provisional(item, by, "reject")
        client = client_of(project, "expert")
        urls = [
            reverse("item", args=[project.slug, item.pk]),
            reverse("output", args=[project.slug, item.output.external_id]),
        ]
        for url in urls:
            page = client.get(url).content.decode()
            assert 'aria-label="Decided as one"' in page
            assert "mo-bell" in page
            assert "Decided as one: Reject, provisional" in page
        assert "Review it" in client.get(urls[0]).content.decode()

    def test_in_explore(self, project: Project) -> None:
        item = make_item(make_queue(project))
        make_provisional(item, make_user(project, "moderator"))
        url = reverse("search", args=[project.slug])
        page = client_of(project).get(url, {"q": "state:provisional"}).content.decode()
        assert "decided as one: good, provisional" in page

    def test_not_to_whom_is_to_judge_without_knowing(self, project: Project) -> None:
        item = make_item(make_queue(project))
        make_provisional(item, make_user(project, "moderator"))
        blind = make_item(make_queue(project, reviewers_per_item=2), item.output)
        client = client_of(project, "expert")
        for url in (
            reverse("item", args=[project.slug, blind.pk]),
            reverse("search", args=[project.slug]) + "?q=Bloom",
        ):
            assert b"ecided as one" not in client.get(url).content

    def test_the_desk_counts_what_else_is_alike(self, project: Project) -> None:
        queue = make_queue(project)
        items = [make_item(queue) for _ in range(12)]
        group = make_group(*items)
        url = reverse("item", args=[project.slug, items[0].pk])
        page = client_of(project).get(url).content.decode()
        assert f'<a href="{address(group)}">11 more alike</a>' in page

    def test_a_queue_counts_them(self, project: Project) -> None:
        item = make_item(make_queue(project))
        make_provisional(item, make_user(project, "moderator"))
        answer = client_of(project).get(reverse("queue_list", args=[project.slug]))
        assert answer.context["tabs"][0].counts.provisional == 1
