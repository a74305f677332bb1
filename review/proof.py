"""What a spot check proves of all it was drawn from: exact bounds, in whole numbers.

A sample drawn without putting back follows the hypergeometric distribution. The bounds are those
of Clopper and Pearson ("The use of confidence or fiducial limits illustrated in the case of the
binomial", Biometrika 26, 1934), taken over to a population of known size.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, comb


def confidence(*, size: int, sampled: int, agreeing: int, share: float) -> float:
    """How sure it is that at least that share of all `size` agree, from 0 to 1.

    One less the chance to see so many of the sample agree if fewer than that share did. 1 when
    those seen are enough by themselves, 0 when so many disagree that it cannot be.
    """
    if not 0 <= agreeing <= sampled <= size or not size or not 0 < share <= 1:
        raise ValueError("Give a sample of the population, and a share above 0 and up to 1.")
    # The most that may agree without reaching the share; the share as it is written.
    most = ceil(Fraction(str(share)) * size) - 1
    if agreeing > most:
        return 1.0
    if size - (sampled - agreeing) <= most:
        return 0.0
    return float(1 - _at_least(agreeing, size=size, marked=most, sampled=sampled))


def sample_size(*, size: int, share: float, sure: float) -> int:
    """The fewest that must be looked at, all agreeing, to be so sure of the share."""

    def is_enough(number: int) -> bool:
        return confidence(size=size, sampled=number, agreeing=number, share=share) >= sure

    # Doubled first: whole numbers of a large half would be beyond reckoning.
    low, high = 1, 1
    while high < size and not is_enough(high):
        low, high = high + 1, min(2 * high, size)
    while low < high:
        middle = (low + high) // 2
        if is_enough(middle):
            high = middle
        else:
            low = middle + 1
    return low


def lowest_share(*, size: int, sampled: int, agreeing: int, sure: float) -> float:
    """The highest share of which one may be so sure; 0 when of none."""
    low, high = 0, size - (sampled - agreeing)
    while low < high:
        middle = (low + high + 1) // 2
        # At least `middle` agree, unless the most that agree is one less.
        chance = _at_least(agreeing, size=size, marked=middle - 1, sampled=sampled)
        if middle <= agreeing or 1 - chance >= Fraction(str(sure)):
            low = middle
        else:
            high = middle - 1
    return low / size


def sure_of_draw(number: int, *, sure: float) -> float:
    """How sure one has to be of the so-manieth sample, from 1, to be so sure of all together.

    Each may be wrong half as often as the one before, so that all of them, however often one
    draws until one likes what one sees, are no oftener wrong than is allowed (Boole's inequality).
    """
    if number < 1:
        raise ValueError("Samples are counted from 1.")
    return float(1 - (1 - Fraction(str(sure))) / 2**number)


def _at_least(number: int, *, size: int, marked: int, sampled: int) -> Fraction:
    """The chance that at least so many of the sample are among the marked ones of all."""
    ways = sum(
        comb(marked, drawn) * comb(size - marked, sampled - drawn)
        for drawn in range(max(number, 0), min(sampled, marked) + 1)
    )
    return Fraction(ways, comb(size, sampled))
