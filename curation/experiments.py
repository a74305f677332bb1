"""Versions that some sessions get and others do not: how that begins, goes on and ends."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from django.db import transaction

from curation.models import ContextLibrary, Experiment, LibraryVersion
from curation.models.experiment import LEAST_HELD_OUT
from feedback.models import User
from review.models import Event


class ExperimentError(Exception):
    """The experiment stays as it was; the message says why."""


class Fault(NamedTuple):
    """What is wrong with a trial, and in which of its fields."""

    field: str
    says: str


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How a version is to be given out: percent of sessions by stage, and how many get nothing.

    The defaults are what pages and API propose.
    """

    stages: list[int] = field(default_factory=lambda: [90])
    held_out: int = 10
    hours_per_stage: int = 24

    def fault(self) -> Fault | None:
        """What is wrong with it; None when nothing is."""
        rules = (
            (
                not self.stages or any(not 1 <= one <= 100 for one in self.stages),
                Fault("stages", "Each stage serves from 1 to 100 percent of sessions."),
            ),
            (
                any(one >= other for one, other in pairwise(self.stages)),
                Fault("stages", "Each stage serves more sessions than the one before."),
            ),
            (
                not 0 <= self.held_out <= 99,
                Fault("held_out", "From 0 to 99 percent can be held out."),
            ),
            (
                max(self.stages, default=0) + self.held_out > 100,
                Fault(
                    "stages",
                    "What is served and what is held out are more than all sessions together.",
                ),
            ),
            (
                len(self.stages) > 1 and self.held_out < LEAST_HELD_OUT,
                Fault(
                    "held_out",
                    f"Hold out at least {LEAST_HELD_OUT} percent where there are several stages: "
                    "harm shows only beside sessions that get nothing.",
                ),
            ),
            (
                not 1 <= self.hours_per_stage <= 24 * 90,
                Fault("hours_per_stage", "A stage lasts from 1 hour to 90 days."),
            ),
        )
        return next((fault for is_wrong, fault in rules if is_wrong), None)


def succeed(
    *,
    former: LibraryVersion | None,
    version: LibraryVersion,
    model: str,
    trial: Trial | None,
    by: User | None,
    now: datetime,
) -> None:
    """End what the version before was tried in, and begin the trial of the one that follows it.

    `model` is the embedding model of the version: the rest of the sessions can have none of
    another. Expects that the library is held. Raises ExperimentError for a trial that cannot be.
    """
    baseline = _proven(former)
    Experiment.objects.running().filter(version=former).update(
        status=Experiment.Status.ENDED,
        ended_at=now,
        ended_by=by,
        reason=f"Version {version.number} took its place.",
    )
    if trial is None:
        return
    if fault := trial.fault():
        raise ExperimentError(fault.says)
    if baseline is not None and not baseline.can_be_served_with(model):
        baseline = None
    Experiment.objects.create(
        version=version,
        baseline=baseline,
        salt=secrets.token_hex(16),
        stages=trial.stages,
        held_out=trial.held_out,
        hours_per_stage=trial.hours_per_stage,
        started_at=now,
        stage_since=now,
    )


@transaction.atomic
def end(*, experiment: Experiment, by: User, now: datetime) -> None:
    """Give the version to all sessions from now on. Raises ExperimentError when it has ended."""
    if not _ended(experiment, Experiment.Status.ENDED, now, by, "Given to all."):
        raise ExperimentError("The experiment has ended already.")
    _record(experiment, "ended_experiment", by, now)


@transaction.atomic
def stop(*, experiment: Experiment, reason: str, by: User | None, now: datetime) -> None:
    """Give the version to nobody from now on: the one before is live again.

    Where there is none, the library goes on to answer, without entries. Raises ExperimentError when
    it has ended.
    """
    # In the order in which publishing holds them.
    ContextLibrary.objects.select_for_update(no_key=True).get(versions=experiment.version_id)
    if not _ended(experiment, Experiment.Status.STOPPED, now, by, reason):
        raise ExperimentError("The experiment has ended already.")
    if experiment.baseline_id is not None:
        ContextLibrary.objects.filter(live=experiment.version).update(live=experiment.baseline)
    _record(experiment, "stopped_experiment", by, now, reason=reason)


@transaction.atomic
def widen(*, experiment: Experiment, now: datetime) -> None:
    """Give the version to the sessions of the next stage too; once from each stage."""
    widened = Experiment.objects.running().filter(pk=experiment.pk, stage=experiment.stage)
    if not experiment.is_at_last_stage and widened.update(
        stage=experiment.stage + 1, stage_since=now
    ):
        _record(experiment, "widened_experiment", None, now, stage=experiment.stage + 1)


def release(*, version: LibraryVersion, by: User) -> bool:
    """Let a version that was stopped be served again, as somebody wants it; False if it was not.

    Its trial ended when it was stopped: nothing after that is compared.
    """
    stopped = Experiment.objects.filter(version=version, status=Experiment.Status.STOPPED)
    ended = Experiment.Status.ENDED
    return bool(stopped.update(status=ended, ended_by=by, reason="Made live again."))


def _proven(live: LibraryVersion | None) -> LibraryVersion | None:
    """The version that all sessions may get while another is tried, or None.

    That is the live one, unless it was stopped or is still tried itself: then the one that was held
    against it.
    """
    tried = Experiment.objects.filter(version=live).select_related("baseline").first()
    if tried is None or tried.status == Experiment.Status.ENDED:
        return live
    return tried.baseline


def _ended(
    experiment: Experiment, status: str, now: datetime, by: User | None, reason: str
) -> bool:
    running = Experiment.objects.running().filter(pk=experiment.pk)
    return bool(running.update(status=status, ended_at=now, ended_by=by, reason=reason))


def _record(
    experiment: Experiment, verb: str, by: User | None, now: datetime, **data: int | str
) -> None:
    library = experiment.version.library
    Event.objects.create(
        project_id=library.project_id,
        actor=by,
        verb=verb,
        target_type="context_library",
        target_id=library.pk,
        data={"version": experiment.version.number} | data,
        at=now,
    )
