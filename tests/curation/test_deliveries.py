"""Issues that go out and come back, over real HTTP."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from curation import deliveries, issues, polling, regressions, tasks, trackers
from curation.models import Attempt, Delivery, Issue, Ticket, Tracker
from feedback.models import Project, User
from review.models import Theme
from tests.curation.exposed import answer as outputs_answered
from tests.curation.exposed import complain, put_in
from tests.curation.fake_trackers import DROPPED, FAKES, Fake
from tests.curation.listening import Server, answer, listening
from tests.factories import (
    NOW,
    make_delivery,
    make_issue,
    make_output,
    make_theme,
    make_ticket,
    make_tracker,
    make_user,
)

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
HOSTILE = "@everyone see #1 ![x](https://evil.test/?q=) ```\n<img src=x> ~~~ [a](javascript:b)"


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: datetime = field(default_factory=lambda: NOW + timedelta(hours=1))

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def by(project: Project) -> User:
    return make_user(project)


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    with listening() as server:
        settings.OUTGOING_HOSTS = [server.host]
        yield server


@pytest.fixture
def theme(project: Project) -> Theme:
    theme = make_theme(project, name="left out: date")
    outputs_answered(project, 100, at=NOW - DAY, bad=15, theme=theme)
    put_in(theme, complain([make_output(project, at=NOW - DAY)], comment=HOSTILE))
    return theme


@pytest.fixture
def issue(project: Project, theme: Theme, by: User) -> Issue:
    return issues.open_issue(project=project, title="Say when", theme=theme, by=by, now=NOW)


def _work(clock: Clock) -> int:
    return deliveries.work_off(clock=clock, most=10)


def _fresh(issue: Issue) -> Issue:
    return Issue.objects.get(pk=issue.pk)


class TestWebhook:
    @pytest.fixture
    def tracker(self, project: Project, server: Server) -> Tracker:
        return make_tracker(project, url=server.url + "/hook")

    def test_is_signed_as_documented(
        self, issue: Issue, tracker: Tracker, by: User, server: Server, clock: Clock
    ) -> None:
        trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW)
        assert _work(clock) == 1
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
        assert _work(clock) == 0

    def test_goes_without_examples_if_so_chosen(
        self, issue: Issue, tracker: Tracker, by: User, server: Server, clock: Clock
    ) -> None:
        Tracker.objects.filter(pk=tracker.pk).update(with_examples=False)
        trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW)
        _work(clock)
        assert server.got[0].json["issue"]["examples"] == []
        assert b"everyone" not in server.got[0].body

    def test_is_tried_again_later_and_later_until_it_is_given_up(
        self, issue: Issue, tracker: Tracker, by: User, server: Server, clock: Clock
    ) -> None:
        server.answers = lambda *_: answer(500, {"token": "of the receiver"})
        trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW)
        waits = []
        while _work(clock):
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
        trackers.send_again(delivery=one, by=by, now=clock.now)
        with pytest.raises(trackers.TrackerError):
            trackers.send_again(delivery=one, by=by, now=clock.now)
        assert _work(clock) == 1
        assert Delivery.objects.get().status == "done"

    def test_waits_as_long_as_it_is_asked_to(
        self, issue: Issue, tracker: Tracker, by: User, server: Server, clock: Clock
    ) -> None:
        server.answers = lambda *_: answer(429, None, Retry_After="900")
        trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW)
        _work(clock)
        assert Delivery.objects.get().next_at == clock.now + timedelta(seconds=900)

    def test_follows_no_redirect_and_reaches_nothing_private(
        self,
        issue: Issue,
        tracker: Tracker,
        by: User,
        server: Server,
        clock: Clock,
        settings: Settings,
    ) -> None:
        server.answers = lambda *_: answer(302, None, Location=server.url + "/secret")
        trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW)
        _work(clock)
        assert len(server.got) == 1
        assert "Redirects are not followed" in Attempt.objects.get().fault
        settings.OUTGOING_HOSTS = []
        clock.now += DAY
        _work(clock)
        assert len(server.got) == 1
        assert "https" in Attempt.objects.order_by("-pk")[0].fault

    def test_changes_go_in_turn(
        self, issue: Issue, tracker: Tracker, by: User, server: Server, clock: Clock
    ) -> None:
        server.answers = lambda *_: answer(500)
        trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW)
        issues.close(issue=issue, resolution="fixed", comment="v2", by=by, now=NOW)
        assert _work(clock) == 1
        server.answers = lambda *_: answer(200)
        clock.now += DAY
        assert _work(clock) == 2
        assert [got.json["event"] for got in server.got] == [
            "issue.opened",
            "issue.opened",
            "issue.closed",
        ]
        assert server.got[-1].json["change"]["comment"] == "v2"

    def test_is_taken_over_when_a_worker_is_killed(
        self, issue: Issue, tracker: Tracker, by: User, server: Server, clock: Clock
    ) -> None:
        trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW)

        def killed(_: object) -> Any:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            deliveries.work_off(clock=clock, most=1, send=killed)
        assert _work(clock) == 0
        clock.now += deliveries.LEASE
        assert _work(clock) == 1
        first, second = Attempt.objects.order_by("number")
        assert (first.ended_at, second.status_code) == (None, 204)

    def test_an_error_of_ours_is_an_attempt_too(
        self, issue: Issue, tracker: Tracker, by: User, clock: Clock
    ) -> None:
        trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW)

        def broken(_: object) -> Any:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            deliveries.work_off(clock=clock, most=1, send=broken)
        assert Attempt.objects.get().fault == "An error in Postil: ZeroDivisionError."
        assert Delivery.objects.get().next_at == clock.now + timedelta(seconds=30)

    def test_nothing_goes_to_what_is_removed(
        self, issue: Issue, tracker: Tracker, by: User, server: Server, clock: Clock
    ) -> None:
        trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW)
        trackers.remove(tracker=tracker, by=by, now=NOW)
        issues.close(issue=issue, resolution="fixed", by=by, now=NOW)
        assert _work(clock) == 0
        assert Delivery.objects.get().status == "failed"
        tracker.refresh_from_db()
        assert (tracker.sealed_token, tracker.sealed_secret) == ("", "")

    def test_its_receiver_closes_and_opens_the_issue(
        self, issue: Issue, tracker: Tracker, by: User, clock: Clock
    ) -> None:
        trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW)
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
        found = _fresh(issue)
        assert (found.status, found.resolution) == ("closed", "fixed")
        change = issue.changes.order_by("-pk")[0]
        assert (change.source, change.tracker, change.comment) == ("tracker", tracker, "Shipped.")
        # Others are told, but not whom it came from.
        told = Delivery.objects.get(change=change)
        assert told.ticket.tracker == other
        assert report({"issue": 1, "state": "open"})
        assert _fresh(issue).status == "reopened"
        assert report({"issue": 1, "state": "closed", "resolution": "dropped"})
        assert _fresh(issue).resolution == "dropped"


@pytest.mark.parametrize("kind", FAKES)
class TestTrackers:
    @pytest.fixture
    def fake(self, kind: str, server: Server) -> Fake:
        fake: Fake = FAKES[kind]()
        server.answers = fake
        return fake

    @pytest.fixture
    def ticket(
        self,
        kind: str,
        fake: Fake,
        server: Server,
        issue: Issue,
        by: User,
        clock: Clock,
    ) -> Ticket:
        tracker = make_tracker(
            issue.project,
            kind=kind,
            url=server.url + fake.url,  # type: ignore[attr-defined]
            target=fake.target,  # type: ignore[attr-defined]
            account="a@example.com" if kind == "jira" else "",
        )
        trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW)
        _work(clock)
        return Ticket.objects.select_related("tracker").get()

    def test_get_a_ticket_with_what_speaks_for_it(
        self, ticket: Ticket, fake: Fake, server: Server, kind: str
    ) -> None:
        [(number, made)] = fake.tickets.items()
        assert made.title == "Say when"
        assert str(number) in ticket.external_id
        assert ticket.url.startswith(("https://", server.url))
        text = made.text if isinstance(made.text, str) else json.dumps(made.text)
        assert "16 complaints and corrections on 16 answers in 16 sessions" in text
        assert "in Postil" in text
        signed_in = {
            "github": ("Authorization", "Bearer token"),
            "gitlab": ("Private-Token", "token"),
            "jira": ("Authorization", "Basic YUBleGFtcGxlLmNvbTp0b2tlbg=="),
        }
        name, value = signed_in[kind]
        given = {key.lower(): one for key, one in server.got[0].headers.items()}
        assert given[name.lower()] == value
        assert "token" not in ticket.tracker.sealed_token

    def test_what_users_said_is_quoted(self, ticket: Ticket, fake: Fake) -> None:
        [made] = fake.tickets.values()
        if isinstance(made.text, str):
            # Between the fences, which are longer than any in it, nothing is interpreted.
            assert f"````text\n{HOSTILE}\n````" in made.text
        else:
            code = [one for one in made.text["content"] if one["type"] == "codeBlock"]
            assert HOSTILE in [one["content"][0]["text"] for one in code]

    def test_close_the_issue_which_is_watched_and_opens_the_ticket_again(
        self, ticket: Ticket, fake: Fake, issue: Issue, theme: Theme, clock: Clock
    ) -> None:
        [there] = fake.tickets.values()
        assert polling.poll(clock=clock, most=9) == 0
        there.is_closed = True
        clock.now += polling.EVERY
        assert polling.poll(clock=clock, most=9) == 1
        closed = _fresh(issue)
        assert (closed.status, closed.resolution) == ("closed", "fixed")
        # It stays closed there: that does not close an issue that came back.
        later = clock.now + 20 * DAY
        outputs_answered(issue.project, 200, at=later - DAY, bad=40, theme=theme)
        assert regressions.watch(now=later) == 1
        clock.now = later
        assert polling.poll(clock=clock, most=9) == 0
        assert _fresh(issue).status == "reopened"
        assert _work(clock) == 1
        assert not there.is_closed
        text = json.dumps(there.comments)
        assert "The complaints came back: 20.0% of answers complained of (40 of 200)" in text
        clock.now += DAY
        assert polling.poll(clock=clock, most=9) == 0
        assert _fresh(issue).status == "reopened"

    def test_are_closed_and_opened_from_here(
        self, ticket: Ticket, fake: Fake, issue: Issue, by: User, clock: Clock
    ) -> None:
        [there] = fake.tickets.values()
        issues.close(issue=issue, resolution="dropped", comment="No.", by=by, now=clock.now)
        _work(clock)
        assert there.is_closed
        issues.reopen(issue=issue, by=by, now=clock.now)
        _work(clock)
        assert not there.is_closed
        assert [one.status for one in Delivery.objects.all()] == ["done"] * 3
        clock.now += DAY
        assert polling.poll(clock=clock, most=9) == 0
        assert _fresh(issue).status == "reopened"

    def test_say_what_was_not_to_be_fixed(
        self, ticket: Ticket, fake: Fake, issue: Issue, kind: str, clock: Clock
    ) -> None:
        [there] = fake.tickets.values()
        there.is_closed, there.reason = True, DROPPED.get(kind, "")
        polling.poll(clock=clock, most=9)
        assert _fresh(issue).resolution == ("dropped" if kind in DROPPED else "fixed")

    def test_make_one_ticket_although_the_answer_was_lost(
        self, ticket: Ticket, fake: Fake, clock: Clock
    ) -> None:
        Ticket.objects.update(external_id="")
        Delivery.objects.update(status="waiting", finished_at=None, next_at=clock.now)
        Attempt.objects.update(ended_at=None, status_code=None)
        assert _work(clock) == 1
        assert len(fake.tickets) == 1
        assert Ticket.objects.get().external_id == ticket.external_id

    def test_failures_are_told_without_words_of_the_other_side(
        self, ticket: Ticket, fake: Fake, issue: Issue, by: User, clock: Clock
    ) -> None:
        fake.broken = 403
        polling.poll(clock=clock, most=9)
        found = Ticket.objects.get()
        assert found.fault == "The tracker answered 403."
        assert found.read_after == clock.now + polling.SELDOM
        issues.close(issue=issue, resolution="fixed", by=by, now=clock.now)
        _work(clock)
        assert Attempt.objects.order_by("-pk")[0].fault == "The tracker answered 403."

    def test_ring_by_a_signed_event(self, ticket: Ticket, kind: str, clock: Clock) -> None:
        Ticket.objects.update(read_after=clock.now + DAY)
        body = b'{"action": "closed"}'
        signed = "sha256=" + hmac.new(b"secret", body, hashlib.sha256).hexdigest()
        headers = {
            "github": {"X-Hub-Signature-256": signed},
            "jira": {"X-Hub-Signature": signed},
            "gitlab": {"X-Gitlab-Token": "secret"},
        }[kind]
        for wrong in ({}, dict.fromkeys(headers, "x")):
            with pytest.raises(polling.SignatureError):
                polling.report(tracker=ticket.tracker, headers=wrong, body=body, now=clock.now)
        polling.report(tracker=ticket.tracker, headers=headers, body=body, now=clock.now)
        assert Ticket.objects.get().read_after == clock.now


class TestKinds:
    @pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"number": null}', b'{"number": true}'])
    def test_an_answer_that_names_no_ticket_is_a_failure(
        self, project: Project, issue: Issue, by: User, server: Server, clock: Clock, body: bytes
    ) -> None:
        server.answers = lambda *_: (201, {}, body)
        tracker = make_tracker(project, kind="github", url=server.url)
        trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW)
        _work(clock)
        assert "answer" in Attempt.objects.get().fault
        assert Ticket.objects.get().external_id == ""

    def test_an_address_that_is_none_is_left_out(
        self, project: Project, issue: Issue, by: User, server: Server, clock: Clock
    ) -> None:
        server.answers = lambda *_: answer(201, {"number": 7, "html_url": "javascript:alert(1)"})
        tracker = make_tracker(project, kind="github", url=server.url)
        trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW)
        _work(clock)
        found = Ticket.objects.get()
        assert (found.external_id, found.url) == ("7", "")

    def test_a_secret_sealed_under_another_key_is_a_failure(
        self,
        project: Project,
        issue: Issue,
        by: User,
        clock: Clock,
        settings: Settings,
    ) -> None:
        tracker = make_tracker(project, kind="github")
        trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW)
        settings.SECRET_KEY = "another" * 8
        _work(clock)
        assert "Enter it anew" in Attempt.objects.get().fault
        with pytest.raises(polling.SignatureError):
            polling.report(tracker=tracker, headers={}, body=b"", now=NOW)


class TestTasks:
    def test_work_off_what_waits(self, issue: Issue, by: User, server: Server) -> None:
        hook = make_tracker(issue.project, url=server.url)
        trackers.hand_over(issue=issue, trackers=[hook], by=by, now=NOW)
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

    @pytest.mark.parametrize(
        ("fields", "constraint"),
        [
            ({"kind": "github", "target": ""}, "has_target"),
            ({"target": "x"}, "has_target"),
            ({"kind": "other", "target": "x"}, "kind_known"),
            ({"removed_at": NOW}, "removed_without_secrets"),
            ({"name": "twice"}, "named_once"),
        ],
    )
    def test_of_trackers(self, project: Project, fields: dict[str, Any], constraint: str) -> None:
        make_tracker(project, name="twice")
        with pytest.raises(IntegrityError, match=f"curation_tracker_{constraint}"):
            make_tracker(project, **fields)
