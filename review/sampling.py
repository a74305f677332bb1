"""Which outputs a queue draws, and in what order those of a random audit are worked off.

Sampling is by permanent random numbers (Ohlsson, "Coordination of Samples Using Permanent Random
Numbers", in Business Survey Methods, Wiley 1995): each output has one number per queue for good,
so that asking again never draws anew, and raising a rate only adds outputs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

# Hexadecimal digits of the hash that make the number: 52 bits, which a float holds exactly.
DIGITS = 13
# The ranks that a lot gives, the last and the first. One by age is a time, and far from them.
LOTS = (0, 100)


def draw(*, queue: int, output: int) -> float:
    """The number from 0 to below 1 of an output in a queue, by their ids; even and lasting.

    The database computes the same: see review.models.stratum.Draw.
    """
    return _number(queue, output)


def numbers(*, seed: int, rows: Sequence[int]) -> dict[int, float]:
    """The number from 0 to below 1 of each row by its id, under a seed; even and lasting.

    The rows with the smallest are a sample, each of its size equally likely.
    """
    return {row: _number(seed, row) for row in rows}


def _number(first: int, second: int) -> float:
    digest = hashlib.sha256(f"{first}:{second}".encode()).hexdigest()
    return int(digest[:DIGITS], 16) / float(16**DIGITS)


def lot(*, draw: float, rate: float) -> float:
    """The rank from 0 to 100 of an output of a random audit: it knows nothing of the answer."""
    return LOTS[1] * (1 - min(draw / rate, 1))
