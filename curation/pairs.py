"""Which of two answers to one question is the better, by what people decided and ranked.

Knows no database.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

# A place, of which a lower one is better, or a score, of which a higher one is; never compared
# with each other.
Rank = tuple[str, float]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer, what the review that counts made of it, and how people ranked it.

    `text` is the answer as it is, `reviewed` as its reviewer saw it. `settled` is what the review
    settled on, the answer or its correction, "" for neither; `is_faulted` that it was not found
    good. `ranks` has one for each who ranked it.
    """

    text: str
    reviewed: str = ""
    settled: str = ""
    is_faulted: bool = False
    ranks: Mapping[Hashable, Rank] = field(default_factory=dict)


@dataclass(frozen=True)
class Preferred:
    """What is to be preferred to what; `is_first` says that it is the first answer's."""

    chosen: str
    rejected: str
    is_first: bool


def rank(*, value: object, score: float | None) -> Rank | None:
    """Return the rank that feedback gives: the place in `value`, else the score; None for neither.

    A better one is the greater of two.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ("place", -float(value))
    return None if score is None else ("score", score)


def prefer(first: Answer, second: Answer) -> Preferred | None:
    """Return which of two answers is the better; None where nobody says, or people disagree.

    Reviews come first: what one settled on is better than an answer that another found at fault.
    Where they say so of neither or of both, all who ranked both have to rank them the same way.
    """
    for one, other, is_first in ((first, second, True), (second, first, False)):
        if _beats(one, other) and not _beats(other, one):
            return _preferred(one.settled, other.reviewed, is_first=is_first)
    rankers = first.ranks.keys() & second.ranks.keys()
    ways = {_way(first.ranks[one], second.ranks[one]) for one in rankers}
    if ways == {1}:
        return _preferred(first.text, second.text, is_first=True)
    return _preferred(second.text, first.text, is_first=False) if ways == {-1} else None


def _beats(one: Answer, other: Answer) -> bool:
    return bool(one.settled.strip()) and other.is_faulted


def _preferred(chosen: str, rejected: str, *, is_first: bool) -> Preferred | None:
    if not chosen.strip() or not rejected.strip() or chosen.strip() == rejected.strip():
        return None
    return Preferred(chosen, rejected, is_first)


def _way(first: Rank, second: Rank) -> int:
    """1 when the first is better, -1 when the second is, 0 when neither is."""
    if first[0] != second[0]:
        return 0
    return (first[1] > second[1]) - (first[1] < second[1])
