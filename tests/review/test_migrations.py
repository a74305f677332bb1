"""What migrations of data make of the rows that are there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from feedback.models import Output, Project, User
from review import escalations, queues, triage
from review.models import Claim, Escalation, Handover, QueueItem, Review
from tests.factories import (
    NOW,
    make_escalation,
    make_handover,
    make_item,
    make_output,
    make_queue,
    make_review,
    make_user,
)
from tests.migrating import apply

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


class TestOpenHandovers:
    """0025: what earlier decisions asked for."""

    def test_each_route_but_escalate_gets_one(self, project: Project) -> None:
        by = make_user(project)

        def decided(*routes: str, **fields: Any) -> Review:
            return make_review(make_output(project), by, routes=list(routes), **fields)

        several = decided("library", "training", "issue", "escalate", created_at=NOW - HOUR)
        decided()
        decided("escalate")
        outvoted = decided("issue", is_authoritative=False)
        there = decided("issue", "library")
        taken = make_handover(project, review=there, route="issue", status="taken", taken_at=NOW)
        for _ in range(2):
            apply("review", "0025_open_handovers")
        assert set(Handover.objects.values_list("review", "route", "status")) == {
            (several.pk, "library", "open"),
            (several.pk, "training", "open"),
            (several.pk, "issue", "open"),
            (outvoted.pk, "issue", "open"),
            (there.pk, "library", "open"),
            (there.pk, "issue", "taken"),
        }
        made = Handover.objects.get(review=several, route="issue")
        assert (made.project, made.opened_at, made.comment) == (project, NOW - HOUR, "")
        taken.refresh_from_db()
        assert taken.taken_at == NOW


class TestEarlierEscalations:
    """0027: what was escalated before escalations had a table."""

    def escalated(
        self, project: Project, output: Output | None = None, *, at: datetime = NOW, **fields: Any
    ) -> Review:
        """A review as it was stored then: its item is done, whatever its routes."""
        fields = {"status": "done", "closed_at": at} | fields
        item = make_item(make_queue(project), output, **fields)
        return self.reviewed(item, routes=["escalate"], created_at=at)

    def reviewed(self, item: QueueItem, **fields: Any) -> Review:
        by = make_user(item.queue.project, "expert")
        fields = {"verdict": "reject", "comment": "Dangerous.", "is_authoritative": False} | fields
        review = make_review(item.output, by, item=item, **fields)
        assert review.place is not None
        Claim.objects.update_or_create(
            item=item, place=review.place, defaults={"reviewer": by, "finished_at": NOW}
        )
        return review

    def test_wait_and_can_be_decided(self, project: Project) -> None:
        review = self.escalated(project)
        for _ in range(2):
            apply("review", "0027_earlier_escalations")
        one = Escalation.objects.get()
        assert (one.review, one.item_id, one.output) == (review, review.item_id, review.output)
        assert (one.status, one.raised_at, one.project) == ("open", NOW, project)
        mod = make_user(project, "moderator")
        held = queues.adjudicate(item=one.item, by=mod, now=NOW + HOUR)
        decision = triage.submit_review(
            item=one.item, by=mod, fence=held.fence, verdict="accept", now=NOW + HOUR
        )
        one.refresh_from_db()
        assert (one.status, one.decision) == ("decided", decision)
        assert QueueItem.objects.get().status == "done"

    def test_or_be_sent_back(self, project: Project) -> None:
        self.escalated(project)
        apply("review", "0027_earlier_escalations")
        one, mod = Escalation.objects.get(), make_user(project, "moderator")
        escalations.send_back(
            escalation=one, queue=make_queue(project), by=mod, comment="", now=NOW
        )
        one.refresh_from_db()
        assert one.status == "returned"

    def test_are_one_for_an_output_of_the_first_review(self, project: Project) -> None:
        output = make_output(project)
        second = self.escalated(project, output, at=NOW + HOUR)
        first = self.escalated(project, output)
        apply("review", "0027_earlier_escalations")
        assert Escalation.objects.get().review == first
        statuses = dict(QueueItem.objects.values_list("pk", "status"))
        assert statuses == {first.item_id: "escalated", second.item_id: "done"}

    def test_that_a_third_person_decided_are_settled(self, project: Project) -> None:
        review = self.escalated(project)
        item = review.item
        assert item is not None
        decision = self.reviewed(item, place=0, created_at=NOW + HOUR, routes=["escalate"])
        apply("review", "0027_earlier_escalations")
        one = Escalation.objects.get()
        assert (one.review, one.status, one.decision) == (review, "decided", decision)
        assert (one.settled_by, one.settled_at) == (decision.reviewer, NOW + HOUR)
        assert QueueItem.objects.get().status == "done"

    def test_leave_the_items_of_others_to_them(self, project: Project) -> None:
        waiting = self.escalated(project, status="open", closed_at=None)
        disputed = self.escalated(project, status="disputed", closed_at=None)
        Claim.objects.create(item_id=disputed.item_id or 0, place=0)
        apply("review", "0027_earlier_escalations")
        assert set(Escalation.objects.values_list("review", "status")) == {
            (waiting.pk, "open"),
            (disputed.pk, "open"),
        }
        assert set(QueueItem.objects.values_list("status", flat=True)) == {"open", "disputed"}
        assert Claim.objects.filter(place=0).count() == 1

    def test_are_none_where_one_is_or_none_can_be(self, project: Project, mod: User) -> None:
        there = make_escalation(project)
        self.escalated(project, there.output)
        settled = make_escalation(project)
        escalations.close(escalation=settled, by=mod, comment="No.", now=NOW + HOUR)
        self.escalated(project, settled.output)
        make_review(make_output(project), mod, routes=["escalate"])
        self.reviewed(make_item(make_queue(project)), routes=["issue"])
        apply("review", "0027_earlier_escalations")
        assert set(Escalation.objects.values_list("pk", flat=True)) == {there.pk, settled.pk}

    @pytest.fixture
    def mod(self, project: Project) -> User:
        return make_user(project, "moderator")
