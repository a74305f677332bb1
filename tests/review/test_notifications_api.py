"""What a person is told of, by script."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from feedback.models import Project, User
from review import notifications, notifications_api, queues
from review.annotations import annotate
from review.models import Notification
from tests.calling import Caller
from tests.factories import (
    NOW,
    make_item,
    make_key,
    make_output,
    make_project,
    make_queue,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "viewer", username="ann"))


@pytest.fixture
def bob(project: Project) -> User:
    return make_user(project, "moderator", username="bob")


def mention(project: Project, by: User, minutes: int = 0) -> Notification:
    """What tells ann that somebody named her."""
    said = annotate(
        output=make_output(project),
        version=1,
        by=by,
        start=0,
        end=5,
        exact="Bloom",
        comment="@ann, which one?",
        now=NOW + timedelta(minutes=minutes),
    )
    return Notification.objects.get(annotation=said)


class TestNotifications:
    def test_come_in_pages_the_last_first_as_in_the_inbox(
        self,
        ann: Caller,
        bob: User,
        client: Client,
        project: Project,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(notifications_api, "PAGE_SIZE", 1)
        made = [mention(project, bob, minutes) for minutes in (1, 2)]
        first = ann.get("notifications").json()
        second = ann.get("notifications", cursor=first["next_cursor"]).json()
        found = first["notifications"] + second["notifications"]
        assert [one["notification"] for one in found] == [made[1].pk, made[0].pk]
        assert second["next_cursor"] is None
        assert (found[0]["kind"], found[0]["actor"], found[0]["num"]) == ("mention", "bob", 1)
        assert found[0]["annotation"] == made[1].annotation_id
        assert made[1].output is not None
        assert found[0]["output"] == made[1].output.external_id
        client.force_login(ann.user)
        shown = client.get(reverse("inbox")).context["lines"].rows
        assert [one.pk for one in shown] == [made[1].pk, made[0].pk]
        refused = ann.get("notifications", cursor="x")
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "cursor")

    def test_tell_of_items_and_of_what_has_a_title(
        self, ann: Caller, bob: User, project: Project
    ) -> None:
        item = make_item(make_queue(project))
        queues.claim(item=item, by=ann.user, now=NOW)
        queues.steal(item=item, by=bob, now=NOW)
        notifications.notify_of(
            project=project,
            kind=Notification.Kind.RETURNED,
            subject="issue:1",
            title="Say when",
            path="/p/x/issues/1/",
            to=[ann.user.pk],
            by=None,
            now=NOW + timedelta(minutes=1),
        )
        titled, taken = ann.get("notifications").json()["notifications"]
        assert (taken["kind"], taken["item"], taken["title"]) == ("taken", item.pk, None)
        assert (titled["title"], titled["path"]) == ("Say when", "/p/x/issues/1/")
        assert (titled["output"], titled["item"], titled["actor"]) == (None, None, None)

    def test_hide_what_others_said_while_one_is_to_judge_without_them(
        self, client: Client, bob: User, project: Project
    ) -> None:
        """Complaint 24."""
        ann = Caller(client, project, make_user(project, "expert", username="ann"))
        told = mention(project, bob)
        make_item(make_queue(project, reviewers_per_item=2), told.output)
        assert ann.get("notifications").json()["notifications"] == []
        assert ann.post(f"notifications/{told.pk}/read").status_code == 404
        later = {"until": "2100-01-01T00:00:00Z"}
        assert ann.post("notifications/read", later).json() == {"read": 0}

    def test_take_as_many_queries_for_many(
        self, ann: Caller, bob: User, project: Project, django_assert_num_queries: Any
    ) -> None:
        for _ in range(9):
            mention(project, bob)
        ann.get("notifications")
        with django_assert_num_queries(2):
            ann.get("notifications")


class TestReading:
    def test_one_leaves_the_others_new(self, ann: Caller, bob: User, project: Project) -> None:
        one, other = mention(project, bob), mention(project, bob, 1)
        for _ in range(2):
            assert ann.post(f"notifications/{one.pk}/read").status_code == 204
        [left] = ann.get("notifications").json()["notifications"]
        assert left["notification"] == other.pk
        found = ann.get("notifications", state="all").json()["notifications"]
        assert [one["read_at"] is None for one in found] == [True, False]

    def test_all_leaves_what_came_later_and_other_projects(
        self, ann: Caller, bob: User, project: Project
    ) -> None:
        elsewhere = make_project()
        elsewhere.memberships.create(user=ann.user, role="viewer")
        theirs = mention(elsewhere, make_user(elsewhere, "expert"))
        mention(project, bob)
        later = mention(project, bob, 5)
        until = (NOW + timedelta(minutes=1)).isoformat()
        assert ann.post("notifications/read", {"until": until}).json() == {"read": 1}
        unread = Notification.objects.unread().filter(user=ann.user)
        assert set(unread) == {theirs, later}

    @pytest.mark.parametrize("until", ["2026-11-02T09:15:00", "soon", None])
    def test_all_wants_a_moment_with_its_zone(self, ann: Caller, until: object) -> None:
        refused = ann.post("notifications/read", {"until": until})
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "until")

    def test_all_takes_any_moment(self, ann: Caller, bob: User, project: Project) -> None:
        mention(project, bob)
        last = {"until": "9999-12-31T23:59:59-12:00"}
        assert ann.post("notifications/read", last).json() == {"read": 1}
        first = {"until": "0001-01-01T00:00:00+12:00"}
        assert ann.post("notifications/read", first).json() == {"read": 0}


class TestWhoMay:
    def test_others_and_products_do_not(
        self, ann: Caller, bob: User, client: Client, project: Project
    ) -> None:
        told = mention(project, bob)
        admin = Caller(client, project, make_user(project, "admin"))
        assert admin.get("notifications").json()["notifications"] == []
        assert admin.post(f"notifications/{told.pk}/read").status_code == 404
        elsewhere = make_project()
        elsewhere.memberships.create(user=ann.user, role="admin")
        stranger = Caller(client, elsewhere, ann.user)
        assert stranger.get("notifications", state="all").json()["notifications"] == []
        assert stranger.post(f"notifications/{told.pk}/read").status_code == 404
        product = {"authorization": f"Bearer {make_key(project)}"}
        assert client.get("/api/v1/notifications", headers=product).status_code == 403
        now = {"until": timezone.now().isoformat()}
        for path in (f"notifications/{told.pk}/read", "notifications/read"):
            reply = client.post(
                f"/api/v1/{path}", now, content_type="application/json", headers=product
            )
            assert reply.status_code == 403
        told.refresh_from_db()
        assert told.read_at is None


class TestChoices:
    def test_are_every_kind_and_no_mail_at_first(self, ann: Caller) -> None:
        told = ann.get("notification-choices").json()
        kinds = Notification.Kind.values
        assert told == {"every": "never", "in_app": kinds, "by_mail": kinds}

    def test_keep_what_is_not_sent(self, ann: Caller) -> None:
        ann.user.email = "ann@example.org"
        ann.user.save()
        assert ann.post("notification-choices", {"every": "daily"}).json()["every"] == "daily"
        told = ann.post("notification-choices", {"by_mail": ["mention"]}).json()
        assert (told["every"], told["by_mail"]) == ("daily", ["mention"])
        assert told["in_app"] == Notification.Kind.values
        assert ann.post("notification-choices", {"in_app": []}).json()["in_app"] == []
        assert ann.get("notification-choices").json()["by_mail"] == ["mention"]

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"every": "hourly"}, "every"),
            ({"every": "daily"}, "every"),
            ({"in_app": ["none-such"]}, "in_app.0"),
            ({"more": 1}, "more"),
        ],
    )
    def test_name_the_field_that_cannot_be(
        self, ann: Caller, body: dict[str, Any], path: str
    ) -> None:
        told = ann.post("notification-choices", body)
        assert (told.status_code, told.json()["errors"][0]["path"]) == (422, path)

    def test_are_a_persons(self, client: Client, project: Project, ann: Caller) -> None:
        ann.post("notification-choices", {"in_app": []})
        other = Caller(client, project, make_user(project, "viewer"))
        assert other.get("notification-choices").json()["in_app"] == Notification.Kind.values
        product = {"authorization": f"Bearer {make_key(project)}"}
        asked = client.get("/api/v1/notification-choices", headers=product)
        assert asked.status_code == 403
