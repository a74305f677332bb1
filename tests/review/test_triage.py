from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest

from feedback.models import AnswerVersion, Output, Project
from review import drafts, queues, suggestions, triage
from review.annotations import annotate
from review.models import Annotation, Claim, Draft, Event, QueueItem, Review, Skip
from tests.factories import (
    NOW,
    make_annotation,
    make_entry,
    make_item,
    make_library,
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
        """Complaint 3."""
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

    def test_who_skipped_the_item_first_has_not_skipped_it_any_more(self, project: Project) -> None:
        item, by = make_item(make_queue(project)), make_user(project)
        queues.skip(item=item, by=by, reason="Later", now=NOW)
        other = queues.skip(item=item, by=make_user(project), reason="Not my field", now=NOW)
        submit(queues.claim(item=item, by=by, now=NOW))
        assert list(Skip.objects.all()) == [other]

    def test_a_second_submit_is_refused_and_told_the_first(self, project: Project) -> None:
        claim = held(project)
        first = submit(claim)
        with pytest.raises(triage.AlreadyReviewedError) as error:
            submit(claim, verdict="reject", comment="No")
        assert (error.value.review, error.value.is_same) == (first, False)
        assert Review.objects.count() == 1

    SENT: ClassVar = {
        "verdict": "fix",
        "severity": "major",
        "confidence": 0.5,
        "comment": "It came out\nin 2018.",
        "correction": "It came out in 2018.",
        "reasons": ["incomplete"],
        "routes": ["library"],
    }

    @pytest.mark.parametrize(
        ("other", "is_same"),
        [
            ({}, True),
            ({"comment": "It came out\r\nin 2018."}, True),
            ({"correction": ""}, True),
            ({"routes": None}, True),
            ({"version": 1}, True),
            ({"verdict": "reject"}, False),
            ({"severity": "minor"}, False),
            ({"confidence": 0.75}, False),
            ({"comment": "It came out."}, False),
            ({"correction": "In 2018."}, False),
            ({"reasons": ["incomplete", "too-vague"]}, False),
            ({"routes": []}, False),
            ({"version": 2}, False),
        ],
    )
    def test_a_second_submit_says_whether_it_is_the_first(
        self, project: Project, other: dict[str, Any], *, is_same: bool
    ) -> None:
        claim = held(project)
        submit(claim, **self.SENT)
        with pytest.raises(triage.AlreadyReviewedError) as error:
            submit(claim, **self.SENT | other)
        assert error.value.is_same is is_same

    def test_the_first_review_counts(self, project: Project) -> None:
        claim = held(project, reviewers_per_item=2)
        first = submit(claim)
        other = queues.claim(item=claim.item, by=make_user(project), now=NOW)
        assert not submit(other, comment="So it is.").is_authoritative
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


class TestUndoReview:
    def test_the_item_is_the_reviewers_again_with_all_that_was_entered(
        self, project: Project
    ) -> None:
        claim = held(project)
        review = submit(
            claim,
            verdict="fix",
            severity="major",
            confidence=0.5,
            comment="It came out in August.",
            reasons=["incomplete"],
            routes=["library"],
        )
        draft = undo(review)
        assert not Review.objects.exists()
        place = Claim.objects.get()
        assert (place.reviewer, place.finished_at) == (claim.reviewer, None)
        assert place.fence == claim.fence + 1
        item = QueueItem.objects.get()
        assert (item.status, item.closed_at) == ("open", None)
        assert draft.fields == {
            "verdict": "fix",
            "severity": "major",
            "confidence": "0.5",
            "comment": "It came out in August.",
            "correction": "",
            "reasons": ["incomplete"],
            "routes": ["library"],
            "routes_by": "person",
        }
        event = Event.objects.get(verb="took_back")
        assert (event.target_id, event.output_id) == (review.pk, item.output_id)

    def test_the_old_fence_does_not_submit_and_the_new_one_does(self, project: Project) -> None:
        claim = held(project)
        undo(submit(claim))
        with pytest.raises(triage.LeaseLostError):
            submit(claim)
        claim.refresh_from_db()
        assert submit(claim, verdict="reject", comment="No").is_authoritative

    def test_a_tab_from_before_the_submit_cannot_overwrite_what_came_back(
        self, project: Project
    ) -> None:
        """Complaint 6."""
        claim = held(project)
        assert claim.reviewer is not None
        kept = drafts.save(
            item=claim.item, by=claim.reviewer, revision=0, fields={}, version=1, now=NOW
        )
        undo(submit(claim))
        with pytest.raises(drafts.StaleDraftError):
            drafts.save(
                item=claim.item,
                by=claim.reviewer,
                revision=kept.revision,
                fields={"comment": "Old"},
                version=1,
                now=NOW,
            )

    def test_the_review_that_counted_before_counts_again(self, project: Project) -> None:
        claim = held(project)
        output = claim.item.output
        former = make_review(output, make_user(project), output_version=1)
        AnswerVersion.objects.create(output=output, number=1, text="Old", superseded_at=NOW)
        output.version = 2
        output.save()
        undo(submit(claim))
        assert list(Review.objects.authoritative()) == [former]

    def test_taking_back_a_second_opinion_leaves_the_first_counting(self, project: Project) -> None:
        claim = held(project)
        first = make_review(claim.item.output, make_user(project))
        undo(submit(claim))
        assert list(Review.objects.authoritative()) == [first]

    @pytest.mark.parametrize("by_reply", [False, True])
    def test_who_saw_what_another_wrote_does_not_decide_anew_beside_them(
        self, project: Project, by_reply: bool
    ) -> None:
        """In a queue of several their comments show from the submit on."""
        claim = held(project, reviewers_per_item=2)
        assert claim.reviewer
        output, other = claim.item.output, make_user(project)
        if by_reply:
            note = make_annotation(output, claim.reviewer, "Bloom", comment="Which?")
            note.replies.create(project=project, author=other, text="The album.", created_at=NOW)
        else:
            make_annotation(output, other, "Bloom", comment="Wrong.")
        review = submit(claim)
        with pytest.raises(triage.UndoError, match="what others wrote"):
            undo(review)

    def test_what_oneself_wrote_stops_nobody(self, project: Project) -> None:
        claim = held(project, reviewers_per_item=2)
        assert claim.reviewer
        make_annotation(claim.item.output, claim.reviewer, "Bloom", comment="Wrong.")
        undo(submit(claim))

    def test_only_its_reviewer_takes_it_back(self, project: Project) -> None:
        review = submit(held(project))
        with pytest.raises(triage.UndoError):
            triage.undo_review(review=review, by=make_user(project, "admin"), now=NOW)
        assert Review.objects.exists()

    def test_only_for_a_while(self, project: Project) -> None:
        claim = held(project)
        review = submit(claim)
        assert claim.reviewer is not None
        last = NOW + triage.UNDO_FOR
        after = last + timedelta(seconds=1)
        assert triage.undoable(item=claim.item, by=claim.reviewer, now=last) == review
        assert triage.undoable(item=claim.item, by=claim.reviewer, now=after) is None
        with pytest.raises(triage.UndoError, match="for 24 hours"):
            undo(review, now=after)
        assert undo(review, now=last).pk

    def test_what_something_was_made_of_stands(self, project: Project) -> None:
        claim = held(project)
        review = submit(claim)
        make_entry(make_library(project), review=review)
        with pytest.raises(triage.UndoError, match="made of this"):
            undo(review)
        assert claim.reviewer is not None
        assert triage.undoable(item=claim.item, by=claim.reviewer, now=NOW) is None

    def test_stands_once_anothers_verdict_on_the_item_is_open_to_its_reviewer(
        self, project: Project
    ) -> None:
        claim = held(project, reviewers_per_item=2)
        review = submit(claim)
        submit(queues.claim(item=claim.item, by=make_user(project), now=NOW))
        with pytest.raises(triage.UndoError, match="what others decided"):
            undo(review)
        assert QueueItem.objects.get().status == "done"

    def test_the_next_item_stays_the_reviewers(self, project: Project) -> None:
        claim = held(project)
        assert claim.reviewer is not None
        review = submit(claim)
        following = make_item(claim.item.queue)
        queues.claim_next(queue=claim.item.queue, by=claim.reviewer, now=NOW)
        undo(review)
        mine = Claim.objects.held_by(claim.reviewer, at=NOW).values_list("item", flat=True)
        assert set(mine) == {claim.item_id, following.pk}


def undo(review: Review, now: datetime = NOW) -> Draft:
    return triage.undo_review(review=review, by=review.reviewer, now=now)


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
