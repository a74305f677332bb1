"""What becomes of running experiments, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial

from curation import complaints, experiments, sequential, stopping
from curation.models import Experiment
from curation.rates import Arm
from curation.stopping import Step

# The arms that the served one is held against, with what is said of them.
HELD_OUT, BEFORE = "held out", "with the version before"

Look = Callable[[Arm, Arm], bool]


def watch(*, now: datetime, look: Look | None = None) -> int:
    """Stop running experiments that do harm and widen those that are due; return how many changed.

    `look` tells from served and other sessions whether the served ones fare worse; it has to
    hold however often one looks, at both of what they are held against.
    """
    running = Experiment.objects.running().select_related("version__library", "baseline")
    return sum(
        step(experiment=one, now=now, look=look) != Step.GO_ON for one in running.order_by("pk")
    )


def step(*, experiment: Experiment, now: datetime, look: Look | None = None) -> Step:
    """Stop a running experiment if it does harm, widen it if that is due; return what was done.

    It does harm when it is worse than nothing, or than the version before, which goes to the rest.
    Where no session gets the one or the other, all of the error is left to the other test.
    """
    pairs = {HELD_OUT: arms_of(experiment)} if experiment.held_out else {}
    if experiment.baseline_id is not None and experiment.has_rest:
        pairs[BEFORE] = beside_former(experiment)
    look = look or partial(sequential.is_worse, tests=len(pairs))
    worse = next((name for name, pair in pairs.items() if look(*pair)), None)
    decided = stopping.decide(
        is_worse=worse is not None,
        is_at_last_stage=experiment.is_at_last_stage,
        stage_since=experiment.stage_since,
        hours_per_stage=experiment.hours_per_stage,
        now=now,
    )
    if worse is not None:
        # Where somebody has ended it meanwhile, there is nothing to stop.
        with suppress(experiments.ExperimentError):
            reason = _told(*pairs[worse], worse)
            experiments.stop(experiment=experiment, reason=reason, by=None, now=now)
    elif decided == Step.NEXT_STAGE:
        experiments.widen(experiment=experiment, now=now)
    return decided


def arms_of(experiment: Experiment) -> tuple[Arm, Arm]:
    """Return what became of the sessions that were served, and of those that were held out."""
    return complaints.by_exposure(version=experiment.version).beside()


def beside_former(experiment: Experiment) -> tuple[Arm, Arm]:
    """Return what became of the sessions that were served, and of those with the version before."""
    return complaints.by_version(experiment=experiment).beside(control="before")


def _told(served: Arm, other: Arm, name: str) -> str:
    return (
        f"Served sessions fared worse: {served.complaints:.0f} of {served.outputs:.0f} answers "
        f"complained of ({served.rate:.1%}), against {other.complaints:.0f} of "
        f"{other.outputs:.0f} ({other.rate:.1%}) {name}."
    )
