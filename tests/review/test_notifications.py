"""The inbox: who is told of what, one line a thread, and what stays hidden."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from feedback.models import Membership, Output, Project, User
from review import bulk, notifications, suggestions, threads
from review.annotations import annotate, edit
from review.filters import ReviewFilter
from review.models import Annotation, Notification
from tests.factories import (
    NOW,
    make_annotation,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_user,
)

LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def output(project: Project) -> Output:
    return make_output(project)


@pytest.fixture
def ann(project: Project) -> User:
    return make_user(project, "expert", username="ann")


@pytest.fixture
def ben(project: Project) -> User:
    return make_user(project, "expert", username="ben")


def lines(user: User) -> list[tuple[str, int]]:
    """Kind and count of what is new to a person, the last first."""
    found = Notification.objects.unread().seen_by(user).order_by("-happened_at", "-id")
    return list(found.values_list("kind", "num"))


def note(output: Output, by: User, comment: str) -> Annotation:
    return annotate(
        output=output, version=1, by=by, start=0, end=5, exact="Bloom", comment=comment, now=NOW
    )


class TestNotify:
    def test_tells_whom_a_comment_names_once(self, output: Output, ann: User, ben: User) -> None:
        written = note(output, ann, "@ben, which one? Or @ann?")
        edit(annotation=written, by=ann, comment="@ben: which one?", now=LATER)
        assert lines(ben) == [("mention", 1)]
        assert lines(ann) == []

    def test_many_replies_in_a_thread_are_one_line(
        self, project: Project, output: Output, ann: User, ben: User
    ) -> None:
        cid = make_user(project, "expert", username="cid")
        thread = note(output, ann, "Which one?")
        for text in ("This one.", "Or this?", "No."):
            threads.reply(annotation=thread, by=ben, text=text, now=NOW)
        threads.reply(annotation=thread, by=cid, text="The first.", now=LATER)
        assert lines(ann) == [("reply", 4)]
        assert lines(ben) == [("reply", 1)]
        assert lines(cid) == []

    def test_a_mention_stays_one_while_it_is_unread(
        self, output: Output, ann: User, ben: User
    ) -> None:
        thread = note(output, ann, "Which one?")
        threads.reply(annotation=thread, by=ben, text="@ann, this one.", now=NOW)
        threads.reply(annotation=thread, by=ben, text="Or not.", now=LATER)
        assert lines(ann) == [("mention", 2)]

    def test_a_line_that_was_read_begins_anew(self, output: Output, ann: User, ben: User) -> None:
        thread = note(output, ann, "Which one?")
        threads.reply(annotation=thread, by=ben, text="@ann, this one.", now=NOW)
        assert notifications.read_all(by=ann, until=NOW, now=NOW) == 1
        assert lines(ann) == []
        threads.reply(annotation=thread, by=ben, text="Or not.", now=LATER)
        assert lines(ann) == [("reply", 1)]
        assert Notification.objects.filter(user=ann).count() == 1

    def test_tells_the_author_of_a_suggestion_what_became_of_it(
        self, output: Output, ann: User, ben: User
    ) -> None:
        suggested = make_annotation(output, ann, "August", replacement="May")
        suggestions.accept(annotation=suggested, by=ben, now=NOW)
        assert lines(ann) == [("decided", 1)]
        own = make_annotation(output, ben, "2018", replacement="2019")
        suggestions.reject(annotation=own, by=ben, now=NOW)
        assert lines(ben) == []


class TestBulk:
    def test_tells_who_started_it_and_leads_to_the_job(
        self, client: Client, output: Output, ann: User, ben: User
    ) -> None:
        job = bulk.start(
            project=output.project,
            wanted=ReviewFilter(),
            act="tag_add",
            tags=["billing"],
            by=ann,
            now=NOW,
        )
        assert lines(ann) == []
        bulk.work_off(now=LATER)
        assert (lines(ann), lines(ben)) == ([("bulk", 1)], [])
        client.force_login(ann)
        assert "Your bulk act is through" in client.get(reverse("inbox")).content.decode()
        line = Notification.objects.get()
        response = client.post(reverse("inbox_open", args=[line.pk]))
        assert response["Location"] == reverse("bulk_job", args=[output.project.slug, job.pk])

    @pytest.mark.parametrize("kind", ["taken", "mention", "bulk"])
    def test_each_kind_points_at_what_it_must(self, output: Output, ann: User, kind: str) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            Notification.objects.create(
                user=ann, project=output.project, output=output, kind=kind, happened_at=NOW
            )


class TestSeenBy:
    def test_hides_what_others_said_until_the_own_review(
        self, project: Project, output: Output, ann: User, ben: User
    ) -> None:
        """Complaint 24."""
        item = make_item(make_queue(project, reviewers_per_item=2), output)
        note(output, ann, "@ben: wrong.")
        assert lines(ben) == []
        item.status, item.closed_at = "done", NOW
        item.save()
        assert lines(ben) == [("mention", 1)]

    def test_leaves_out_projects_one_has_left(self, output: Output, ann: User, ben: User) -> None:
        """Complaint 23."""
        note(output, ann, "@ben: wrong.")
        Membership.objects.filter(user=ben).delete()
        assert lines(ben) == []


class TestInbox:
    def test_leads_to_the_thread_and_marks_the_line_as_read(
        self, client: Client, output: Output, ann: User, ben: User
    ) -> None:
        thread = note(output, ann, "@ben: wrong.")
        client.force_login(ben)
        page = client.get(reverse("inbox")).content.decode()
        assert "Inbox, 1 new" in page
        assert lines(ben) == [("mention", 1)]
        line = Notification.objects.get(user=ben)
        response = client.post(reverse("inbox_open", args=[line.pk]))
        assert response["Location"] == reverse("annotation", args=[output.project.slug, thread.pk])
        assert lines(ben) == []
        assert "1 new" not in client.get(reverse("inbox")).content.decode()

    def test_can_be_marked_as_read_and_stay(
        self, client: Client, output: Output, ann: User, ben: User
    ) -> None:
        note(output, ann, "@ben: wrong.")
        client.force_login(ben)
        line = Notification.objects.get(user=ben)
        response = client.post(reverse("inbox_open", args=[line.pk]), {"stay": "on"})
        assert response["Location"] == reverse("inbox")
        assert lines(ben) == []

    def test_lines_of_others_do_not_exist(
        self, client: Client, output: Output, ann: User, ben: User
    ) -> None:
        """Complaint 22."""
        note(output, ann, "@ben: wrong.")
        client.force_login(ann)
        line = Notification.objects.get(user=ben)
        assert client.post(reverse("inbox_open", args=[line.pk])).status_code == 404
        assert lines(ben) == [("mention", 1)]

    def test_marks_only_what_stood_on_the_page(
        self, client: Client, output: Output, ann: User, ben: User
    ) -> None:
        note(output, ann, "@ben: wrong.")
        client.force_login(ben)
        until = (NOW - timedelta(seconds=1)).isoformat()
        client.post(reverse("inbox_read"), {"until": until})
        assert lines(ben) == [("mention", 1)]
        client.post(reverse("inbox_read"), {"until": NOW.isoformat()})
        assert lines(ben) == []
        assert client.post(reverse("inbox_read"), {"until": "now"}).status_code == 400
        assert client.get(reverse("inbox"), {"cursor": "x"}).status_code == 400

    def test_escapes_what_a_model_was_asked(
        self, client: Client, project: Project, ann: User, ben: User
    ) -> None:
        note(make_output(project, query="<script>alert(1)</script>"), ann, "@ben: wrong.")
        client.force_login(ben)
        page = client.get(reverse("inbox")).content.decode()
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page

    def test_takes_as_many_queries_for_many_lines(
        self,
        client: Client,
        project: Project,
        ann: User,
        ben: User,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        Membership.objects.create(project=make_project(), user=ben, role="viewer")
        for _ in range(12):
            note(make_output(project), ann, "@ben: wrong.")
        client.force_login(ben)
        with django_assert_max_num_queries(6):
            client.get(reverse("inbox"))


class TestNotifyOf:
    def tell(self, project: Project, to: list[int], by: User | None = None) -> None:
        notifications.notify_of(
            project=project,
            kind=Notification.Kind.APPROVAL,
            subject="proposal 7",
            title="Facts",
            path="/p/x/",
            to=to,
            by=by,
            now=NOW,
        )

    def test_tells_members_once_a_subject_and_not_who_did_it(
        self, project: Project, ann: User, ben: User
    ) -> None:
        stranger = make_user()
        for _ in range(2):
            self.tell(project, [ann.pk, ben.pk, stranger.pk], by=ann)
        assert (lines(ann), lines(ben)) == ([], [("approval", 1)])
        assert not Notification.objects.filter(user=stranger).exists()

    def test_is_no_news_once_it_is_settled_and_news_again_when_it_is_told_again(
        self, project: Project, ben: User
    ) -> None:
        self.tell(project, [ben.pk])
        kind = Notification.Kind.APPROVAL
        notifications.settle_subject(kind=kind, subject="proposal 8", now=LATER)
        assert lines(ben) == [("approval", 1)]
        notifications.settle_subject(kind=kind, subject="proposal 7", now=LATER)
        assert lines(ben) == []
        self.tell(project, [ben.pk])
        assert lines(ben) == [("approval", 1)]

    @pytest.mark.parametrize(
        "fields", [{}, {"subject": "x"}, {"path": "/"}, {"kind": "mention", "subject": "x"}]
    )
    def test_needs_a_subject_and_a_path(
        self, project: Project, ben: User, fields: dict[str, str]
    ) -> None:
        with pytest.raises(IntegrityError, match="kind_known"), transaction.atomic():
            Notification.objects.create(
                user=ben, project=project, happened_at=NOW, **({"kind": "approval"} | fields)
            )

    def test_is_opened_where_it_leads(self, client: Client, project: Project, ben: User) -> None:
        self.tell(project, [ben.pk])
        client.force_login(ben)
        assert "Facts" in client.get(reverse("inbox")).content.decode()
        line = Notification.objects.get()
        assert client.post(reverse("inbox_open", args=[line.pk]))["Location"] == "/p/x/"
        assert lines(ben) == []
