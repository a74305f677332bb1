"""Reports of a webhook's receiver, over the API, as often as they are sent."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client

from curation import deliveries, issues, polling, trackers
from curation.models import Issue, TakenReport, Ticket, Tracker
from curation.outgoing import Answer
from feedback.models import Project, User
from tests.factories import NOW, make_project, make_theme, make_tracker, make_user

MINUTE = timedelta(minutes=1)
Signed = tuple[bytes, dict[str, str]]
CLOSED = {"issue": 1, "state": "closed"}
OPEN = {"issue": 1, "state": "open"}


@pytest.fixture
def by(project: Project) -> User:
    return make_user(project)


@pytest.fixture
def tracker(project: Project) -> Tracker:
    return make_tracker(project)


@pytest.fixture
def issue(project: Project, tracker: Tracker, by: User) -> Issue:
    made = issues.open_issue(
        project=project, title="Say when", theme=make_theme(project), by=by, now=NOW
    )
    trackers.hand_over(issue=made, trackers=[tracker], by=by, now=NOW)
    return made


def signed(said: object, at: datetime = NOW) -> Signed:
    """A report with its headers, as its receiver signs it at that time."""
    body, stamp = json.dumps(said).encode(), str(int(at.timestamp()))
    digest = hmac.new(b"secret", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return body, {"Postil-Timestamp": stamp, "Postil-Signature": f"v1={digest}"}


def take(tracker: Tracker, given: Signed, now: datetime = NOW) -> bool:
    body, headers = given
    return polling.report(tracker=tracker, headers=headers, body=body, now=now)


def status_of(issue: Issue) -> str:
    return Issue.objects.get(pk=issue.pk).status


@pytest.mark.django_db
class TestAgain:
    def test_the_same_report_changes_nothing(self, issue: Issue, tracker: Tracker) -> None:
        closed = signed(CLOSED)
        assert take(tracker, closed)
        assert take(tracker, signed(OPEN, NOW + MINUTE), NOW + MINUTE)
        assert not take(tracker, closed, NOW + 2 * MINUTE)
        assert status_of(issue) == "reopened"
        assert issue.changes.count() == 3

    def test_it_answers_the_same(
        self, issue: Issue, tracker: Tracker, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("curation.reports_api.timezone.now", lambda: NOW)

        def send(given: Signed) -> tuple[int, bytes]:
            body, headers = given
            answered = client.post(
                f"/api/v1/trackers/{tracker.hook}/report",
                body,
                content_type="application/json",
                headers=headers,
            )
            return answered.status_code, answered.content

        closed, unknown = signed(CLOSED), signed({"issue": 9, "state": "open"})
        first = send(closed)
        send(signed(OPEN))
        again = send(closed)
        assert first == again
        assert first[0] == 202
        assert status_of(issue) == "reopened"
        assert [send(unknown)[0] for _ in range(2)] == [422, 422]

    def test_what_was_refused_may_be_right_later(
        self, project: Project, tracker: Tracker, by: User
    ) -> None:
        early = signed(CLOSED)
        with pytest.raises(polling.ReportError):
            take(tracker, early)
        made = issues.open_issue(
            project=project, title="x", theme=make_theme(project), by=by, now=NOW
        )
        trackers.hand_over(issue=made, trackers=[tracker], by=by, now=NOW)
        assert take(tracker, early)

    def test_another_tracker_has_its_own(self, issue: Issue, tracker: Tracker, by: User) -> None:
        other = make_tracker(issue.project)
        trackers.hand_over(issue=issue, trackers=[other], by=by, now=NOW)
        assert take(tracker, signed(CLOSED))
        assert take(tracker, signed(OPEN))
        assert take(other, signed(CLOSED))

    def test_only_what_could_be_sent_again_is_kept(self, issue: Issue, tracker: Tracker) -> None:
        # Signed by a clock that is ahead: it could come again for ten minutes.
        ahead = signed(CLOSED, NOW + 5 * MINUTE)
        assert take(tracker, ahead)
        for number in range(1, 30):
            at = NOW + number * MINUTE
            take(tracker, signed(OPEN, at), at)
            if at < NOW + 10 * MINUTE:
                assert not take(tracker, ahead, at)
            assert TakenReport.objects.count() <= 11
        with pytest.raises(polling.SignatureError):
            take(tracker, ahead, NOW + 10 * MINUTE + timedelta(seconds=1))
        assert status_of(issue) == "reopened"


@pytest.mark.django_db(transaction=True)
def test_of_the_same_at_once_one_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = make_project()
    by, tracker = make_user(project), make_tracker(project)
    made = issues.open_issue(project=project, title="x", theme=make_theme(project), by=by, now=NOW)
    trackers.hand_over(issue=made, trackers=[tracker], by=by, now=NOW)
    assert take(tracker, signed(CLOSED))
    assert take(tracker, signed(OPEN))
    again = signed(CLOSED, NOW + MINUTE)

    def one(_: int) -> bool:
        try:
            return take(tracker, again, NOW + MINUTE)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(one, range(6))) == [False] * 5 + [True]
    assert made.changes.count() == 4


@pytest.mark.django_db
def test_a_receiver_that_was_told_it_came_back_may_close_it_again(
    issue: Issue, tracker: Tracker, by: User
) -> None:
    assert take(tracker, signed(CLOSED))
    issues.reopen(issue=issue, by=by, now=NOW)
    clock: Callable[[], datetime] = lambda: NOW + MINUTE  # noqa: E731
    deliveries.work_off(clock=clock, most=5, send=lambda _: Answer(status=204))
    assert not Ticket.objects.get().is_closed
    assert take(tracker, signed(CLOSED, NOW + MINUTE), NOW + MINUTE)
    assert status_of(issue) == "closed"
