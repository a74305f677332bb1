from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from feedback.filters import OutputFilter
from feedback.ingestion import ingest
from feedback.models import Output, Project, Session, SessionTag, Tag, User
from review import bulk
from review.filters import ReviewFilter
from review.models import BulkJob, Event
from review.tags import FormerTagError, TagError, Tagged, merge, rename, tag_sessions
from tests.factories import NOW, make_output, make_project, make_session, make_user
from tests.migrating import apply, unapply

pytestmark = pytest.mark.django_db


@pytest.fixture
def expert(project: Project) -> User:
    return make_user(project, role="expert")


def put(project: Project, by: User, *sessions: Session, add: Any = (), remove: Any = ()) -> Tagged:
    return tag_sessions(project=project, sessions=sessions, add=add, remove=remove, by=by, now=NOW)


def names(session: Session) -> list[str]:
    return sorted(session.tags.values_list("name", flat=True))


def tag(project: Project, name: str) -> Tag:
    return Tag.objects.get(project=project, name=name)


def add_to_all(project: Project, by: User, name: str) -> BulkJob:
    """A bulk act that put a tag on every session with an answer."""
    job = bulk.start(
        project=project, wanted=ReviewFilter(), act="tag_add", tags=[name], by=by, now=NOW
    )
    bulk.work_off(now=NOW)
    job.refresh_from_db()
    return job


def undo(job: BulkJob, by: User) -> None:
    bulk.undo(job=job, by=by, now=NOW)
    bulk.work_off(now=NOW)
    job.refresh_from_db()


class TestTagSessions:
    def test_tells_what_really_changed(self, project: Project, expert: User) -> None:
        first, second = make_session(project), make_session(project)
        put(project, expert, first, add=["billing"])
        done = put(project, expert, first, second, add=["billing", "urgent"], remove=["none"])
        assert {(row["session_id"], row["tag_id"]) for row in done.added} == {
            (first.pk, tag(project, "urgent").pk),
            (second.pk, tag(project, "billing").pk),
            (second.pk, tag(project, "urgent").pk),
        }
        assert done.removed == []
        undone = put(project, expert, first, remove=["billing"])
        [row] = undone.removed
        assert row["added_by_id"] == expert.pk
        assert names(first) == ["urgent"]
        assert not put(project, expert, first, remove=["billing"])

    def test_logs_each_session_that_changed_by_ids(self, project: Project, expert: User) -> None:
        first, second = make_session(project), make_session(project)
        put(project, expert, first, add=["a"])
        put(project, expert, first, second, add=["a"])
        events = Event.objects.filter(verb="tagged").order_by("pk")
        a = tag(project, "a").pk
        assert [(e.target_id, e.data, e.actor) for e in events] == [
            (first.pk, {"added": [a]}, expert),
            (second.pk, {"added": [a]}, expert),
        ]

    def test_tidies_names_and_knows_them_in_any_case(self, project: Project, expert: User) -> None:
        session = make_session(project)
        put(project, expert, session, add=["  Big   refund ", "", "big refund"])
        put(project, expert, session, add=["BIG REFUND"])
        assert names(session) == ["Big refund"]
        put(project, expert, session, remove=["big REFUND"])
        assert names(session) == []

    @pytest.mark.parametrize(
        ("add", "remove", "path"),
        [
            (["x" * 61], [], "add"),
            (["a\x00b"], [], "add"),
            ([], ["a\x1bb"], "remove"),
            ([f"t{n}" for n in range(21)], [], "add"),
            (["a"], ["A"], "remove"),
        ],
    )
    def test_refuses_names_that_cannot_be(
        self, project: Project, expert: User, add: list[str], remove: list[str], path: str
    ) -> None:
        session = make_session(project)
        put(project, expert, session, add=["a"])
        with pytest.raises(TagError) as caught:
            put(project, expert, session, add=add, remove=remove)
        assert caught.value.path == path
        assert names(session) == ["a"]

    def test_lets_a_session_have_a_hundred(self, project: Project, expert: User) -> None:
        session = make_session(project)
        for start in range(0, 100, 20):
            put(project, expert, session, add=[f"t{start + n}" for n in range(20)])
        with pytest.raises(TagError):
            put(project, expert, session, add=["more"])
        assert session.tags.count() == 100

    def test_leaves_sessions_of_other_projects_alone(self, project: Project, expert: User) -> None:
        other = make_session(make_project())
        assert not put(project, expert, other, add=["a"])
        assert names(other) == []


class TestRename:
    def test_leaves_the_old_name_meaning_the_tag(self, project: Project, expert: User) -> None:
        session = make_session(project)
        output = make_output(project, session)
        put(project, expert, session, add=["billing"])
        before = SessionTag.objects.get()
        rename(tag=tag(project, "billing"), name="Invoices", by=expert, now=NOW)
        assert names(session) == ["Invoices"]
        assert SessionTag.objects.get() == before
        for text in ("tag:billing", "tag:INVOICES"):
            assert list(OutputFilter.parse(text).apply(Output.objects.all())) == [output]
        assert not put(project, expert, session, add=["Billing"])
        [event] = Event.objects.filter(verb="renamed")
        assert (event.actor, event.at, event.target_id) == (expert, NOW, before.tag_id)

    def test_may_be_taken_back(self, project: Project, expert: User) -> None:
        put(project, expert, make_session(project), add=["a"])
        rename(tag=tag(project, "a"), name="b", by=expert, now=NOW)
        rename(tag=tag(project, "b"), name="A", by=expert, now=NOW)
        assert list(Tag.objects.order_by("name").values_list("name", "alias_of__name")) == [
            ("A", None),
            ("b", "A"),
        ]

    def test_changes_the_case_without_a_former_name(self, project: Project, expert: User) -> None:
        put(project, expert, make_session(project), add=["a"])
        rename(tag=tag(project, "a"), name="A", by=expert, now=NOW)
        assert list(Tag.objects.values_list("name", flat=True)) == ["A"]

    def test_refuses_the_name_of_another(self, project: Project, expert: User) -> None:
        put(project, expert, make_session(project), add=["a", "b"])
        with pytest.raises(TagError, match="Merge"):
            rename(tag=tag(project, "a"), name="B", by=expert, now=NOW)
        with pytest.raises(TagError):
            rename(tag=tag(project, "a"), name="  ", by=expert, now=NOW)


class TestMerge:
    def test_keeps_each_session_once_and_who_tagged_it(
        self, project: Project, expert: User
    ) -> None:
        both, only = make_session(project), make_session(project)
        someone = make_user(project, role="expert")
        put(project, someone, both, add=["refund", "money back"])
        put(project, someone, only, add=["money back"])
        merge(tag=tag(project, "money back"), into=tag(project, "refund"), by=expert, now=NOW)
        assert names(both) == names(only) == ["refund"]
        assert {row.added_by for row in SessionTag.objects.all()} == {someone}
        [event] = Event.objects.filter(verb="merged")
        into = tag(project, "refund").pk
        assert (event.actor, event.data) == (expert, {"into": into, "moved": 1, "both": 1})

    def test_keeps_who_put_the_first_on_and_a_person_before_the_sender(
        self, project: Project, expert: User
    ) -> None:
        first, second = make_user(project), make_user(project)
        sessions = [make_session(project) for _ in range(4)]
        tags = [Tag.objects.create(project=project, name=name) for name in ("a", "b")]
        put_by = [(first, second), (second, first), (None, second), (second, None)]
        for session, both in zip(sessions, put_by, strict=True):
            for one, by in zip(tags, both, strict=True):
                row = SessionTag.objects.create(session=session, tag=one, added_by=by)
                at = NOW if by == second else NOW - timedelta(hours=1)
                SessionTag.objects.filter(pk=row.pk).update(added_at=at)
        merge(tag=tags[0], into=tags[1], by=expert, now=NOW)
        rows = SessionTag.objects.filter(tag=tags[1]).order_by("session")
        assert [(row.added_by, row.added_at) for row in rows] == [
            *2 * [(first, NOW - timedelta(hours=1))],
            *2 * [(second, NOW)],
        ]

    def test_leaves_the_old_name_when_the_making_of_the_tag_is_undone(
        self, project: Project, expert: User
    ) -> None:
        make_output(project)
        put(project, expert, make_session(project), add=["billing"])
        job = add_to_all(project, expert, "biling")
        merge(tag=tag(project, "biling"), into=tag(project, "billing"), by=expert, now=NOW)
        undo(job, expert)
        assert tag(project, "biling").alias_of == tag(project, "billing")
        assert job.num_conflicts == 1

    @pytest.mark.parametrize("is_first", [True, False])
    def test_leaves_what_a_person_put_on_when_the_other_is_undone(
        self, project: Project, expert: User, is_first: bool
    ) -> None:
        outputs = [make_output(project) for _ in range(2)]
        session = outputs[0].session
        if is_first:
            put(project, expert, session, add=["old"])
        job = add_to_all(project, expert, "new")
        if not is_first:
            put(project, expert, session, add=["old"])
        merge(tag=tag(project, "old"), into=tag(project, "new"), by=expert, now=NOW)
        undo(job, expert)
        assert [names(output.session) for output in outputs] == [["new"], []]
        assert tag(project, "old").alias_of == tag(project, "new")
        assert (job.num_undone, job.num_conflicts) == (1, 1)

    def test_leads_on_from_every_former_name(self, project: Project, expert: User) -> None:
        session = make_session(project)
        output = make_output(project, session)
        put(project, expert, session, add=["a", "c", "d"])
        rename(tag=tag(project, "a"), name="b", by=expert, now=NOW)
        merge(tag=tag(project, "b"), into=tag(project, "c"), by=expert, now=NOW)
        merge(tag=tag(project, "c"), into=tag(project, "d"), by=expert, now=NOW)
        assert set(Tag.objects.values_list("name", "alias_of__name")) == {
            ("a", "d"),
            ("b", "d"),
            ("c", "d"),
            ("d", None),
        }
        for text in ("tag:a", "tag:B", "tag:c", "tag:d"):
            assert list(ReviewFilter.parse(text).apply(Output.objects.all())) == [output]
        with pytest.raises(FormerTagError):
            rename(tag=tag(project, "a"), name="e", by=expert, now=NOW)

    def test_is_told_of_though_the_tag_has_the_old_name_again(
        self, project: Project, expert: User
    ) -> None:
        output = make_output(project)
        put(project, expert, output.session, add=["refund"])
        put(project, expert, make_session(project), add=["refunds"])
        acts = [
            bulk.start(
                project=project, wanted=ReviewFilter(), act=act, tags=["refund"], by=expert, now=NOW
            )
            for act in ("tag_remove", "tag_add")
        ]
        bulk.work_off(now=NOW, most=1)
        merge(tag=tag(project, "refund"), into=tag(project, "refunds"), by=expert, now=NOW)
        rename(tag=tag(project, "refunds"), name="Refund", by=expert, now=NOW)
        assert set(Tag.objects.values_list("name", "alias_of__name")) == {
            ("Refund", None),
            ("refunds", "Refund"),
        }
        bulk.work_off(now=NOW)
        assert names(output.session) == ["Refund"]
        removed = BulkJob.objects.get(pk=acts[0].pk)
        undo(removed, expert)
        assert removed.changes.get().conflict == "The tag was merged since."

    def test_is_of_two_tags_of_one_project(self, project: Project, expert: User) -> None:
        other = make_project()
        put(project, expert, make_session(project), add=["a"])
        put(other, expert, make_session(other), add=["b"])
        for into in (tag(project, "a"), tag(other, "b")):
            with pytest.raises(TagError):
                merge(tag=tag(project, "a"), into=into, by=expert, now=NOW)

    def test_is_followed_by_senders_who_send_the_old_name(
        self, project: Project, expert: User
    ) -> None:
        record = {"type": "session", "id": "s", "tags": ["Money  back"]}
        ingest(project=project, records=[record], now=NOW)
        session = Session.objects.get()
        assert names(session) == ["Money back"]
        put(project, expert, make_session(project), add=["refund"])
        merge(tag=tag(project, "Money back"), into=tag(project, "refund"), by=expert, now=NOW)
        report = ingest(project=project, records=[record], now=NOW)
        assert (report.unchanged, names(session)) == (1, ["refund"])

    def test_is_followed_by_bulk_acts_that_began_before(
        self, project: Project, expert: User
    ) -> None:
        output = make_output(project)
        put(project, expert, make_session(project), add=["refund"])
        job = bulk.start(
            project=project,
            wanted=ReviewFilter.parse(""),
            act="tag_add",
            tags=["money back"],
            by=expert,
            now=NOW,
        )
        merge(tag=tag(project, "money back"), into=tag(project, "refund"), by=expert, now=NOW)
        bulk.work_off(now=NOW)
        assert names(output.session) == ["refund"]
        job.refresh_from_db()
        assert job.num_changed == 1

    def test_leaves_removed_tags_off_when_the_removing_is_undone(
        self, project: Project, expert: User
    ) -> None:
        output = make_output(project)
        put(project, expert, output.session, add=["a"])
        put(project, expert, make_session(project), add=["b"])
        job = bulk.start(
            project=project,
            wanted=ReviewFilter.parse(""),
            act="tag_remove",
            tags=["a"],
            by=expert,
            now=NOW,
        )
        bulk.work_off(now=NOW)
        merge(tag=tag(project, "a"), into=tag(project, "b"), by=expert, now=NOW)
        job.refresh_from_db()
        undo(job, expert)
        assert (names(output.session), job.num_conflicts) == ([], 1)


class TestConstraints:
    def test_names_differ_by_more_than_case(self, project: Project) -> None:
        Tag.objects.create(project=project, name="a")
        with pytest.raises(IntegrityError, match="feedback_tag_name"):
            Tag.objects.create(project=project, name="A")

    def test_a_tag_is_no_former_name_of_itself(self, project: Project) -> None:
        tag = Tag.objects.create(project=project, name="a")
        tag.alias_of = tag
        with pytest.raises(IntegrityError, match="not_its_own_alias"):
            tag.save()


def test_tags_of_before_that_differ_by_case_become_one(project: Project) -> None:
    unapply("feedback", "0010_tag_names_in_any_case")
    tags = [Tag.objects.create(project=project, name=name) for name in ("Ab", "ab", "AB", "c")]
    sessions = [make_session(project, external_id=str(number)) for number in range(2)]
    for session, number in ((0, 0), (0, 1), (1, 1), (1, 2), (1, 3)):
        SessionTag.objects.create(session=sessions[session], tag=tags[number])
    with pytest.raises(IntegrityError), transaction.atomic():
        apply("feedback", "0010_tag_names_in_any_case")
    apply("feedback", "0009_tags_in_one_case")
    apply("feedback", "0010_tag_names_in_any_case")
    assert set(SessionTag.objects.values_list("session__external_id", "tag__name")) == {
        ("0", "Ab"),
        ("1", "Ab"),
        ("1", "c"),
    }
    assert Tag.objects.count() == 2
