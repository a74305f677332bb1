"""What an issue knows of somebody who is erased, and acts beside an erasure."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from curation import (
    deliveries,
    erasing,
    issues,
    polling,
    promotion,
    regressions,
    releasing,
)
from curation.models import Delivery, Example, Issue, Ticket
from curation.outgoing import Answer, Call
from feedback import erasure as sent
from feedback.models import Erasure, Feedback, Project, Session, User
from review.models import Handover
from tests.curation import exposed
from tests.curation.beside import Meeting
from tests.curation.planted import everything
from tests.factories import (
    NOW,
    make_feedback,
    make_handover,
    make_output,
    make_project,
    make_review,
    make_session,
    make_theme,
    make_tracker,
    make_training_set,
    make_user,
)

DAY = timedelta(days=1)
LATER = NOW + timedelta(hours=1)
MARK = "zqerased"
GONE = f"{MARK}-user"


def ask(project: Project, by: User) -> Erasure:
    return erasing.start(
        project=project, scope="user", subject=GONE, confirmed=GONE, by=by, now=LATER
    )


def work_off(now: datetime = LATER) -> None:
    while erasing.work_off(now=now):
        pass
    while releasing.work_off(now=now):
        pass


def whole(made: Erasure, since: datetime = LATER) -> None:
    for minutes in range(0, 10, 2):
        work_off(since + timedelta(minutes=minutes))
    made.refresh_from_db()
    assert made.status == "done"


class Outside:
    """Where deliveries go: it keeps what is sent, and answers as a webhook or as GitHub."""

    def __init__(self) -> None:
        self.got: list[Call] = []

    def __call__(self, call: Call) -> Answer:
        self.got.append(call)
        if call.url.startswith("https://example.com/hook"):
            return Answer(status=204)
        made = {"number": 7, "html_url": "https://example.com/7", "state": "open"}
        return Answer(status=201, body=json.dumps(made).encode())

    def deliver(self, now: datetime = LATER) -> int:
        """Send what is due."""
        return deliveries.work_off(clock=lambda: now, most=20, send=self)

    @property
    def said(self) -> str:
        return "".join(call.body.decode() for call in self.got)


class World:
    """An issue of a theme in which somebody said something, and others too; handed over."""

    def __init__(self) -> None:
        self.project = make_project()
        self.by, self.admin = make_user(self.project), make_user(self.project, "admin")
        self.comment = f"The {MARK} date of the book is missing."
        self.session = make_session(
            self.project, user_external_id=GONE, user_role=f"{MARK} role", external_id="theirs"
        )
        self.output = make_output(
            self.project,
            self.session,
            query=f"When did the {MARK} book come out?",
            model_version=f"{MARK} model",
            at=NOW - DAY,
        )
        said = [make_feedback(self.output, score=-1, comment=self.comment, at=NOW - DAY)]
        other = make_output(self.project, make_session(self.project, user_role="teacher"))
        said += exposed.complain([other], comment="No date here either, or anywhere.")
        self.theme = make_theme(
            self.project, name=f"Left out: {MARK}, date", terms=[MARK, "date"], size=2
        )
        exposed.put_in(self.theme, said)
        self.handovers = [
            make_handover(
                self.project, route="issue", review=make_review(output, self.by, routes=["issue"])
            )
            for output in (self.output, other)
        ]
        self.hook = make_tracker(self.project)
        self.tracker = make_tracker(
            self.project, kind="github", url="https://api.github.com", target="acme/app"
        )

    def open(self) -> Issue:
        """Make the issue, send it to both trackers, and have the receiver close it."""
        issue = issues.open_issue(
            project=self.project,
            title=self.theme.name,
            description=f"They say:\n> {self.comment}",
            theme=self.theme,
            handover=self.handovers[0],
            send_to=[self.hook, self.tracker],
            by=self.by,
            now=NOW,
        )
        issues.add_handover(issue=issue, handover=self.handovers[1], by=self.by, now=NOW)
        return issue

    def report(self, state: str) -> None:
        """The receiver of the webhook says where it stands, in the words of the question."""
        body = json.dumps(
            {"issue": 1, "state": state, "comment": f"Done: {self.output.query}"}
        ).encode()
        stamp = str(int(LATER.timestamp()))
        digest = hmac.new(b"secret", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        headers = {"Postil-Timestamp": stamp, "Postil-Signature": f"v1={digest}"}
        assert polling.report(tracker=self.hook, headers=headers, body=body, now=LATER)


@pytest.mark.django_db(transaction=True)
class TestNothingIsLeft:
    def test_of_what_was_copied_counted_or_is_still_to_be_sent(self) -> None:
        world, outside = World(), Outside()
        issue = world.open()
        assert outside.deliver() == 2
        assert MARK in outside.said
        world.report("closed")
        world.report("open")
        # To the one it is not from: closed, and open again.
        waiting = Delivery.objects.waiting()
        assert waiting.count() == 2
        before = Issue.objects.get(pk=issue.pk)
        assert MARK in everything()
        after = Outside()
        made = ask(world.project, world.admin)
        whole(made)
        assert MARK not in everything()
        assert after.deliver(LATER + DAY) == 2
        assert after.said
        assert MARK not in after.said
        found = Issue.objects.get(pk=issue.pk)
        assert (found.title, found.description) == ("Date", "They say:\n> erased")
        closed = issue.changes.get(kind="closed")
        assert closed.comment == "Done: erased"
        # What was counted when it was opened stays; who is not there any more is not named.
        for name in ("num_feedback", "num_outputs", "num_sessions", "rate", "counted_at"):
            assert found.evidence[name] == before.evidence[name]
        assert found.evidence["roles"] == [["teacher", 1]]
        assert [one.feedback.comment for one in found.examples.all()] == [
            "No date here either, or anywhere."
        ]
        assert Handover.objects.get().comment == "P-1 Date"
        assert Ticket.objects.count() == 2
        assert Delivery.objects.filter(status="done").count() == 4

    def test_also_when_nothing_is_left_of_its_theme(self) -> None:
        world = World()
        Feedback.objects.filter(session__in=Session.objects.exclude(pk=world.session.pk)).delete()
        issue = issues.open_issue(
            project=world.project,
            title=world.theme.name,
            theme=world.theme,
            by=world.by,
            now=NOW,
        )
        issues.close(issue=issue, resolution="fixed", by=world.by, now=NOW)
        whole(ask(world.project, world.admin))
        assert MARK not in everything()
        found = Issue.objects.get(pk=issue.pk)
        assert (found.title, found.theme, found.status) == (
            f"Theme {world.theme.number}",
            None,
            "closed",
        )
        assert found.evidence["num_feedback"] == 1
        # Nothing to watch it by.
        assert regressions.watch(now=LATER) == 0


@pytest.mark.django_db
class TestWaiting:
    def test_nothing_is_sent_before_names_are_made_anew(self, client: Client) -> None:
        world, outside = World(), Outside()
        issue = world.open()
        made = ask(world.project, world.admin)
        page = reverse("issue", args=[world.project.slug, issue.number])
        client.force_login(world.by)
        assert "once what is being erased is gone" in client.get(page).content.decode()
        seen = set()
        while "themes" in made.checkpoint or "settles" not in made.checkpoint:
            assert outside.deliver() == 0
            seen.add(tuple(sorted(made.checkpoint)))
            erasing.work_off(now=LATER, most=1)
            made.refresh_from_db()
        # Asked for, rows gone, and names made anew.
        assert len(seen) == 3
        assert "once what is being erased" not in client.get(page).content.decode()
        assert outside.deliver() == 2
        assert MARK not in outside.said

    def test_one_that_failed_halfway_holds_them_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world, outside = World(), Outside()
        world.open()
        made = ask(world.project, world.admin)
        with monkeypatch.context() as patch:
            patch.setattr("review.erasure.tidy_themes", lambda **_: 1 / 0)
            for _ in range(erasing.MOST_TRIES):
                with pytest.raises(ZeroDivisionError):
                    erasing.work_off(now=LATER)
        made.refresh_from_db()
        assert (made.status, outside.deliver()) == ("failed", 0)
        whole(ask(world.project, world.admin))
        assert outside.deliver(LATER + DAY) == 2

    def test_another_project_is_not_held_up(self) -> None:
        world, other, outside = World(), World(), Outside()
        other.open()
        ask(world.project, world.admin)
        assert outside.deliver() == 2


@pytest.mark.django_db
class TestWatch:
    def test_holds_the_same_people_against_each_other(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        by, admin = make_user(project), make_user(project, "admin")
        theme = make_theme(project)
        then = NOW + 20 * DAY
        # As common as before among all others, and hardly anything of one who complains of nothing.
        for at in (NOW - DAY, then - DAY):
            exposed.answer(project, 200, at=at, bad=12, theme=theme)
            quiet = exposed.answer(project, 2_000, at=at)
            Session.objects.filter(outputs__in=quiet).update(user_external_id=GONE)
        issue = issues.open_issue(project=project, title="x", theme=theme, by=by, now=NOW)
        issues.close(issue=issue, resolution="fixed", by=by, now=NOW)
        assert regressions.watch(now=then) == 0
        monkeypatch.setattr(erasing, "SESSIONS_AT_ONCE", 2_000)
        whole(ask(project, admin))
        assert regressions.watch(now=then) == 0
        found = Issue.objects.get(pk=issue.pk)
        assert found.baseline is not None
        assert (found.status, found.baseline["outputs"]) == ("closed", 200)


@pytest.mark.django_db(transaction=True)
class TestBeside:
    """Each on a connection of its own."""

    def test_a_delivery_that_is_being_sent_ends_first(self) -> None:
        world, outside = World(), Outside()
        world.open()
        meeting = Meeting()
        made: list[Erasure] = []

        def erase() -> int:
            made.append(ask(world.project, world.admin))
            erasing.work_off(now=LATER)
            return Session.objects.filter(user_external_id=GONE).count()

        held = meeting.holding(outside, before=True)
        act: Callable[[], Any] = lambda: deliveries.work_off(  # noqa: E731
            clock=lambda: LATER, most=1, send=held
        )
        assert meeting.of(act, erase) == [1, 1]
        assert len(outside.got) == 1
        whole(made[0], LATER + DAY)
        assert not Session.objects.filter(user_external_id=GONE).exists()
        before = outside.said
        outside.deliver(LATER + 2 * DAY)
        assert MARK not in outside.said.removeprefix(before)

    def test_an_issue_that_is_being_made_is_waited_for_or_finds_it_gone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world, meeting = World(), Meeting()
        made = ask(world.project, world.admin)
        monkeypatch.setattr(sent, "erase", meeting.holding(sent.erase, before=True))
        issue = meeting.of(
            lambda: erasing.work_off(now=LATER, most=1),
            lambda: issues.open_issue(
                project=world.project, title="Dates", theme=world.theme, by=world.by, now=NOW
            ),
        )[1]
        assert isinstance(issue, Issue)
        whole(made)
        assert MARK not in everything()
        assert Issue.objects.get().evidence["num_feedback"] == 1

    def test_what_is_being_promoted_is_not_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world, meeting = World(), Meeting()
        training_set = make_training_set(world.project)
        review = make_review(make_output(world.project, world.session), world.by, verdict="accept")
        made = ask(world.project, world.admin)
        monkeypatch.setattr(sent, "erase", meeting.holding(sent.erase, before=True))
        error = meeting.of(
            lambda: erasing.work_off(now=LATER, most=1),
            lambda: promotion.promote_to_training_set(
                review=review, training_set=training_set, by=world.by, now=NOW
            ),
        )[1]
        assert isinstance(error, promotion.PromotionError)
        assert str(error) == "The answer was erased."
        assert not Example.objects.exists()
        whole(made)

    @pytest.mark.parametrize("stage", ["freeze_step", "_collect"])
    def test_a_release_is_waited_for(self, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
        world, meeting = World(), Meeting()
        training_set = make_training_set(world.project, filter={} if stage == "_collect" else None)
        for session in (world.session, make_session(world.project)):
            output = make_output(world.project, session, query=f"Q {session.external_id}")
            review = make_review(output, world.by, verdict="accept")
            if stage != "_collect":
                promotion.promote_to_training_set(
                    review=review, training_set=training_set, by=world.by, now=NOW
                )
        release = releasing.start(training_set=training_set, by=world.by, now=NOW)
        made = ask(world.project, world.admin)
        monkeypatch.setattr(
            releasing, stage, meeting.holding(getattr(releasing, stage), before=False)
        )
        told = meeting.of(
            lambda: releasing.work_off(now=NOW, most=1),
            lambda: erasing.work_off(now=LATER, most=1),
        )
        assert told == [True, True]
        whole(made)
        release.refresh_from_db()
        assert release.status == ("failed" if stage == "freeze_step" else "done")
        left = str(list(Example.objects.values("prompt", "group", "output")))
        assert "theirs" not in left
        assert MARK not in everything()
