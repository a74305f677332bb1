from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from feedback.models import Membership, Project, Reason, User
from review import intake, queues
from review.models import Claim, Queue, QueueItem, QueueReviewer, Review, Theme
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_user,
)
from tests.meanwhile import meanwhile

FORM = {
    "name": "Everything",
    "reviewers_per_item": 1,
    "minutes": 15,
    "strata-TOTAL_FORMS": 0,
    "strata-INITIAL_FORMS": 0,
}
HOSTILE = '<img src=x onerror="alert(1)">'


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def as_role(project: Project, role: str) -> Client:
    return signed_in(make_user(project, role))


def make_theme(project: Project, number: int, name: str = "Release dates") -> Theme:
    return Theme.objects.create(
        project=project,
        number=number,
        name=name,
        size=1,
        model="all-MiniLM-L6-v2",
        centroid=[1.0, 0.0],
        created_at=NOW,
        updated_at=NOW,
    )


def page(queue: Queue) -> str:
    return reverse("queue", args=[queue.project.slug, queue.slug])


class TestWhoMaySee:
    @pytest.mark.parametrize("name", ["queue_list", "queue"])
    def test_a_viewer_may_read_and_a_stranger_finds_nothing(
        self, project: Project, name: str
    ) -> None:
        queue = make_queue(project)
        args = [project.slug] + ([queue.slug] if name == "queue" else [])
        url = reverse(name, args=args)
        assert as_role(project, "viewer").get(url).status_code == 200
        assert signed_in(make_user(make_project(), "admin")).get(url).status_code == 404
        assert Client().get(url).status_code == 302
        assert as_role(project, "admin").post(url).status_code == 405

    def test_another_projects_queue_is_not_found(self, project: Project) -> None:
        other = make_queue(make_project())
        url = reverse("queue", args=[project.slug, other.slug])
        assert as_role(project, "admin").get(url).status_code == 404


class TestQueueList:
    def test_counts_what_is_open_held_and_done(self, project: Project) -> None:
        queue = make_queue(project, name="Rated down", filter={"score": "negative"})
        make_item(queue, status="done", closed_at=NOW)
        for _ in range(2):
            make_item(queue)
        queues.claim_next(queue=queue, by=make_user(project), now=timezone.now())
        answer = as_role(project, "viewer").get(reverse("queue_list", args=[project.slug]))
        [tab] = answer.context["tabs"]
        assert (tab.counts.open, tab.counts.held, tab.counts.done) == (2, 1, 1)
        assert [(token.key, token.value) for token in tab.tokens] == [("rated", "down")]

    def test_takes_as_many_queries_for_many_queues_as_for_one(
        self, project: Project, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(5):
            make_item(make_queue(project))
        client = as_role(project, "moderator")
        with django_assert_max_num_queries(9):
            client.get(reverse("queue_list", args=[project.slug]))

    def test_offers_to_review_and_to_make_a_queue_to_those_who_may(self, project: Project) -> None:
        make_queue(project)
        url = reverse("queue_list", args=[project.slug])
        assert "Review next" not in as_role(project, "tagger").get(url).content.decode()
        assert "Review next" in as_role(project, "expert").get(url).content.decode()
        assert "New queue" not in as_role(project, "expert").get(url).content.decode()
        assert "New queue" in as_role(project, "moderator").get(url).content.decode()


class TestOfSome:
    """Pages of a queue that names who reviews it."""

    def test_say_whom_it_names(
        self, project: Project, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        people = [make_user(project, "expert", username=f"{name}<b>") for name in "abcd"]
        for _ in range(3):
            queue = make_queue(project, is_restricted=True)
            for user in people:
                QueueReviewer.objects.create(project=project, queue=queue, user=user)
        client = as_role(project, "moderator")
        with django_assert_max_num_queries(9):
            listed = client.get(reverse("queue_list", args=[project.slug])).content.decode()
        for text in (listed, client.get(page(queue)).content.decode()):
            assert "Reviewed by a&lt;b&gt;, b&lt;b&gt;, c&lt;b&gt;, d&lt;b&gt;</span>" in text
            assert "+1" in text
            assert "a<b>" not in text

    def test_say_that_moderators_alone_see_it(self, project: Project) -> None:
        queue = make_queue(project, is_restricted=True)
        assert "moderators alone" in as_role(project, "moderator").get(page(queue)).content.decode()

    def test_the_form_takes_addresses_and_tells_them_again(self, project: Project) -> None:
        ann = make_user(project, "expert", email="ann@example.org")
        bob = make_user(project, "moderator", username="bob")
        make_user(project, "viewer", email="vera@example.org")
        queue, client = make_queue(project), as_role(project, "moderator")
        url = reverse("queue_edit", args=[project.slug, queue.slug])
        form = client.get(url).content.decode()
        assert '<option value="ann@example.org">' in form
        assert '<option value="bob">' in form
        assert "vera@example.org" not in form
        sent = FORM | {"for_whom": "some", "reviewers": " Ann@example.org;bob,, "}
        assert client.post(url, sent).status_code == 302
        assert {one.user for one in queue.named.all()} == {ann, bob}
        assert 'value="bob, ann@example.org"' in client.get(url).content.decode()
        assert client.post(url, FORM | {"for_whom": "all", "reviewers": "bob"}).status_code == 302
        queue.refresh_from_db()
        assert not queue.is_restricted
        assert not queue.named.exists()

    def test_the_form_says_at_its_field_whose_address_is_no_member(self, project: Project) -> None:
        queue, client = make_queue(project), as_role(project, "moderator")
        url = reverse("queue_edit", args=[project.slug, queue.slug])
        sent = FORM | {"for_whom": "some", "reviewers": "eve@<b>.org"}
        refused = client.post(url, sent)
        assert refused.status_code == 422
        [error] = refused.context["form"].errors["reviewers"]
        assert error == "eve@<b>.org is no member of this project."
        assert "eve@&lt;b&gt;.org is no member" in refused.content.decode()

    def test_a_submit_of_who_was_taken_off_stores_nothing(self, project: Project) -> None:
        queue = make_queue(project, is_restricted=True)
        item, user = make_item(queue), make_user(project, "expert")
        QueueReviewer.objects.create(project=project, queue=queue, user=user)
        fence = queues.claim(item=item, by=user, now=timezone.now()).fence
        url = reverse("queue_edit", args=[project.slug, queue.slug])
        as_role(project, "moderator").post(url, FORM | {"for_whom": "some", "reviewers": ""})
        client = Client()
        client.force_login(user)
        submit = reverse("item_submit", args=[project.slug, item.pk])
        answer = client.post(submit, {"fence": fence, "verdict": "accept"})
        assert answer.status_code == 404
        assert "a queue of others" in answer.content.decode()
        assert not Review.objects.exists()


class TestQueue:
    def test_groups_items_by_theme_with_the_most_urgent_theme_first(self, project: Project) -> None:
        queue = make_queue(project)
        quiet, urgent = make_theme(project, 1), make_theme(project, 2, "Wrong scores")
        make_item(queue, theme=quiet, priority=50)
        make_item(queue, priority=60)
        for priority in (10, 90, 20, 30):
            make_item(queue, theme=urgent, priority=priority)
        groups = as_role(project, "viewer").get(page(queue)).context["listing"].groups
        assert [group.theme for group in groups] == [urgent, None, quiet]
        assert [row.item.priority for row in groups[0].rows] == [90, 30, 20]
        assert groups[0].num_more == 1

    @pytest.mark.parametrize("change", [{"status": "done", "closed_at": NOW}, {"theme": None}])
    def test_leaves_out_a_theme_whose_last_item_goes_while_it_is_read(
        self, project: Project, change: dict[str, Any]
    ) -> None:
        queue, emptied, left = make_queue(project), make_theme(project, 1), make_theme(project, 2)
        item = make_item(queue, theme=emptied, priority=50)
        make_item(queue, theme=left)
        client = as_role(project, "viewer")

        def go() -> None:
            QueueItem.objects.filter(pk=item.pk).update(**change)

        with meanwhile(go, before="ROW_NUMBER()"):
            groups = client.get(page(queue)).context["listing"].groups
        assert [group.theme for group in groups] == [left]

    def test_flat_it_is_ordered_by_priority_and_goes_on_by_cursor(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("review.views.queues.PAGE_SIZE", 2)
        queue, client = make_queue(project), as_role(project, "viewer")
        for priority in (10, 50, 50):
            make_item(queue, priority=priority)
        first = client.get(page(queue), {"group": "flat"}).context["listing"]
        assert [row.item.priority for row in first.rows] == [50, 50]
        second = client.get(page(queue) + first.more).context["listing"]
        assert [row.item.priority for row in second.rows] == [10]
        assert not second.more

    def test_themes_go_on_by_cursor_too(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("review.views.queues.THEMES_PER_PAGE", 2)
        queue, client = make_queue(project), as_role(project, "viewer")
        for number in range(3):
            make_item(queue, theme=make_theme(project, number), priority=50)
        first = client.get(page(queue)).context["listing"]
        second = client.get(page(queue) + first.more).context["listing"]
        numbers = [group.theme.number for group in (*first.groups, *second.groups)]
        assert sorted(numbers) == [0, 1, 2]
        assert not second.more

    def test_a_row_says_why_what_was_seen_and_who_holds_it(self, project: Project) -> None:
        queue, holder = make_queue(project), make_user(project, username="mira-bell")
        output = make_output(project, model_version="1.4")
        make_feedback(output, score=-1)
        make_feedback(output, name="rephrase", is_implicit=True)
        given = make_feedback(output, name="error").feedback_reasons
        given.create(reason=project.taxonomies.get().reasons.get(slug="unsafe"))
        intake.feed(queue=queue, now=NOW)
        queues.claim_next(queue=queue, by=holder, now=timezone.now())
        answer = as_role(project, "viewer").get(page(queue))
        [row] = answer.context["listing"].rows
        assert row.item.priority_parts[0]["words"] == "Unsafe"
        assert [reason.slug for reason in row.reasons] == ["unsafe"]
        assert list(row.signals) == ["down", "rephrase"]
        assert list(row.holders) == [holder]
        assert "held by mira-bell" in answer.content.decode()

    def test_done_items_and_run_out_leases_are_not_shown(self, project: Project) -> None:
        queue, holder = make_queue(project), make_user(project)
        make_item(queue, status="done", closed_at=NOW)
        item = make_item(queue)
        queues.claim(item=item, by=holder, now=timezone.now() - timedelta(hours=1))
        [row] = as_role(project, "viewer").get(page(queue)).context["listing"].rows
        assert (row.item, list(row.holders)) == (item, [])

    def test_the_query_string_narrows_and_each_token_can_be_dropped(self, project: Project) -> None:
        queue, client = make_queue(project), as_role(project, "viewer")
        wanted = make_item(queue, make_output(project, model_version="1.4"))
        make_item(queue, make_output(project, model_version="1.5"))
        answer = client.get(page(queue), {"model_version": "1.4", "group": "flat"})
        assert [row.item for row in answer.context["listing"].rows] == [wanted]
        [token] = answer.context["tokens"]
        without = client.get(page(queue) + token.without)
        assert len(without.context["listing"].rows) == 2

    def test_names_the_filter_that_leaves_nothing(self, project: Project) -> None:
        queue = make_queue(project)
        make_item(queue, make_output(project, model_version="1.4"))
        query = {"model_version": "1.4", "words": "zebra"}
        answer = as_role(project, "viewer").get(page(queue), query)
        token, number = answer.context["miss"]
        assert (token.name, number) == ("words", 1)
        assert "No item matches these 2 filters" in answer.content.decode()

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ({"since": "soon"}, 422),
            ({"signal": "shouted"}, 422),
            ({"cursor": "x"}, 400),
            ({"cursor": "x", "group": "flat"}, 400),
            ({"cursor": "nan:1"}, 400),
            ({"theme": "one"}, 400),
            ({"theme": "7"}, 404),
            ({"peek": "7"}, 200),
            ({"peek": "x"}, 200),
        ],
    )
    def test_what_means_nothing_is_told_apart(
        self, project: Project, query: dict[str, str], status: int
    ) -> None:
        queue = make_queue(project)
        make_item(queue)
        assert as_role(project, "viewer").get(page(queue), query).status_code == status

    def test_one_theme_or_none_can_be_asked_for(self, project: Project) -> None:
        queue, client = make_queue(project), as_role(project, "viewer")
        themed = make_item(queue, theme=make_theme(project, 3))
        bare = make_item(queue)
        for number, item in (("3", themed), ("none", bare)):
            rows = client.get(page(queue), {"theme": number}).context["listing"].rows
            assert [row.item for row in rows] == [item]

    def test_the_panel_comes_alone_to_htmx_and_never_shows_another_queues_item(
        self, project: Project
    ) -> None:
        queue, client = make_queue(project), as_role(project, "viewer")
        intake.feed(queue=queue, now=NOW)
        item = make_item(queue, priority_parts=[{"name": "a", "value": 3, "words": "Left"}])
        other = make_item(make_queue(project), make_output(project, query="Another question"))
        answer = client.get(page(queue), {"peek": item.pk}, headers={"hx-request": "true"})
        assert answer.content.decode().lstrip().startswith("<aside")
        assert "+3" in answer.content.decode()
        foreign = client.get(page(queue), {"peek": other.pk}, headers={"hx-request": "true"})
        assert "Another question" not in foreign.content.decode()

    def test_takes_as_many_queries_for_many_items_as_for_one(
        self, project: Project, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        queue, client = make_queue(project), as_role(project, "expert")
        theme = make_theme(project, 1)
        for number in range(30):
            output = make_output(project)
            make_feedback(output, score=-1).reasons.set(Reason.objects.current())
            make_item(queue, output, theme=theme if number % 2 else None)
        with django_assert_max_num_queries(21):
            client.get(page(queue))
        with django_assert_max_num_queries(18):
            client.get(page(queue), {"group": "flat"})

    def test_hostile_text_stays_text(self, project: Project) -> None:
        queue = make_queue(project, name=HOSTILE)
        make_item(queue, make_output(project, query=HOSTILE, text=HOSTILE, model=HOSTILE))
        body = as_role(project, "viewer").get(page(queue), {"words": HOSTILE}).content.decode()
        assert "<img" not in body

    def test_an_empty_queue_says_so(self, project: Project) -> None:
        body = as_role(project, "viewer").get(page(make_queue(project))).content.decode()
        assert "This queue is clear" in body


class TestQueueNext:
    def test_an_expert_gets_the_most_urgent_item(self, project: Project) -> None:
        queue, expert = make_queue(project), make_user(project, "expert")
        make_item(queue, priority=1)
        urgent = make_item(queue, priority=9)
        answer = signed_in(expert).post(reverse("queue_next", args=[project.slug, queue.slug]))
        assert answer["Location"] == reverse("item", args=[project.slug, urgent.pk])
        assert Claim.objects.get(item=urgent).reviewer == expert

    def test_with_nothing_left_it_says_so(self, project: Project) -> None:
        queue = make_queue(project)
        url = reverse("queue_next", args=[project.slug, queue.slug])
        answer = as_role(project, "expert").post(url, follow=True)
        assert "Nothing is left for you in this queue." in answer.content.decode()

    def test_others_may_not(self, project: Project) -> None:
        queue = make_queue(project)
        make_item(queue)
        url = reverse("queue_next", args=[project.slug, queue.slug])
        assert as_role(project, "tagger").post(url).status_code == 403
        assert signed_in(make_user(make_project(), "admin")).post(url).status_code == 404
        assert as_role(project, "expert").get(url).status_code == 405
        assert not Claim.objects.filter(reviewer__isnull=False).exists()


class TestQueueCreate:
    def test_a_moderator_makes_a_queue_that_is_fed_at_once(self, project: Project) -> None:
        make_feedback(make_output(project), score=-1)
        make_output(project)
        answer = as_role(project, "moderator").post(
            reverse("queue_create", args=[project.slug]),
            {"name": "Rated down", "minutes": 20, "reviewers_per_item": 2, "score": "negative"},
        )
        queue = Queue.objects.get()
        assert answer["Location"] == page(queue)
        assert (queue.lease_seconds, queue.reviewers_per_item) == (1_200, 2)
        assert (queue.filter, queue.items.count()) == ({"score": "negative"}, 1)

    def test_errors_stand_at_their_fields_and_what_was_entered_stays(
        self, project: Project
    ) -> None:
        answer = as_role(project, "moderator").post(
            reverse("queue_create", args=[project.slug]),
            {
                "name": " ",
                "minutes": 0,
                "reviewers_per_item": 1,
                "min_confidence": "much",
                "since": "soon",
                "words": "kept",
            },
        )
        assert answer.status_code == 422
        assert set(answer.context["form"].errors) == {"name", "minutes", "min_confidence"}
        assert 'value="kept"' in answer.content.decode()
        assert not Queue.objects.exists()

    @pytest.mark.parametrize("role", Membership.Role.values)
    def test_only_moderators_and_above(self, project: Project, role: str) -> None:
        url = reverse("queue_create", args=[project.slug])
        may = role in {"moderator", "curator", "admin"}
        assert as_role(project, role).get(url).status_code == (200 if may else 403)
        assert as_role(project, role).delete(url).status_code == (405)
        assert signed_in(make_user(make_project(), role)).get(url).status_code == 404
