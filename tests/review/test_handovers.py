"""What decisions ask for on their routes: open, taken, done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from feedback.models import Project, User
from review import escalations, handovers, queues, triage
from review.models import Escalation, Handover, Review
from tests.factories import (
    NOW,
    make_escalation,
    make_handover,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_user,
)
from tests.threads import at_once

LATER = NOW + timedelta(days=1)


@pytest.fixture
def mod(project: Project) -> User:
    return make_user(project, "moderator", username="mod")


def decide(project: Project, *routes: str) -> Review:
    item = make_item(make_queue(project))
    held = queues.claim(item=item, by=make_user(project, "expert"), now=NOW)
    return triage.submit_review(
        item=item,
        by=held.reviewer,  # type: ignore[arg-type]
        fence=held.fence,
        verdict="accept",
        routes=routes,
        now=NOW,
    )


def states(review: Review) -> dict[str, str]:
    return dict(Handover.objects.filter(review=review).values_list("route", "status"))


class TestOpening:
    def test_a_decision_is_handed_over_on_each_of_its_routes(self, project: Project) -> None:
        review = decide(project, "issue", "library", "escalate")
        assert states(review) == {"issue": "open", "library": "open"}
        assert states(decide(project)) == {}

    def test_taken_back_it_asks_for_nothing_unless_somebody_is_at_it(
        self, project: Project, mod: User
    ) -> None:
        first, second = decide(project, "issue"), decide(project, "issue")
        triage.undo_review(review=first, by=first.reviewer, now=NOW)
        handovers.take(handover=Handover.objects.get(), by=mod, now=NOW)
        with pytest.raises(triage.UndoError, match="taken up"):
            triage.undo_review(review=second, by=second.reviewer, now=NOW)


class TestMoving:
    def test_is_taken_given_back_and_closed_with_why(self, project: Project, mod: User) -> None:
        one, other = make_handover(project), make_user(project, "moderator")
        handovers.take(handover=one, by=mod, now=NOW)
        with pytest.raises(handovers.HandoverError, match="taken"):
            handovers.take(handover=one, by=other, now=NOW)
        handovers.give_back(handover=one, by=other, now=NOW)
        handovers.take(handover=one, by=other, now=NOW)
        for comment in (" ", "a\x00", "a" * 2_001):
            with pytest.raises(handovers.HandoverError, match="Say why"):
                handovers.close(handover=one, by=other, comment=comment, now=NOW)
        handovers.close(handover=one, by=other, comment=" Ticket 7 ", now=LATER)
        one.refresh_from_db()
        assert (one.status, one.comment, one.done_by, one.is_promoted) == (
            "done",
            "Ticket 7",
            other,
            False,
        )
        for act in (handovers.take, handovers.give_back):
            with pytest.raises(handovers.HandoverError, match="done"):
                act(handover=one, by=mod, now=LATER)

    def test_none_is_done_without_a_word(self, project: Project) -> None:
        make_handover(project)
        with pytest.raises(IntegrityError), transaction.atomic():
            Handover.objects.update(status="done", done_at=NOW)

    @pytest.mark.django_db(transaction=True)
    def test_one_of_several_at_once_takes_it(self) -> None:
        project = make_project()
        one = make_handover(project)
        people = [make_user(project, "moderator") for _ in range(4)]

        def take(by: User) -> bool:
            try:
                handovers.take(handover=one, by=by, now=NOW)
            except handovers.HandoverError:
                return False
            return True

        assert sum(at_once(*[lambda by=by: take(by) for by in people])) == 1


class TestBoard:
    def test_tells_what_is_where_on_each_route(
        self, project: Project, mod: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        def add(**fields: Any) -> None:
            make_handover(project, **fields)

        add(route="library", opened_at=NOW - timedelta(days=3))
        add(route="library", opened_at=NOW)
        add(route="issue", status="taken", taken_at=NOW)
        add(route="issue", status="done", done_at=NOW, comment="x")
        add(route="issue", status="done", done_at=NOW - timedelta(days=31), comment="x")
        second = make_review(make_output(project), mod, is_authoritative=False)
        add(route="training", review=second)
        make_handover(make_project())
        held, closed = make_escalation(project), make_escalation(project)
        queues.adjudicate(item=held.item, by=mod, now=NOW)
        escalations.close(escalation=closed, by=mod, comment="x", now=NOW)
        with django_assert_num_queries(2):
            found = handovers.on_routes(project=project, now=NOW)
        assert [(one.route.value, one.num_open, one.num_taken, one.num_done) for one in found] == [
            ("library", 2, 0, 0),
            ("training", 0, 0, 0),
            ("issue", 0, 1, 1),
            ("escalate", 0, 1, 1),
        ]
        assert found[0].oldest == NOW - timedelta(days=3)
        assert Escalation.objects.count() == 2

    def test_leads_to_the_lists(self, client: Client, project: Project, mod: User) -> None:
        make_item(make_queue(project))
        make_handover(project)
        client.force_login(mod)
        page = client.get(reverse("board", args=[project.slug])).content.decode()
        assert reverse("handover_list", args=[project.slug, "library"]) in page


class TestPages:
    def test_take_close_and_show_what_became(
        self, client: Client, project: Project, mod: User
    ) -> None:
        one = make_handover(project, route="issue")
        client.force_login(mod)
        url = reverse("handover_list", args=[project.slug, "issue"])
        assert "When did Bloom come out?" in client.get(url).content.decode()
        client.post(reverse("handover_take", args=[project.slug, one.pk]))
        assert "taken by" in client.get(url, {"state": "taken"}).content.decode()
        client.post(reverse("handover_give_back", args=[project.slug, one.pk]))
        close = reverse("handover_close", args=[project.slug, one.pk])
        assert "Say why" in client.post(close, follow=True).content.decode()
        client.post(close, {"comment": "<b>Ticket</b>"})
        assert "&lt;b&gt;Ticket" in client.get(url, {"state": "done"}).content.decode()
        assert client.get(url, {"state": "x"}).status_code == 400
        assert client.get(url, {"cursor": "x"}).status_code == 400
        for route in ("escalate", "nowhere"):
            url = reverse("handover_list", args=[project.slug, route])
            assert client.get(url).status_code == 404

    def test_take_as_many_queries_for_many(
        self,
        client: Client,
        project: Project,
        mod: User,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for _ in range(9):
            make_handover(project)
        client.force_login(mod)
        with django_assert_max_num_queries(5):
            client.get(reverse("handover_list", args=[project.slug, "library"]))
