"""What waits in a queue, by script."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from feedback.models import Project, Reason
from review import intake, queues
from review.models import Queue
from tests.calling import Caller
from tests.factories import (
    NOW,
    make_feedback,
    make_group,
    make_item,
    make_key,
    make_output,
    make_project,
    make_queue,
    make_theme,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "viewer", username="ann"))


@pytest.fixture
def queue(project: Project) -> Queue:
    return make_queue(project, slug="all")


class TestItems:
    def test_say_why_they_stand_where_they_do(
        self, ann: Caller, queue: Queue, project: Project
    ) -> None:
        output = make_output(project, external_id="o/1", model="m", model_version="2")
        said = make_feedback(output, score=-1)
        said.reasons.add(Reason.objects.current().get(taxonomy__project=project, slug="unsafe"))
        make_feedback(output, name="rephrase", is_implicit=True, annotator_kind="CODE")
        intake.feed(queue=queue, now=timezone.now())
        held = queues.claim_next(
            queue=queue, by=make_user(project, "expert", username="ben"), now=timezone.now()
        )
        assert held is not None
        told = ann.get("queues/all/items")
        assert told.status_code == 200
        [item] = told.json()["items"]
        assert told.json()["next_cursor"] is None
        assert (item["item"], item["output"]) == (held.item_id, "o/1")
        assert (item["model"], item["model_version"]) == ("m", "2")
        assert (item["reasons"], item["signals"], item["holders"]) == (
            ["unsafe"],
            ["down", "rephrase"],
            ["ben"],
        )
        assert item["parts"]
        assert all(one["words"] and one["value"] > 0 for one in item["parts"])
        assert item["priority"] == pytest.approx(sum(one["value"] for one in item["parts"]))
        assert item["rank"] == item["priority"]
        assert (item["alike"], item["group"], item["theme"]) == (0, None, None)

    def test_come_in_pages_the_most_urgent_first(
        self,
        ann: Caller,
        queue: Queue,
        project: Project,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        made = [
            make_item(queue, make_output(project), priority=90 - number, entered_at=NOW)
            for number in range(51)
        ]
        make_item(queue, status="done", closed_at=NOW)
        make_item(make_queue(project))
        ann.get("queues/all/items")
        # The key, the queue, its items, and reasons, signals and holders of them.
        with django_assert_num_queries(6):
            first = ann.get("queues/all/items").json()
        assert [one["item"] for one in first["items"]] == [one.pk for one in made[:50]]
        rest = ann.get("queues/all/items", cursor=first["next_cursor"]).json()
        assert [one["item"] for one in rest["items"]] == [made[50].pk]
        assert rest["next_cursor"] is None

    def test_that_are_alike_are_listed_once(self, ann: Caller, queue: Queue) -> None:
        items = [make_item(queue, priority=points) for points in (1, 3, 2)]
        group = make_group(*items)
        [told] = ann.get("queues/all/items").json()["items"]
        assert (told["item"], told["alike"], told["group"]) == (items[1].pk, 3, group.pk)

    def test_are_narrowed_as_on_the_page(self, ann: Caller, queue: Queue, project: Project) -> None:
        theme = make_theme(project)
        one = make_item(queue, make_output(project, model="a"), theme=theme)
        two = make_item(queue, make_output(project, model="b"))

        def found(**query: str) -> list[int]:
            return [item["item"] for item in ann.get("queues/all/items", **query).json()["items"]]

        assert found(filter="model:a") == [one.pk]
        assert found(filter="-model:a") == [two.pk]
        assert found(theme=str(theme.number)) == [one.pk]
        assert found(theme="none") == [two.pk]
        assert found(filter="model:b", theme=str(theme.number)) == []
        foreign = make_theme(make_project())
        for query, path in (
            ({"filter": "score:odd"}, "filter"),
            ({"theme": "x"}, "theme"),
            ({"theme": str(foreign.number)}, "theme"),
            ({"cursor": "x"}, "cursor"),
        ):
            refused = ann.get("queues/all/items", **query)
            assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, path)

    def test_are_for_members_of_the_project(
        self, client: Client, queue: Queue, project: Project
    ) -> None:
        make_item(queue, due_at=NOW + timedelta(hours=1))
        other = make_project()
        stranger = Caller(client, other, make_user(other, "admin"))
        assert stranger.get("queues/all/items").status_code == 404
        product = {"authorization": f"Bearer {make_key(project)}"}
        assert client.get("/api/v1/queues/all/items", headers=product).status_code == 403
