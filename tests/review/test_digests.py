"""Digests by e-mail: what is in them, how often they come, and that nothing is mailed twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from smtplib import SMTPDataError, SMTPServerDisconnected
from unittest.mock import patch

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import IntegrityError, transaction
from django.http import HttpResponseBase
from django.test import Client
from django.urls import reverse

from feedback.models import Membership, Output, Project, User
from review import digests, threads
from review.annotations import annotate
from review.mail_times import next_mail
from review.models import Annotation, Digest, DigestMail, Notification
from tests.factories import NOW, make_item, make_output, make_queue, make_user
from tests.threads import at_once

TOMORROW = NOW + timedelta(days=1)
KINDS = list(Notification.Kind.values)


@pytest.fixture
def ann(project: Project) -> User:
    return make_user(project, "expert", username="ann", email="ann@example.org")


@pytest.fixture
def ben(project: Project) -> User:
    return make_user(project, "expert", username="ben")


def want(user: User, every: str = "daily", by_mail: list[str] | None = None) -> None:
    wanted = KINDS if by_mail is None else by_mail
    digests.choose(by=user, every=every, in_app=KINDS, by_mail=wanted, now=NOW)


def mention(output: Output, by: User) -> Annotation:
    return annotate(
        output=output,
        version=1,
        by=by,
        start=0,
        end=5,
        exact="Bloom",
        comment="@ann: secret words.",
        now=NOW,
    )


def run(now: datetime = TOMORROW) -> int:
    digests.make_due(now=now)
    return digests.send_waiting(now=now)


class TestNextMail:
    @pytest.mark.parametrize(
        ("every", "after", "then"),
        [
            ("daily", (2026, 11, 2, 5, 59), (2026, 11, 2, 6)),
            ("daily", (2026, 11, 2, 6, 0), (2026, 11, 3, 6)),
            ("daily", (2026, 12, 31, 23, 0), (2027, 1, 1, 6)),
            ("weekly", (2026, 11, 2, 5, 0), (2026, 11, 2, 6)),
            ("weekly", (2026, 11, 2, 6, 0), (2026, 11, 9, 6)),
            ("weekly", (2026, 11, 8, 23, 0), (2026, 11, 9, 6)),
        ],
    )
    def test_is_at_the_hour_after(
        self, every: str, after: tuple[int, ...], then: tuple[int, ...]
    ) -> None:
        found = next_mail(every=every, after=datetime(*after, tzinfo=UTC), hour=6)  # type: ignore[arg-type, misc]
        assert found == datetime(*then, tzinfo=UTC)  # type: ignore[arg-type, misc]


class TestDigest:
    def test_tells_what_is_new_with_links_and_without_words(
        self, project: Project, ann: User, ben: User
    ) -> None:
        Project.objects.update(name="<b>Alma\nnac</b>")
        note = mention(make_output(project, query="Private?"), ben)
        want(ann)
        assert run() == 1
        [sent] = mail.outbox
        assert isinstance(sent, EmailMultiAlternatives)
        assert (sent.to, sent.subject) == (["ann@example.org"], "Postil: 1 new to you")
        html = str(sent.alternatives[0][0])
        url = reverse("annotation", args=[project.slug, note.pk])
        for text in (str(sent.body), html):
            assert f"http://127.0.0.1:8000{url}" in text
            assert "ben mentioned you" in text
            assert "secret" not in text
            assert "Private" not in text
        assert "<b>Alma nac</b>" in str(sent.body)
        assert "&lt;b&gt;Alma nac" in html
        assert "<b>" not in html

    def test_mails_each_thing_once_and_what_happens_later_anew(
        self, project: Project, ann: User, ben: User
    ) -> None:
        note = mention(make_output(project), ben)
        want(ann)
        assert (run(), run(), run(NOW + timedelta(days=2))) == (1, 0, 0)
        threads.reply(annotation=note, by=ann, text="Which?", now=TOMORROW)
        threads.reply(annotation=note, by=ben, text="This.", now=TOMORROW)
        assert run(NOW + timedelta(days=3)) == 1
        assert len(mail.outbox) == 2

    def test_comes_when_it_is_due_and_not_for_nothing(
        self, project: Project, ann: User, ben: User
    ) -> None:
        want(ann, "weekly")
        mention(make_output(project), ben)
        assert run() == 0
        assert run(NOW + timedelta(days=7)) == 1
        assert run(NOW + timedelta(days=14)) == 0

    def test_leaves_out_what_is_read_unwanted_hidden_or_of_a_project_one_left(
        self, project: Project, ann: User, ben: User
    ) -> None:
        """Complaints 23 and 24."""
        want(ann, by_mail=[kind for kind in KINDS if kind != "mention"])
        mention(make_output(project), ben)
        assert run() == 0
        want(ann)
        blind = make_output(project)
        make_item(make_queue(project, reviewers_per_item=2), blind)
        Notification.objects.update(read_at=NOW)
        mention(blind, ben)
        assert run(NOW + timedelta(days=2)) == 0
        mention(make_output(project), ben)
        Membership.objects.filter(user=ann).delete()
        assert run(NOW + timedelta(days=3)) == 0

    def test_goes_to_nobody_who_may_not_sign_in(
        self, project: Project, ann: User, ben: User
    ) -> None:
        want(ann)
        mention(make_output(project), ben)
        User.objects.filter(pk=ann.pk).update(is_active=False)
        assert run() == 0


class TestBreakingOff:
    def test_what_the_server_refused_is_tried_again_but_not_for_ever(
        self, project: Project, ann: User, ben: User
    ) -> None:
        want(ann)
        mention(make_output(project), ben)
        refused = SMTPDataError(451, b"Later.")
        with patch.object(EmailMultiAlternatives, "send", side_effect=refused):
            assert run() == 0
        assert run() == 1
        mention(make_output(project), ben)
        with patch.object(EmailMultiAlternatives, "send", side_effect=refused) as send:
            for _ in range(9):
                run(NOW + timedelta(days=2))
        assert send.call_count == digests.MOST_TRIES
        assert DigestMail.objects.latest("pk").status == "failed"

    def test_what_the_server_refused_is_not_tried_again_for_who_wants_no_mail_any_more(
        self, project: Project, ann: User, ben: User
    ) -> None:
        want(ann)
        mention(make_output(project), ben)
        refused = SMTPDataError(451, b"Later.")
        with patch.object(EmailMultiAlternatives, "send", side_effect=refused):
            assert run() == 0
        want(ann, "never")
        assert run() == 0
        assert not DigestMail.objects.exists()
        want(ann)
        assert run() == 1

    @pytest.mark.parametrize("error", [SMTPServerDisconnected("Gone."), TimeoutError()])
    def test_what_may_have_gone_is_not_sent_again(
        self, project: Project, ann: User, ben: User, error: Exception
    ) -> None:
        want(ann)
        mention(make_output(project), ben)
        with patch.object(EmailMultiAlternatives, "send", side_effect=error):
            assert run() == 0
        assert (run(), run(NOW + timedelta(days=2))) == (0, 0)
        assert Notification.objects.unread().seen_by(ann).count() == 1

    def test_a_crash_while_sending_sends_nothing_twice(
        self, project: Project, ann: User, ben: User
    ) -> None:
        want(ann)
        mention(make_output(project), ben)
        with (
            patch.object(EmailMultiAlternatives, "send", side_effect=KeyboardInterrupt),
            pytest.raises(KeyboardInterrupt),
        ):
            run()
        assert (run(), run(NOW + timedelta(days=2))) == (0, 0)
        assert DigestMail.objects.get().status == "sending"

    def test_a_crash_before_sending_loses_nothing(
        self, project: Project, ann: User, ben: User
    ) -> None:
        want(ann)
        mention(make_output(project), ben)
        assert digests.make_due(now=TOMORROW) == 1
        assert digests.make_due(now=TOMORROW) == 0
        assert digests.send_waiting(now=TOMORROW) == 1

    def test_one_mail_says_when_it_was_sent(self, ann: User) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            DigestMail.objects.create(user=ann, status="sent", made_at=NOW)
        with pytest.raises(IntegrityError), transaction.atomic():
            Digest.objects.create(user=ann, every="daily")


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_workers_at_once_send_one_mail(self, project: Project, ann: User, ben: User) -> None:
        want(ann)
        mention(make_output(project), ben)
        assert sum(at_once(*[run] * 4)) == 1
        assert len(mail.outbox) == 1


def ticked(page: HttpResponseBase) -> tuple[int, int]:
    html = page.content.decode()  # type: ignore[attr-defined]
    return html.count('in the inbox" checked'), html.count('by e-mail" checked')


class TestPages:
    def test_choose_what_one_is_told_of_and_where(
        self, client: Client, project: Project, ann: User, ben: User
    ) -> None:
        mention(make_output(project), ben)
        client.force_login(ann)
        url = reverse("notification_choices")
        assert ticked(client.get(url)) == (len(KINDS), len(KINDS))
        sent = {"every": "daily", "in_app": ["reply"], "by_mail": ["mention"]}
        assert client.post(url, sent).status_code == 302
        assert ticked(client.get(url)) == (1, 1)
        assert not Notification.objects.seen_by(ann).exists()
        assert run(datetime(2100, 1, 1, tzinfo=UTC)) == 1

    def test_refuse_what_cannot_be(self, client: Client, ann: User, ben: User) -> None:
        url = reverse("notification_choices")
        client.force_login(ben)
        page = client.post(url, {"every": "daily"})
        assert (page.status_code, "no e-mail address" in page.content.decode()) == (422, True)
        client.force_login(ann)
        assert client.post(url, {"every": "hourly"}).status_code == 422
        assert client.post(url, {"every": "daily", "in_app": "x"}).status_code == 422
        assert not Digest.objects.exists()

    def test_a_link_in_the_mail_ends_them_without_signing_in(
        self, project: Project, ann: User, ben: User
    ) -> None:
        want(ann)
        mention(make_output(project), ben)
        run()
        [sent] = mail.outbox
        link = sent.extra_headers["List-Unsubscribe"].strip("<>")
        path = link.removeprefix("http://127.0.0.1:8000")
        stranger = Client(enforce_csrf_checks=True)
        assert stranger.get(path).status_code == 200
        assert Digest.objects.get().every == "daily"
        assert stranger.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
        assert Digest.objects.get().every == "never"
        for forged in (path[:-2] + "/", reverse("digest_stop", args=["1"])):
            assert stranger.post(forged).status_code == 404
