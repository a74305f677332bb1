"""Simulated sessions that go on for days, while a version reaches more of them stage by stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from curation import strata
from curation.rates import Arm
from tests.bench.traffic import OTHERS_READY, READY, SHARE_READY

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, kw_only=True)
class Staying:
    """New sessions on each of the first `coming` days, of which `rate` of the outputs are bad.

    Each comes on the next day too with the chance `again`. The version reaches the shares `stages`
    of them, in as many parts of the days alike, and changes what is complained of by `factor`;
    `control` is the share that it is held against, None for all of the rest but for the share
    `left_out`. All complaints are multiplied by `drift` on the last day, less on the days before.
    """

    sessions: int
    coming: int
    days: int
    rate: float
    again: float
    stages: tuple[float, ...]
    control: float | None = None
    left_out: float = 0.0
    factor: float = 1.0
    drift: float = 2.0


@dataclass(frozen=True)
class Came:
    """Outputs and complaints of one run, by session and day, and which of them were served.

    `truth` is what the version does to a rate of an output, by day.
    """

    outputs: Numbers
    complaints: Numbers
    is_served: Numbers
    is_control: Numbers
    effects: Numbers

    @property
    def truth(self) -> float:
        """What the version did to the rate of those it was served to."""
        served = self._served[0].sum(axis=0)
        return float((served * self.effects).sum() / served.sum())

    def until(self, day: int, *, by_day: bool = True) -> tuple[Arm, Arm]:
        """Both arms after so many days, the control as if it came as the served ones did."""
        import numpy as np

        weights = np.ones(day)
        if by_day:
            both = [(one[0][:, :day] > 0).sum(axis=0) for one in (self._served, self._control)]
            pairs = zip(*(one.tolist() for one in both), strict=True)
            weights = np.array(strata.weights(list(pairs)))
        served, control = self._served, self._control
        return (
            _arm(*(one[:, :day].sum(axis=1) for one in served)),
            _arm(*(one[:, :day] @ weights for one in control)),
        )

    @cached_property
    def _served(self) -> tuple[Numbers, Numbers]:
        return self.outputs * self.is_served, self.complaints * self.is_served

    @cached_property
    def _control(self) -> tuple[Numbers, Numbers]:
        return self.outputs * self.is_control, self.complaints * self.is_control


def came(truth: Staying, *, runs: int, seed: int) -> Iterator[Came]:
    """What came in each run."""
    import numpy as np

    chance = np.random.default_rng(seed)
    days = np.arange(truth.days)
    stages = np.array(truth.stages)[days * len(truth.stages) // truth.days]
    usual = truth.rate * (1 + (truth.drift - 1) * days / max(truth.days - 1, 1))
    since = np.arange(truth.coming).repeat(truth.sessions)[:, None]
    for _ in range(runs):
        lot = chance.random(len(since))[:, None]
        stays = chance.random((len(since), truth.days)) < truth.again
        is_there = np.logical_and.accumulate(stays | (days <= since), axis=1) & (days >= since)
        outputs = is_there * (chance.poisson(1.0, is_there.shape) + (days == since))
        is_served = lot < stages
        ready = np.where(chance.random(lot.shape) < SHARE_READY, READY, OTHERS_READY)
        changed = np.where(is_served, truth.factor, 1.0)
        yield Came(
            outputs=outputs.astype(float),
            complaints=chance.binomial(outputs, usual * ready * changed).astype(float),
            is_served=is_served,
            is_control=~is_served & (lot < 1 - truth.left_out)
            if truth.control is None
            else lot >= 1 - truth.control + 0 * days,
            effects=usual * (truth.factor - 1),
        )


def _arm(outputs: Numbers, complaints: Numbers) -> Arm:
    return Arm(
        sessions=int((outputs > 0).sum()),
        outputs=float(outputs.sum()),
        complaints=float(complaints.sum()),
        outputs_squared=float(outputs @ outputs),
        outputs_complaints=float(outputs @ complaints),
        complaints_squared=float(complaints @ complaints),
    )
