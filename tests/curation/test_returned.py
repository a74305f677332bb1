"""Whom an issue that comes back is told to, where, and until when."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from curation import issues, regressions, trackers
from curation.models import Issue, Ticket, Tracker
from feedback.models import Project, User
from review import digests
from review.models import Notification, Theme
from tests.curation.exposed import answer
from tests.factories import NOW, make_project, make_theme, make_tracker, make_user

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LATER = NOW + timedelta(days=40)
KINDS = list(Notification.Kind.values)


@pytest.fixture
def opener(project: Project) -> User:
    return make_user(project, username="opener")


@pytest.fixture
def theme(project: Project) -> Theme:
    theme = make_theme(project)
    answer(project, 200, at=NOW - DAY, bad=4, theme=theme)
    return theme


@pytest.fixture
def tracker(project: Project) -> Tracker:
    return make_tracker(project, name="Product")


@pytest.fixture
def still_open(project: Project, theme: Theme, opener: User) -> Issue:
    title = "Their very own words"
    return issues.open_issue(project=project, title=title, theme=theme, by=opener, now=NOW)


@pytest.fixture
def issue(still_open: Issue, opener: User) -> Issue:
    issues.close(issue=still_open, resolution="fixed", by=opener, now=NOW)
    return still_open


def come_back(theme: Theme) -> None:
    answer(theme.project, 200, at=LATER - DAY, bad=100, theme=theme)
    assert regressions.watch(now=LATER) == 1


def told() -> set[str]:
    lines = Notification.objects.unread().filter(kind="returned")
    return set(lines.values_list("user__username", flat=True))


class TestWhom:
    def test_those_it_concerns_and_nobody_else(
        self, project: Project, theme: Theme, tracker: Tracker, still_open: Issue, opener: User
    ) -> None:
        handed = make_user(project, username="handed")
        trackers.hand_over(issue=still_open, trackers=[tracker], by=handed, now=NOW)
        issues.close(issue=still_open, resolution="fixed", by=opener, now=NOW)
        make_user(project, "admin", username="admin")
        for user in (opener, handed):
            # Curators then, and not any more.
            user.memberships.update(role="viewer")
        make_user(project, "moderator", username="moderator")
        make_user(project, username="gone", is_active=False)
        make_user(make_project(), username="stranger")
        come_back(theme)
        assert told() == {"opener", "handed", "admin"}

    def test_who_left_is_not(self, issue: Issue, theme: Theme, opener: User) -> None:
        opener.memberships.all().delete()
        come_back(theme)
        assert told() == set()

    def test_also_when_its_ticket_was_opened_again(
        self, still_open: Issue, tracker: Tracker, opener: User
    ) -> None:
        issue = still_open
        trackers.hand_over(issue=issue, trackers=[tracker], by=opener, now=NOW)
        issues.close(issue=issue, resolution="fixed", by=opener, now=NOW)
        issues.reopen(issue=issue, through=Ticket.objects.get(), now=NOW)
        line = Notification.objects.get(user=opener)
        assert line.title == f"P-{issue.number}, opened again in Product"

    def test_not_when_a_person_opened_it(self, project: Project, issue: Issue) -> None:
        other = make_user(project)
        issues.reopen(issue=issue, by=other, now=NOW)
        assert told() == set()


class TestLine:
    def test_is_no_news_once_it_is_closed_and_is_again_when_it_comes_back(
        self, issue: Issue, theme: Theme, opener: User
    ) -> None:
        come_back(theme)
        issues.close(issue=issue, resolution="fixed", by=opener, now=LATER)
        assert told() == set()
        issues.reopen(issue=issue, now=LATER + DAY)
        assert told() == {"opener"}
        assert Notification.objects.count() == 1

    def test_leads_there_and_holds_no_words(
        self, client: Client, issue: Issue, theme: Theme, opener: User, project: Project
    ) -> None:
        come_back(theme)
        client.force_login(opener)
        page = client.get(reverse("inbox")).content.decode()
        assert f"P-{issue.number}, its complaints came back" in page
        assert "Product issue came back" in page
        assert "very own words" not in page
        line = Notification.objects.get()
        there = reverse("issue", args=[project.slug, issue.number])
        assert client.post(reverse("inbox_open", args=[line.pk]))["Location"] == there
        assert client.get(there).status_code == 200
        assert told() == set()

    def test_is_left_out_of_the_inbox_for_whoever_chose_so(
        self, client: Client, issue: Issue, theme: Theme, opener: User
    ) -> None:
        client.force_login(opener)
        shown = client.get(reverse("notification_choices")).content.decode()
        assert "Product issue came back" in shown
        wanted = [kind for kind in KINDS if kind != "returned"]
        digests.choose(by=opener, every="never", in_app=wanted, by_mail=KINDS, now=NOW)
        come_back(theme)
        assert "came back" not in client.get(reverse("inbox")).content.decode()

    @pytest.mark.parametrize("is_wanted", [True, False])
    def test_is_mailed_to_whoever_wants_it(
        self, issue: Issue, theme: Theme, opener: User, project: Project, *, is_wanted: bool
    ) -> None:
        opener.email = "opener@example.org"
        opener.save()
        by_mail = [kind for kind in KINDS if is_wanted or kind != "returned"]
        digests.choose(by=opener, every="daily", in_app=KINDS, by_mail=by_mail, now=NOW)
        come_back(theme)
        digests.make_due(now=LATER + DAY)
        assert digests.send_waiting(now=LATER + DAY) == is_wanted
        if is_wanted:
            [sent] = mail.outbox
            assert "A product issue came back" in sent.body
            assert reverse("issue", args=[project.slug, issue.number]) in sent.body
            assert "very own words" not in sent.body
