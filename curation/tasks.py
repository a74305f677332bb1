"""When the work lists of this package are looked at."""

from __future__ import annotations

from celery import shared_task
from celery.signals import task_prerun
from django.utils import timezone
from structlog import get_logger

from curation import (
    context_libraries,
    deliveries,
    erasing,
    forgetting,
    gating,
    polling,
    promotion_jobs,
    proposing,
    regressions,
    release_cleaning,
    releasing,
    theme_states,
    watching,
)
from feedback.embedding import get_encoder, model_id
from feedback.ringing import ring, work_some

log = get_logger()

# Seconds: a million examples take hours. Its lease keeps a second worker away meanwhile.
MOST_SECONDS = 6 * 3_600

_asking = forgetting.Asking()


@task_prerun.connect
def forget_erased(**_: object) -> None:
    """Before any task of any package: drop what this worker keeps of what was erased since."""
    _asking.ask()


@shared_task
def watch_experiments() -> None:
    """Stop versions that do harm, and give those that are due to more sessions."""
    if num_changed := watching.watch(now=timezone.now()):
        log.info("experiments_changed", num_experiments=num_changed)


@shared_task
def follow_themes() -> None:
    """Open issues again that came back, and let each theme's state follow what is measured."""
    if num_issues := regressions.watch(now=timezone.now()):
        log.info("issues_reopened", num_issues=num_issues)
    if num_themes := theme_states.follow_all(now=timezone.now()):
        log.info("themes_moved", num_themes=num_themes)


@shared_task
def work_releases() -> None:
    """Do a few steps of the releases that are being made, and come back for the rest."""
    work_some(work_releases, releasing.work_off)


@shared_task
def sweep_releases() -> None:
    """Delete files of releases that are no more."""
    if num_folders := release_cleaning.sweep(now=timezone.now()):
        log.info("releases_swept", num_folders=num_folders)


@shared_task
def work_erasures() -> None:
    """Erase some of what was asked for, and come back for the rest."""
    work_some(work_erasures, erasing.work_off)


@shared_task(acks_late=False, soft_time_limit=MOST_SECONDS, time_limit=MOST_SECONDS + 60)
def check_gates() -> None:
    """Hold training sets that wait for it to their gates."""
    while gating.work_off(vectors=model_id(), clock=timezone.now):
        log.info("gates_checked")
        # One may have waited for it.
        ring(work_releases)


@shared_task
def work_promotions() -> None:
    """Do a few chunks of the bulk promotions that wait, and come back for the rest."""
    work_some(work_promotions, promotion_jobs.work_off)


@shared_task
def embed_drafts() -> None:
    """Embed some of what drafts hold, so that publishing need not, and come back for the rest."""
    if num_entries := context_libraries.embed_drafts(encoder=get_encoder()):
        log.info("drafts_embedded", num_entries=num_entries)
        embed_drafts.delay()


@shared_task
def propose_candidates() -> None:
    """Propose reviewed answers that are worth promoting."""
    if num_proposed := proposing.propose_all(model=model_id(), now=timezone.now()):
        log.info("candidates_proposed", num_candidates=num_proposed)


@shared_task
def hand_over_issues() -> None:
    """Send trackers what they are to be told of issues."""
    while num_attempts := deliveries.work_off(clock=timezone.now, most=5):
        log.info("issues_sent", num_attempts=num_attempts)


@shared_task
def follow_tickets() -> None:
    """Read where tickets stand, and let their issues follow."""
    if num_issues := polling.poll(clock=timezone.now, most=20):
        log.info("tickets_followed", num_issues=num_issues)
