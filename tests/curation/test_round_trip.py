"""Rankings on the whole way: sent as records, promoted, released as files, and read into a set."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.test import Client

from curation import promotion, releasing
from curation.models import Example, Release, TrainingSet
from feedback.ingestion import ingest
from feedback.models import Output, Project, User
from tests.factories import NOW, make_review, make_training_set
from tests.material import needs_data, ranked_trees

pytestmark = [pytest.mark.django_db, needs_data]

Said = tuple[list[tuple[bytes, bytes]], bytes, bytes]


def said(prompt: list[dict[str, Any]], chosen: str, rejected: str) -> Said:
    """The bytes of all that a preference says."""
    turns = [(turn["role"].encode(), turn["content"].encode()) for turn in prompt]
    return turns, chosen.encode(), rejected.encode()


def held(training_set: TrainingSet) -> list[Said]:
    """What a set prefers to what, sorted."""
    rows = Example.objects.kept().filter(training_set=training_set).exclude(rejected="")
    return sorted(said(row.prompt, row.chosen, row.rejected) for row in rows)


@pytest.fixture
def sent(project: Project) -> list[Said]:
    """What was preferred to what in the trees that were ingested, as their files have it."""
    records, pairs = ranked_trees(30)
    report = ingest(project=project, records=records, now=NOW)
    assert (report.accepted, report.rejected) == (len(records), [])
    outputs = {one["id"]: one for one in records if one["type"] == "output"}
    return sorted(
        said(
            [
                *outputs[better]["context"]["messages"],
                {"role": "user", "content": outputs[better]["query"]},
            ],
            outputs[better]["text"],
            outputs[worse]["text"],
        )
        for better, worse in pairs
    )


@pytest.fixture
def made(project: Project, training_set: TrainingSet, curator: User, sent: list[Said]) -> Release:
    """A release of all that was ingested, found good."""
    for output in Output.objects.filter(project=project).order_by("pk"):
        promotion.promote_to_training_set(
            review=make_review(output, curator, verdict="accept"),
            training_set=training_set,
            by=curator,
            now=NOW,
        )
    return releasing.release(training_set=training_set, by=curator, now=NOW)


def test_trees_come_back_from_preference_files_as_they_were_sent_byte_for_byte(
    client: Client,
    project: Project,
    training_set: TrainingSet,
    curator: User,
    sent: list[Said],
    made: Release,
) -> None:
    assert len(sent) > 100
    assert held(training_set) == sent
    client.force_login(curator)
    address = f"/p/{project.slug}/training-sets/{training_set.slug}/releases/{made.number}/files/"
    for format_, name in (
        ("trl-preference", "trl/preference-"),
        ("openai-dpo", "openai/dpo-"),
        ("llamafactory-dpo", "llamafactory/dpo-"),
        ("axolotl-dpo", "axolotl/dpo-"),
        ("examples", "examples/"),
    ):
        splits = [client.get(f"{address}{name}{split}.jsonl") for split in ("train", "validation")]
        assert [one.status_code for one in splits] == [200, 200]
        file = io.BytesIO(b"".join(one.getvalue() for one in splits))
        other = make_training_set(project)
        read = client.post(
            f"/p/{project.slug}/check-training-file/",
            {"file": file, "format": format_, "training_set": other.slug},
        )
        assert read.status_code == 302, format_
        assert held(other) == sent, format_
