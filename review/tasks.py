"""When the work lists of this package are looked at."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone
from structlog import get_logger

from feedback.embedding import get_encoder, model_id
from feedback.nearest import ensure_indexes
from feedback.ringing import work_some
from review import (
    anchors,
    bulk,
    comment_vectors,
    digests,
    grouping,
    intake,
    reviewers,
    themes,
    triage_models,
)

log = get_logger()


@shared_task
def feed_queues() -> None:
    """Put what matches each queue's filter into it, and back what is held unseen."""
    now = timezone.now()
    reviewers.take_back_all(now=now)
    if num_items := intake.feed_all(now=now):
        log.info("fed", num_items=num_items)


@shared_task
def group_items() -> None:
    """Find which items of each queue are nearly the same."""
    if num_items := grouping.group_all(model=model_id(), now=timezone.now()):
        log.info("grouped", num_items=num_items)


@shared_task
def refresh_themes() -> None:
    """Group new feedback into themes."""
    if num_projects := themes.refresh_all(encoder_model=model_id(), now=timezone.now()):
        log.info("themes_refreshed", num_projects=num_projects)


@shared_task
def retrain_triage() -> None:
    """Learn from new verdicts which answers to look at first."""
    if num_projects := triage_models.retrain_all(vectors=model_id(), now=timezone.now()):
        log.info("triage_retrained", num_projects=num_projects)


@shared_task
def mail_digests() -> None:
    """Mail people what is new to them, when it is due."""
    now = timezone.now()
    digests.make_due(now=now)
    if num_sent := digests.send_waiting(now=now):
        log.info("mailed", num_sent=num_sent)


@shared_task
def place_annotations() -> None:
    """Keep the places of annotations in new versions of their answers."""
    if num_placed := anchors.place_annotations(now=timezone.now()):
        log.info("placed", num_annotations=num_placed)


@shared_task
def embed_annotations() -> None:
    """Embed some of what reviewers wrote that lacks vectors, and come back for the rest."""
    if num_rows := comment_vectors.embed_annotations(encoder=get_encoder()):
        log.info("annotations_embedded", num_rows=num_rows)
        embed_annotations.delay()


# As long as the vectors of outputs may take.
@shared_task(soft_time_limit=14_400, time_limit=14_460)
def index_annotation_vectors() -> None:
    """Build the index of annotations' vectors when it has become worth it."""
    if kinds := ensure_indexes(
        model=model_id(), of=[comment_vectors.VECTORS, comment_vectors.OF_REPLIES]
    ):
        log.info("vectors_indexed", kinds=kinds)


@shared_task
def work_bulk() -> None:
    """Do a few chunks of the bulk acts that wait, and come back for the rest."""
    work_some(work_bulk, bulk.work_off)
