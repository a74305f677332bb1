"""PURE. Compares outputs served with those held out on the same days, while shares change.

When a version is given out in stages, most of what is served comes late, and what is held out all
along: should complaints grow meanwhile, for whatever reason, the version would seem to have done
it. What was held out on the same day by the same lot tells what would have been, so that it counts
for as much as was served beside it: the mean of the differences of the days, by those served. This
is direct standardization (Cochran, "Sampling Techniques", Wiley 1977, section 5A.9; for experiments
Miratrix, Sekhon and Yu, "Adjusting treatment effect estimates by post-stratification in randomized
experiments", JRSS B 75, 2013). The day is the output's, not the first one of its session: a session
that comes again and again may get something else with a later stage, and goes on in the other arm.
What it has on several days is weighed before it is summed, as it is not independent. Days of few
sessions are joined with those after them: a weight that rests on one or two sessions costs more
than the bias within some days that it takes away.
"""

from __future__ import annotations

from collections.abc import Sequence

# Sessions of each arm that one stratum has at least, each day's counted anew.
FEWEST = 10

# How many sessions were served on a day, and held out.
Day = tuple[int, int]


def weights(days: Sequence[Day]) -> list[float]:
    """For each day, in their order, how many of its held-out outputs one counts for.

    As many of each stratum as those served, while the held-out arm keeps its size in sessions:
    while both shares stay as they are, that is hardly more or less than 1.
    """
    joined = _joined(days)
    if len(joined) < 2:
        return [1.0] * len(days)
    ratio = sum(other for _, other in days) / sum(one for one, _ in days)
    return [weight * ratio for stratum in joined for weight in [_weight(stratum)] * len(stratum)]


def _weight(stratum: Sequence[Day]) -> float:
    return sum(one for one, _ in stratum) / sum(other for _, other in stratum)


def _joined(days: Sequence[Day]) -> list[list[Day]]:
    """The days in strata that have at least FEWEST sessions of each arm, or all in one."""
    joined: list[list[Day]] = []
    rest: list[Day] = []
    for day in days:
        rest.append(day)
        if min(sum(numbers) for numbers in zip(*rest, strict=True)) >= FEWEST:
            joined.append(rest)
            rest = []
    if not joined:
        return [rest]
    joined[-1].extend(rest)
    return joined
