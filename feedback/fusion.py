"""PURE. One ranking out of what words say and what meaning says."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import TypeVar

K = TypeVar("K")

# Of Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual
# Rank Learning Methods", SIGIR 2009.
RANK_CONSTANT = 60
# What a rank by words counts beside one by meaning, and the share of the distance from the most to
# the least similar within which two are as near. Chosen on banking77 (600 questions of its test
# split among 3,000 texts, the intent as relevance), and as good as meaning alone on clinc150 and
# medical-question-pairs, by which they were not chosen. Ranks alone, equally weighted, lose much of
# what similarities tell: Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid
# Retrieval", ACM TOIS 42 (2023).
WORDS_WEIGHT = 0.03
AS_NEAR = 0.07
# Breaks ties, and is less than any difference of ranks makes.
_TIE = 1e-6

_TOKEN = re.compile(r"(?<!\w)#?\w(?:[\w/.:-]*\w)?")
_LETTERS_FIRST = re.compile(r"#?[^\W\d_]+[_/.:-]?\d")


def fused(
    *, words: Mapping[K, float], meaning: Mapping[K, float], first: Collection[K] = ()
) -> dict[K, float]:
    """Each thing's sum of reciprocal ranks, the highest first.

    `words` are the shares of the question's weight in words, `meaning` cosine similarities; both
    count as 1 / (60 + rank), the rank by words WORDS_WEIGHT times. A rank is one more than how many
    are higher; of meaning only what is higher by more than AS_NEAR of the distance between the
    ends, so that words decide among what is about as near. What comes `first` has 1 more. Of equal
    sums the more similar comes first, then what `words` has earlier.
    """
    sums: dict[K, float] = defaultdict(float)
    for ranks, weight in ((_ranks(words, 0), WORDS_WEIGHT), (_ranks(meaning, AS_NEAR), 1)):
        for thing, rank in ranks.items():
            sums[thing] += weight / (RANK_CONSTANT + rank)
    for place, thing in enumerate(words):
        sums[thing] -= _TIE * _TIE * place
    for thing, similarity in meaning.items():
        sums[thing] += _TIE * similarity
    for thing in first:
        sums[thing] += 1
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def _ranks(scores: Mapping[K, float], as_high: float) -> dict[K, int]:
    """One more than how many are higher by more than this share of the distance of the ends."""
    falling = sorted(-score for score in scores.values())
    apart = as_high * (falling[-1] - falling[0]) if falling else 0
    return {thing: bisect_left(falling, -score - apart) + 1 for thing, score in scores.items()}


def identifiers(question: str) -> list[str]:
    """The tokens of a question that name one thing: an order number, an error code.

    They are a number of five digits or more, letters followed by a digit with two digits in all,
    eight characters or more with letters and digits, or three digits or more after `#`. Years,
    counts and amounts with their units are none.
    """
    return [token for token in _TOKEN.findall(question) if _names(token)]


def _names(token: str) -> bool:
    digits = sum(character.isdigit() for character in token)
    letters = any(character.isalpha() for character in token)
    return digits > 0 and (
        (token.startswith("#") and digits >= 3)
        or (token.isdigit() and digits >= 5)
        or (digits >= 2 and bool(_LETTERS_FIRST.match(token)))
        or (letters and len(token) >= 8)
    )
