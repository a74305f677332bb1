"""Pairs of answers to one question."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from curation import (
    erasing,
    gating,
    promotion,
    promotion_jobs,
    readers,
    releasing,
    training_sets,
)
from curation.checker import check
from curation.gates import Gate
from curation.models import Example, GateFinding, Release, Revocation, TrainingSet
from curation.placing import Places
from feedback.embedding import model_id
from feedback.ingestion import ingest
from feedback.models import Feedback, Output, Project, Session, User
from review.filters import ReviewFilter
from review.models import Event, Review
from tests.factories import (
    NOW,
    make_annotation,
    make_feedback,
    make_item,
    make_output,
    make_queue,
    make_review,
    make_session,
    make_training_set,
    make_user,
)
from tests.material import DATA, needs_data, ranked_trees

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=2)
ASKED = "When did Bloom come out?"


@pytest.fixture
def curator(project: Project) -> User:
    return make_user(project, "admin")


@pytest.fixture
def session(project: Project) -> Session:
    return make_session(project, external_id="s-1")


@pytest.fixture
def training_set(project: Project) -> TrainingSet:
    return make_training_set(project)


def answer(session: Session, text: str, minutes: int = 0, **fields: Any) -> Output:
    return make_output(
        session.project, session, text=text, at=NOW + timedelta(minutes=minutes), **fields
    )


def ranked(output: Output, place: int, by: str = "ada", **fields: Any) -> Feedback:
    return make_feedback(output, name="rank", value=place, author_external_id=by, **fields)


def promote(review: Review, training_set: TrainingSet) -> Example:
    return promotion.promote_to_training_set(
        review=review, training_set=training_set, by=review.reviewer, now=LATER
    )


def pairs(training_set: TrainingSet) -> list[tuple[str, str]]:
    kept = training_set.examples.kept().filter(is_pair=True).order_by("pk")
    return list(kept.values_list("chosen", "rejected"))


def released(training_set: TrainingSet, by: User, **more: Any) -> Release:
    return releasing.release(training_set=training_set, by=by, now=LATER, **more)


class TestBeside:
    def beside(self, output: Output) -> list[str]:
        found = Output.objects.beside(output).order_by("at", "pk")
        return list(found.values_list("text", flat=True))

    def test_is_what_else_was_answered_to_the_very_same(self, session: Session) -> None:
        context: dict[str, Any] = {
            "system": "Be brief.",
            "messages": [{"role": "user", "content": "Hello"}],
            "documents": [{"id": "d", "text": "Bloom"}],
            "tools": [{"type": "function", "function": {"name": "look_up"}}],
        }
        output = answer(session, "one", **context)
        answer(session, "two", 9, **context)
        others: list[dict[str, Any]] = [
            {"system": "Be long."},
            {"messages": [{"role": "user", "content": "Hi"}]},
            {"documents": []},
            {"tools": []},
            {"query": "When?"},
        ]
        for other in others:
            answer(session, f"not {other}", 1, **context | other)
        answer(make_session(session.project), "elsewhere", **context)
        assert self.beside(output) == ["two"]

    def test_without_messages_it_ends_where_something_else_was_answered(
        self, session: Session
    ) -> None:
        answer(session, "early")
        answer(session, "between", 1, query="And Loveless?")
        former = answer(session, "former", 2)
        output = answer(session, "this", 2)
        answer(session, "latter", 3)
        answer(session, "between", 4, query="And Blue?")
        answer(session, "late", 5)
        assert self.beside(output) == ["former", "latter"]
        assert self.beside(former) == ["this", "latter"]


class TestPairUp:
    def test_prefers_the_good_one_with_the_way_back_to_both(
        self, session: Session, training_set: TrainingSet, curator: User
    ) -> None:
        worse, better = answer(session, "In 2017."), answer(session, "In 2018.", 1)
        said = [make_feedback(worse, comment="No"), make_feedback(better, comment="Yes")]
        reviews = [
            make_review(worse, curator, verdict="reject"),
            make_review(better, curator, verdict="accept"),
        ]
        notes = [make_annotation(one, curator, "In") for one in (worse, better)]
        example = promote(reviews[1], training_set)
        pair = training_set.examples.get(is_pair=True)
        assert (pair.chosen, pair.rejected) == ("In 2018.", "In 2017.")
        assert (pair.output, pair.chosen_review) == (better, reviews[1])
        assert (pair.rejected_output, pair.rejected_review) == (worse, reviews[0])
        assert (pair.review, pair.prompt, pair.tools) == (None, example.prompt, example.tools)
        assert set(pair.feedback.all()) == set(said)
        assert set(pair.annotations.all()) == set(notes)
        event = Event.objects.get(verb="promoted")
        assert event.data["pairs"] == 1

    def test_prefers_a_correction_to_a_sibling_that_nobody_corrected(
        self, session: Session, training_set: TrainingSet, curator: User
    ) -> None:
        fixed, rejected = answer(session, "In 2017."), answer(session, "Never.", 1)
        make_review(rejected, curator, verdict="reject")
        promote(make_review(fixed, curator, verdict="fix", correction="In 2018."), training_set)
        assert pairs(training_set) == [("In 2018.", "Never.")]

    def test_makes_one_pair_whichever_is_promoted_first(
        self, session: Session, training_set: TrainingSet, curator: User
    ) -> None:
        one = make_review(answer(session, "In 2018."), curator, verdict="accept")
        other = make_review(answer(session, "Never.", 1), curator, verdict="reject")
        for review in (other, one):
            promote(review, training_set)
        assert pairs(training_set) == [("In 2018.", "Never.")]
        pair = training_set.examples.get(is_pair=True)
        with pytest.raises(IntegrityError), transaction.atomic():
            Example.objects.create(
                training_set=training_set,
                prompt=pair.prompt,
                chosen="Never.",
                rejected="In 2018.",
                is_pair=True,
                output=pair.rejected_output,
                rejected_output=pair.output,
                created_by=curator,
                created_at=NOW,
            )

    def test_goes_by_ranks_of_siblings_that_nobody_reviewed(
        self, session: Session, training_set: TrainingSet, curator: User
    ) -> None:
        outputs = [answer(session, text, at) for at, text in enumerate("abc")]
        for place, output in enumerate(outputs):
            ranked(output, place)
        promote(make_review(outputs[1], curator, verdict="accept"), training_set)
        assert pairs(training_set) == [("a", "b"), ("b", "c")]

    @pytest.mark.parametrize(
        "fields",
        [
            {"annotator_kind": "LLM"},
            {"annotator_kind": "CODE"},
            {"output_version": 7},
            {"is_implicit": True, "name": "accept"},
        ],
    )
    def test_counts_what_people_ranked_of_this_version_alone(
        self, session: Session, training_set: TrainingSet, curator: User, fields: dict[str, Any]
    ) -> None:
        one, other = answer(session, "a"), answer(session, "b", 1)
        ranked(one, 1)
        made = ranked(other, 2)
        Feedback.objects.filter(pk=made.pk).update(**fields)
        promote(make_review(one, curator, verdict="accept"), training_set)
        assert pairs(training_set) == []

    def test_is_silent_on_what_somebody_is_to_judge_without_knowing(
        self, session: Session, training_set: TrainingSet, curator: User
    ) -> None:
        one, other = answer(session, "a"), answer(session, "b", 1)
        make_item(make_queue(session.project, reviewers_per_item=2), other)
        make_review(other, curator, verdict="reject")
        promote(make_review(one, curator, verdict="accept"), training_set)
        assert pairs(training_set) == []

    def test_tests_by_none(self, session: Session, curator: User) -> None:
        cases = make_training_set(session.project, purpose="evaluation")
        one, other = answer(session, "a"), answer(session, "b", 1)
        make_review(other, curator, verdict="reject")
        promote(make_review(one, curator, verdict="accept"), cases)
        assert pairs(cases) == []


@pytest.fixture
def both(session: Session, training_set: TrainingSet, curator: User) -> tuple[Example, Example]:
    """A good and a rejected answer to one question, in the set, and with that their pair."""
    good = make_review(answer(session, "In 2018."), curator, verdict="accept")
    bad = make_review(answer(session, "Never.", 1), curator, verdict="reject")
    return promote(good, training_set), promote(bad, training_set)


class TestGoing:
    @pytest.mark.parametrize("place", [0, 1])
    def test_a_pair_leaves_the_set_with_either_answer_and_comes_back_with_it(
        self,
        both: tuple[Example, Example],
        place: int,
        training_set: TrainingSet,
        curator: User,
    ) -> None:
        removed = both[place]
        training_sets.remove_example(example=removed, by=curator, now=LATER)
        assert pairs(training_set) == []
        assert removed.review is not None
        promote(removed.review, training_set)
        assert pairs(training_set) == [("In 2018.", "Never.")]

    def test_an_answer_that_was_removed_does_not_come_back_by_a_pair(
        self, session: Session, both: tuple[Example, Example], training_set: TrainingSet
    ) -> None:
        training_sets.remove_example(example=both[1], by=both[1].created_by, now=LATER)
        more = make_review(answer(session, "In August.", 2), both[0].created_by, verdict="accept")
        promote(more, training_set)
        assert pairs(training_set) == []

    def test_a_pair_that_was_removed_by_itself_stays_out(
        self, session: Session, training_set: TrainingSet, curator: User
    ) -> None:
        good = make_review(answer(session, "In 2018."), curator, verdict="accept")
        bad = make_review(answer(session, "Never.", 1), curator, verdict="reject")
        promote(good, training_set)
        pair = training_set.examples.get(is_pair=True)
        training_sets.remove_example(example=pair, by=curator, now=LATER)
        promote(bad, training_set)
        assert pairs(training_set) == []
        assert training_set.examples.kept().count() == 2

    @pytest.mark.parametrize("place", [0, 1])
    def test_a_revocation_of_either_reaches_the_pair(
        self,
        both: tuple[Example, Example],
        place: int,
        training_set: TrainingSet,
        curator: User,
    ) -> None:
        made = released(training_set, curator)
        releasing.revoke(example=both[place], reason="consent", by=curator, now=LATER)
        pair = training_set.examples.get(is_pair=True)
        assert pair.removed_at == LATER
        told = {one["example"]: one["reason"] for one in releasing.revocations(release=made)}
        assert told == {str(both[place].pk): "consent", str(pair.pk): "consent"}

    def test_an_erasure_of_the_session_empties_it(
        self, both: tuple[Example, Example], training_set: TrainingSet, curator: User
    ) -> None:
        pair = training_set.examples.get(is_pair=True)
        erasing.start(
            project=training_set.project,
            scope="session",
            subject="s-1",
            confirmed="s-1",
            by=curator,
            now=LATER,
        )
        for minutes in range(4):
            while erasing.work_off(now=LATER + timedelta(minutes=2 * minutes)):
                pass
        pair.refresh_from_db()
        assert (pair.chosen, pair.rejected) == ("", "")
        assert (pair.output, pair.rejected_output) == (None, None)
        assert Revocation.objects.get(example=pair).reason == "erased"

    def test_a_pair_whose_rejected_answer_is_gone_counts_as_erased(
        self, both: tuple[Example, Example], training_set: TrainingSet, curator: User
    ) -> None:
        made = released(training_set, curator)
        pair = training_set.examples.get(is_pair=True)
        assert pair.rejected_output is not None
        Review.objects.filter(output=pair.rejected_output).delete()
        pair.rejected_output.delete()
        gone = {one["example"] for one in releasing.revocations(release=made)}
        assert gone == {str(both[1].pk), str(pair.pk)}

    def test_an_undo_takes_it_back_unless_the_other_answer_holds_it(
        self, session: Session, training_set: TrainingSet, curator: User
    ) -> None:
        good = make_review(answer(session, "In 2018."), curator, verdict="accept")
        bad = make_review(answer(session, "Never.", 1), curator, verdict="reject")
        places = Places(training_sets=[training_set])
        jobs = []
        for review in (good, bad):
            jobs.append(
                promotion_jobs.start(
                    project=session.project,
                    wanted=ReviewFilter(),
                    reviews=[review.pk],
                    places=places,
                    by=curator,
                    now=LATER,
                    request_key=uuid.uuid4(),
                )
            )
            while promotion_jobs.work_off(now=LATER):
                pass
        assert pairs(training_set) == [("In 2018.", "Never.")]
        left = [[("In 2018.", "Never.")], []]
        for job, is_left in zip(jobs, left, strict=True):
            promotion_jobs.undo(job=job, by=curator, now=LATER)
            while promotion_jobs.work_off(now=LATER):
                pass
            assert pairs(training_set) == is_left
        assert not training_set.examples.exists()


class TestRelease:
    def lines(self, made: Release, name: str) -> list[dict[str, Any]]:
        path = releasing.folder_of(made).path(name)
        return [json.loads(line) for line in path.read_text().splitlines()]

    def test_writes_a_pair_for_preferences_alone_with_its_lineage(
        self, both: tuple[Example, Example], training_set: TrainingSet, curator: User
    ) -> None:
        made = released(training_set, curator)
        pair = training_set.examples.get(is_pair=True)
        for name in ("openai/dpo", "trl/preference", "llamafactory/dpo", "axolotl/dpo"):
            assert len(self.lines(made, f"{name}-train.jsonl")) == 1, name
        assert len(self.lines(made, "trl/sft-train.jsonl")) == 1
        assert [one["label"] for one in self.lines(made, "trl/kto-train.jsonl")] == [True, False]
        rows = {one["id"]: one for one in self.lines(made, "examples/train.jsonl")}
        row = rows[str(pair.pk)]
        assert row["is_pair"] is True
        better, worse = (one.output for one in both)
        assert better is not None
        assert worse is not None
        assert row["metadata"]["output"] == better.external_id
        assert row["metadata"]["review"] == both[0].review_id
        assert row["metadata"]["rejected_output"] == worse.external_id
        assert row["metadata"]["rejected_review"] == both[1].review_id
        assert {"is_pair" in rows[str(one.pk)] for one in both} == {False}
        assert {one["group"] for one in rows.values()} == {"s-1"}
        again = list(training_sets.lines(release=made, split="train", format_="trl-sft"))
        assert len(again) == 1

    def test_is_read_back_as_it_was(
        self, both: tuple[Example, Example], training_set: TrainingSet, curator: User
    ) -> None:
        made = released(training_set, curator)
        path = releasing.folder_of(made).path("examples/train.jsonl")
        assert check(path.read_bytes().splitlines(keepends=True), "examples").is_sound
        other = make_training_set(training_set.project)
        rows = [readers.read(line, "examples") for line in self.lines(made, "examples/train.jsonl")]
        training_sets.add_rows(training_set=other, rows=rows, by=curator, now=LATER)
        assert pairs(other) == pairs(training_set)
        copied = self.lines(released(other, curator), "trl/preference-train.jsonl")
        assert copied == self.lines(made, "trl/preference-train.jsonl")
        assert len(self.lines(other.releases.get(), "trl/sft-train.jsonl")) == 1

    def test_takes_pairs_in_with_what_the_filter_matches(
        self, session: Session, training_set: TrainingSet, curator: User
    ) -> None:
        make_review(answer(session, "In 2018."), curator, verdict="accept")
        make_review(answer(session, "Never.", 1), curator, verdict="reject")
        releasing.set_filter(
            training_set=training_set, wanted=ReviewFilter(), by=curator, now=LATER
        )
        made = released(training_set, curator)
        assert made.num_examples == 3
        assert pairs(training_set) == [("In 2018.", "Never.")]


class TestGates:
    def found(self, training_set: TrainingSet, gate: Gate) -> set[int]:
        made = gating.ask(training_set=training_set, by=make_user(), now=LATER)
        gating.run(check=made, vectors=model_id(), clock=lambda: LATER)
        findings = GateFinding.objects.filter(check_run=made, gate=gate)
        return set(findings.values_list("example", flat=True))

    def test_a_pair_is_no_double_of_its_answers_nor_they_of_each_other(
        self, both: tuple[Example, Example], training_set: TrainingSet
    ) -> None:
        assert self.found(training_set, Gate.NEAR) == set()

    def test_two_answers_to_learn_to_one_question_are(
        self, session: Session, training_set: TrainingSet, curator: User
    ) -> None:
        one, other = (
            promote(make_review(answer(session, text, at), curator, verdict="accept"), training_set)
            for at, text in enumerate(("In 2018.", "In August."))
        )
        assert self.found(training_set, Gate.NEAR) == {other.pk}
        assert one.pk < other.pk

    def test_read_both_answers(
        self, session: Session, training_set: TrainingSet, curator: User
    ) -> None:
        worse = answer(session, "Ask ada@postil.example.")
        make_review(worse, curator, verdict="reject")
        good = make_review(answer(session, "In 2018.", 1), curator, verdict="accept")
        promote(good, training_set)
        pair = training_set.examples.get(is_pair=True)
        assert self.found(training_set, Gate.PERSONAL) == {pair.pk}

    def test_ask_whether_reviewers_agree_on_either(
        self, session: Session, training_set: TrainingSet, curator: User
    ) -> None:
        worse = answer(session, "Never.")
        make_review(worse, curator, verdict="reject")
        make_review(worse, make_user(), verdict="accept", is_authoritative=False)
        good = make_review(answer(session, "In 2018.", 1), curator, verdict="accept")
        promote(good, training_set)
        pair = training_set.examples.get(is_pair=True)
        assert self.found(training_set, Gate.AGREEMENT) == {pair.pk}


class TestPage:
    def test_tells_what_a_pair_came_from(
        self,
        client: Client,
        session: Session,
        training_set: TrainingSet,
        curator: User,
    ) -> None:
        one, other = answer(session, "In 2018."), answer(session, "In August.", 1)
        ranked(one, 1, author_role="expert", label="first of 2")
        ranked(other, 2, author_role="expert", label="<b>second</b>")
        promote(make_review(one, curator, verdict="accept"), training_set)
        pair = training_set.examples.get(is_pair=True)
        client.force_login(curator)
        address = f"/p/{session.project.slug}/training-sets/{training_set.slug}/"
        page = client.get(address, {"example": pair.pk}).content.decode()
        assert "1 pair" in page
        assert f"/outputs/{one.external_id}" in page
        assert f"/outputs/{other.external_id}" in page
        assert "expert: first of 2" in page
        assert "expert: &lt;b&gt;second&lt;/b&gt;" in page
        assert "it takes no pairs" in page
        written = client.get(f"{address}?example={pair.pk}&format=trl-preference")
        assert "it takes no pairs" not in written.content.decode()


@needs_data
class TestRealRankings:
    def test_of_conversation_trees_make_the_pairs_of_their_order(
        self, project: Project, training_set: TrainingSet, curator: User
    ) -> None:
        records, expected = ranked_trees(25)
        ingest(project=project, records=records, now=NOW)
        for output in Output.objects.filter(project=project).order_by("pk"):
            promote(make_review(output, curator, verdict="accept"), training_set)
        made = training_set.examples.filter(is_pair=True)
        found = made.values_list("output__external_id", "rejected_output__external_id")
        assert len(expected) > 100
        assert made.count() == len(expected)
        assert set(found) == expected
        for pair in made.select_related("output", "rejected_output"):
            assert pair.output is not None
            assert pair.rejected_output is not None
            assert (pair.chosen, pair.rejected) == (pair.output.text, pair.rejected_output.text)

    def test_of_three_annotators_make_pairs_where_all_say_the_same(
        self, project: Project, training_set: TrainingSet, curator: User
    ) -> None:
        path = DATA / "pandalm-testset" / "testset-v1.json"
        expected = []
        for row in json.loads(path.read_text())[:60]:
            one_session = make_session(project)
            query = f"{row['instruction']}\n\n{row['input']}".strip()
            texts = [row["response1"], row["response2"]]
            if not all(text.strip() for text in texts):
                continue
            outputs = [answer(one_session, text, at, query=query) for at, text in enumerate(texts)]
            votes = [row[f"annotator{number}"] for number in (1, 2, 3)]
            for number, vote in enumerate(votes):
                for place, output in enumerate(outputs, start=1):
                    ranked(output, 1 if vote in {0, place} else 2, by=f"annotator{number}")
            promote(make_review(outputs[0], curator, verdict="accept"), training_set)
            if set(votes) in ({1}, {2}) and texts[0].strip() != texts[1].strip():
                expected.append((texts[0], texts[1]) if votes[0] == 1 else (texts[1], texts[0]))
        assert 20 < len(expected) < 60
        assert pairs(training_set) == expected
