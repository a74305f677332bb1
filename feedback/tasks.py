"""When the work lists of this package are looked at."""

from __future__ import annotations

import time

from celery import shared_task
from django.utils import timezone
from structlog import get_logger

from feedback import ingestion
from feedback.embedding import embed_pending, get_encoder, model_id
from feedback.nearest import ensure_indexes
from feedback.ringing import ring

log = get_logger()

# A message only says “look now”; more than one a second from a process would say nothing new.
RING_EVERY = 1.0
_last_rung = [-RING_EVERY]


@shared_task
def embed() -> None:
    """Embed some of what lacks vectors, and come back for the rest.

    A batch at a time, so that a worker asked to stop need not finish a long list.
    """
    if num_rows := embed_pending(encoder=get_encoder()):
        log.info("embedded", num_rows=num_rows)
        embed.delay()


# Four hours: a million vectors take a quarter of one. Handed out again meanwhile, it does nothing.
@shared_task(soft_time_limit=14_400, time_limit=14_460)
def index_vectors() -> None:
    """Build the indexes of vectors that have become worth it."""
    if kinds := ensure_indexes(model=model_id()):
        log.info("vectors_indexed", kinds=kinds)


@shared_task
def join_waiting() -> None:
    """Store what waited and can be stored now, and give up what has waited too long."""
    now = timezone.now()
    ingestion.join_waiting(now=now)
    ingestion.expire(now=now)


def embed_soon() -> None:
    """Ask for new rows to be embedded soon. Without a broker, the schedule finds them."""
    now = time.monotonic()
    if now - _last_rung[0] >= RING_EVERY:
        _last_rung[0] = now
        ring(embed)
