"""Looks at a difference of two complaint rates as often as one likes.

A 95 % interval that is looked at daily misses the truth on one of many days: with 60 looks, in a
quarter of all cases. Here the likelihood of the difference seen, mixed over differences of the size
looked for, is held against that of one given difference. The ratio exceeds 1/α ever, with at most
the chance α (Robbins, "Statistical methods related to the law of the iterated logarithm", Annals of
Mathematical Statistics 41, 1970; for A/B tests Johari, Koomen, Pekelis and Walsh, "Always Valid
Inference: Continuous Monitoring of A/B Tests", Operations Research 70, 2022). Differences that it
has not ruled out make an interval that holds on all days at once. With estimated variances that is
true of large samples (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
theory and asymptotic confidence sequences", Annals of Statistics 52, 2024), so that nothing is told
before FEWEST_COMPLAINTS; the variance at each difference is that of rates which differ by it
(Miettinen and Nurminen, "Comparative analysis of two rates", Statistics in Medicine 4, 1985).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import acos, ceil, copysign, cos, exp, inf, log, pi, sqrt

from curation.rates import Z95, Z_DAILY, Arm, Change, design_effects

ALPHA = 0.05
# Fewer complaints in both arms than this are too few for a normal distribution.
FEWEST_COMPLAINTS = 10
# The normal quantile of the chance to find what is there: 80 in a hundred.
POWER = 0.841621
# A change of the rate by half is what is looked for.
LOOKED_FOR = 0.5
# Halvings of an interval of shares: to less than a millionth.
HALVINGS = 22
# Evidence beyond what a float can hold says no more.
MOST = 700.0


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What can be said whenever one looks.

    `change` holds on all days at once; None while there is too little. `evidence` is how many times
    as likely a difference is as none, an e-value: 1 at the start, 20 rejects at 5 %. `needed` is
    how many more sessions a change by half takes to show four times of five, of both arms in their
    present proportion; None where no number does.
    """

    change: Change | None
    evidence: float
    needed: int | None

    @property
    def is_better(self) -> bool:
        """Whether fewer complain, for certain."""
        return self.change is not None and self.change.high < 0

    @property
    def is_worse(self) -> bool:
        """Whether more complain, for certain."""
        return self.change is not None and self.change.low > 0


def look(treated: Arm, control: Arm, *, usual: float | None = None) -> Looked:
    """Compare the rate of `treated` with that of `control`, as they are today.

    `usual` is the rate before anything was done, which the size looked for follows from. It should
    be known beforehand; without it, it is taken from both arms.
    """
    comparison = _comparison(treated, control, usual)
    if comparison is None:
        return Looked(change=None, evidence=1.0, needed=None)
    if not comparison.is_enough:
        return Looked(change=None, evidence=1.0, needed=comparison.needed())
    return Looked(
        change=Change(value=comparison.value, low=comparison.end(-1.0), high=comparison.end(1.0)),
        evidence=comparison.evidence(0.0),
        needed=comparison.needed(),
    )


def missing(change: Change, *, usual: float, sessions: int) -> int:
    """How many more sessions, before and after together, show a change of `usual` by half.

    `change` is what so many sessions show, with its 95 % interval; one that is looked at daily has
    to leave out zero four times of five. The deviation falls as the root of the sessions.
    """
    deviation = (change.high - change.low) / (2 * Z95)
    enough = LOOKED_FOR * usual / (Z_DAILY + POWER)
    return ceil(sessions * max((deviation / enough) ** 2 - 1, 0.0)) if enough else 0


def evidence(
    treated: Arm, control: Arm, *, usual: float | None = None, against: float = 0.0
) -> float:
    """How many times as likely some difference is as the one `against`: an e-value, 1 for nothing.

    At 20 that difference is ruled out at 5 %, on whatever day.
    """
    comparison = _comparison(treated, control, usual)
    if comparison is None or not comparison.is_enough:
        return 1.0
    return comparison.evidence(against)


def is_worse(treated: Arm, control: Arm, *, tests: int = 1) -> bool:
    """Whether more of `treated` complain, for certain, where so many tests are made of one thing.

    Each has its even share of ALPHA, so that together they err no more often, however they hang
    together (Bonferroni): an e-value has to be as many times as high (Vovk and Wang, "E-values:
    Calibration, combination and applications", Annals of Statistics 49, 2021).
    """
    return treated.rate > control.rate and evidence(treated, control) >= tests / ALPHA


def discoveries(evidence: Mapping[int, float], *, rate: float = ALPHA) -> set[int]:
    """Which of many have a difference, so that at most the share `rate` of them have none.

    The e-BH procedure (Wang and Ramdas, "False discovery rate control with e-values", JRSS B 84,
    2022): it holds however the e-values depend on each other, as those of entries that are all held
    against the same outputs do, and however often one looks.
    """
    ranked = sorted(evidence, key=lambda key: (-evidence[key], key))
    kept = 0
    for number, key in enumerate(ranked, start=1):
        if evidence[key] * number * rate >= len(ranked):
            kept = number
    return set(ranked[:kept])


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """Two arms with their design effects, the rate of both together, and the size looked for."""

    treated: Arm
    control: Arm
    effects: list[float]
    rate: float
    sought: float

    @property
    def value(self) -> float:
        return self.treated.rate - self.control.rate

    @property
    def is_enough(self) -> bool:
        return self.treated.complaints + self.control.complaints >= FEWEST_COMPLAINTS

    def evidence(self, against: float) -> float:
        """The likelihood ratio, mixed over differences of about the size looked for."""
        first, second = self._rates_at(against)
        variance = self._variance(first, second)
        difference, prior = self.value - against, self.sought**2
        if variance <= 0:
            return inf if difference else 1.0
        logarithm = log(variance / (variance + prior)) / 2
        logarithm += difference**2 * prior / (2 * variance * (variance + prior))
        return exp(min(logarithm, MOST))

    def end(self, outermost: float) -> float:
        """The difference farthest out that is not ruled out, from what was seen outwards."""
        inner, outer = self.value, outermost
        for _ in range(HALVINGS):
            middle = (inner + outer) / 2
            is_out = self.evidence(middle) >= 1 / ALPHA
            inner, outer = (inner, middle) if is_out else (middle, outer)
        return outer

    def needed(self) -> int | None:
        """How many more sessions show a change of the size looked for, four times of five."""
        rate = min(self.rate or self.sought / LOOKED_FOR, 0.5)
        now = self._variance(rate, rate)
        if now <= 0:
            return None
        if self._shows(now):
            return 0
        low, high = 0.0, now
        while high - low > low / 1_000:
            middle = (low + high) / 2
            low, high = (middle, high) if self._shows(middle) else (low, middle)
        return ceil((self.treated.sessions + self.control.sessions) * (now / low - 1))

    def _shows(self, variance: float) -> bool:
        """Whether the size looked for is ruled in as often as POWER says, at that variance."""
        prior = self.sought**2
        reach = 2 * log(1 / ALPHA) + log((variance + prior) / variance)
        half = sqrt(variance * (variance + prior) / prior * reach)
        return half + POWER * sqrt(variance) <= self.sought

    def _variance(self, first: float, second: float) -> float:
        return (
            self.effects[0] * first * (1 - first) / self.treated.outputs
            + self.effects[1] * second * (1 - second) / self.control.outputs
        )

    def _rates_at(self, difference: float) -> tuple[float, float]:
        """The likeliest rates that differ so: the root of a cubic.

        As Farrington and Manning give it ("Test statistics and sample size formulae for
        comparative binomial trials with null hypothesis of non-zero risk difference", Statistics
        in Medicine 9, 1990).
        """
        treated, control = self.treated.rate, self.control.rate
        ratio = self.control.outputs / self.treated.outputs
        a = 1 + ratio
        b = -(1 + ratio + treated + ratio * control + difference * (ratio + 2))
        c = difference**2 + difference * (2 * treated + ratio + 1) + treated + ratio * control
        d = -treated * difference * (1 + difference)
        v = b**3 / (27 * a**3) - b * c / (6 * a**2) + d / (2 * a)
        u = copysign(sqrt(max(b**2 / (9 * a**2) - c / (3 * a), 0.0)), v)
        angle = (pi + acos(min(max(v / u**3, -1.0), 1.0))) / 3 if u else 0.0
        least, most = max(difference, 0.0), min(1 + difference, 1.0)
        first = min(max(2 * u * cos(angle) - b / (3 * a), least), most)
        return first, min(max(first - difference, 0.0), 1.0)


def _comparison(treated: Arm, control: Arm, usual: float | None) -> _Comparison | None:
    """None while there is nothing to compare, or nothing to look for."""
    if not treated.outputs or not control.outputs:
        return None
    complaints = treated.complaints + control.complaints
    rate = complaints / (treated.outputs + control.outputs)
    sought = LOOKED_FOR * (usual or rate)
    if not sought:
        return None
    return _Comparison(
        treated=treated,
        control=control,
        effects=design_effects(treated, control),
        rate=rate,
        sought=sought,
    )
