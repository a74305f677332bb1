"""How far people agree beyond chance when they put the same things into classes.

A figure is given with a 95 % interval, or with the reason why there is none: agreement by chance
cannot be told where everybody only ever gave one value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TypeVar

Value = TypeVar("Value", bound=Hashable)

# Two-sided 95 % of the normal distribution.
Z = 1.959964
RESAMPLES = 2_000
SEED = 20_260_101
# Below this share of resamples in which agreement is defined, they say nothing of the interval.
FEWEST_DEFINED = 0.95

NOTHING_SHARED = "nothing was judged by two"
ONE_VALUE = "everybody gave the same value throughout"
TOO_FEW = "too few items for an interval"


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Agreement beyond chance: 1 is perfect, 0 is what chance gives, below 0 is worse than that.

    `share` is how many pairs of judgements were the same, from 0 to 1. Where `value`
    or the interval is None, `why` says why: "undefined because …".
    """

    num_items: int
    share: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""


def cohen(pairs: Iterable[tuple[Value, Value]]) -> Agreement:
    """Cohen's kappa of two reviewers, from the values that they gave the same items.

    Cohen, "A coefficient of agreement for nominal scales" (1960); the interval is normal with the
    variance of Fleiss, Cohen and Everitt, "Large sample standard errors of kappa" (1969).
    """
    table = Counter(pairs)
    number = table.total()
    if not number:
        return Agreement(num_items=0, why=NOTHING_SHARED)
    cells = {cell: count / number for cell, count in table.items()}
    first: Counter[Value] = Counter()
    second: Counter[Value] = Counter()
    for (left, right), count in table.items():
        first[left] += count
        second[right] += count
    rows = {value: count / number for value, count in first.items()}
    columns = {value: count / number for value, count in second.items()}
    same = sum(share for (left, right), share in cells.items() if left == right)
    # From counts, so that 1 is 1.
    chance = sum(first[value] * second[value] for value in first) / number**2
    if chance == 1:
        return Agreement(num_items=number, share=same, why=ONE_VALUE)
    kappa = (same - chance) / (1 - chance)
    if all(left == right for left, right in table):
        low = 1 - _most_disagreement(number) / (1 - chance)
        return Agreement(num_items=number, share=1.0, value=1.0, low=max(low, -1.0), high=1.0)
    apart = 1 - kappa
    variance = -((kappa - chance * apart) ** 2)
    for (left, right), share in cells.items():
        if left == right:
            variance += share * (1 - (rows[left] + columns.get(left, 0)) * apart) ** 2
        else:
            variance += share * (apart * (columns.get(left, 0) + rows.get(right, 0))) ** 2
    error = sqrt(max(variance, 0.0) / number) / (1 - chance)
    return Agreement(
        num_items=number,
        share=same,
        value=kappa,
        low=max(kappa - Z * error, -1.0),
        high=min(kappa + Z * error, 1.0),
    )


def krippendorff(items: Iterable[Sequence[Value]]) -> Agreement:
    """Krippendorff's alpha for nominal values, from the values that each item was given.

    Any number of reviewers, who need not judge the same items; an item that one alone judged is
    left out. Krippendorff, "Computing Krippendorff's alpha-reliability" (2011). The interval is
    that of the bootstrap over items (Zapf et al., "Measuring inter-rater reliability for nominal
    data", BMC Medical Research Methodology 16, 2016), drawn with a fixed seed.
    """
    patterns = Counter(frozenset(Counter(values).items()) for values in items if len(values) > 1)
    number = patterns.total()
    if not number:
        return Agreement(num_items=0, why=NOTHING_SHARED)
    import numpy as np

    seen = sorted({value for pattern in patterns for value, _ in pattern}, key=repr)
    column = {value: place for place, value in enumerate(seen)}
    # In an order that does not hang on the order of the items.
    ordered = sorted(patterns, key=lambda pattern: sorted((repr(one), n) for one, n in pattern))
    counts = np.zeros((len(ordered), len(seen)))
    for row, pattern in enumerate(ordered):
        for value, times in pattern:
            counts[row, column[value]] = times
    judged = counts.sum(axis=1)
    # Pairs that differ, each item's weighing as much as it has judgements.
    apart = (judged**2 - (counts**2).sum(axis=1)) / (judged - 1)
    weights = np.array([[patterns[pattern] for pattern in ordered]], dtype=float)
    draws = np.random.default_rng(SEED).multinomial(number, weights[0] / number, RESAMPLES)
    both = np.concatenate([weights, draws])
    values = both @ counts
    total = values.sum(axis=1)
    observed = both @ apart
    expected = (total**2 - (values**2).sum(axis=1)) / (total - 1)
    share = float(1 - observed[0] / total[0])
    if expected[0] == 0:
        return Agreement(num_items=number, share=share, why=ONE_VALUE)
    if observed[0] == 0:
        low = float(1 - _most_disagreement(number) * total[0] / expected[0])
        return Agreement(num_items=number, share=1.0, value=1.0, low=max(low, -1.0), high=1.0)
    alpha = float(1 - observed[0] / expected[0])
    defined = expected[1:] > 0
    if defined.mean() < FEWEST_DEFINED:
        return Agreement(num_items=number, share=share, value=alpha, why=TOO_FEW)
    drawn = 1 - observed[1:][defined] / expected[1:][defined]
    low, high = (float(edge) for edge in np.quantile(drawn, [0.025, 0.975]))
    return Agreement(num_items=number, share=share, value=alpha, low=low, high=high)


def _most_disagreement(number: int) -> float:
    """The share of disagreements that none seen among so many items leaves possible.

    Clopper and Pearson, "The use of confidence or fiducial limits" (1934), for no case at all: a
    resample of items that all agree would claim to be sure of it.
    """
    return 1.0 - float(0.025 ** (1 / number))
