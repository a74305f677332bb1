"""Issues that go out to webhooks and come back, over real HTTP."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from curation import deliveries, issues, polling, tasks, trackers
from curation.models import Attempt, Delivery, Issue, Tracker
from curation.outgoing import Answer
from feedback.models import Project, User
from review.models import Theme
from tests.curation.beside import Meeting
from tests.curation.listening import Server, answer
from tests.curation.sending import DAY, HOSTILE, Clock, complained_theme, fresh, work
from tests.factories import NOW, make_delivery, make_issue, make_ticket, make_tracker

pytestmark = pytest.mark.django_db


@pytest.fixture
def theme(project: Project) -> Theme:
    return complained_theme(project)


@pytest.fixture
def issue(project: Project, theme: Theme, curator: User) -> Issue:
    return issues.open_issue(project=project, title="Say when", theme=theme, by=curator, now=NOW)


class TestWebhook:
    @pytest.fixture
    def tracker(self, project: Project, server: Server) -> Tracker:
        return make_tracker(project, url=server.url + "/hook")

    def test_is_signed_as_documented(
        self, issue: Issue, tracker: Tracker, curator: User, server: Server, clock: Clock
    ) -> None:
        trackers.hand_over(issue=issue, trackers=[tracker], by=curator, now=NOW)
        assert work(clock) == 1
        [got] = server.got
        signed = got.headers["Postil-Timestamp"].encode() + b"." + got.body
        meant = hmac.new(b"secret", signed, hashlib.sha256).hexdigest()
        assert got.headers["Postil-Signature"] == f"v1={meant}"
        assert got.headers["Postil-Event"] == got.json["event"] == "issue.opened"
        assert got.json["id"] == got.headers["Postil-Delivery"]
        sent = got.json["issue"]
        assert (sent["number"], sent["title"]) == (1, "Say when")
        assert sent["evidence"]["num_feedback"] == 16
        assert HOSTILE in sent["examples"]
        assert sent["url"].endswith(f"/p/{issue.project.slug}/issues/1/")
        delivery = Delivery.objects.get()
        assert (delivery.status, delivery.num_attempts) == ("done", 1)
        attempt = delivery.attempts.get()
        assert (attempt.status_code, attempt.fault) == (204, "")
        assert work(clock) == 0

    def test_goes_without_examples_if_so_chosen(
        self, issue: Issue, tracker: Tracker, curator: User, server: Server, clock: Clock
    ) -> None:
        Tracker.objects.filter(pk=tracker.pk).update(with_examples=False)
        trackers.hand_over(issue=issue, trackers=[tracker], by=curator, now=NOW)
        work(clock)
        assert server.got[0].json["issue"]["examples"] == []
        assert b"everyone" not in server.got[0].body

    def test_is_tried_again_later_and_later_until_it_is_given_up(
        self, issue: Issue, tracker: Tracker, curator: User, server: Server, clock: Clock
    ) -> None:
        server.answers = lambda *_: answer(500, {"token": "of the receiver"})
        trackers.hand_over(issue=issue, trackers=[tracker], by=curator, now=NOW)
        waits = []
        while work(clock):
            one = Delivery.objects.get()
            waits.append(int((one.next_at - clock.now).total_seconds()))
            clock.now = one.next_at
        assert waits[:-1] == list(deliveries.WAITS)
        one = Delivery.objects.get()
        assert (one.status, one.num_attempts) == ("failed", deliveries.MOST_ATTEMPTS)
        assert len({got.headers["Postil-Delivery"] for got in server.got}) == 1
        attempt = one.attempts.order_by("-number")[0]
        assert (attempt.status_code, attempt.fault) == (500, "The webhook answered 500.")
        server.answers = lambda *_: answer(200)
        trackers.send_again(delivery=one, by=curator, now=clock.now)
        with pytest.raises(trackers.TrackerError):
            trackers.send_again(delivery=one, by=curator, now=clock.now)
        assert work(clock) == 1
        assert Delivery.objects.get().status == "done"

    def test_waits_as_long_as_it_is_asked_to(
        self, issue: Issue, tracker: Tracker, curator: User, server: Server, clock: Clock
    ) -> None:
        server.answers = lambda *_: answer(429, None, Retry_After="900")
        trackers.hand_over(issue=issue, trackers=[tracker], by=curator, now=NOW)
        work(clock)
        assert Delivery.objects.get().next_at == clock.now + timedelta(seconds=900)

    def test_follows_no_redirect_and_reaches_nothing_private(
        self,
        issue: Issue,
        tracker: Tracker,
        curator: User,
        server: Server,
        clock: Clock,
        settings: Settings,
    ) -> None:
        server.answers = lambda *_: answer(302, None, Location=server.url + "/secret")
        trackers.hand_over(issue=issue, trackers=[tracker], by=curator, now=NOW)
        work(clock)
        assert len(server.got) == 1
        assert "Redirects are not followed" in Attempt.objects.get().fault
        settings.OUTGOING_HOSTS = []
        clock.now += DAY
        work(clock)
        assert len(server.got) == 1
        assert "https" in Attempt.objects.order_by("-pk")[0].fault

    def test_changes_go_in_turn(
        self, issue: Issue, tracker: Tracker, curator: User, server: Server, clock: Clock
    ) -> None:
        server.answers = lambda *_: answer(500)
        trackers.hand_over(issue=issue, trackers=[tracker], by=curator, now=NOW)
        issues.close(issue=issue, resolution="fixed", comment="v2", by=curator, now=NOW)
        assert work(clock) == 1
        server.answers = lambda *_: answer(200)
        clock.now += DAY
        assert work(clock) == 2
        assert [got.json["event"] for got in server.got] == [
            "issue.opened",
            "issue.opened",
            "issue.closed",
        ]
        assert server.got[-1].json["change"]["comment"] == "v2"

    def test_is_taken_over_when_a_worker_is_killed(
        self, issue: Issue, tracker: Tracker, curator: User, server: Server, clock: Clock
    ) -> None:
        trackers.hand_over(issue=issue, trackers=[tracker], by=curator, now=NOW)

        def killed(_: object) -> Any:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            deliveries.work_off(clock=clock, most=1, send=killed)
        assert work(clock) == 0
        clock.now += deliveries.LEASE
        assert work(clock) == 1
        first, second = Attempt.objects.order_by("number")
        assert (first.ended_at, second.status_code) == (None, 204)

    def test_an_error_of_ours_is_an_attempt_too(
        self, issue: Issue, tracker: Tracker, curator: User, clock: Clock
    ) -> None:
        trackers.hand_over(issue=issue, trackers=[tracker], by=curator, now=NOW)

        def broken(_: object) -> Any:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            deliveries.work_off(clock=clock, most=1, send=broken)
        assert Attempt.objects.get().fault == "An error in Postil: ZeroDivisionError."
        assert Delivery.objects.get().next_at == clock.now + timedelta(seconds=30)

    def test_nothing_goes_to_what_is_removed(
        self, issue: Issue, tracker: Tracker, curator: User, server: Server, clock: Clock
    ) -> None:
        trackers.hand_over(issue=issue, trackers=[tracker], by=curator, now=NOW)
        trackers.remove(tracker=tracker, by=curator, now=NOW)
        issues.close(issue=issue, resolution="fixed", by=curator, now=NOW)
        assert work(clock) == 0
        assert Delivery.objects.get().status == "failed"
        tracker.refresh_from_db()
        assert (tracker.sealed_token, tracker.sealed_secret) == ("", "")

    def test_its_receiver_closes_and_opens_the_issue(
        self, issue: Issue, tracker: Tracker, curator: User, clock: Clock
    ) -> None:
        trackers.hand_over(issue=issue, trackers=[tracker], by=curator, now=NOW)
        other = make_tracker(issue.project)
        make_ticket(issue, other)

        def report(body: object, secret: bytes = b"secret", late: int = 0) -> bool:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            stamp = str(int(clock.now.timestamp()))
            signed = hmac.new(secret, stamp.encode() + b"." + raw, hashlib.sha256).hexdigest()
            headers = {"Postil-Timestamp": stamp, "Postil-Signature": f"v1={signed}"}
            now = clock.now + timedelta(seconds=late)
            return polling.report(tracker=tracker, headers=headers, body=raw, now=now)

        closed = {"issue": 1, "state": "closed", "comment": "Shipped."}
        for arguments in ({"secret": b"other"}, {"late": 301}):
            with pytest.raises(polling.SignatureError):
                report(closed, **arguments)
        nul = {**closed, "comment": "a\x00b"}
        gone, other_one = {"issue": 1, "state": "gone"}, {"issue": 9, "state": "open"}
        for bad in (b"", b"[", b"{}", nul, gone, other_one):
            with pytest.raises(polling.ReportError):
                report(bad)
        assert report(closed)
        assert not report(closed)
        found = fresh(issue)
        assert (found.status, found.resolution) == ("closed", "fixed")
        change = issue.changes.order_by("-pk")[0]
        assert (change.source, change.tracker, change.comment) == ("tracker", tracker, "Shipped.")
        # Others are told, but not whom it came from.
        told = Delivery.objects.get(change=change)
        assert told.ticket.tracker == other
        assert report({"issue": 1, "state": "open"})
        assert fresh(issue).status == "reopened"
        assert report({"issue": 1, "state": "closed", "resolution": "dropped"})
        assert fresh(issue).resolution == "dropped"


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_nothing_is_sent_again_beside_what_a_worker_is_taking(
        self, project: Project, curator: User, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        issue = make_issue(project)
        make_ticket(issue, make_tracker(project))
        issues.close(issue=issue, resolution="fixed", by=curator, now=NOW)
        issues.reopen(issue=issue, by=curator, now=NOW)
        closed = Delivery.objects.order_by("pk")[0]
        Delivery.objects.filter(pk=closed.pk).update(status="failed", finished_at=NOW)
        meeting = Meeting()
        held = meeting.holding(Attempt.objects.create, before=True)
        monkeypatch.setattr(Attempt.objects, "create", held)
        sent, refused = meeting.of(
            lambda: deliveries.work_off(clock=clock, most=9, send=lambda _: Answer(status=204)),
            lambda: trackers.send_again(delivery=closed, by=curator, now=clock.now),
        )
        assert sent == 1
        assert isinstance(refused, trackers.TrackerError)


class TestTasks:
    def test_work_off_what_waits(self, issue: Issue, curator: User, server: Server) -> None:
        hook = make_tracker(issue.project, url=server.url)
        trackers.hand_over(issue=issue, trackers=[hook], by=curator, now=NOW)
        make_ticket(issue, make_tracker(issue.project, kind="github", url=server.url))
        tasks.hand_over_issues()
        tasks.follow_tickets()
        assert [got.method for got in server.got] == ["POST", "GET"]


class TestConstraints:
    def test_of_deliveries(self, project: Project) -> None:
        issue, tracker = make_issue(project), make_tracker(project)
        one = make_delivery(issue, tracker)
        with pytest.raises(IntegrityError, match="delivery_once"), transaction.atomic():
            make_delivery(issue, tracker, ticket=one.ticket, change=one.change)
        with pytest.raises(IntegrityError, match="status_known"), transaction.atomic():
            Delivery.objects.update(status="done")
        Attempt.objects.create(delivery=one, number=1, began_at=NOW)
        with pytest.raises(IntegrityError, match="attempt_number"), transaction.atomic():
            Attempt.objects.create(delivery=one, number=1, began_at=NOW)
        with pytest.raises(IntegrityError, match="ticket_once"), transaction.atomic():
            make_ticket(issue, tracker)
