"""That the words which erasure is tried with are everywhere where words can be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchVectorField
from django.db import connection, models
from pytest_django import Settings

from feedback.models import Project
from tests.curation.planted import Trace, publish
from tests.factories import make_library, make_output, make_session, make_training_set, make_user

TEXTS = (models.CharField, models.TextField, models.JSONField, ArrayField, SearchVectorField)
REACHED = Path(__file__).parents[2] / "docs" / "reference" / "erasure.md"
# Columns of text in rows about a person that cannot hold their words, and why.
HASH = "a hash"
NAME = "names an encoder"
OURS = "ids, names and figures of ours"
TYPED = "what members typed about their own work"
KINDS = "names from lists of ours"
GOES = "goes as one with what is planted: its row, or the annotation that it is of"
CANNOT = {
    "curation.Candidate.unfit_why": OURS,
    "curation.ContextEntry.embedded_with": NAME,
    "curation.ContextEntry.environments": TYPED,
    "curation.ContextEntry.for_models": TYPED,
    "curation.ContextEntry.roles": TYPED,
    "curation.ContextLibrary.description": TYPED,
    "curation.ContextLibrary.name": TYPED,
    "curation.ContextLibrary.slug": TYPED,
    "curation.Exposure.entry_ids": OURS,
    "curation.GateCheck.contents": HASH,
    "curation.GateCheck.figures": OURS,
    "curation.GateCheck.rules": OURS,
    "curation.GateCheck.step": KINDS,
    "curation.GateFinding.why": OURS,
    "curation.GroupSplit.split": KINDS,
    "curation.Issue.baseline": OURS,
    "curation.IssueChange.evidence": OURS,
    "curation.LibraryVersion.content_hash": HASH,
    "curation.LibraryVersion.note": TYPED,
    "curation.Placing.after": OURS,
    "curation.Placing.before": OURS,
    "curation.Placing.conflict": KINDS,
    "curation.Placing.made_sha256": HASH,
    "curation.Placing.problem": OURS,
    "curation.Probe.role": TYPED,
    "curation.PromotionJob.picked_reviews": OURS,
    "curation.PromotionJob.problem": OURS,
    "curation.PromotionJob.why": TYPED,
    "curation.Proposal.content_hash": HASH,
    "curation.Proposal.note": TYPED,
    "curation.Proposal.remark": TYPED,
    "curation.Proposal.stages": OURS,
    "curation.PublishedEntry.environments": TYPED,
    "curation.PublishedEntry.for_models": TYPED,
    "curation.PublishedEntry.model": NAME,
    "curation.PublishedEntry.roles": TYPED,
    "curation.Release.checkpoint": OURS,
    "curation.Release.content_hash": HASH,
    "curation.Release.former_hashes": HASH,
    "curation.Release.formats": KINDS,
    "curation.Release.problem": OURS,
    "curation.ReleaseFile.format": KINDS,
    "curation.ReleaseFile.path": KINDS,
    "curation.ReleaseFile.sha256": HASH,
    "curation.ReleaseFile.split": KINDS,
    "curation.TrainingSet.description": TYPED,
    "curation.TrainingSet.name": TYPED,
    "curation.TrainingSet.slug": TYPED,
    "feedback.Embedding.model": NAME,
    "feedback.Embedding.text_sha256": HASH,
    "feedback.ErasedRecord.id_hash": HASH,
    "feedback.Erasure.checkpoint": OURS,
    "feedback.Erasure.counts": OURS,
    "feedback.Erasure.problem": OURS,
    "feedback.Erasure.subject": "there while it goes on alone, as a constraint has it",
    "feedback.Erasure.subject_hash": HASH,
    "feedback.Feedback.embedded_with": NAME,
    "feedback.Output.embedded_with": NAME,
    "feedback.RejectedRecord.errors": GOES,
    "feedback.RejectedRecord.type": KINDS,
    "review.Anchor.exact": GOES,
    "review.Annotation.embedded_with": NAME,
    "review.Comment.embedded_with": NAME,
    "review.Annotation.text_sha256": HASH,
    "review.AnnotationEmbedding.model": NAME,
    "review.AnnotationEmbedding.text_sha256": HASH,
    "review.BulkChange.after": OURS,
    "review.BulkChange.before": OURS,
    "review.BulkChange.conflict": KINDS,
    "review.BulkJob.made_tag_ids": OURS,
    "review.BulkJob.picked_outputs": OURS,
    "review.BulkJob.picked_sessions": OURS,
    "review.BulkJob.problem": OURS,
    "review.BulkJob.tag_ids": OURS,
    "review.BulkJob.tags": TYPED,
    "review.Event.data": OURS,
    "review.Event.target_type": KINDS,
    "review.Event.verb": KINDS,
    "review.Evidence.text_sha256": HASH,
    "review.Handover.route": KINDS,
    "review.Notification.path": OURS,
    "review.Notification.subject": OURS,
    "review.Notification.title": TYPED,
    "review.Queue.name": TYPED,
    "review.Queue.required": KINDS,
    "review.Queue.slug": TYPED,
    "review.QueueItem.priority_parts": OURS,
    "review.QueueItem.priority_version": OURS,
    "review.Review.proposed_routes": KINDS,
    "review.Review.routes": KINDS,
    "review.RoutingRule.name": TYPED,
    "review.RoutingRule.reasons": KINDS,
    "review.RoutingRule.routes": KINDS,
    "review.RoutingRule.severities": KINDS,
    "review.RoutingRule.verdicts": KINDS,
    "review.SavedView.listing": KINDS,
    "review.SavedView.mode": KINDS,
    "review.SavedView.name": TYPED,
    "review.Stratum.name": TYPED,
    "review.Theme.model": NAME,
    "review.Theme.per_week": OURS,
    "review.Theme.reason_counts": OURS,
    "review.TriageModel.algorithm": NAME,
    "review.TriageModel.digest": HASH,
    "review.TriageModel.parameters": OURS,
    "review.TriageModel.quality": OURS,
    "review.TriageModel.vectors": NAME,
}


def columns() -> Iterator[tuple[type[models.Model], models.Field]]:  # type: ignore[type-arg]
    """Columns that could hold a user's words: not those of a fixed choice, numbers and vectors.

    Nor those of tables that hold nothing of users, as the documentation has it.
    """
    rows = re.findall(r"^\| (\w+\.\w+) \| .+? \| (.+) \|$", REACHED.read_text(), re.MULTILINE)
    without = {name for name, how in rows if how.startswith("nothing of users")}
    for model in apps.get_models(include_auto_created=True):
        if model._meta.label in without:
            continue
        for field in model._meta.local_fields:
            if isinstance(field, TEXTS) and not field.choices:
                yield model, field


def holds(model: type[models.Model], field: models.Field, words: str) -> bool:  # type: ignore[type-arg]
    name = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT EXISTS (SELECT FROM {name(model._meta.db_table)} "  # noqa: S608
            f"WHERE {name(field.column or '')}::text ILIKE %s)",
            [f"%{words}%"],
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db
def test_each_column_is_planted_or_cannot_hold_words(
    project: Project, settings: Settings, tmp_path: Path
) -> None:
    # The same words are looked for in the files of releases by other tests.
    settings.RELEASES_DIR = tmp_path
    curator, admin = make_user(project), make_user(project, "admin")
    library, set_ = make_library(project), make_training_set(project)
    traces = [Trace(project, who, library, set_) for who in ("aa", "bb")]
    elsewhere = make_output(project, make_session(project)).external_id
    for trace in traces:
        trace.plant(curator=curator, elsewhere=elsewhere)
    publish(library, set_, traces, by=curator, second=admin)
    unplanted = {
        f"{model._meta.label}.{field.name}"
        for model, field in columns()
        if not holds(model, field, "zqaa")
    }
    assert sorted(unplanted - set(CANNOT)) == []
    # What was planted after all can hold words.
    assert sorted(set(CANNOT) - unplanted) == []
