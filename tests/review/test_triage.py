from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from feedback.models import AnswerVersion, Output, Project
from review import queues, suggestions, triage
from review.annotations import annotate
from review.models import Annotation, Claim, Event, QueueItem, Review
from tests.factories import (
    NOW,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_user,
)
from tests.threads import at_once

LATER = NOW + timedelta(seconds=901)


def submit(claim: Claim, **decision: Any) -> Review:
    assert claim.reviewer is not None
    decision.setdefault("verdict", "accept")
    decision.setdefault("now", NOW)
    decision.setdefault("fence", claim.fence)
    return triage.submit_review(item=claim.item, by=claim.reviewer, **decision)


def held(project: Project, **queue: Any) -> Claim:
    item = make_item(make_queue(project, **queue))
    return queues.claim(item=item, by=make_user(project), now=NOW)


class TestSubmitReview:
    def test_stores_the_decision_and_closes_the_item(self, project: Project) -> None:
        claim = held(project)
        review = submit(
            claim,
            verdict="fix",
            severity="major",
            confidence=0.5,
            comment=" It came out in August.\r\n",
            correction="Bloom came out\r\nin August 2018.",
            reasons=["too-vague", "incomplete", "too-vague"],
            routes=["library", "training", "library"],
        )
        review.refresh_from_db()
        assert sorted(review.reasons.values_list("slug", flat=True)) == ["incomplete", "too-vague"]
        assert review.routes == ["library", "training"]
        assert review.correction == "Bloom came out\nin August 2018."
        assert (review.output_version, review.is_authoritative) == (1, True)
        claim.item.refresh_from_db()
        assert (claim.item.status, claim.item.closed_at) == ("done", NOW)
        claim.refresh_from_db()
        assert claim.finished_at == NOW
        event = Event.objects.get(verb="reviewed")
        assert (event.target_id, event.actor) == (review.pk, claim.reviewer)

    def test_an_item_that_asks_for_two_stays_open_after_the_first(self, project: Project) -> None:
        first = held(project, reviewers_per_item=2)
        submit(first)
        assert QueueItem.objects.get().status == "open"
        second = queues.claim(item=first.item, by=make_user(project), now=NOW)
        submit(second)
        assert QueueItem.objects.get().status == "done"

    def test_the_old_fence_cannot_submit_once_the_place_is_handed_on(
        self, project: Project
    ) -> None:
        slow = held(project)
        queues.claim(item=slow.item, by=make_user(project), now=LATER)
        with pytest.raises(triage.LeaseLostError):
            submit(slow, now=LATER)
        assert not Review.objects.exists()

    def test_work_is_kept_when_the_lease_ran_out_but_nobody_took_the_place(
        self, project: Project
    ) -> None:
        assert submit(held(project), now=LATER).pk

    def test_a_second_submit_is_refused_and_told_the_first(self, project: Project) -> None:
        claim = held(project)
        first = submit(claim)
        with pytest.raises(triage.AlreadyReviewedError) as error:
            submit(claim, verdict="reject", comment="No")
        assert error.value.review == first
        assert Review.objects.count() == 1

    def test_the_first_review_counts(self, project: Project) -> None:
        claim = held(project, reviewers_per_item=2)
        first = submit(claim)
        other = queues.claim(item=claim.item, by=make_user(project), now=NOW)
        assert not submit(other, verdict="reject", comment="Wrong").is_authoritative
        assert list(Review.objects.authoritative()) == [first]

    def test_a_review_of_a_newer_answer_counts_instead(self, project: Project) -> None:
        claim = held(project)
        output = claim.item.output
        make_review(output, make_user(project), output_version=1)
        AnswerVersion.objects.create(output=output, number=1, text="Old", superseded_at=NOW)
        output.version = 2
        output.save()
        newer = submit(claim)
        assert newer.output_version == 2
        assert list(Review.objects.authoritative()) == [newer]

    def test_a_review_of_the_answer_as_it_was_does_not_count_over_a_newer_one(
        self, project: Project
    ) -> None:
        claim = held(project)
        output = claim.item.output
        AnswerVersion.objects.create(output=output, number=1, text="Old", superseded_at=NOW)
        output.version = 2
        output.save()
        newer = make_review(output, make_user(project), output_version=2)
        older = submit(claim, version=1, verdict="fix", comment="Old", correction="Old ")
        assert (older.output_version, older.correction) == (1, "")
        assert list(Review.objects.authoritative()) == [newer]

    def test_drops_a_correction_that_equals_the_answer(self, project: Project) -> None:
        claim = held(project)
        review = submit(
            claim, verdict="fix", comment="Hm", correction=f"{claim.item.output.text}\r\n"
        )
        assert review.correction == ""

    def test_the_accepted_suggestions_are_the_corrected_answer(self, project: Project) -> None:
        """G3."""
        claim = held(project)
        output, by = claim.item.output, make_user(project)
        Output.objects.update(text="One **two**\r\nthree four")
        output.refresh_from_db()
        made = []
        for start, words, replacement in ((4, "two", "**2**"), (8, "three", "3"), (14, "four", "")):
            made.append(
                annotate(
                    output=output,
                    version=1,
                    by=by,
                    start=start,
                    end=start + len(words),
                    exact=words,
                    replacement=replacement,
                    reason="too-vague",
                    now=NOW,
                )
            )
        for one in made[1::-1]:
            suggestions.accept(annotation=one, by=by, now=NOW)
        review = submit(claim, verdict="fix", comment="So")
        review.refresh_from_db()
        assert review.correction == "One **2**\r\n3 four"
        assert review.edit_distance == 3 + 5
        assert review.edits == [
            {
                "annotation": made[0].pk,
                "start": 4,
                "end": 11,
                "exact": "**two**",
                "replacement": "**2**",
                "reason": "too-vague",
            },
            {
                "annotation": made[1].pk,
                "start": 13,
                "end": 18,
                "exact": "three",
                "replacement": "3",
                "reason": "too-vague",
            },
        ]

    def test_a_given_correction_becomes_accepted_suggestions(self, project: Project) -> None:
        claim = held(project)
        text = claim.item.output.text
        review = submit(claim, verdict="fix", comment="So", correction=f"{text} It did.")
        assert review.correction == f"{text} It did."
        [made] = Annotation.objects.all()
        assert (made.replacement, made.decision, made.author) == (
            " It did.",
            "accepted",
            claim.reviewer,
        )
        assert [edit["annotation"] for edit in review.edits] == [made.pk]
        assert review.edit_distance == len(" It did.")

    def test_good_with_accepted_suggestions_is_refused(self, project: Project) -> None:
        claim = held(project)
        with pytest.raises(triage.VerdictError, match="A good answer needs no correction"):
            submit(claim, correction="Another answer")
        assert not Annotation.objects.exists()

    @pytest.mark.parametrize(
        ("path", "decision"),
        [
            ("verdict", {"verdict": ""}),
            ("verdict", {"verdict": "escalate"}),
            ("severity", {"severity": "awful"}),
            ("confidence", {"confidence": 1.01}),
            ("confidence", {"confidence": float("nan")}),
            ("routes", {"routes": ["nowhere"]}),
            ("comment", {"comment": "a\x00"}),
            ("comment", {"comment": "a" * 20_001}),
            ("correction", {"verdict": "fix", "correction": "a\x00"}),
            ("correction", {"verdict": "accept", "correction": "Another answer"}),
            ("reasons", {"verdict": "fix"}),
            ("reasons", {"verdict": "reject", "comment": " \n"}),
            ("reasons", {"verdict": "fix", "reasons": ["rude"]}),
            ("version", {"version": 7}),
        ],
    )
    def test_names_the_field_that_cannot_stand_and_writes_nothing(
        self, project: Project, path: str, decision: dict[str, Any]
    ) -> None:
        claim = held(project)
        with pytest.raises(triage.VerdictError) as error:
            submit(claim, **decision)
        assert error.value.path == path
        assert not Review.objects.exists()
        assert Claim.objects.get().finished_at is None

    def test_an_unknown_reason_is_told_the_known_ones(self, project: Project) -> None:
        with pytest.raises(triage.VerdictError, match="factually-incorrect, unsupported"):
            submit(held(project), verdict="fix", reasons=["rude"])


@pytest.mark.django_db(transaction=True)
class TestSubmitReviewAtOnce:
    def test_one_reviewer_submitting_twice_at_once_leaves_one_review(self) -> None:
        claim = self._claims(1)[0]

        def act() -> str:
            try:
                submit(claim)
            except triage.AlreadyReviewedError:
                return "already"
            return "stored"

        assert sorted(at_once(*4 * [act])) == ["already"] * 3 + ["stored"]
        assert Review.objects.count() == 1

    def test_reviewers_who_submit_at_once_close_the_item_and_one_review_counts(self) -> None:
        claims = self._claims(4)
        at_once(*(lambda claim=claim: submit(claim) for claim in claims))
        assert Review.objects.count() == 4
        assert Review.objects.authoritative().count() == 1
        assert QueueItem.objects.get().status == "done"

    @staticmethod
    def _claims(number: int) -> list[Claim]:
        project = make_project()
        queue = make_queue(project, reviewers_per_item=number)
        item = make_item(queue, make_output(project))
        return [queues.claim(item=item, by=make_user(project), now=NOW) for _ in range(number)]
