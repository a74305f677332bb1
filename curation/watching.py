"""What becomes of running experiments, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from curation import complaints, experiments, sequential, stopping
from curation.models import Experiment
from curation.rates import Arm
from curation.stopping import Step


def watch(*, now: datetime, look: Callable[[Arm, Arm], bool] | None = None) -> int:
    """Stop running experiments that do harm and widen those that are due; return how many changed.

    `look` tells from served and held-out sessions whether the served ones fare worse; it has to
    hold however often one looks.
    """
    running = Experiment.objects.running().select_related("version__library", "baseline")
    return sum(
        step(experiment=one, now=now, look=look) != Step.GO_ON for one in running.order_by("pk")
    )


def step(
    *, experiment: Experiment, now: datetime, look: Callable[[Arm, Arm], bool] | None = None
) -> Step:
    """Stop a running experiment if it does harm, widen it if that is due; return what was done."""
    served, held_out = arms_of(experiment)
    decided = stopping.decide(
        is_worse=(look or _is_worse)(served, held_out),
        is_at_last_stage=experiment.is_at_last_stage,
        stage_since=experiment.stage_since,
        hours_per_stage=experiment.hours_per_stage,
        now=now,
    )
    if decided == Step.STOP:
        # Where somebody has ended it meanwhile, there is nothing to stop.
        with suppress(experiments.ExperimentError):
            experiments.stop(
                experiment=experiment, reason=_told(served, held_out), by=None, now=now
            )
    elif decided == Step.NEXT_STAGE:
        experiments.widen(experiment=experiment, now=now)
    return decided


def arms_of(experiment: Experiment) -> tuple[Arm, Arm]:
    """Return what became of the sessions that were served, and of those that were held out."""
    return complaints.by_exposure(version=experiment.version).beside()


def _is_worse(served: Arm, held_out: Arm) -> bool:
    return sequential.look(served, held_out).is_worse


def _told(served: Arm, held_out: Arm) -> str:
    return (
        f"Served sessions fared worse: {served.complaints:.0f} of {served.outputs:.0f} answers "
        f"complained of ({served.rate:.1%}), against {held_out.complaints:.0f} of "
        f"{held_out.outputs:.0f} ({held_out.rate:.1%}) held out."
    )
