"""What share of all answers has a fault, from a sample drawn at different rates.

Each stratum counts by its size, not by how much of it was looked at: the stratified estimator,
which is Horvitz and Thompson's with the rate that each stratum came out at (Hájek's), as in
Särndal, Swensson and Wretman, "Model Assisted Survey Sampling", Springer 1992, sections 3.7 and
7.6. A share within a stratum gets Wilson's interval ("Probable Inference, the Law of Succession,
and Statistical Inference", JASA 22, 1927), narrowed as the sample nears the whole stratum; those
of all strata are joined by the variances recovered from them (Zou, Huang and Zhang, "A note on
confidence interval estimation for a linear function of binomial proportions", Computational
Statistics & Data Analysis 53, 2009), which holds where few or no faults are found.

What was to be looked at and is not decided, and was not left out by lot, may be anything: the
interval reaches from none of it to all of it (Manski, "Partial Identification of Probability
Distributions", Springer 2003, chapter 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

# The normal quantile of an interval that covers 95 times in a hundred.
Z95 = 1.959964


@dataclass(frozen=True, kw_only=True)
class Counted:
    """One stratum: of `size` outputs a random `num_decided + num_undecided` were looked at.

    `num_faulty` of the decided have the fault. Those left out by lot are in `size` alone.
    """

    size: int
    num_decided: int
    num_faulty: int
    num_undecided: int = 0


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of all outputs, with the ends of its 95 % interval; all from 0 to 1.

    `value` is None while something is undecided that was not left out by lot, or a stratum was not
    looked at: then only the interval is known.
    """

    value: float | None
    low: float
    high: float


def share(strata: Sequence[Counted]) -> Share | None:
    """The share of outputs with the fault over all strata; None when there are no outputs."""
    size = sum(one.size for one in strata)
    if not size:
        return None
    parts = [(one.size / size, one) for one in strata if one.size]
    least, low = _end(parts, is_high=False)
    _, high = _end(parts, is_high=True)
    is_known = all(one.num_decided and not one.num_undecided for _, one in parts)
    return Share(value=least if is_known else None, low=max(low, 0.0), high=min(high, 1.0))


def wilson(*, share: float, sampled: int, size: int) -> tuple[float, float]:
    """Wilson's interval for a share seen in `sampled` of `size`; the share itself if all were."""
    if sampled >= size:
        return share, share
    # A sample without replacement says as much as a larger one of an endless stratum.
    number = sampled * (size - 1) / (size - sampled)
    middle = (share + Z95**2 / (2 * number)) / (1 + Z95**2 / number)
    half = sqrt(share * (1 - share) / number + Z95**2 / (4 * number**2)) / (1 + Z95**2 / number)
    return max(Z95 * -half + middle, 0.0), min(Z95 * half + middle, 1.0)


def _end(parts: Sequence[tuple[float, Counted]], *, is_high: bool) -> tuple[float, float]:
    """The share when all, or none, of what is undecided is faulty; and its interval's end there."""
    total = variance = 0.0
    for weight, one in parts:
        sampled = one.num_decided + one.num_undecided
        if not sampled:
            total += weight * is_high
            continue
        faulty = (one.num_faulty + one.num_undecided * is_high) / sampled
        ends = wilson(share=faulty, sampled=sampled, size=one.size)
        total += weight * faulty
        variance += (weight * (ends[is_high] - faulty)) ** 2
    return total, total + (sqrt(variance) if is_high else -sqrt(variance))
