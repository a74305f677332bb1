from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from curation import (
    promotion,
    release_cleaning,
    release_freezing,
    release_writing,
    releasing,
    training_sets,
)
from curation.checker import check
from curation.formats import Row
from curation.models import (
    Example,
    GroupSplit,
    Release,
    ReleasedExample,
    ReleaseFile,
    Revocation,
    TrainingSet,
)
from curation.shards import CONFIGS
from curation.training_sets import TrainingSetError
from curation.writers import FORMATS
from feedback.models import User
from review.filters import ReviewFilter
from tests.factories import (
    NOW,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_training_set,
    make_user,
)
from tests.threads import at_once

pytestmark = pytest.mark.django_db

CALL = {"id": "c", "type": "function", "function": {"name": "look", "arguments": {"a": None}}}
OTHER = {"id": "d", "type": "function", "function": {"name": "find", "arguments": {"b": ["x"]}}}


def fill(training_set: TrainingSet, by: User, number: int = 12) -> None:
    """Examples of every kind: corrected, accepted, rejected, and some after calls of tools."""
    rows = []
    for place in range(number):
        prompt: list[dict[str, Any]] = [{"role": "user", "content": f"Question {place} \u2028?"}]
        if place % 3 == 0:
            call = CALL if place % 2 else OTHER
            prompt += [
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": call["id"], "content": "7"},
            ]
        chosen, rejected = [("good", "bad"), ("good", ""), ("", "bad")][place % 3]
        rows.append(Row(prompt, chosen, rejected, group=f"group {place // 2}"))
    training_sets.add_rows(training_set=training_set, rows=rows, by=by, now=NOW)


def release(training_set: TrainingSet, by: User, **more: Any) -> Release:
    return releasing.release(training_set=training_set, by=by, now=NOW, **more)


def work_off() -> None:
    while releasing.work_off(now=NOW):
        pass


def hashes(made: Release) -> dict[str, str]:
    return dict(made.files.values_list("path", "sha256"))


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_freezing, "FROZEN_AT_ONCE", 5)
    monkeypatch.setattr(release_writing, "WRITTEN_AT_ONCE", 3)
    monkeypatch.setattr(release_writing, "SHARD", 4)
    monkeypatch.setattr(release_writing, "GROUP", 2)


class TestRelease:
    def test_writes_each_format_and_what_stands_beside(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        fill(training_set, curator)
        made = release(training_set, curator)
        folder = releasing.folder_of(made)
        files = {one.path: one for one in made.files.all()}
        on_disk = {
            str(path.relative_to(folder.root)) for path in folder.root.rglob("*") if path.is_file()
        }
        assert on_disk == files.keys()
        for path, one in files.items():
            assert (folder.sha256(path), folder.path(path).stat().st_size) == (
                one.sha256,
                one.num_bytes,
            )
            if path.endswith(".jsonl"):
                lines = folder.path(path).read_bytes().splitlines(keepends=True)
                report = check(lines, one.format)
                faults = [found for found in report.findings if found.line and not found.is_note]
                assert (faults, report.num_rows) == ([], one.num_rows)
        info = json.loads(folder.path("llamafactory/dataset_info.json").read_text())
        named = {f"llamafactory/{one['file_name']}" for one in info.values()}
        assert named <= files.keys()
        manifest = json.loads(folder.path("manifest.json").read_text())
        assert manifest["content_hash"] == made.content_hash
        assert {one["path"] for one in manifest["files"]} == files.keys() - {"manifest.json"}
        assert manifest["left_out"]["axolotl-kto"]
        assert "nearly the same" in manifest["splitting"]
        assert manifest["splitting"] in folder.path("huggingface/README.md").read_text()
        kept = sum(one.num_rows for one in files.values() if one.format == "examples")
        assert kept == 12

    def test_loads_with_datasets_and_keeps_calls_of_tools_apart(
        self,
        training_set: TrainingSet,
        curator: User,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        small_steps: None,
    ) -> None:
        monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
        from datasets import load_dataset

        fill(training_set, curator)
        made = release(training_set, curator)
        folder = releasing.folder_of(made).root
        rows = 0
        for config in CONFIGS:
            kind = f"trl-{config}"
            loaded = load_dataset(str(folder / "huggingface"), config, cache_dir=str(tmp_path))
            for split, data in loaded.items():
                path = folder / FORMATS[kind].path(split)
                lines = [json.loads(line) for line in path.read_text().splitlines()]
                assert len(data) == len(lines)
                for row, line in zip(data, lines, strict=True):
                    assert {name: _plain(row[name]) for name in line} == _plain(line)
                    rows += 1
        assert rows == 8 + 4 + 16

    def test_counts_what_breaks_a_rule_of_each_format(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        blank, asked = {"role": "system", "content": " "}, {"role": "user", "content": "Why?"}
        rows = [Row(prompt, "good", "", group="group 0") for prompt in ([blank, asked], [asked])]
        training_sets.add_rows(training_set=training_set, rows=rows, by=curator, now=NOW)
        folder = releasing.folder_of(
            release(training_set, curator, formats=["trl-sft", "huggingface"])
        )
        left_out = json.loads(folder.path("manifest.json").read_text())["left_out"]
        names = ("trl-sft", "huggingface/sft", "huggingface/kto")
        assert [left_out[name] for name in names] == [{"It is empty.": 1}] * 3
        card = folder.path("huggingface/README.md").read_text()
        assert "- huggingface/sft: 1, It is empty." in card

    def test_is_the_same_however_often_it_was_killed(
        self, training_set: TrainingSet, curator: User, small_steps: None
    ) -> None:
        fill(training_set, curator)
        whole = release(training_set, curator)
        expected, content_hash = hashes(whole), whole.content_hash
        whole.delete()
        made = releasing.start(training_set=training_set, by=curator, now=NOW)
        steps = 0
        while made.is_active:
            # What a step did is undone in the database, but not on the disk.
            with transaction.atomic():
                releasing._advance(NOW)
                transaction.set_rollback(True)
            releasing._advance(NOW)
            made.refresh_from_db()
            steps += 1
        assert steps > 20
        assert (made.content_hash, hashes(made)) == (content_hash, expected)

    def test_hashes_the_examples_not_the_formats(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        fill(training_set, curator)
        first = release(training_set, curator, formats=["trl-sft"])
        assert {one.format for one in first.files.all()} == {"trl-sft", "examples", ""}
        fill(training_set, curator, 1)
        second = release(training_set, curator)
        added = training_set.examples.order_by("-pk")[0]
        training_sets.remove_example(example=added, by=curator, now=NOW)
        third = release(training_set, curator)
        assert first.content_hash == third.content_hash != second.content_hash

    def test_of_an_evaluation_set_is_cases_to_test_by(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        TrainingSet.objects.update(purpose="evaluation")
        training_set.refresh_from_db()
        fill(training_set, curator)
        made = release(training_set, curator)
        assert (made.num_train, made.num_validation, made.num_test) == (0, 0, 12)
        [cases] = made.files.filter(format="evaluation")
        assert (cases.path, cases.num_rows) == ("evaluation/test.jsonl", 12)

    def test_takes_no_more_rows_once_it_is_done(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        fill(training_set, curator, 2)
        made = release(training_set, curator)
        row = made.examples.all()[0]
        row.pk, row.position = None, 99
        file = made.files.all()[0]
        file.pk, file.path = None, "another"
        for more in (row, file):
            with pytest.raises(IntegrityError, match="cannot be changed"), transaction.atomic():
                more.save(force_insert=True)
        with pytest.raises(IntegrityError, match="cannot be changed"), transaction.atomic():
            ReleaseFile.objects.update(sha256="0" * 64)


def _plain(value: Any) -> Any:
    """Without the empty columns that a table has where a row lacks a key."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if one is not None}
    return [_plain(one) for one in value] if isinstance(value, list) else value


class TestStart:
    def test_makes_one_at_a_time_of_formats_that_are_known(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        fill(training_set, curator, 2)

        def start(**more: Any) -> Release:
            return releasing.start(training_set=training_set, by=curator, now=NOW, **more)

        with pytest.raises(TrainingSetError, match="no format csv"):
            start(formats=["csv"])
        start()
        with pytest.raises(TrainingSetError, match="being made already"):
            start()

    def test_leaves_out_what_comes_or_goes_later(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        fill(training_set, curator, 2)
        releasing.start(training_set=training_set, by=curator, now=NOW)
        fill(training_set, curator, 3)
        gone = training_set.examples.order_by("pk")[0]
        training_sets.remove_example(example=gone, by=curator, now=NOW.replace(hour=10))
        work_off()
        made = training_set.releases.get()
        held = made.examples.values_list("example", flat=True)
        assert (made.num_train + made.num_validation, gone.pk in held) == (2, True)

    def test_settles_its_splits_anew_after_one_that_was_stopped(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        fill(training_set, curator)
        stopped = releasing.start(training_set=training_set, by=curator, now=NOW)
        releasing.work_off(now=NOW, most=1)
        assert GroupSplit.objects.filter(release=stopped).count() == 6
        releasing.cancel(release=stopped, by=curator, now=NOW)
        # Cleaning up waits for what is active.
        made = release(training_set, curator)
        work_off()
        assert GroupSplit.objects.filter(release=made).count() == 6


class TestCollecting:
    def test_takes_in_what_the_filter_matches_once(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        project = training_set.project
        good, bad, _, other = (
            make_review(make_output(project, model=model, text=text), curator, verdict=verdict)
            for model, text, verdict in (
                ("m", "good", "accept"),
                ("m", "bad", "reject"),
                ("m", "unfit", "fix"),
                ("n", "other", "accept"),
            )
        )
        releasing.set_filter(
            training_set=training_set, wanted=ReviewFilter.parse("model:m"), by=curator, now=NOW
        )
        made = release(training_set, curator)
        taken = {one.review: (one.chosen, one.rejected) for one in training_set.examples.all()}
        assert taken == {good: ("good", ""), bad: ("", "bad")}
        for example in training_set.examples.all():
            training_sets.remove_example(example=example, by=curator, now=NOW)
        promotion.promote_to_training_set(
            review=other, training_set=training_set, by=curator, now=NOW
        )
        second = release(training_set, curator)
        assert [row.example.review for row in second.examples.all()] == [other]
        assert made.num_train + made.num_validation == 2

    @pytest.mark.parametrize("later", [None, ReviewFilter.parse("model:n")])
    def test_goes_by_the_filter_that_it_was_begun_with(
        self, training_set: TrainingSet, curator: User, later: ReviewFilter | None
    ) -> None:
        project = training_set.project
        matched, other = (
            make_review(make_output(project, model=model), curator, verdict="accept")
            for model in ("m", "n")
        )
        begun = ReviewFilter.parse("model:m")
        releasing.set_filter(training_set=training_set, wanted=begun, by=curator, now=NOW)
        made = releasing.start(training_set=training_set, by=curator, now=NOW)
        releasing.set_filter(training_set=training_set, wanted=later, by=curator, now=NOW)
        work_off()
        assert [one.review for one in training_set.examples.all()] == [matched]
        assert not Example.objects.filter(review=other).exists()
        manifest = json.loads(releasing.folder_of(made).path("manifest.json").read_text())
        assert manifest["filter"] == begun.to_json()

    def test_tells_nothing_that_somebody_is_to_judge_without_knowing(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        queue = make_queue(training_set.project, reviewers_per_item=2)
        item = make_item(queue)
        make_review(item.output, curator, verdict="accept", item=item, place=1)
        wanted = ReviewFilter()
        assert releasing.matching(training_set=training_set, wanted=wanted) == 0

    def test_fails_in_words_when_nothing_matches(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        releasing.set_filter(training_set=training_set, wanted=ReviewFilter(), by=curator, now=NOW)
        releasing.start(training_set=training_set, by=curator, now=NOW)
        work_off()
        made = training_set.releases.get()
        assert (made.status, made.problem[:30]) == ("failed", "The training set has no exampl")


class TestWorkOff:
    def test_cleans_up_what_was_stopped_and_frees_the_set(
        self, training_set: TrainingSet, curator: User, small_steps: None
    ) -> None:
        fill(training_set, curator)
        made = releasing.start(training_set=training_set, by=curator, now=NOW)
        for _ in range(8):
            releasing._advance(NOW)
        root = releasing.folder_of(made).root
        assert root.exists()
        releasing.cancel(release=made, by=curator, now=NOW)
        work_off()
        assert not root.exists()
        assert not ReleasedExample.objects.exists()
        assert not GroupSplit.objects.exists()
        with pytest.raises(releasing.OverError):
            releasing.cancel(release=made, by=curator, now=NOW)
        assert release(training_set, curator).number == 2

    def test_gives_up_after_three_tries_and_goes_on_with_others(
        self, training_set: TrainingSet, curator: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(training_set, curator)
        broken = releasing.start(training_set=training_set, by=curator, now=NOW)
        other = make_training_set(training_set.project)
        fill(other, curator)
        sound = releasing.start(training_set=other, by=curator, now=NOW)
        freeze = release_freezing.freeze_step

        def raise_for_one(made: Release) -> None:
            if made.pk == broken.pk:
                raise OSError("No space left on device")
            freeze(made)

        monkeypatch.setattr(releasing, "freeze_step", raise_for_one)
        for _ in range(3):
            with pytest.raises(OSError, match="No space"):
                work_off()
        work_off()
        broken.refresh_from_db()
        sound.refresh_from_db()
        assert (broken.status, sound.status) == ("failed", "done")
        assert broken.problem == "It stopped in the same place 3 times: OSError."

    @pytest.mark.django_db(transaction=True)
    def test_is_right_with_several_workers(self, small_steps: None) -> None:
        project = make_project()
        curator = make_user(project)
        training_set = make_training_set(project)
        fill(training_set, curator)
        whole = release(training_set, curator)
        expected = hashes(whole)
        whole.delete()
        releasing.start(training_set=training_set, by=curator, now=NOW)
        at_once(*[work_off] * 3)
        work_off()
        assert hashes(training_set.releases.get()) == expected


class TestSweep:
    def test_deletes_files_of_what_is_no_more_a_day_later(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        fill(training_set, curator, 2)
        gone = releasing.folder_of(release(training_set, curator)).root
        training_set.releases.all().delete()
        kept = releasing.folder_of(release(training_set, curator)).root
        later = timezone.now() + timedelta(days=1, hours=1)
        assert release_cleaning.sweep(now=timezone.now()) == 0
        assert release_cleaning.sweep(now=later) >= 1
        assert (gone.exists(), kept.exists()) == (False, True)


class TestRevocations:
    def test_list_what_is_revoked_and_what_was_erased(
        self, training_set: TrainingSet, curator: User
    ) -> None:
        project = training_set.project
        revoked, erased, _ = (
            promotion.promote_to_training_set(
                review=make_review(make_output(project, text=text), curator, verdict="accept"),
                training_set=training_set,
                by=curator,
                now=NOW,
            )
            for text in ("a", "b", "c")
        )
        made = release(training_set, curator)
        assert releasing.revocations(release=made) == []
        with pytest.raises(TrainingSetError, match="no such reason"):
            releasing.revoke(example=revoked, reason="mood", by=curator, now=NOW)
        for _ in range(2):
            releasing.revoke(example=revoked, reason="consent", by=curator, now=NOW)
        assert erased.output is not None
        erased.output.delete()
        assert releasing.revocations(release=made) == [
            {"example": str(revoked.pk), "reason": "consent", "revoked_at": NOW},
            {"example": str(erased.pk), "reason": "erased", "revoked_at": None},
        ]
        assert Revocation.objects.count() == 1
        assert not Example.objects.kept().filter(pk=revoked.pk).exists()
