"""PURE. Decides how an experiment goes on."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum


class Step(StrEnum):
    """What to do with an experiment now."""

    GO_ON = "go_on"
    NEXT_STAGE = "next_stage"
    STOP = "stop"


def decide(
    *,
    is_worse: bool,
    is_at_last_stage: bool,
    stage_since: datetime,
    hours_per_stage: int,
    now: datetime,
) -> Step:
    """Return what to do: stop what does harm, however late or early; widen what did none so far.

    `is_worse` has to come from a test that may be looked at as often as one likes: this is asked
    every few minutes.
    """
    if is_worse:
        return Step.STOP
    is_due = now - stage_since >= timedelta(hours=hours_per_stage)
    return Step.NEXT_STAGE if is_due and not is_at_last_stage else Step.GO_ON
