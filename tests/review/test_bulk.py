from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.db import connection
from django.test import Client

from feedback.models import Output, Project, SessionTag, Tag, User
from review import (
    agreeing,
    bulk,
    due_times,
    escalations,
    handovers,
    intake,
    queues,
    rules,
    triage,
)
from review.bulk import BulkError, NotAllowedError, OverError
from review.filters import ReviewFilter
from review.models import (
    AddedReason,
    BulkChange,
    BulkJob,
    Claim,
    Escalation,
    Event,
    Handover,
    QueueItem,
    Review,
    ReviewReason,
)
from tests.factories import (
    NOW,
    make_feedback,
    make_handover,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_session,
    make_user,
)

TABLES = [SessionTag, Tag, QueueItem, Claim, Output, Review, ReviewReason, AddedReason, Handover]


@pytest.fixture
def moderator(project: Project) -> User:
    return make_user(project, role="moderator")


@pytest.fixture(autouse=True)
def chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 3)


@pytest.fixture
def filled(project: Project, moderator: User) -> Project:
    """Twelve answers in four sessions, half by model a; one session is tagged, two are queued.

    Four others are reviewed.
    """
    tag = Tag.objects.create(project=project, name="x")
    queue = make_queue(project, slug="there", reviewers_per_item=2)
    for number in range(4):
        session = make_session(project)
        for place in range(3):
            make_output(project, session, model="ab"[(number * 3 + place) % 2])
        if number == 1:
            SessionTag.objects.create(session=session, tag=tag, added_by=make_user(project))
    put_in(project, queue, 2)
    reviewer = make_user(project, "expert")
    for output in project.outputs.order_by("pk")[4:8]:
        make_review(output, reviewer)
    return project


def put_in(project: Project, queue: Any, number: int) -> None:
    outputs = list(project.outputs.order_by("pk")[:number])
    intake.put(queue=queue, stratum=None, outputs=outputs, now=NOW)


def dump() -> dict[str, list[Any]]:
    """Every row of the tables that bulk acts touch, as the database has them."""
    told = {}
    with connection.cursor() as cursor:
        for model in TABLES:
            cursor.execute(f"SELECT to_jsonb(t)::text FROM {model._meta.db_table} t ORDER BY id")  # noqa: S608
            told[model.__name__] = [orjson.loads(row) for (row,) in cursor.fetchall()]
    return told


def begin(project: Project, by: User, act: str, text: str = "", **rest: Any) -> BulkJob:
    if act.startswith("queue"):
        rest["queue"] = project.queues.get(slug="there")
    elif act.startswith("tag"):
        rest.setdefault("tags", ["x", "new"])
    elif act == "reason_add":
        rest.setdefault("reason", "factually-incorrect")
    elif act == "route_add":
        rest.setdefault("route", "issue")
    return bulk.start(
        project=project, wanted=ReviewFilter.parse(text), act=act, by=by, now=NOW, **rest
    )


def run(job: BulkJob) -> BulkJob:
    bulk.work_off(now=NOW)
    job.refresh_from_db()
    return job


def undone(job: BulkJob, by: User) -> BulkJob:
    bulk.undo(job=job, by=by, now=NOW)
    return run(job)


class TestUndo:
    @pytest.mark.parametrize("act", sorted(set(BulkJob.Act.values) - {"decide"}))
    @pytest.mark.parametrize("text", ["", "model:a", "-tag:x"])
    def test_restores_every_bulk_act_bit_for_bit(
        self, filled: Project, moderator: User, act: str, text: str
    ) -> None:
        """Complaint 8."""
        before = dump()
        job = run(begin(filled, moderator, act, text))
        assert (job.status, job.num_changed > 0) == ("done", dump() != before)
        job = undone(job, moderator)
        assert dump() == before
        assert (job.status, job.num_undone, job.num_conflicts) == ("undone", job.num_changed, 0)

    def test_puts_those_out_again_that_were_out(self, filled: Project, moderator: User) -> None:
        run(begin(filled, moderator, "queue_remove"))
        before = dump()
        undone(run(begin(filled, moderator, "queue_add")), moderator)
        assert dump() == before

    @pytest.mark.parametrize("number", [1, 3])
    def test_puts_in_again_with_the_places_that_the_queue_has_by_now(
        self, filled: Project, moderator: User, number: int
    ) -> None:
        queue = filled.queues.get(slug="there")
        job = run(begin(filled, moderator, "queue_remove"))
        changed = replace(rules.rules_of(queue=queue), reviewers_per_item=number)
        rules.edit_queue(queue=queue, rules=changed, by=moderator, now=NOW)
        undone(job, moderator)
        for item in queue.items.filter(output__in=job.changes.values("output")):
            places = item.claims.order_by("place").values_list("place", flat=True)
            assert (item.status, [*places]) == ("open", [*range(1, number + 1)])

    def test_leaves_tags_that_were_there_before(self, filled: Project, moderator: User) -> None:
        """Complaint 8: an act on many adds, and its undo takes only that away."""
        own = SessionTag.objects.get()
        job = run(begin(filled, moderator, "tag_add", tags=["x"]))
        assert (job.num_changed, SessionTag.objects.count()) == (3, 4)
        undone(job, moderator)
        assert SessionTag.objects.get() == own

    def test_tells_of_each_row_that_somebody_changed_since(
        self, filled: Project, moderator: User
    ) -> None:
        job = run(begin(filled, moderator, "tag_add", tags=["x"]))
        SessionTag.objects.order_by("pk").last().delete()  # type: ignore[union-attr]
        job = undone(job, moderator)
        assert (job.num_undone, job.num_conflicts) == (2, 1)
        [left] = BulkChange.objects.filter(outcome="conflict")
        assert left.conflict.startswith("Somebody took the tag off since")

        job = run(begin(filled, moderator, "queue_add"))
        added = job.changes.order_by("pk").first()
        assert added is not None
        item = QueueItem.objects.get(pk=added.after["id"])
        queues.claim(item=item, by=moderator, now=NOW)
        job = undone(job, moderator)
        assert (job.num_undone, job.num_conflicts) == (9, 1)
        assert QueueItem.objects.filter(pk=item.pk).exists()

    @pytest.mark.parametrize("was_out", [False, True])
    def test_leaves_in_what_was_sent_back_there_since(
        self, filled: Project, moderator: User, was_out: bool
    ) -> None:
        queue, output = filled.queues.get(slug="there"), filled.outputs.order_by("pk")[9]
        if was_out:
            run(begin(filled, moderator, "queue_add"))
            run(begin(filled, moderator, "queue_remove"))
        job = run(begin(filled, moderator, "queue_add"))
        item, by = make_item(make_queue(filled), output), make_user(filled, "expert")
        held = queues.claim(item=item, by=by, now=NOW)
        triage.submit_review(
            item=item,
            by=by,
            fence=held.fence,
            verdict="reject",
            comment="Dangerous.",
            routes=["escalate"],
            now=NOW,
        )
        raised = Escalation.objects.get()
        escalations.send_back(escalation=raised, queue=queue, by=moderator, comment="", now=NOW)
        job = undone(job, moderator)
        assert (job.num_undone, job.num_conflicts) == (11 if was_out else 9, 1)
        left = job.changes.get(outcome="conflict")
        assert (left.output, left.conflict) == (output, "It was sent back here since.")
        waiting = queue.items.get(output=output)
        assert (waiting.status, waiting.claims.count()) == ("open", 2)

    def test_is_for_who_started_it_and_moderators_and_once(
        self, filled: Project, moderator: User
    ) -> None:
        tagger, other = make_user(filled, role="tagger"), make_user(filled, role="tagger")
        job = begin(filled, tagger, "tag_add")
        with pytest.raises(OverError):
            bulk.undo(job=job, by=tagger, now=NOW)
        run(job)
        with pytest.raises(NotAllowedError):
            bulk.undo(job=job, by=other, now=NOW)
        undone(job, moderator)
        with pytest.raises(OverError):
            bulk.undo(job=job, by=tagger, now=NOW)


class TestAdding:
    """Reasons and routes go to decisions that were made, beside what their reviewers said."""

    def test_a_reason_goes_once_to_each_decision_that_counts(
        self, filled: Project, moderator: User
    ) -> None:
        first, second, *_ = Review.objects.order_by("pk")
        known = filled.taxonomies.get().reasons.get(slug="factually-incorrect")
        first.reasons.add(known)
        Review.objects.filter(pk=second.pk).update(is_authoritative=False)
        job = run(begin(filled, moderator, "reason_add"))
        assert (job.num_seen, job.num_changed) == (12, 2)
        assert not {first.pk, second.pk} & set(AddedReason.objects.values_list("review", flat=True))
        assert run(begin(filled, moderator, "reason_add")).num_changed == 0

    def test_a_route_opens_what_a_decision_opens_and_leaves_what_is_on_it(
        self, filled: Project, moderator: User
    ) -> None:
        first, *others = Review.objects.order_by("pk")
        make_handover(filled, review=first, route="issue", status="taken", taken_at=NOW)
        job = run(begin(filled, moderator, "route_add"))
        opened = Handover.objects.exclude(review=first)
        assert {(one.route, one.status, one.added_by) for one in opened} == {
            ("issue", "open", moderator)
        }
        assert {one.review for one in opened} == set(others)
        assert job.num_changed == 3
        told = {one.route: one.num_open for one in handovers.on_routes(project=filled, now=NOW)}
        assert told[Review.Route.ISSUE] == 3

    def test_a_route_is_due_by_its_hours_and_others_hours_do_not_keep_it(
        self, filled: Project, moderator: User
    ) -> None:
        due_times.set_terms(project=filled, hours={"issue": 4}, by=moderator, now=NOW)
        job = run(begin(filled, moderator, "route_add"))
        assert {one.due_at for one in Handover.objects.all()} == {NOW + timedelta(hours=4)}
        due_times.set_terms(project=filled, hours={"issue": 9}, by=moderator, now=NOW)
        job = undone(job, moderator)
        assert (job.num_undone, job.num_conflicts) == (4, 0)

    def test_what_the_reviewer_said_stays(self, filled: Project, moderator: User) -> None:
        before = [
            (one.pk, one.routes, [*one.reasons.all()]) for one in Review.objects.order_by("pk")
        ]
        run(begin(filled, moderator, "reason_add"))
        run(begin(filled, moderator, "route_add"))
        assert before == [
            (one.pk, one.routes, [*one.reasons.all()]) for one in Review.objects.order_by("pk")
        ]
        assert agreeing.report(project=filled).reasons == []

    def test_leaves_alone_what_somebody_is_to_judge_without_knowing(
        self, filled: Project, moderator: User
    ) -> None:
        queue = make_queue(filled, reviewers_per_item=2)
        make_item(queue, Review.objects.order_by("pk")[0].output)
        assert run(begin(filled, moderator, "reason_add")).num_changed == 3

    def test_goes_with_a_decision_that_is_taken_back_and_undo_says_so(
        self, filled: Project, moderator: User
    ) -> None:
        item = make_item(make_queue(filled), filled.outputs.order_by("pk").last())
        held = queues.claim(item=item, by=moderator, now=NOW)
        review = triage.submit_review(
            item=item, by=moderator, fence=held.fence, verdict="accept", now=NOW
        )
        jobs = [run(begin(filled, moderator, act)) for act in ("reason_add", "route_add")]
        triage.undo_review(review=review, by=moderator, now=NOW)
        for begun in jobs:
            job = undone(begun, moderator)
            assert (job.num_undone, job.num_conflicts) == (4, 1)
            [left] = job.changes.filter(outcome="conflict")
            assert left.conflict == "The decision was taken back since."

    def test_what_somebody_took_up_is_left_to_them(self, filled: Project, moderator: User) -> None:
        job = run(begin(filled, moderator, "route_add"))
        given_back, taken, *_ = Handover.objects.order_by("pk")
        for one in (given_back, taken):
            handovers.take(handover=one, by=moderator, now=NOW)
        handovers.give_back(handover=given_back, by=moderator, now=NOW)
        job = undone(job, moderator)
        assert (job.num_undone, job.num_conflicts) == (3, 1)
        assert Handover.objects.get() == taken
        assert job.changes.get(outcome="conflict").conflict == "Somebody has taken it up since."


class TestStarting:
    def test_never_ignores_the_filter(self, filled: Project, moderator: User) -> None:
        """Complaint 10."""
        make_output(make_project(), model="a")
        job = run(begin(filled, moderator, "queue_add", "model:a"))
        changed = Output.objects.filter(pk__in=job.changes.values("output"))
        assert {one.model for one in changed} == {"a"}
        assert (job.num_matching, job.num_seen, job.num_changed) == (6, 6, 5)
        outputs = list(filled.outputs.values_list("pk", flat=True))
        job = begin(filled, moderator, "tag_add", "model:b", outputs=outputs)
        assert {one.model for one in bulk.meant(job=job)} == {"b"}

    def test_never_looked_at_more_than_match(self, filled: Project, moderator: User) -> None:
        job = begin(filled, moderator, "tag_add", "-tag:x", tags=["y"])
        assert job.num_matching == 9
        SessionTag.objects.all().delete()
        job = run(job)
        assert (job.num_matching, job.num_seen) == (12, 12)

    def test_acts_on_what_was_picked_only(self, filled: Project, moderator: User) -> None:
        session = filled.sessions.order_by("pk").last()
        assert session is not None
        job = begin(filled, moderator, "tag_add", outputs=[], sessions=[session.pk])
        assert job.num_matching == 3
        assert run(job).num_changed == 2

    @pytest.mark.parametrize("text", ["late", '"too late"', "-soon"])
    def test_acts_on_what_was_picked_where_its_comment_has_the_words(
        self, filled: Project, moderator: User, text: str
    ) -> None:
        output = make_output(filled, text="Soon.", model="a")
        make_feedback(output, comment="Too late.")
        for picked in ({"outputs": [output.pk]}, {"outputs": [], "sessions": [output.session_id]}):
            job = begin(filled, moderator, "queue_add", f"{text} model:a", **picked)
            assert job.num_matching == 1
        assert run(job).num_seen == 1

    def test_leaves_later_answers_alone(self, filled: Project, moderator: User) -> None:
        job = begin(filled, moderator, "tag_add")
        later = make_output(filled)
        run(job)
        assert not later.session.session_tags.exists()

    def test_gives_one_job_for_one_request(self, filled: Project, moderator: User) -> None:
        key = uuid4()
        jobs = [begin(filled, moderator, "tag_add", request_key=key) for _ in range(2)]
        assert jobs[0] == jobs[1]

    def test_refuses_what_cannot_be(self, filled: Project, moderator: User) -> None:
        wrong: dict[str, Any]
        for wrong in ({"tags": []}, {"tags": ["x" * 61]}, {"tags": ["a\x00"]}, {"outputs": []}):
            with pytest.raises(BulkError):
                begin(filled, moderator, "tag_add", **wrong)
        with pytest.raises(BulkError):
            begin(filled, moderator, "destroy")
        foreign = make_queue(make_project())
        with pytest.raises(BulkError):
            bulk.start(
                project=filled, wanted=ReviewFilter(), act="queue_add", queue=foreign,
                by=moderator, now=NOW,
            )  # fmt: skip
        for wrong in ({"reason": ""}, {"reason": "none\x00"}):
            with pytest.raises(BulkError, match="reason"):
                begin(filled, moderator, "reason_add", **wrong)
        for route in ("", "escalate", "nowhere"):
            with pytest.raises(BulkError, match="route"):
                begin(filled, moderator, "route_add", route=route)
        for act in ("queue_add", "reason_add", "route_add"):
            with pytest.raises(NotAllowedError):
                begin(filled, make_user(filled, role="expert"), act)


class TestWorking:
    def test_goes_on_after_a_worker_was_killed(
        self, filled: Project, moderator: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = begin(filled, moderator, "queue_add")
        bulk.work_off(now=NOW, most=2)

        class Killed(BaseException):
            pass

        def die(*_: Any, **__: Any) -> None:
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(BulkChange.objects, "bulk_create", die)
            with pytest.raises(Killed):
                bulk.work_off(now=NOW)
        job = run(job)
        assert (job.num_seen, job.num_changed, job.changes.count()) == (12, 10, 10)
        assert QueueItem.objects.count() == 12

    def test_that_raises_ends_as_failed_and_lets_later_ones_go_on(
        self, filled: Project, moderator: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = dump()
        broken = begin(filled, moderator, "tag_add", tags=["x"])
        later = begin(filled, moderator, "queue_add")
        bulk.work_off(now=NOW, most=1)

        def fail(**_: Any) -> None:
            raise ZeroDivisionError("secret words")

        with monkeypatch.context() as patched:
            patched.setattr(bulk, "put_on", fail)
            for _ in range(bulk.MOST_TRIES):
                with pytest.raises(ZeroDivisionError):
                    bulk.work_off(now=NOW)
            bulk.work_off(now=NOW)
        later.refresh_from_db()
        assert (later.status, later.num_changed, later.problem) == ("done", 10, "")
        broken.refresh_from_db()
        assert (broken.status, broken.num_seen, broken.ended_at) == ("failed", 3, NOW)
        assert broken.problem == (
            "It stopped after 3 of 12 answers: ZeroDivisionError, 3 times in the same place. "
            "The log of the worker says more."
        )
        assert Event.objects.filter(verb="failed", target_id=broken.pk).count() == 1
        undone(later, moderator)
        broken = undone(broken, moderator)
        assert (broken.status, broken.problem, dump()) == ("undone", "", before)

    def test_that_raises_once_is_tried_again_behind_the_others(
        self, filled: Project, moderator: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shaky = begin(filled, moderator, "tag_add", tags=["x"])
        other = begin(filled, moderator, "queue_add")

        def fail(**_: Any) -> None:
            raise TimeoutError

        with monkeypatch.context() as patched:
            patched.setattr(bulk, "put_on", fail)
            with pytest.raises(TimeoutError):
                bulk.work_off(now=NOW)
            bulk.work_off(now=NOW, most=1)
        other.refresh_from_db()
        assert other.num_seen == 3
        shaky = run(shaky)
        assert (shaky.status, shaky.num_failures, shaky.num_changed) == ("done", 0, 3)

    def test_whose_undoing_raises_says_so_and_can_be_undone_again(
        self, filled: Project, moderator: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = dump()
        job = run(begin(filled, moderator, "tag_add"))
        bulk.undo(job=job, by=moderator, now=NOW)

        def fail(**_: Any) -> None:
            raise ZeroDivisionError

        with monkeypatch.context() as patched:
            patched.setattr(bulk, "undo_changes", fail)
            for _ in range(bulk.MOST_TRIES):
                with pytest.raises(ZeroDivisionError):
                    bulk.work_off(now=NOW)
        job.refresh_from_db()
        assert job.status == "failed"
        assert job.problem.startswith("It stopped after 0 of 7 changes")
        undone(job, moderator)
        assert dump() == before

    def test_stops_when_it_is_cancelled_and_undoes_what_it_did(
        self, filled: Project, moderator: User
    ) -> None:
        before = dump()
        job = begin(filled, moderator, "tag_add")
        bulk.work_off(now=NOW, most=1)
        bulk.cancel(job=job, by=moderator, now=NOW)
        job = run(job)
        assert (job.status, job.num_seen) == ("cancelled", 3)
        undone(job, moderator)
        assert dump() == before

    def test_keeps_taken_out_items_out_when_the_queue_is_fed(
        self, filled: Project, moderator: User
    ) -> None:
        run(begin(filled, moderator, "queue_remove"))
        queue = filled.queues.get(slug="there")
        intake.feed(queue=queue, now=NOW)
        assert queue.items.filter(status="out").count() == 2
        assert queue.items.open().count() == 10

    def test_is_logged(self, filled: Project, moderator: User) -> None:
        run(begin(filled, moderator, "tag_add"))
        told = Event.objects.filter(target_type="bulk_job").order_by("pk")
        assert [one.verb for one in told] == ["started", "finished"]


class TestPages:
    def test_start_show_cancel_and_undo(
        self, client: Client, filled: Project, moderator: User
    ) -> None:
        client.force_login(moderator)
        address = f"/p/{filled.slug}/"
        sent = {"filter": "model:a", "all": "on", "act": "tag_add", "tags": "<b>, y"}
        page = client.post(f"{address}new-bulk/", sent, follow=True)
        job = BulkJob.objects.get()
        assert "&lt;b&gt;" in page.content.decode()
        run(job)
        fragment = client.get(f"{address}bulk/{job.pk}/", headers={"HX-Request": "true"})
        assert b"hx-trigger" not in fragment.content
        assert b"Undo all" in fragment.content
        client.post(f"{address}bulk/{job.pk}/undo/")
        assert run(job).status == "undone"
        assert client.post(f"{address}new-bulk/", {**sent, "tags": ""}).status_code == 422
        assert client.post(f"{address}new-bulk/", {**sent, "filter": "x:y"}).status_code == 422

    def test_another_act_of_a_page_that_back_showed_again_is_another_job(
        self, client: Client, filled: Project, moderator: User
    ) -> None:
        """The browser shows it with the key that was sent already."""
        client.force_login(moderator)
        picked = list(filled.outputs.order_by("pk").values_list("pk", flat=True)[:4])
        first = {"act": "tag_add", "tags": "y", "output": picked[:2], "request_key": uuid4()}
        acts = [first, first | {"act": "queue_add", "queue": "there"}, first | {"output": picked}]
        led = [
            client.post(f"/p/{filled.slug}/new-bulk/", sent).headers["Location"]
            for sent in (*acts, *acts)
        ]
        assert led[:3] == led[3:]
        assert len(set(led)) == BulkJob.objects.count() == 3

    def test_list_costs_the_same_for_many_acts(
        self, client: Client, filled: Project, moderator: User, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(12):
            begin(filled, moderator, "tag_add", "model:a")
        client.force_login(moderator)
        with django_assert_max_num_queries(8):
            page = client.get(f"/p/{filled.slug}/bulk/")
        assert len(page.context["rows"]) == 12
