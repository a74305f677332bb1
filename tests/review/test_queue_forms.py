"""What a queue asks of its reviewers, and that it stays so once the first review is in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from feedback.models import Project
from review import queues, rules, triage
from review.models import Queue
from tests.factories import NOW, make_item, make_queue, make_review, make_user


def change(queue: Queue, **asked: Any) -> Queue:
    changed = replace(rules.rules_of(queue=queue), **asked)
    rules.edit_queue(queue=queue, rules=changed, by=make_user(queue.project), now=NOW)
    queue.refresh_from_db()
    return queue


class TestForm:
    def test_is_refused_once_the_first_review_is_in(self, project: Project) -> None:
        item = make_item(make_queue(project, reviewers_per_item=2))
        make_review(item.output, make_user(project), item=item)
        asked: list[dict[str, Any]] = [{"reviewers_per_item": 3}, {"required": ["severity"]}]
        for one in asked:
            with pytest.raises(queues.QueueError, match="Make a new queue") as error:
                change(item.queue, **one)
            assert error.value.path in one
        assert item.claims.count() == 2
        assert change(item.queue, name="Renamed").name == "Renamed"

    def test_the_database_refuses_it_too(self, project: Project) -> None:
        item = make_item(make_queue(project))
        make_review(item.output, make_user(project), item=item)
        asked: list[dict[str, Any]] = [{"reviewers_per_item": 3}, {"required": ["severity"]}]
        for one in asked:
            with pytest.raises(IntegrityError, match="cannot be changed"), transaction.atomic():
                Queue.objects.filter(pk=item.queue_id).update(**one)
        Queue.objects.filter(pk=item.queue_id).update(lease_seconds=60)

    def test_may_change_again_when_the_only_review_was_taken_back(self, project: Project) -> None:
        item, by = make_item(make_queue(project)), make_user(project)
        held = queues.claim(item=item, by=by, now=NOW)
        review = triage.submit_review(item=item, by=by, fence=held.fence, verdict="accept", now=NOW)
        triage.undo_review(review=review, by=by, now=NOW)
        assert change(item.queue, required=["confidence"]).required == ["confidence"]

    def test_asks_for_no_unknown_field(self, project: Project) -> None:
        with pytest.raises(queues.QueueError) as error:
            change(make_queue(project), required=["mood"])
        assert error.value.path == "required"


class TestRequired:
    @pytest.mark.parametrize(
        ("path", "decision"),
        [
            ("severity", {"verdict": "fix", "comment": "No."}),
            ("reasons", {"verdict": "reject", "comment": "No.", "severity": "major"}),
            ("confidence", {"verdict": "accept"}),
        ],
    )
    def test_a_decision_without_what_the_queue_asks_for_is_refused(
        self, project: Project, path: str, decision: dict[str, str]
    ) -> None:
        item, by = make_item(make_queue(project, required=[path])), make_user(project)
        held = queues.claim(item=item, by=by, now=NOW)
        with pytest.raises(triage.VerdictError) as error:
            triage.submit_review(
                item=item,
                by=by,
                fence=held.fence,
                now=NOW,
                **decision,  # type: ignore[arg-type]
            )
        assert error.value.path == path

    def test_a_good_answer_needs_no_fault(self, project: Project) -> None:
        item = make_item(make_queue(project, required=["severity", "reasons"]))
        by = make_user(project)
        held = queues.claim(item=item, by=by, now=NOW)
        assert triage.submit_review(
            item=item, by=by, fence=held.fence, verdict="accept", now=NOW
        ).pk
