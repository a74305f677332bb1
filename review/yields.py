"""Judges orders of work by the faulty answers that they find early."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

# The share of the work after which its yield is counted.
WORKED = 0.2
NUM_RESAMPLES, SEED = 500, 20_260_101


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How well two orders find faulty answers among the same held-out ones.

    Average precision; yield, how many times as many as by chance are in the first WORKED share;
    and the Brier score of the probabilities, beside that of always saying the base rate.
    """

    num: int
    num_faulty: int
    precision: Figure
    rules_precision: Figure
    gain: Figure
    times: Figure
    rules_times: Figure
    brier: Figure
    base_brier: float

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Quality:
        """The figures that `to_json` wrote."""
        read: dict[str, Any] = {
            name: Figure(**value) if isinstance(value, dict) else value
            for name, value in data.items()
        }
        return cls(**read)

    @property
    def beats_rules(self) -> bool:
        """Whether the average precision is better than the rules', beyond chance."""
        return self.gain.low > 0


def compare(
    faulty: Sequence[bool],
    *,
    learned: Sequence[float],
    rules: Sequence[float],
    groups: Sequence[Hashable],
) -> Quality:
    """Judge held-out probabilities beside the rules' points for the same examples.

    The intervals are percentiles of the bootstrap over whole groups.
    """
    import numpy as np

    truth = np.asarray(faulty, dtype=float)
    told, points = np.asarray(learned), np.asarray(rules, dtype=float)

    def figures(rows: NDArray[np.intp]) -> list[float]:
        y, p, r = truth[rows], told[rows], points[rows]
        own = average_precision(y, p)
        other = average_precision(y, r)
        return [own, other, own - other, gain(y, p), gain(y, r), float(((p - y) ** 2).mean())]

    of_group: dict[Hashable, list[int]] = {}
    for row, name in enumerate(groups):
        of_group.setdefault(name, []).append(row)
    rows_of = [np.array(rows) for rows in of_group.values()]
    chance = np.random.default_rng(SEED)
    drawn: list[list[float]] = []
    while len(drawn) < NUM_RESAMPLES:
        picked = chance.integers(len(rows_of), size=len(rows_of))
        rows = np.concatenate([rows_of[one] for one in picked])
        if 0 < truth[rows].mean() < 1:
            drawn.append(figures(rows))
    low, high = np.percentile(np.array(drawn), [2.5, 97.5], axis=0)
    found = [
        Figure(value=value, low=float(low[place]), high=float(high[place]))
        for place, value in enumerate(figures(np.arange(len(truth))))
    ]
    base = float(truth.mean())
    return Quality(
        num=len(truth),
        num_faulty=int(truth.sum()),
        precision=found[0],
        rules_precision=found[1],
        gain=found[2],
        times=found[3],
        rules_times=found[4],
        brier=found[5],
        base_brier=base * (1 - base),
    )


def average_precision(
    faulty: Sequence[float] | Numbers, scores: Sequence[float] | Numbers
) -> float:
    """The precision at each score that there is, weighted by the faulty ones it adds.

    Scores that tie are one step. 0 when nothing is faulty.
    """
    import numpy as np

    truth, told = np.asarray(faulty, dtype=float), np.asarray(scores, dtype=float)
    if not truth.any():
        return 0.0
    order = np.argsort(-told)
    hits, told = np.cumsum(truth[order]), told[order]
    ends = np.flatnonzero(np.append(told[1:] != told[:-1], True))
    added = np.diff(hits[ends], prepend=0.0)
    return float((added * hits[ends] / (ends + 1)).sum() / hits[-1])


def gain(faulty: Sequence[float] | Numbers, scores: Sequence[float] | Numbers) -> float:
    """How many times as many faulty as by chance are in the first WORKED share by the scores.

    Of those that tie where the share ends, as many count as chance would take. 1 at best by
    chance, and at most one by the base rate; 0 when nothing is faulty.
    """
    import numpy as np

    truth, told = np.asarray(faulty, dtype=float), np.asarray(scores, dtype=float)
    if not truth.any():
        return 0.0
    size = max(round(WORKED * len(truth)), 1)
    edge = np.sort(told)[-size]
    above, level = told > edge, told == edge
    share = (size - above.sum()) / level.sum()
    hits = truth[above].sum() + share * truth[level].sum()
    return float(hits / size / truth.mean())
