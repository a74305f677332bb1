"""When the work lists of this package are looked at."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone
from structlog import get_logger

from curation import watching

log = get_logger()


@shared_task
def watch_experiments() -> None:
    """Stop versions that do harm, and give those that are due to more sessions."""
    if num_changed := watching.watch(now=timezone.now()):
        log.info("experiments_changed", num_experiments=num_changed)
