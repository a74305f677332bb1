"""Simulated sessions with a known truth: who complains of what, when, and who is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from curation import strata
from curation.rates import Arm

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.floating[Any]]]

# One user of five complains 3.4 times as readily as the mean, the others 0.4 times.
READY, OTHERS_READY, SHARE_READY = 3.4, 0.4, 0.2
# The shares of sessions of users fall as one over this and their rank.
RARER = 10
PEOPLE = 1_000_000
# More outputs after the first of a session, in the mean.
MORE_OUTPUTS = 2.0
# Runs that are held in memory at once.
BATCH = 250
_SUMS = {
    "outputs": (1, 0, 0),
    "complaints": (0, 1, 0),
    "others": (0, 0, 1),
    "outputs_squared": (2, 0, 0),
    "outputs_complaints": (1, 1, 0),
    "complaints_squared": (0, 2, 0),
    "others_squared": (0, 0, 2),
    "outputs_others": (1, 0, 1),
    "complaints_others": (0, 1, 1),
}


@dataclass(frozen=True, kw_only=True)
class Truth:
    """So many sessions a day, of which `rate` of the outputs are complained of.

    `other` is the rate of other complaints. Both are multiplied by `drift` on the last day, less on
    the days before. With `stages`, only so many of the sessions come in each part of the days, as
    of a version that is given out in stages. With `looked_at`, faults are only known of outputs
    that reviewers drew: the first share of those rated down, the second of the rest.

    With `users`, so many come again and again, in all arms of a run alike: the commonest in one
    session of thirty. How readily one complains of this and of something else is drawn apart.
    `exchanged` is the share of them in whose place others came. Without, each session is another
    user's, who complains as readily of everything.
    """

    sessions: int
    days: int
    rate: float
    other: float = 0.1
    drift: float = 1.0
    looked_at: tuple[float, float] | None = None
    stages: tuple[float, ...] = (1.0,)
    users: int = 0
    exchanged: float = 0.0

    @property
    def mean_rate(self) -> float:
        """The rate over the sessions of all days."""
        return self.rate * (1 + (self.drift - 1) * self._mean_progress)

    def sessions_on(self, day: int) -> int:
        """How many sessions come on that day, from 0."""
        return round(self.sessions * self.stages[day * len(self.stages) // self.days])

    @property
    def _mean_progress(self) -> float:
        every = [(self.sessions_on(day), day / max(self.days - 1, 1)) for day in range(self.days)]
        return sum(number * progress for number, progress in every) / sum(n for n, _ in every)

    def with_rate(self, rate: float) -> Truth:
        """The same traffic with another rate."""
        return replace(self, rate=rate)


def arms(truth: Truth, *, runs: int, seed: int) -> Iterator[list[Arm]]:
    """For each run, what was counted until the end of each day."""
    sessions = list(accumulate(truth.sessions_on(day) for day in range(truth.days)))
    for sums in _batches(truth, runs, seed):
        totals = {name: by_day.cumsum(axis=1).tolist() for name, by_day in sums.items()}
        for run in range(len(totals["outputs"])):
            yield [
                Arm(
                    sessions=sessions[day],
                    **{name: values[run][day] for name, values in totals.items()},
                )
                for day in range(truth.days)
            ]


def each_day(truth: Truth, *, runs: int, seed: int) -> Iterator[list[Arm]]:
    """For each batch of runs, what was counted on each day: every sum an array over the runs."""
    for sums in _batches(truth, runs, seed):
        of_arrays: dict[str, Any] = dict(sums)
        yield [
            Arm(
                sessions=truth.sessions_on(day),
                **{name: by_day[:, day] for name, by_day in of_arrays.items()},
            )
            for day in range(truth.days)
        ]


def total(arms: Iterable[Arm]) -> Arm:
    """All sessions of these arms as one."""
    rows = list(arms)
    return Arm(
        sessions=sum(one.sessions for one in rows),
        **{name: sum(getattr(one, name) for one in rows) for name in _SUMS},
    )


def standardized(days: Sequence[tuple[Arm, Arm]]) -> tuple[Arm, Arm]:
    """Both arms over all days, the second as if it came as the first; no session comes twice."""
    weights = strata.weights([(one.sessions, other.sessions) for one, other in days])
    return total(one for one, _ in days), total(
        _weighted(other, weight) for (_, other), weight in zip(days, weights, strict=True)
    )


def _weighted(one: Arm, weight: float) -> Arm:
    sums = {name: weight ** sum(powers) * getattr(one, name) for name, powers in _SUMS.items()}
    return replace(one, **sums)


def apart(batch: Arm) -> Iterator[Arm]:
    """The arm of each run of a batch, whose sums are arrays over the runs."""
    sums = {name: getattr(batch, name).tolist() for name in _SUMS}
    for values in zip(*sums.values(), strict=True):
        yield Arm(sessions=batch.sessions, **dict(zip(sums, values, strict=True)))


def _batches(truth: Truth, runs: int, seed: int) -> Iterator[dict[str, Numbers]]:
    """For each batch of runs, the sums over the sessions of each day, by run and day."""
    import numpy as np

    chance = np.random.default_rng(seed)
    for first in range(0, runs, BATCH):
        drawn = _drawn(truth, min(BATCH, runs - first), chance, first)[:3]
        sums = {}
        for name, powers in _SUMS.items():
            product = np.ones_like(drawn[0])
            for part, power in zip(drawn, powers, strict=True):
                product *= part**power
            sums[name] = product.sum(axis=2)
        yield sums


def by_user(truth: Truth, *, runs: int, seed: int) -> Iterator[list[tuple[float, float, float]]]:
    """For each run, the outputs, complaints and other complaints of each user in the end."""
    import numpy as np

    chance = np.random.default_rng(seed)
    for first in range(0, runs, BATCH):
        *drawn, who = _drawn(truth, min(BATCH, runs - first), chance, first)
        for run, of in enumerate(who.reshape(len(who), -1).astype(int)):
            sums = (np.bincount(of, one[run].ravel(), truth.users).tolist() for one in drawn)
            yield list(zip(*sums, strict=True))


def readiness(truth: Truth, *, runs: int) -> Iterator[float]:
    """For each run, how many times as readily as the mean its users complain, all together."""
    for first in range(0, runs, BATCH):
        ready, _ = _people(truth, min(BATCH, runs - first), first)
        yield from (ready @ _activity(truth.users)).tolist()


def _activity(users: int) -> Numbers:
    """The share of sessions that each user has."""
    import numpy as np

    shares: Numbers = 1 / (RARER + np.arange(users))
    every: Numbers = shares / shares.sum()
    return every


def _people(truth: Truth, runs: int, first: int) -> tuple[Numbers, Numbers]:
    """How readily each user complains of this, and of other things, by run and user.

    The same for all arms of a run, but for those exchanged.
    """
    import numpy as np

    both = []
    for part in range(2):
        shape = (runs, truth.users)
        here, new = (
            np.random.default_rng((PEOPLE, first, part, one)).random(shape) for one in (0, 1)
        )
        at = np.arange(truth.users) * truth.exchanged % 1 >= 1 - truth.exchanged
        drawn = np.where(at if truth.exchanged else False, new, here)
        both.append(np.where(drawn < SHARE_READY, READY, OTHERS_READY))
    return both[0], both[1]


def _drawn(truth: Truth, runs: int, chance: np.random.Generator, first: int) -> tuple[Numbers, ...]:
    """Outputs, complaints, other complaints and users of each session, by run, day and session."""
    import numpy as np

    shape = (runs, truth.days, truth.sessions)
    outputs = 1 + chance.poisson(MORE_OUTPUTS, shape)
    if len(truth.stages) > 1:
        coming = np.array([truth.sessions_on(day) for day in range(truth.days)])
        outputs[np.broadcast_to(np.arange(truth.sessions) >= coming[:, None], shape)] = 0
    if truth.users:
        who = np.searchsorted(_activity(truth.users).cumsum()[:-1], chance.random(shape), "right")
        of_run = np.arange(runs)[:, None, None]
        ready, ready_for_others = (one[of_run, who] for one in _people(truth, runs, first))
    else:
        who = np.arange(truth.days * truth.sessions).reshape(1, *shape[1:]).repeat(runs, 0)
        ready = np.where(chance.random(shape) < SHARE_READY, READY, OTHERS_READY)
        ready_for_others = ready.copy()
    day = np.arange(truth.days)[None, :, None] / max(truth.days - 1, 1)
    drift = 1 + (truth.drift - 1) * day
    complaints = chance.binomial(outputs, truth.rate * ready * drift)
    others = chance.binomial(outputs, truth.other * ready_for_others * drift)
    if truth.looked_at is None:
        return outputs * 1.0, complaints * 1.0, others * 1.0, who * 1.0
    # Half of the faulty outputs are rated down, and one in twenty of the others.
    down, rest = truth.looked_at
    fine = outputs - complaints
    faulty_down = chance.binomial(complaints, 0.5)
    fine_down = chance.binomial(fine, 0.05)
    faulty = (
        chance.binomial(faulty_down, down) / down
        + chance.binomial(complaints - faulty_down, rest) / rest
    )
    sound = chance.binomial(fine_down, down) / down + chance.binomial(fine - fine_down, rest) / rest
    return faulty + sound, faulty, others * 1.0, who * 1.0
