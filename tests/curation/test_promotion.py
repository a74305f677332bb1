from __future__ import annotations

from typing import Any

import pytest

from curation import pairing, promotion
from curation.models import ContextEntry, Example
from curation.promotion import AlreadyPromotedError, PromotionError
from feedback.models import AnswerVersion, Feedback, Output, Project, User
from review.models import Event, Review
from tests.factories import (
    NOW,
    make_annotation,
    make_feedback,
    make_library,
    make_output,
    make_project,
    make_review,
    make_training_set,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def output(project: Project) -> Output:
    return make_output(project)


def to_library(review: Review, **options: Any) -> ContextEntry:
    given: dict[str, Any] = {
        "library": options.pop("library", None) or make_library(review.project),
        "kind": "example",
        "why": "",
        "by": review.reviewer,
        "now": NOW,
    }
    return promotion.promote_to_library(review=review, **given | options)


def to_set(review: Review, **options: Any) -> Example:
    given: dict[str, Any] = {
        "training_set": options.pop("training_set", None) or make_training_set(review.project),
        "by": review.reviewer,
        "now": NOW,
    }
    return promotion.promote_to_training_set(review=review, **given | options)


class TestPromoteToLibrary:
    def test_takes_the_accepted_text_with_its_way_back(self, output: Output, curator: User) -> None:
        said = make_feedback(output, comment="Right")
        make_feedback(output, is_implicit=True, name="copy")
        review = make_review(output, curator, verdict="accept")
        note = make_annotation(output, curator, "Bloom")
        make_annotation(output, curator, "Bloom", deleted_at=NOW)
        make_annotation(output, curator, "Bloom", output_version=output.version + 1)
        make_annotation(make_output(output.project), curator, "Bloom")
        entry = to_library(review, kind="clarification", why="It keeps coming up.")
        entry.refresh_from_db()
        assert (entry.kind, entry.query, entry.answer, entry.why) == (
            "clarification",
            output.query,
            output.text,
            "It keeps coming up.",
        )
        assert (entry.output, entry.review, entry.created_by) == (output, review, curator)
        assert entry.created_at == NOW
        assert list(entry.feedback.all()) == [said]
        assert list(entry.annotations.all()) == [note]

    def test_takes_the_correction_of_a_fix(self, output: Output, curator: User) -> None:
        review = make_review(output, curator, verdict="fix", correction="In 2018.")
        assert to_library(review).answer == "In 2018."

    def test_takes_the_correction_of_a_rejected_answer(self, output: Output, curator: User) -> None:
        review = make_review(output, curator, verdict="reject", correction="In 2018.")
        assert to_library(review).answer == "In 2018."

    def test_takes_the_text_that_was_reviewed_not_a_newer_one(
        self, output: Output, curator: User
    ) -> None:
        review = make_review(output, curator, verdict="accept")
        AnswerVersion.objects.create(output=output, number=1, text=output.text, superseded_at=NOW)
        reviewed = output.text
        Output.objects.filter(pk=output.pk).update(version=2, text="A newer answer.")
        review.refresh_from_db()
        assert to_library(review).answer == reviewed

    @pytest.mark.parametrize(
        ("verdict", "why"),
        [("reject", "rejected and not corrected"), ("fix", "holds no corrected answer")],
    )
    def test_refuses_what_settles_nothing(
        self, output: Output, curator: User, verdict: str, why: str
    ) -> None:
        review = make_review(output, curator, verdict=verdict, correction=" \n")
        with pytest.raises(PromotionError, match=why):
            to_library(review)
        if verdict == "fix":
            with pytest.raises(PromotionError, match=why):
                to_set(review)
        assert not ContextEntry.objects.exists()
        assert not Event.objects.exists()

    def test_lets_a_training_set_unlearn_what_was_rejected(
        self, output: Output, curator: User
    ) -> None:
        example = to_set(make_review(output, curator, verdict="reject"))
        assert (example.chosen, example.rejected) == ("", output.text)

    def test_keeps_tools_and_every_turn(self, project: Project, curator: User) -> None:
        call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        tool = {"type": "function", "function": {"name": "look"}}
        messages = [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "When?"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "2018"},
        ]
        output = make_output(project, query="When?", messages=messages, tools=[tool])
        example = to_set(make_review(output, curator, verdict="accept"))
        roles = [turn["role"] for turn in example.prompt]
        assert roles == ["user", "assistant", "user", "assistant", "tool"]
        assert example.prompt[3]["tool_calls"][0]["function"]["arguments"] == {}
        assert example.tools == [tool]

    def test_refuses_an_empty_answer(self, project: Project, curator: User) -> None:
        review = make_review(make_output(project, text=" "), curator, verdict="accept")
        with pytest.raises(PromotionError, match="empty"):
            to_library(review)

    def test_refuses_a_review_that_does_not_count(self, output: Output, curator: User) -> None:
        review = make_review(output, curator, verdict="accept", is_authoritative=False)
        with pytest.raises(PromotionError, match="Another review"):
            to_library(review)

    def test_refuses_another_projects_library(self, output: Output, curator: User) -> None:
        review = make_review(output, curator, verdict="accept")
        with pytest.raises(PromotionError, match="another project"):
            to_library(review, library=make_library(make_project()))

    def test_refuses_an_example_without_a_question(self, project: Project, curator: User) -> None:
        review = make_review(make_output(project, query=" "), curator, verdict="accept")
        with pytest.raises(PromotionError, match="no question"):
            to_library(review)
        assert to_library(review, kind="instruction").kind == "instruction"

    def test_refuses_an_unknown_kind(self, output: Output, curator: User) -> None:
        review = make_review(output, curator, verdict="accept")
        with pytest.raises(PromotionError, match="not a kind"):
            to_library(review, kind="memory")

    def test_refuses_the_same_review_twice_until_its_entry_is_removed(
        self, output: Output, curator: User
    ) -> None:
        review = make_review(output, curator, verdict="accept")
        entry = to_library(review)
        with pytest.raises(AlreadyPromotedError, match="has this answer already"):
            to_library(review, library=entry.library)
        assert to_library(review).pk != entry.pk
        ContextEntry.objects.filter(pk=entry.pk).update(removed_at=NOW)
        assert to_library(review, library=entry.library).pk != entry.pk

    def test_is_recorded_by_ids(self, output: Output, curator: User) -> None:
        review = make_review(output, curator, verdict="accept")
        entry = to_library(review)
        event = Event.objects.get()
        assert (event.verb, event.target_type, event.target_id) == (
            "promoted",
            "context_entry",
            entry.pk,
        )
        assert (event.actor, event.at) == (curator, NOW)
        assert event.data == {"review": review.pk, "library": entry.library_id}


class TestPromoteToTrainingSet:
    def test_learns_the_correction_and_unlearns_the_original(
        self, project: Project, curator: User
    ) -> None:
        output = make_output(
            project,
            system="Be brief.",
            messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
        )
        said = make_feedback(output, comment="Wrong")
        review = make_review(output, curator, correction="In 2018.")
        note = make_annotation(output, curator, "Bloom", replacement="It")
        example = to_set(review)
        example.refresh_from_db()
        assert example.prompt == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": output.query},
        ]
        assert (example.chosen, example.rejected) == ("In 2018.", output.text)
        assert (example.output, example.review, example.created_by) == (output, review, curator)
        assert list(example.feedback.all()) == [said]
        assert list(example.annotations.all()) == [note]
        assert Event.objects.get().data["training_set"] == example.training_set_id

    def test_unlearns_nothing_where_the_answer_was_good(
        self, output: Output, curator: User
    ) -> None:
        example = to_set(make_review(output, curator, verdict="accept"))
        assert (example.chosen, example.rejected) == (output.text, "")

    def test_unlearns_the_version_that_was_reviewed(self, output: Output, curator: User) -> None:
        review = make_review(output, curator, correction="In 2018.")
        AnswerVersion.objects.create(output=output, number=1, text=output.text, superseded_at=NOW)
        reviewed = output.text
        Output.objects.filter(pk=output.pk).update(version=2, text="A newer answer.")
        review.refresh_from_db()
        assert to_set(review).rejected == reviewed

    def test_refuses_what_no_trainer_could_read(self, project: Project, curator: User) -> None:
        output = make_output(project, messages=[{"role": "tool", "content": "42"}])
        review = make_review(output, curator, verdict="accept")
        with pytest.raises(PromotionError, match="answers no call"):
            to_set(review)

    def test_refuses_another_projects_set(self, output: Output, curator: User) -> None:
        review = make_review(output, curator, verdict="accept")
        with pytest.raises(PromotionError, match="another project"):
            to_set(review, training_set=make_training_set(make_project()))

    def test_refuses_the_same_review_twice(self, output: Output, curator: User) -> None:
        review = make_review(output, curator, verdict="accept")
        example = to_set(review)
        with pytest.raises(AlreadyPromotedError):
            to_set(review, training_set=example.training_set)
        assert Example.objects.count() == 1
        assert Event.objects.count() == 1


class TestSaidAbout:
    def test_is_what_people_said_oldest_first(self, output: Output) -> None:
        late = make_feedback(output, at=NOW.replace(year=2027))
        early = make_feedback(output)
        make_feedback(output, is_implicit=True, name="copy")
        make_feedback(make_output(output.project))
        assert pairing.said_about(output) == [early, late]
        assert Feedback.objects.count() == 4
