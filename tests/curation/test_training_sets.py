from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from curation import promotion, releasing, training_sets
from curation.formats import Row
from curation.models import Example, Release, ReleasedExample, TrainingSet
from curation.training_sets import TrainingSetError, split_of
from feedback.models import Project, User
from review.models import Event
from tests.factories import (
    NOW,
    make_annotation,
    make_feedback,
    make_output,
    make_project,
    make_review,
    make_session,
    make_training_set,
    make_user,
)
from tests.threads import at_once

pytestmark = pytest.mark.django_db

TRAIN = "session of train"
VALIDATION = next(f"session {n}" for n in range(100) if split_of(f"session {n}") == "validation")


def add(training_set: TrainingSet, by: User, session: str = TRAIN, **fields: Any) -> Example:
    """An example whose answer was accepted, or corrected when a correction is given."""
    project = training_set.project
    row = project.sessions.filter(external_id=session).first() or make_session(
        project, external_id=session
    )
    correction = fields.pop("correction", "")
    verdict = "fix" if correction else "accept"
    output = make_output(project, row, **fields)
    review = make_review(output, by, verdict=verdict, correction=correction)
    return promotion.promote_to_training_set(
        review=review, training_set=training_set, by=by, now=NOW
    )


def release(training_set: TrainingSet, by: User) -> Release:
    return releasing.release(training_set=training_set, by=by, now=NOW)


def read(release: Release, split: str, format_: str = "openai-sft") -> list[Any]:
    lines = training_sets.lines(release=release, split=split, format_=format_)
    return [json.loads(line) for line in lines]


class TestCreateTrainingSet:
    def test_makes_a_slug_of_the_name(self, project: Project, curator: User) -> None:
        made = training_sets.create_training_set(
            project=project, name="Support, SFT", description="", by=curator, now=NOW
        )
        assert made.slug == "support-sft"
        assert Event.objects.get().target_id == made.pk

    def test_refuses_a_taken_slug_and_a_name_without_one(
        self, project: Project, curator: User
    ) -> None:
        make_training_set(project, slug="answers")
        for name, why in (("Answers", "already"), ("—", "letter or a digit")):
            with pytest.raises(TrainingSetError, match=why):
                training_sets.create_training_set(
                    project=project, name=name, description="", by=curator, now=NOW
                )


class TestRemoveExample:
    def test_takes_it_out_of_the_next_release_only(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        add(training_set, curator)
        gone = add(training_set, curator)
        first = release(training_set, curator)
        for _ in range(2):
            training_sets.remove_example(example=gone, by=curator, now=NOW)
        second = release(training_set, curator)
        assert (first.examples.count(), second.examples.count()) == (2, 1)
        assert Event.objects.filter(verb="removed_example").count() == 1


class TestSplitOf:
    def test_puts_a_tenth_of_sessions_aside(self) -> None:
        splits = [split_of(f"session-{number}") for number in range(5_000)]
        assert 0.09 < splits.count(ReleasedExample.Split.VALIDATION) / 5_000 < 0.11


class TestRelease:
    def test_freezes_the_examples_with_their_lineage(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        example = add(training_set, curator, correction="In 2018.")
        output = example.output
        assert output is not None
        example.feedback.set([make_feedback(output, external_id="f-2"), make_feedback(output)])
        notes = [make_annotation(output, curator, "Bloom") for _ in range(2)]
        example.annotations.set(notes)
        made = release(training_set, curator)
        assert (made.number, made.num_train, made.num_validation) == (1, 1, 0)
        assert (made.released_by, made.released_at) == (curator, NOW)
        row = made.examples.get()
        assert (row.prompt, row.chosen, row.rejected) == (
            example.prompt,
            "In 2018.",
            output.text,
        )
        assert row.lineage == {
            "group": TRAIN,
            "example": example.pk,
            "session": TRAIN,
            "output": output.external_id,
            "output_version": 1,
            "review": example.review_id,
            "feedback": sorted(one.external_id for one in example.feedback.all()),
            "annotations": [one.pk for one in notes],
        }
        assert Event.objects.filter(verb="released", target_id=training_set.pk).count() == 1

    def test_keeps_a_session_in_one_split(self, training_set: TrainingSet, curator: User) -> None:
        for number in range(30):
            add(training_set, curator, session=f"session {number % 15}")
        made = release(training_set, curator)
        assert (made.num_train + made.num_validation, made.num_validation > 0) == (30, True)
        splits = defaultdict(set)
        for row in made.examples.all():
            splits[row.lineage["session"]].add(row.split)
        assert {len(found) for found in splits.values()} == {1}

    def test_numbers_rows_within_their_split(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        for session in (TRAIN, VALIDATION, TRAIN):
            add(training_set, curator, session=session)
        rows = release(training_set, curator).examples.order_by("pk")
        assert [(row.split, row.position) for row in rows] == [
            ("train", 1),
            ("validation", 1),
            ("train", 2),
        ]

    def test_trains_on_everything_rather_than_on_nothing_and_stays_with_it(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        add(training_set, curator, session=VALIDATION)
        assert release(training_set, curator).num_train == 1
        add(training_set, curator, session=TRAIN)
        add(training_set, curator, session=VALIDATION)
        second = release(training_set, curator)
        assert (second.num_train, second.num_validation) == (3, 0)

    def test_never_trains_on_what_was_for_validation(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        trained = add(training_set, curator, session=TRAIN)
        add(training_set, curator, session=VALIDATION)
        release(training_set, curator)
        training_sets.remove_example(example=trained, by=curator, now=NOW)
        with pytest.raises(TrainingSetError, match="for validation in an earlier release"):
            release(training_set, curator)

    def test_keeps_the_split_of_an_erased_output(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        add(training_set, curator, session=TRAIN)
        erased = add(training_set, curator, session=VALIDATION)
        release(training_set, curator)
        assert erased.output is not None
        erased.output.delete()
        row = release(training_set, curator).examples.get(example=erased)
        assert (row.split, row.lineage["output"], row.lineage["review"]) == (
            "validation",
            None,
            None,
        )

    def test_refuses_when_there_is_nothing_or_nothing_new(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        with pytest.raises(TrainingSetError, match="no examples"):
            release(training_set, curator)
        add(training_set, curator)
        release(training_set, curator)
        with pytest.raises(TrainingSetError, match="Nothing has changed since release 1"):
            release(training_set, curator)
        assert Release.objects.count() == 1

    def test_reads_in_another_format_what_a_file_of_it_would_hold(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        """OpenAI wants ids of calls of tools, which not every sender gives."""
        asked = {"role": "user", "content": "Why?"}
        call = {"type": "function", "function": {"name": "look", "arguments": {}}}
        called = {"role": "assistant", "content": "", "tool_calls": [call]}
        replied = {"role": "tool", "content": "7"}
        sound = Row([asked], "Because.", "", group=TRAIN)
        without_ids = Row([asked, called, replied], "Because.", "", group=TRAIN)

        def made(rows: list[Row], format_: str) -> Release:
            into = make_training_set(training_set.project)
            training_sets.add_rows(training_set=into, rows=rows, by=curator, now=NOW)
            return releasing.release(training_set=into, by=curator, now=NOW, formats=[format_])

        whole = made([sound, without_ids], "openai-sft")
        file = releasing.folder_of(whole).path("openai/sft-train.jsonl").read_text()
        written = [json.loads(line) for line in file.splitlines()]
        assert len(written) == 1
        assert read(made([sound, without_ids], "trl-sft"), "train") == written
        assert read(made([without_ids], "openai-sft"), "train") == []

    def test_hashes_content_and_lineage(self, training_set: TrainingSet, curator: User) -> None:
        add(training_set, curator)
        first = release(training_set, curator)
        added = add(training_set, curator)
        second = release(training_set, curator)
        training_sets.remove_example(example=added, by=curator, now=NOW)
        third = release(training_set, curator)
        assert [made.number for made in (first, second, third)] == [1, 2, 3]
        assert first.content_hash == third.content_hash != second.content_hash

    @pytest.mark.django_db(transaction=True)
    def test_happens_once_when_two_curators_release_at_once(self) -> None:
        project = make_project()
        curator = make_user(project)
        training_set = make_training_set(project)
        add(training_set, curator)

        def act() -> str:
            try:
                return str(release(training_set, curator).number)
            except TrainingSetError as error:
                return str(error)

        first, *others = sorted(at_once(act, act, act))
        assert first == "1"
        assert set(others) <= {
            "A release is being made already.",
            "Nothing has changed since release 1.",
        }


class TestReleases:
    @pytest.mark.parametrize(
        ("model", "field"), [(Release, "content_hash"), (ReleasedExample, "chosen")]
    )
    def test_cannot_be_changed(
        self, training_set: TrainingSet, curator: User, model: Any, field: str
    ) -> None:
        add(training_set, curator)
        release(training_set, curator)
        with pytest.raises(IntegrityError, match="cannot be changed"), transaction.atomic():
            model.objects.update(**{field: "forged"})


class TestFindRelease:
    def test_finds_only_the_projects_own(self, training_set: TrainingSet, curator: User) -> None:
        add(training_set, curator)
        made = release(training_set, curator)
        slug = training_set.slug

        def found(project: Project, slug: str, number: int) -> Release | None:
            return training_sets.find_release(project=project, slug=slug, number=number)

        assert found(training_set.project, slug, 1) == made
        assert found(make_project(), slug, 1) is None
        for bad_slug, number in ((slug, 0), (slug, 2), (slug, 10**12), ("\0", 1), ("x", 1)):
            assert found(training_set.project, bad_slug, number) is None


class TestLines:
    def test_are_the_same_bytes_at_every_call(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        hostile = 'q\u2028"\n\r{}\N{ROCKET}'
        add(training_set, curator, query=hostile, system="Be brief.", text="a\u0085b")
        made = release(training_set, curator)
        first, second = (
            b"".join(training_sets.lines(release=made, split="train", format_="openai-sft"))
            for _ in range(2)
        )
        assert first == second
        assert len(first.decode().splitlines()) == 1
        assert json.loads(first) == {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": hostile},
                {"role": "assistant", "content": "a\u0085b"},
            ]
        }

    def test_hold_one_split_in_order(self, training_set: TrainingSet, curator: User) -> None:
        for answer in ("one", "two"):
            add(training_set, curator, text=answer)
        add(training_set, curator, session=VALIDATION, text="three")
        made = release(training_set, curator)
        assert [row["messages"][-1]["content"] for row in read(made, "train")] == ["one", "two"]
        assert [row["messages"][-1]["content"] for row in read(made, "validation")] == ["three"]

    def test_of_preferences_are_the_corrected_ones(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        add(training_set, curator, text="good as it was", query="Who wrote Bloom?")
        add(training_set, curator, text="bad", correction="good")
        [row] = read(release(training_set, curator), "train", "openai-dpo")
        assert row["preferred_output"] == [{"role": "assistant", "content": "good"}]
        assert row["non_preferred_output"] == [{"role": "assistant", "content": "bad"}]
