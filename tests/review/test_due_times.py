"""By when what decisions ask for is to be done, and how late it is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from feedback.models import Project, User
from review import due_times, escalations, handovers, queues, routing, triage
from review.models import Escalation, Event, Handover, Review, RouteTerm
from review.routing import Rule
from tests.factories import (
    NOW,
    make_escalation,
    make_handover,
    make_item,
    make_project,
    make_queue,
    make_rule,
    make_user,
)

HOUR = timedelta(hours=1)
LATER = NOW + 30 * HOUR


@pytest.fixture
def mod(project: Project) -> User:
    return make_user(project, "moderator", username="mod")


def decide(project: Project, routes: list[str] | None = None, severity: str = "") -> Review:
    item = make_item(make_queue(project))
    held = queues.claim(item=item, by=make_user(project, "expert"), now=NOW)
    return triage.submit_review(
        item=item,
        by=held.reviewer,  # type: ignore[arg-type]
        fence=held.fence,
        verdict="fix",
        severity=severity,
        comment="Wrong.",
        routes=routes,
        now=NOW,
    )


def due(review: Review) -> dict[str, datetime | None]:
    found = dict(Handover.objects.filter(review=review).values_list("route", "due_at"))
    if raised := Escalation.objects.filter(review=review).first():
        found["escalate"] = raised.due_at
    return found


def give(project: Project, by: User, **hours: int | None) -> None:
    due_times.set_terms(project=project, hours=hours, by=by, now=NOW)


class TestDating:
    def test_goes_by_the_hours_of_each_route(self, project: Project, mod: User) -> None:
        give(project, mod, library=48, escalate=2)
        review = decide(project, ["library", "issue", "escalate"])
        assert due(review) == {
            "library": NOW + 48 * HOUR,
            "issue": None,
            "escalate": NOW + 2 * HOUR,
        }

    def test_goes_by_those_of_the_rule_that_proposed_it(self, project: Project, mod: User) -> None:
        give(project, mod, issue=48, training=72, escalate=24)
        make_rule(project, severities=["critical"], routes=["issue", "escalate"], due_hours=4)
        severe = decide(project, severity="critical")
        assert due(severe) == {"issue": NOW + 4 * HOUR, "escalate": NOW + 4 * HOUR}
        own_choice = decide(project, ["issue", "training"], severity="critical")
        assert due(own_choice) == {"issue": NOW + 4 * HOUR, "training": NOW + 72 * HOUR}
        assert due(decide(project, ["issue"])) == {"issue": NOW + 48 * HOUR}

    def test_is_done_anew_for_what_waits_when_the_hours_change(
        self, project: Project, mod: User
    ) -> None:
        rule = make_rule(project, severities=["critical"], routes=["issue"], due_hours=4)
        open_, taken, done = (decide(project, ["library", "escalate"]) for _ in range(3))
        severe, elsewhere = decide(project, severity="critical"), make_handover(make_project())
        handovers.take(handover=taken.handovers.get(), by=mod, now=NOW)
        handovers.close(handover=done.handovers.get(), by=mod, comment="No.", now=NOW)
        give(project, mod, library=5, issue=6, escalate=7)
        assert due(open_) == {"library": NOW + 5 * HOUR, "escalate": NOW + 7 * HOUR}
        assert due(taken)["library"] == NOW + 5 * HOUR
        assert due(done)["library"] is None
        assert due(severe) == {"issue": NOW + 4 * HOUR}
        elsewhere.refresh_from_db()
        assert elsewhere.due_at is None
        give(project, mod, library=None)
        assert due(open_) == {"library": None, "escalate": NOW + 7 * HOUR}
        routing.edit_rule(edited=rule, changes={"due_hours": None}, by=mod, now=LATER)
        assert due(severe) == {"issue": NOW + 6 * HOUR}
        # It speaks as before: what it was overruled on still counts.
        assert rule.changed_at == NOW

    def test_is_logged_when_it_changed_anything(self, project: Project, mod: User) -> None:
        for _ in range(2):
            give(project, mod, library=5, issue=None)
        [event] = Event.objects.filter(verb="set_due_hours")
        assert (event.actor, event.data) == (mod, {"library": 5})

    @pytest.mark.parametrize("hours", [{"library": 0}, {"issue": 8_785}, {"nowhere": 1}])
    def test_refuses_hours_that_cannot_be(
        self, project: Project, mod: User, hours: dict[str, int]
    ) -> None:
        with pytest.raises(due_times.TermError) as error:
            give(project, mod, training=5, **hours)
        assert error.value.path == next(iter(hours))
        assert not RouteTerm.objects.exists()

    def test_a_rule_that_sends_nowhere_has_no_hours(self, project: Project, mod: User) -> None:
        for rule in (Rule(name="a", due_hours=5), Rule(name="b", routes=["issue"], due_hours=0)):
            with pytest.raises(routing.RoutingError) as error:
                routing.create_rule(project=project, rule=rule, by=mod, now=NOW)
            assert error.value.path == "due_hours"
        with pytest.raises(IntegrityError), transaction.atomic():
            make_rule(project, due_hours=5)

    def test_counts_from_when_it_waits_again(self, project: Project, mod: User) -> None:
        give(project, mod, escalate=2)
        review = decide(project, ["escalate"])
        item = Escalation.objects.get().item
        held = queues.adjudicate(item=item, by=mod, now=NOW)
        decision = triage.submit_review(
            item=item, by=mod, fence=held.fence, verdict="accept", now=NOW
        )
        give(project, mod, escalate=3)
        assert due(review) == {"escalate": NOW + 2 * HOUR}
        triage.undo_review(review=decision, by=mod, now=NOW)
        assert due(review) == {"escalate": NOW + 3 * HOUR}


class TestOrder:
    def test_what_is_due_comes_first_and_what_never_is_last(
        self, project: Project, mod: User
    ) -> None:
        for days, due_at in ((3, None), (1, NOW + HOUR), (0, NOW - HOUR), (4, None)):
            make_handover(project, opened_at=NOW - timedelta(days=days), due_at=due_at)
        found: list[Any] = []
        cursor = ""
        while len(found) < 4:
            page = handovers.listed(
                project=project,
                to=mod,
                route="library",
                status="open",
                size=1,
                cursor=cursor,
                now=NOW,
            )
            found, cursor = [*found, *page.rows], page.next_cursor or ""
        assert cursor == ""
        assert [one.due_at for one in found] == [NOW - HOUR, NOW + HOUR, None, None]
        assert found[2].opened_at < found[3].opened_at
        assert [one.is_overdue for one in found] == [True, False, False, False]

    def test_holds_for_escalations_too(self, project: Project, mod: User) -> None:
        never = make_escalation(project, raised_at=NOW - timedelta(days=9))
        late = make_escalation(project, due_at=NOW - HOUR)
        found, _ = escalations.listed(
            project=project, to=mod, is_open=True, size=9, cursor="", now=NOW
        )
        assert [(one.escalation, one.is_overdue) for one in found] == [
            (late, True),
            (never, False),
        ]


class TestBoard:
    def test_has_the_most_overdue_route_first(
        self, project: Project, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        make_handover(project, route="library", due_at=NOW + 2 * HOUR)
        make_handover(project, route="library", due_at=NOW + HOUR, status="taken", taken_at=NOW)
        make_handover(project, route="training", due_at=NOW)
        make_handover(project, route="training", due_at=NOW, status="taken", taken_at=NOW)
        make_handover(
            project, route="training", due_at=NOW, status="done", done_at=NOW, comment="x"
        )
        make_escalation(project, due_at=NOW)
        with django_assert_num_queries(2):
            found = handovers.on_routes(project=project, now=NOW)
        assert [(one.route.value, one.num_overdue, one.next_due) for one in found] == [
            ("training", 2, None),
            ("escalate", 1, None),
            ("library", 0, NOW + HOUR),
            ("issue", 0, None),
        ]

    def test_says_so_on_its_pages(self, client: Client, project: Project, mod: User) -> None:
        make_item(make_queue(project))
        make_handover(project, due_at=NOW)
        client.force_login(mod)
        board = client.get(reverse("board", args=[project.slug])).content.decode()
        assert "1 overdue" in board
        listed = client.get(reverse("handover_list", args=[project.slug, "library"]))
        assert "due <time" in listed.content.decode()
        raised = make_escalation(project, due_at=NOW)
        for url in (
            reverse("escalation_list", args=[project.slug]),
            reverse("escalation", args=[project.slug, raised.pk]),
        ):
            assert "due <time" in client.get(url).content.decode()


class TestPages:
    def test_moderators_say_the_hours(self, client: Client, project: Project, mod: User) -> None:
        client.force_login(mod)
        url = reverse("route_terms", args=[project.slug])
        wrong = client.post(url, {"library": 0, "issue": 5})
        assert (wrong.status_code, RouteTerm.objects.count()) == (422, 0)
        assert "greater than or equal to 1" in wrong.content.decode()
        assert client.post(url, {"library": 48, "issue": ""}).status_code == 302
        assert due_times.terms(project=project) == {"library": 48}
        page = client.get(reverse("rule_list", args=[project.slug])).content.decode()
        assert 'value="48"' in page

    def test_a_rule_tells_and_takes_its_hours(
        self, client: Client, project: Project, mod: User
    ) -> None:
        client.force_login(mod)
        fields = {"name": "Severe", "routes": ["issue"], "due_hours": 12}
        client.post(reverse("rule_create", args=[project.slug]), fields)
        rule = project.routing_rules.get()
        assert rule.due_hours == 12
        page = client.get(reverse("rule_list", args=[project.slug])).content.decode()
        assert 'within <span class="num">12</span> h' in page
        form = client.get(reverse("rule_edit", args=[project.slug, rule.pk])).content.decode()
        assert 'name="due_hours" value="12"' in form
        wrong = client.post(
            reverse("rule_edit", args=[project.slug, rule.pk]), {"name": "Severe", "due_hours": 1}
        )
        assert "nothing is due" in wrong.content.decode()
