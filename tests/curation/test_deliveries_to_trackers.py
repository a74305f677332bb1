"""Issues that are tickets of trackers, over real HTTP."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime, timedelta

import pytest
from pytest_django import Settings

from curation import deliveries, issues, polling, regressions, trackers
from curation.models import Attempt, Delivery, Issue, Ticket
from curation.outgoing import Answer, Call
from feedback.models import Project, User
from review.models import Theme
from tests.curation.exposed import answer as outputs_answered
from tests.curation.fake_trackers import DROPPED, FAKES, Fake
from tests.curation.fake_trackers import Ticket as Made
from tests.curation.listening import Server, answer
from tests.curation.sending import DAY, HOSTILE, Clock, complained_theme, fresh, work
from tests.factories import NOW, make_tracker

pytestmark = pytest.mark.django_db


@pytest.fixture
def theme(project: Project) -> Theme:
    return complained_theme(project)


@pytest.fixture
def issue(project: Project, theme: Theme, curator: User) -> Issue:
    return issues.open_issue(project=project, title="Say when", theme=theme, by=curator, now=NOW)


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
        curator: User,
        clock: Clock,
    ) -> Ticket:
        tracker = make_tracker(
            issue.project,
            kind=kind,
            url=server.url + fake.url,  # type: ignore[attr-defined]
            target=fake.target,  # type: ignore[attr-defined]
            account="a@example.com" if kind == "jira" else "",
        )
        trackers.hand_over(issue=issue, trackers=[tracker], by=curator, now=NOW)
        work(clock)
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
        closed = fresh(issue)
        assert (closed.status, closed.resolution) == ("closed", "fixed")
        # It stays closed there: that does not close an issue that came back.
        later = clock.now + 20 * DAY
        outputs_answered(issue.project, 200, at=later - DAY, bad=40, theme=theme)
        assert regressions.watch(now=later) == 1
        clock.now = later
        assert polling.poll(clock=clock, most=9) == 0
        assert fresh(issue).status == "reopened"
        assert work(clock) == 1
        assert not there.is_closed
        text = json.dumps(there.comments)
        assert "The complaints came back: 20.0% of answers complained of (40 of 200)" in text
        clock.now += DAY
        assert polling.poll(clock=clock, most=9) == 0
        assert fresh(issue).status == "reopened"

    def test_are_closed_and_opened_from_here(
        self, ticket: Ticket, fake: Fake, issue: Issue, curator: User, clock: Clock
    ) -> None:
        [there] = fake.tickets.values()
        issues.close(issue=issue, resolution="dropped", comment="No.", by=curator, now=clock.now)
        work(clock)
        assert there.is_closed
        issues.reopen(issue=issue, by=curator, now=clock.now)
        work(clock)
        assert not there.is_closed
        assert [one.status for one in Delivery.objects.all()] == ["done"] * 3
        clock.now += DAY
        assert polling.poll(clock=clock, most=9) == 0
        assert fresh(issue).status == "reopened"

    def test_open_the_issue_once_its_theme_has_no_other_one_open(
        self, ticket: Ticket, fake: Fake, issue: Issue, theme: Theme, curator: User, clock: Clock
    ) -> None:
        [there] = fake.tickets.values()
        there.is_closed = True
        assert polling.poll(clock=clock, most=9) == 1
        other = issues.open_issue(
            project=issue.project, title="Other", theme=theme, by=curator, now=clock.now
        )
        there.is_closed = False
        clock.now += polling.SELDOM
        assert polling.poll(clock=clock, most=9) == 0
        issues.close(issue=other, resolution="fixed", by=curator, now=clock.now)
        clock.now += polling.SELDOM
        assert polling.poll(clock=clock, most=9) == 1
        assert fresh(issue).status == "reopened"

    def test_say_what_was_not_to_be_fixed(
        self, ticket: Ticket, fake: Fake, issue: Issue, kind: str, clock: Clock
    ) -> None:
        [there] = fake.tickets.values()
        there.is_closed, there.reason = True, DROPPED.get(kind, "")
        polling.poll(clock=clock, most=9)
        assert fresh(issue).resolution == ("dropped" if kind in DROPPED else "fixed")

    @pytest.mark.parametrize("instead", [None, 502, 504])
    def test_make_one_ticket_although_the_answer_was_lost(
        self, ticket: Ticket, fake: Fake, clock: Clock, instead: int | None
    ) -> None:
        """The connection broke, or a gateway answered instead."""
        self._lose(clock, instead)
        assert work(clock) == 1
        assert len(fake.tickets) == 1
        assert Ticket.objects.get().external_id == ticket.external_id

    def test_make_one_ticket_although_another_change_had_its_answer_lost(
        self, ticket: Ticket, fake: Fake, issue: Issue, curator: User, clock: Clock
    ) -> None:
        """The opening was given up, so that what came after it is to make the ticket."""
        self._lose(clock)
        Delivery.objects.update(status="failed", finished_at=clock.now)
        issues.close(issue=issue, resolution="fixed", by=curator, now=clock.now)
        issues.reopen(issue=issue, by=curator, now=clock.now)
        assert work(clock) == 2
        assert len(fake.tickets) == 1
        assert Ticket.objects.get().external_id == ticket.external_id

    def test_make_a_ticket_beside_many_although_an_answer_was_lost(
        self, ticket: Ticket, fake: Fake, clock: Clock
    ) -> None:
        """A list of tickets is long: GitHub says 4 KiB and more of each beside its text."""
        fake.beside = "x" * 5_000
        fake.tickets.clear()
        self._add_others(fake, 130)
        self._lose(clock)
        assert work(clock) == 1
        assert Attempt.objects.latest("pk").fault == ""
        assert len(fake.tickets) == 131

    @pytest.mark.parametrize("takes_labels", [True, False])
    def test_find_the_ticket_among_many_others(
        self, ticket: Ticket, fake: Fake, kind: str, clock: Clock, takes_labels: bool
    ) -> None:
        """Before it in the list are more than one page has, younger ones or older ones."""
        [there] = fake.tickets.values()
        if not takes_labels and kind != "jira":
            there.labels = []
        self._add_others(fake, 130, made_at=there.made_at + timedelta(seconds=1))
        self._add_others(fake, 130, made_at=there.made_at - timedelta(seconds=1))
        self._lose(clock)
        assert work(clock) == 1
        assert Attempt.objects.latest("pk").fault == ""
        assert len(fake.tickets) == 261
        assert Ticket.objects.get().external_id == ticket.external_id

    def test_look_no_further_than_the_hand_over(
        self, ticket: Ticket, fake: Fake, server: Server, clock: Clock
    ) -> None:
        fake.tickets.clear()
        self._add_others(fake, 500, made_at=NOW - DAY)
        self._lose(clock)
        num_asked = len(server.got)
        assert work(clock) == 1
        assert len(fake.tickets) == 501
        assert len(server.got) - num_asked == 2

    def test_end_an_attempt_before_another_worker_takes_over(
        self, ticket: Ticket, fake: Fake, kind: str, clock: Clock
    ) -> None:
        """What is looked for long would be made twice: by it, and by whoever took over."""
        fake.tickets.clear()
        self._add_others(fake, 900)
        self._lose(clock)
        began = clock.now

        def slowly(call: Call) -> Answer:
            # Jira is asked for the one ticket at once, the others page by page.
            clock.now += timedelta(seconds=71 if kind == "jira" else 9)
            return deliveries.send(call)

        assert deliveries.work_off(clock=clock, most=1, send=slowly) == 1
        assert clock.now - began < deliveries.LEASE
        assert Attempt.objects.latest("pk").fault == "The tracker takes too long."
        assert Delivery.objects.get().status == "waiting"
        assert len(fake.tickets) == 900

    def _add_others(self, fake: Fake, number: int, *, made_at: datetime = NOW) -> None:
        first = max(fake.tickets, default=100) + 1
        for one in range(first, first + number):
            fake.tickets[one] = Made(f"Other {one}", "said so " * 500, ["postil"], made_at=made_at)

    def test_are_made_and_watched_by_long_answers(
        self, ticket: Ticket, fake: Fake, issue: Issue, clock: Clock
    ) -> None:
        fake.beside = "x" * 70_000
        fake.tickets.clear()
        self._lose(clock)
        work(clock)
        [there] = fake.tickets.values()
        there.is_closed = True
        clock.now += polling.EVERY
        assert polling.poll(clock=clock, most=9) == 1
        assert fresh(issue).status == "closed"

    def _lose(self, clock: Clock, instead: int | None = None) -> None:
        """Let the answer to the ticket's making be lost, and another attempt be due."""
        Ticket.objects.update(external_id="")
        Delivery.objects.update(status="waiting", finished_at=None, next_at=clock.now)
        Attempt.objects.update(ended_at=instead and clock.now, status_code=instead)

    def test_failures_are_told_without_words_of_the_other_side(
        self, ticket: Ticket, fake: Fake, issue: Issue, curator: User, clock: Clock
    ) -> None:
        fake.broken = 403
        polling.poll(clock=clock, most=9)
        found = Ticket.objects.get()
        assert found.fault == "The tracker answered 403."
        assert found.read_after == clock.now + polling.SELDOM
        issues.close(issue=issue, resolution="fixed", by=curator, now=clock.now)
        work(clock)
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
        self,
        project: Project,
        issue: Issue,
        curator: User,
        server: Server,
        clock: Clock,
        body: bytes,
    ) -> None:
        server.answers = lambda *_: (201, {}, body)
        tracker = make_tracker(project, kind="github", url=server.url)
        trackers.hand_over(issue=issue, trackers=[tracker], by=curator, now=NOW)
        work(clock)
        assert "answer" in Attempt.objects.get().fault
        assert Ticket.objects.get().external_id == ""

    def test_an_address_that_is_none_is_left_out(
        self, project: Project, issue: Issue, curator: User, server: Server, clock: Clock
    ) -> None:
        server.answers = lambda *_: answer(201, {"number": 7, "html_url": "javascript:alert(1)"})
        tracker = make_tracker(project, kind="github", url=server.url)
        trackers.hand_over(issue=issue, trackers=[tracker], by=curator, now=NOW)
        work(clock)
        found = Ticket.objects.get()
        assert (found.external_id, found.url) == ("7", "")

    def test_a_secret_sealed_under_another_key_is_a_failure(
        self,
        project: Project,
        issue: Issue,
        curator: User,
        clock: Clock,
        settings: Settings,
    ) -> None:
        tracker = make_tracker(project, kind="github")
        trackers.hand_over(issue=issue, trackers=[tracker], by=curator, now=NOW)
        settings.SECRET_KEY = "another" * 8
        work(clock)
        assert "Enter it anew" in Attempt.objects.get().fault
        with pytest.raises(polling.SignatureError):
            polling.report(tracker=tracker, headers={}, body=b"", now=NOW)
