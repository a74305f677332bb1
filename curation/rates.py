"""Complaint rates of outputs that come in sessions, and what lies between two of them.

Outputs of one session are not independent: one user who minds complains again and again. A rate is
therefore a ratio of two totals over sessions, with the variance of that (Cochran, "Sampling
Techniques", Wiley 1977, section 11.7; Liang and Zeger, "Longitudinal data analysis using
generalized linear models", Biometrika 73, 1986). How many times it is that of as many independent
outputs, the design effect, is taken from both arms together where one has few complaints, which
tell little of it. It divides the number of outputs in Wilson's interval (Dean and Pagano,
"Evaluating Confidence Interval Methods for Binomial Proportions in Clustered Surveys", Journal of
Survey Statistics and Methodology 3, 2015). Two such intervals make one of the difference (Newcombe,
"Interval estimation for the difference between independent proportions: comparison of eleven
methods", Statistics in Medicine 17, 1998, method 10; with a correlation Zou, "On the estimation of
additive interaction by use of the four-by-two table and beyond", American Journal of Epidemiology
168, 2008).

Before and after something was done, nobody is drawn by lot: who came again and again before, and
not after, changes both rates. There users take the place of sessions in all sums, and what one user
did before and after goes together: the same linearization, over the users of both (Cameron and
Miller, "A Practitioner's Guide to Cluster-Robust Inference", Journal of Human Resources 50, 2015).
Where sessions are drawn by lot they are what is drawn, and users make no difference (Abadie, Athey,
Imbens and Wooldridge, "When Should You Adjust Standard Errors for Clustering?", Quarterly Journal
of Economics 138, 2023).

An output that was looked at by lot with the chance p stands for 1/p of them: with such weights the
same formulas hold (Horvitz and Thompson, JASA 47, 1952; Hájek's ratio).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

# The normal quantile of an interval that covers 95 times in a hundred.
Z95 = 1.959964
# The same for what is looked at on each of 28 days: each look errs once in a thousand times, so all
# together at most 2.8 times of a hundred, however they hang together (Bonferroni).
Z_DAILY = 3.29
# Below so many other complaints before or after, they do not tell what else changed meanwhile.
FEWEST_OTHERS = 20
# As many sessions with complaints as the design effect of both arms together counts for.
SHARED = 10


@dataclass(frozen=True, kw_only=True)
class Arm:
    """Sums over sessions: of their outputs, of those complained of, and of their products.

    With weights, `outputs` is the sum of the weights and `complaints` of those complained of. What
    else is complained of in the same sessions, `others`, tells what changed for everybody. `users`
    is how many the sums are over where they are over users; 0 where they are over sessions.
    """

    sessions: int = 0
    users: int = 0
    outputs: float = 0
    complaints: float = 0
    outputs_squared: float = 0
    outputs_complaints: float = 0
    complaints_squared: float = 0
    others: float = 0
    others_squared: float = 0
    outputs_others: float = 0
    complaints_others: float = 0

    @property
    def rate(self) -> float:
        """The share of outputs complained of, from 0 to 1; 0 when there are none."""
        return self.complaints / self.outputs if self.outputs else 0.0


@dataclass(frozen=True, kw_only=True)
class Crossed:
    """Sums over users of products, of what each did after and of what the same did before.

    The first word says what is taken of after: `outputs_others` are outputs after times other
    complaints before.
    """

    complaints_complaints: float = 0
    complaints_others: float = 0
    others_complaints: float = 0
    others_others: float = 0
    outputs_complaints: float = 0
    outputs_others: float = 0


APART = Crossed()


@dataclass(frozen=True, kw_only=True)
class Change:
    """What lies between two rates, in shares of outputs, with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def arm(sessions: Iterable[tuple[float, float, float]]) -> Arm:
    """The sums over sessions, each given as its outputs, complaints and other complaints.

    A session of weighted outputs is given by the sums of their weights.
    """
    rows = list(sessions)
    return Arm(
        sessions=len(rows),
        outputs=sum(n for n, _, _ in rows),
        complaints=sum(y for _, y, _ in rows),
        outputs_squared=sum(n * n for n, _, _ in rows),
        outputs_complaints=sum(n * y for n, y, _ in rows),
        complaints_squared=sum(y * y for _, y, _ in rows),
        others=sum(z for _, _, z in rows),
        others_squared=sum(z * z for _, _, z in rows),
        outputs_others=sum(n * z for n, _, z in rows),
        complaints_others=sum(y * z for _, y, z in rows),
    )


def crossed(
    before: Sequence[tuple[float, float, float]], after: Sequence[tuple[float, float, float]]
) -> Crossed:
    """The products over users, given in the same order, each as for `arm`."""
    both = list(zip(after, before, strict=True))
    return Crossed(
        complaints_complaints=sum(y * v for (_, y, _), (_, v, _) in both),
        complaints_others=sum(y * w for (_, y, _), (_, _, w) in both),
        others_complaints=sum(z * v for (_, _, z), (_, v, _) in both),
        others_others=sum(z * w for (_, _, z), (_, _, w) in both),
        outputs_complaints=sum(n * v for (n, _, _), (_, v, _) in both),
        outputs_others=sum(n * w for (n, _, _), (_, _, w) in both),
    )


def design_effects(*arms: Arm) -> list[float]:
    """For each arm, how many of its outputs say as little as one independent one: at least 1."""
    own = [_design_effect(one) for one in arms]
    complaining = [_complaining(one) for one in arms]
    total = sum(complaining)
    shared = sum(n * effect for n, effect in zip(complaining, own, strict=True))
    shared = shared / total if total else 1.0
    return [
        max((n * effect + SHARED * shared) / (n + SHARED), 1.0)
        for n, effect in zip(complaining, own, strict=True)
    ]


def interval(one: Arm, *, effect: float | None = None, z: float = Z95) -> tuple[float, float]:
    """The ends of the rate's interval; `effect` is the design effect, else the arm's own.

    From 0 to 1 where there are no outputs.
    """
    if not one.outputs:
        return 0.0, 1.0
    number = one.outputs / (design_effects(one)[0] if effect is None else effect)
    rate = one.rate
    middle = (rate + z**2 / (2 * number)) / (1 + z**2 / number)
    half = z * sqrt(max(rate * (1 - rate), 0) / number + z**2 / (4 * number**2))
    half /= 1 + z**2 / number
    return max(middle - half, 0.0), min(middle + half, 1.0)


def difference(treated: Arm, control: Arm) -> Change | None:
    """How much higher the rate of `treated` is; None while one of them has no outputs."""
    if not treated.outputs or not control.outputs:
        return None
    effects = design_effects(treated, control)
    return _between(
        (treated.rate, *interval(treated, effect=effects[0])),
        (control.rate, *interval(control, effect=effects[1])),
    )


def expected(before: Arm, after: Arm, *, both: Crossed = APART, z: float = Z95) -> Change | None:
    """The rate that was to be expected afterwards, had it gone as all other complaints went.

    This is a difference in differences of logarithms: what changed for all complaints alike, such
    as who uses the product or how easily they complain, is no effect. `both` is what the same users
    did before and after; without it the two count as others'. None where before or after
    there are fewer than FEWEST_OTHERS other complaints, or there was nothing to change.
    """
    if min(before.others, after.others) < FEWEST_OTHERS or not before.complaints:
        return None
    other = after.others / after.outputs
    value = before.rate * other / (before.others / before.outputs)
    # The rate before among all complaints then, by the delta method; then how others went after.
    variance = (
        _scale(before)
        * (
            before.complaints_squared / before.complaints**2
            - 2 * before.complaints_others / (before.complaints * before.others)
            + before.others_squared / before.others**2
        )
        + _scale(after)
        * (
            after.others_squared
            - 2 * other * after.outputs_others
            + other**2 * after.outputs_squared
        )
        / after.others**2
        + 2 * (_with_former(before, others=1, both=both) / after.others)
        - 2 * (_with_former(before, outputs=1, both=both) / after.outputs)
    )
    half = z * sqrt(max(variance, 0))
    return Change(value=value, low=value * exp(-half), high=value * exp(half))


def drift_corrected(
    before: Arm, after: Arm, *, both: Crossed = APART, z: float = Z95
) -> Change | None:
    """How much higher the rate afterwards is than was to be expected; None as for `expected`."""
    meant = expected(before, after, both=both, z=z)
    if meant is None or not after.outputs:
        return None
    effect = design_effects(before, after)[1]
    deviation = (meant.high - meant.low) / (2 * z)
    correlation = _covariance(before, after, both) * meant.value
    correlation /= deviation * sqrt(_variance(after)) or 1.0
    return _between(
        (after.rate, *interval(after, effect=effect, z=z)),
        (meant.value, meant.low, meant.high),
        correlation=min(max(correlation, -1.0), 1.0),
    )


def drift(before: Arm, after: Arm) -> float | None:
    """How many times as common other complaints became, as a logarithm; None without any."""
    if not before.others or not after.others:
        return None
    return log((after.others / after.outputs) / (before.others / before.outputs))


def _between(
    first: tuple[float, float, float],
    second: tuple[float, float, float],
    *,
    correlation: float = 0.0,
) -> Change:
    """The first less the second, each a value with its ends, which may go together."""
    value = first[0] - second[0]
    down = (first[0] - first[1], second[2] - second[0])
    up = (first[2] - first[0], second[0] - second[1])
    low, high = (
        sqrt(max(one**2 + two**2 - 2 * correlation * one * two, 0.0)) for one, two in (down, up)
    )
    return Change(value=value, low=value - low, high=value + high)


def _design_effect(one: Arm) -> float:
    independent = one.rate * (1 - one.rate) / one.outputs if one.outputs else 0.0
    return _variance(one) / independent if _units(one) > 1 and independent > 0 else 1.0


def _complaining(one: Arm) -> float:
    """About how many sessions the arm's complaints come from, alike heavy ones."""
    return one.complaints**2 / one.complaints_squared if one.complaints_squared else 0.0


def _covariance(before: Arm, after: Arm, both: Crossed) -> float:
    """Of the rate afterwards and the logarithm of what was expected."""
    other = after.others / after.outputs
    products = (
        after.complaints_others
        - other * after.outputs_complaints
        - after.rate * after.outputs_others
        + after.rate * other * after.outputs_squared
    )
    with_after = _scale(after) * products / after.outputs**2 / other
    with_before = _with_former(before, complaints=1, outputs=-after.rate, both=both)
    return with_after + with_before / after.outputs


def _with_former(
    before: Arm,
    *,
    both: Crossed,
    complaints: float = 0,
    others: float = 0,
    outputs: float = 0,
) -> float:
    """The covariance of so much of what users did after with the logarithm of the ratio before.

    That is the ratio of the complaints to others; the sums of what was done after.
    """
    by_complaints = (
        complaints * both.complaints_complaints
        + others * both.others_complaints
        + outputs * both.outputs_complaints
    )
    by_others = (
        complaints * both.complaints_others
        + others * both.others_others
        + outputs * both.outputs_others
    )
    return by_complaints / before.complaints - by_others / before.others


def _variance(one: Arm) -> float:
    """The variance of the arm's rate, between sessions or users."""
    squares = (
        one.complaints_squared
        - 2 * one.rate * one.outputs_complaints
        + one.rate**2 * one.outputs_squared
    )
    return max(_scale(one) * squares, 0.0) / one.outputs**2


def _scale(one: Arm) -> float:
    units = _units(one)
    return units / (units - 1) if units > 1 else 1.0


def _units(one: Arm) -> int:
    """How many the sums are over."""
    return one.users or one.sessions
