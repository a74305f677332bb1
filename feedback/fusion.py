"""PURE. One ranking out of several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

K = TypeVar("K")

# Of Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual
# Rank Learning Methods", SIGIR 2009.
RANK_CONSTANT = 60


def fused(*rankings: Sequence[K]) -> dict[K, float]:
    """Each thing's sum of 1 / (60 + rank) over the rankings that have it, the highest first.

    A rank counts from 1. Of equal sums the one comes first that an earlier ranking has earlier.
    """
    sums: dict[K, float] = defaultdict(float)
    for ranking in rankings:
        for rank, thing in enumerate(ranking, start=1):
            sums[thing] += 1 / (RANK_CONSTANT + rank)
    return dict(sorted(sums.items(), key=lambda item: -item[1]))
