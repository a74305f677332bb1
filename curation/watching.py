"""What becomes of running experiments, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from django.db import connection

from curation import experiments, rates, sequential, stopping
from curation.models import Experiment
from curation.rates import Arm
from curation.stopping import Step


def watch(*, now: datetime, look: Callable[[Arm, Arm], bool] | None = None) -> int:
    """Stop running experiments that do harm and widen those that are due; return how many changed.

    `look` tells from served and held-out sessions whether the served ones fare worse; it has to
    hold however often one looks.
    """
    changed = 0
    running = Experiment.objects.running().select_related("version__library", "baseline")
    for experiment in running.order_by("pk"):
        served, held_out = arms_of(experiment)
        step = stopping.decide(
            is_worse=(look or _is_worse)(served, held_out),
            is_at_last_stage=experiment.is_at_last_stage,
            stage_since=experiment.stage_since,
            hours_per_stage=experiment.hours_per_stage,
            now=now,
        )
        if step == Step.STOP:
            # Where somebody has ended it meanwhile, there is nothing to stop.
            with suppress(experiments.ExperimentError):
                experiments.stop(
                    experiment=experiment, reason=_told(served, held_out), by=None, now=now
                )
        elif step == Step.NEXT_STAGE:
            experiments.widen(experiment=experiment, now=now)
        changed += step != Step.GO_ON
    return changed


# Outputs of the sessions that an experiment concerns, from the first exposure of each on, as sums
# of a session. Only sessions of one arm count: one that a rollback moved has seen both.
_ARMS = """
WITH exposed AS (
    SELECT session_external_id AS external_id, bool_or(is_held_out) AS is_held_out,
        min(served_at) AS since
    FROM curation_exposure
    WHERE version_id = %s AND served_at >= %s AND session_external_id <> ''
    GROUP BY session_external_id
    HAVING bool_or(is_held_out) = bool_and(is_held_out)
)
SELECT exposed.is_held_out, count(output.id), count(output.id) FILTER (WHERE EXISTS (
    SELECT FROM feedback_feedback feedback
    WHERE feedback.output_id = output.id AND NOT feedback.is_implicit AND feedback.score < 0
))
FROM exposed
JOIN feedback_session session
    ON session.project_id = %s AND session.external_id = exposed.external_id
JOIN feedback_output output ON output.session_id = session.id AND output.at >= exposed.since
GROUP BY session.id, exposed.is_held_out
"""


def arms_of(experiment: Experiment) -> tuple[Arm, Arm]:
    """Return what became of the sessions that were served, and of those that were held out.

    Counted are outputs from a session's first exposure on, and those of them that somebody rated
    below zero.
    """
    version = experiment.version
    with connection.cursor() as cursor:
        cursor.execute(_ARMS, [version.pk, experiment.started_at, version.library.project_id])
        rows = cursor.fetchall()
    return (
        rates.arm((num, bad, 0.0) for held_out, num, bad in rows if not held_out),
        rates.arm((num, bad, 0.0) for held_out, num, bad in rows if held_out),
    )


def _is_worse(served: Arm, held_out: Arm) -> bool:
    return sequential.look(served, held_out).is_worse


def _told(served: Arm, held_out: Arm) -> str:
    return (
        f"Served sessions fared worse: {served.complaints:.0f} of {served.outputs:.0f} answers "
        f"complained of ({served.rate:.1%}), against {held_out.complaints:.0f} of "
        f"{held_out.outputs:.0f} ({held_out.rate:.1%}) held out."
    )
