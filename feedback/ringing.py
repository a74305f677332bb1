"""Tasks that look at a work list: asked to look now, and coming back while something is left."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from celery import Task
from django.utils import timezone
from kombu.exceptions import OperationalError
from structlog import get_logger

# Steps of a task before it comes back, so that a worker asked to stop need not finish a long list.
STEPS_AT_ONCE = 20

log = get_logger()


class WorkOff(Protocol):
    """Does up to so many steps of what waits; returns whether more is left."""

    def __call__(self, *, now: datetime, most: int) -> bool: ...


def ring(task: Task) -> None:
    """Ask a worker to do the task now. Without a broker, the schedule finds what waits."""
    try:
        task.apply_async(retry=False, expires=60)
    except OperationalError:
        log.warning("broker_unreachable")


def work_some(task: Task, work_off: WorkOff) -> None:
    """Do a few steps of a work list, and have the task come back for the rest.

    Raises what a step raises.
    """
    try:
        is_more_left = work_off(now=timezone.now(), most=STEPS_AT_ONCE)
    except Exception:
        # Others wait behind the one that raised.
        task.delay()
        raise
    if is_more_left:
        task.delay()
