from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from curation import deliveries, issues, sealing, trackers
from curation.models import Delivery, Issue, Ticket, Tracker
from curation.outgoing import Answer, Call
from feedback.models import Project, User
from tests.curation.listening import Server
from tests.factories import (
    NOW,
    make_delivery,
    make_issue,
    make_project,
    make_theme,
    make_ticket,
    make_tracker,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def by(project: Project) -> User:
    return make_user(project, "admin")


@pytest.fixture
def admin(client: Client, by: User) -> Client:
    client.force_login(by)
    return client


def _add(project: Project, by: User, **fields: Any) -> tuple[Tracker, str]:
    given = {"kind": "github", "name": "Product", "url": "https://api.github.com", "token": "t"}
    fields = given | {"target": "acme/app"} | fields
    return trackers.add(project=project, allowed=(), by=by, now=NOW, **fields)


class TestAdd:
    def test_seals_both_secrets(self, project: Project, by: User) -> None:
        made, secret = _add(project, by, token=" ghp_1234 ")
        row = str(Tracker.objects.values().get())
        assert "ghp_1234" not in row
        assert secret not in row
        assert sealing.unseal(made.sealed_token) == "ghp_1234"
        assert sealing.unseal(made.sealed_secret) == secret
        assert len(secret) == 43

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"kind": "gitea"}, "kind"),
            ({"name": " "}, "name"),
            ({"name": "a\x00"}, "name"),
            ({"url": "http://api.github.com"}, "url"),
            ({"url": "https://169.254.169.254/"}, "url"),
            ({"url": ""}, "url"),
            ({"target": ""}, "target"),
            ({"target": "acme"}, "target"),
            ({"target": "../../admin"}, "target"),
            ({"target": "acme/app/../../user"}, "target"),
            ({"kind": "gitlab", "target": "acme"}, "target"),
            ({"kind": "gitlab", "target": "acme/.."}, "target"),
            ({"kind": "jira", "target": "key"}, "target"),
            ({"kind": "jira", "target": 'KEY" OR'}, "target"),
            ({"token": ""}, "token"),
            ({"token": "a\r\nX: y"}, "token"),
            ({"token": "é"}, "token"),
            ({"account": "me"}, "account"),
            ({"kind": "webhook"}, "target"),
            ({"kind": "webhook", "target": ""}, "token"),
        ],
    )
    def test_names_the_field_that_cannot_be(
        self, project: Project, by: User, fields: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(trackers.TrackerError) as caught:
            _add(project, by, **fields)
        assert caught.value.field == field

    def test_a_name_is_there_once(self, project: Project, by: User) -> None:
        first, _ = _add(project, by)
        with pytest.raises(trackers.TrackerError, match="of that name"):
            _add(project, by)
        trackers.remove(tracker=first, by=by, now=NOW)
        _add(project, by)

    def test_there_are_not_more_than_so_many(
        self, project: Project, by: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trackers, "MOST_TRACKERS", 1)
        _add(project, by)
        with pytest.raises(trackers.TrackerError, match="Remove one first"):
            _add(project, by, name="Other")


class TestSecrets:
    def test_are_renewed(self, project: Project, by: User) -> None:
        made, secret = _add(project, by)
        other = trackers.renew_secret(tracker=made, by=by, now=NOW)
        trackers.renew_token(tracker=made, token="new", by=by, now=NOW)
        made.refresh_from_db()
        assert other != secret
        assert sealing.unseal(made.sealed_secret) == other
        assert sealing.unseal(made.sealed_token) == "new"
        hook = make_tracker(project)
        with pytest.raises(trackers.TrackerError):
            trackers.renew_token(tracker=hook, token="new", by=by, now=NOW)
        trackers.remove(tracker=made, by=by, now=NOW)
        with pytest.raises(trackers.TrackerError):
            trackers.renew_secret(tracker=made, by=by, now=NOW)


class TestHandOver:
    def test_each_once_and_never_to_another_project(self, project: Project, by: User) -> None:
        issue, tracker = make_issue(project), make_tracker(project)
        issue.changes.create(kind="opened", source="person", at=NOW)
        send = {"issue": issue, "by": by, "now": NOW}
        assert trackers.hand_over(trackers=[tracker], **send) == 1  # type: ignore[arg-type]
        assert trackers.hand_over(trackers=[tracker], **send) == 0  # type: ignore[arg-type]
        with pytest.raises(trackers.TrackerError):
            trackers.hand_over(trackers=[make_tracker(make_project())], **send)  # type: ignore[arg-type]

    def test_not_while_it_is_closed(self, project: Project, by: User) -> None:
        """Its ticket would be open, and nothing would close it."""
        issue, tracker = make_issue(project), make_tracker(project)
        issue.changes.create(kind="opened", source="person", at=NOW)
        issues.close(issue=issue, resolution="fixed", by=by, now=NOW)
        with pytest.raises(trackers.TrackerError, match="is closed"):
            trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW)
        assert not Ticket.objects.exists()
        issues.reopen(issue=issue, by=by, now=NOW)
        assert trackers.hand_over(issue=issue, trackers=[tracker], by=by, now=NOW) == 1


class TestSendAgain:
    def test_undoes_nothing_that_was_delivered_later(
        self, admin: Client, project: Project, by: User
    ) -> None:
        issue = make_issue(project)
        make_ticket(issue, make_tracker(project))
        issues.close(issue=issue, resolution="fixed", by=by, now=NOW)
        issues.reopen(issue=issue, by=by, now=NOW)
        closed, opened = Delivery.objects.order_by("pk")
        over = {"status": "failed", "finished_at": NOW}
        Delivery.objects.filter(pk=closed.pk).update(**over)
        page = reverse("issue", args=[project.slug, issue.number])
        assert "Send again" in admin.get(page).content.decode()
        Delivery.objects.filter(pk=opened.pk).update(**over | {"status": "done"})
        assert "Send again" not in admin.get(page).content.decode()
        with pytest.raises(trackers.TrackerError, match="later"):
            trackers.send_again(delivery=closed, by=by, now=NOW)

    def test_waits_while_something_later_is_being_sent(
        self, admin: Client, project: Project, by: User
    ) -> None:
        """Both would go out at once, and the earlier one could arrive last."""
        issue, now = make_issue(project), timezone.now()
        make_ticket(issue, make_tracker(project))
        issues.close(issue=issue, resolution="fixed", by=by, now=now)
        issues.reopen(issue=issue, by=by, now=now)
        closed = Delivery.objects.order_by("pk")[0]
        Delivery.objects.filter(pk=closed.pk).update(status="failed", finished_at=now)
        page = reverse("issue", args=[project.slug, issue.number])
        again = reverse("delivery_again", args=[project.slug, closed.pk])

        def failing(_: Call) -> Answer:
            assert "Send again" not in admin.get(page).content.decode()
            assert "is being sent" in admin.post(again, follow=True).content.decode()
            return Answer(status=500)

        assert deliveries.work_off(clock=timezone.now, most=1, send=failing) == 1
        closed.refresh_from_db()
        assert closed.status == "failed"
        # What failed waits for its next attempt, and for what goes before it.
        assert "Send again" in admin.get(page).content.decode()
        trackers.send_again(delivery=closed, by=by, now=timezone.now())
        sent: list[str] = []

        def taking(call: Call) -> Answer:
            sent.append(call.headers["Postil-Event"])
            return Answer(status=204)

        later = timezone.now() + timedelta(hours=1)
        assert deliveries.work_off(clock=lambda: later, most=9, send=taking) == 2
        assert sent == ["issue.closed", "issue.reopened"]


class TestPages:
    def test_a_secret_is_shown_once(self, admin: Client, project: Project) -> None:
        url = reverse("tracker_list", args=[project.slug])
        assert "No tracker yet" in admin.get(url).content.decode()
        given = {
            "kind": "github",
            "name": "Product",
            "url": "https://api.github.com",
            "target": "acme/app",
            "token": "ghp_1234",
        }
        made = admin.post(url, given)
        tracker = Tracker.objects.get()
        secret = sealing.unseal(tracker.sealed_secret)
        assert secret in made.content.decode()
        assert "no-store" in made.headers["Cache-Control"]
        assert "ghp_1234" not in made.content.decode()
        again = admin.get(url).content.decode()
        assert secret not in again
        assert "ghp_1234" not in again
        assert str(tracker.hook) in again
        renewed = admin.post(reverse("tracker_secret", args=[project.slug, tracker.pk]))
        tracker.refresh_from_db()
        assert sealing.unseal(tracker.sealed_secret) in renewed.content.decode()

    def test_what_cannot_be_is_said_at_its_field(self, admin: Client, project: Project) -> None:
        url = reverse("tracker_list", args=[project.slug])
        given = {
            "kind": "github",
            "name": "x",
            "url": "http://x",
            "target": "a/b",
            "token": "sesame",
        }
        answer = admin.post(url, given)
        assert answer.status_code == 422
        text = answer.content.decode()
        assert "has to start with https://" in text
        assert "sesame" not in text

    def test_tokens_are_renewed_and_trackers_removed(self, admin: Client, project: Project) -> None:
        tracker = make_tracker(project, kind="github")
        url = reverse("tracker_token", args=[project.slug, tracker.pk])
        admin.post(url, {"token": "new"})
        admin.post(url, {"token": ""})
        tracker.refresh_from_db()
        assert sealing.unseal(tracker.sealed_token) == "new"
        admin.post(reverse("tracker_remove", args=[project.slug, tracker.pk]))
        tracker.refresh_from_db()
        assert tracker.removed_at

    def test_an_issue_is_sent_from_its_page(
        self, admin: Client, project: Project, server: Server
    ) -> None:
        theme = make_theme(project)
        make_tracker(project, name="Always", url=server.url, is_default=True)
        make_tracker(project, name="Other", url=server.url)
        create = reverse("issue_create", args=[project.slug]) + f"?theme={theme.number}"
        page = admin.get(create).content.decode()
        assert "checked> <bdi>Always" in page
        assert "checked> <bdi>Other" not in page
        always = Tracker.objects.get(name="Always")
        given = {"title": "x", "theme": theme.number, "tracker": always.pk}
        admin.post(create, given)
        issue = Issue.objects.get()
        assert Ticket.objects.get().tracker == always
        send = reverse("issue_send", args=[project.slug, issue.number])
        admin.post(send, {"tracker": "x"})
        admin.post(send, {"tracker": "9" * 5_000})
        admin.post(send, {"tracker": make_tracker(make_project()).pk})
        assert Ticket.objects.count() == 1
        admin.post(send, {"tracker": Tracker.objects.get(name="Other").pk})
        assert Ticket.objects.count() == 2
        due = Delivery.objects.latest("pk").next_at
        deliveries.work_off(clock=lambda: due, most=5)
        page = admin.get(reverse("issue", args=[project.slug, issue.number])).content.decode()
        assert page.count("Delivered") == 2
        assert "answered 204" in page

    def test_a_closed_issue_is_not_sent(self, admin: Client, project: Project, by: User) -> None:
        issue, tracker = make_issue(project), make_tracker(project)
        page = reverse("issue", args=[project.slug, issue.number])
        assert "Send to" in admin.get(page).content.decode()
        issues.close(issue=issue, resolution="fixed", by=by, now=NOW)
        assert "Send to" not in admin.get(page).content.decode()
        send = reverse("issue_send", args=[project.slug, issue.number])
        sent = admin.post(send, {"tracker": tracker.pk}, follow=True).content.decode()
        assert "is closed. Open it again first." in sent

    def test_what_was_given_up_is_sent_again(self, admin: Client, project: Project) -> None:
        issue = make_issue(project)
        failed = make_delivery(issue, make_tracker(project), status="failed", finished_at=NOW)
        page = admin.get(reverse("issue", args=[project.slug, issue.number])).content.decode()
        assert "Send again" in page
        url = reverse("delivery_again", args=[project.slug, failed.pk])
        for _ in range(2):
            assert admin.post(url).status_code == 302
        failed.refresh_from_db()
        assert failed.status == "waiting"


class TestConstraints:
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
    def test_hold(self, project: Project, fields: dict[str, Any], constraint: str) -> None:
        make_tracker(project, name="twice")
        with pytest.raises(IntegrityError, match=f"curation_tracker_{constraint}"):
            make_tracker(project, **fields)
