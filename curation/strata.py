"""PURE. Compares sessions served with those held out of the same days, while shares change.

When a version is given out in stages, most of those served come late, and those held out all along:
should complaints grow meanwhile, for whatever reason, the version would seem to have done it. Who
was held out on the same days by the same lot tells what would have been, so that each counts for as
many as were served beside them: the mean of the differences of the days, by those served. This is
direct standardization (Cochran, "Sampling Techniques", Wiley 1977, section 5A.9; for experiments
Miratrix, Sekhon and Yu, "Adjusting treatment effect estimates by post-stratification in randomized
experiments", JRSS B 75, 2013). Days of few sessions are joined with those after them: a weight that
rests on one or two sessions costs more than the bias within some days that it takes away.
"""

from __future__ import annotations

from collections.abc import Sequence

from curation.rates import Arm, total, weighted

# Sessions of each arm that one stratum has at least.
FEWEST = 10

Pair = tuple[Arm, Arm]


def standardized(days: Sequence[Pair]) -> Pair:
    """Both arms over all days, those held out with as many of each stratum as those served.

    `days` are in their order, each as served and held out. The held-out arm keeps its size in
    sessions; while both shares stay as they are, hardly anything changes.
    """
    joined = _joined(days)
    served = total(one for one, _ in joined)
    held_out = total(other for _, other in joined)
    if len(joined) < 2:
        return served, held_out
    ratio = held_out.sessions / served.sessions
    return served, total(
        weighted(other, one.sessions / other.sessions * ratio) for one, other in joined
    )


def _joined(days: Sequence[Pair]) -> list[Pair]:
    """The days in strata that have at least FEWEST sessions of each arm, or all in one."""
    joined: list[Pair] = []
    rest: Pair = (Arm(), Arm())
    for day in days:
        rest = _both(rest, day)
        if min(rest[0].sessions, rest[1].sessions) >= FEWEST:
            joined.append(rest)
            rest = (Arm(), Arm())
    if not joined:
        return [rest]
    return [*joined[:-1], _both(joined[-1], rest)]


def _both(first: Pair, second: Pair) -> Pair:
    return total((first[0], second[0])), total((first[1], second[1]))
