"""Which entries to serve: relevant to the question, unlike each other, within a token budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# How much relevance outweighs novelty, and how many of the most relevant compete.
TRADE_OFF = 0.7
POOL = 50


@dataclass(frozen=True)
class Candidate:
    """An entry that may be served. `num_tokens` is what it alone adds to the prompt.

    `group` is its kind, for what candidates share.
    """

    id: int
    vector: Sequence[float] | npt.NDArray[np.float32]
    num_tokens: int
    group: str = ""


@dataclass(frozen=True)
class Chosen:
    """An entry to serve, and its cosine similarity to the question."""

    id: int
    relevance: float


def select(
    *,
    query: Sequence[float],
    candidates: Sequence[Candidate],
    k: int,
    token_budget: int,
    group_tokens: Mapping[str, int],
    floors: Mapping[str, float],
) -> list[Chosen]:
    """Return at most `k` candidates in the order they were picked, the best first.

    Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998): of the POOL candidates nearest
    to the query, pick again and again the one with the highest
    `TRADE_OFF * cos(query, c) - (1 - TRADE_OFF) * max(cos(c, picked))`. One that would exceed the
    budget is passed over. `group_tokens` is what the first candidate of a group costs besides
    its own tokens, such as a heading; `floors` is the least relevance a group's candidates need,
    so that fewer than `k` are returned rather than bad ones. Vectors are one-dimensional and of
    equal length, with any norm. Equal scores go to the more relevant, then to the lower id, so the
    same input always gives the same output; similarities are rounded to 6 digits so that the last
    bits of a sum, which differ between processors, decide nothing.
    """
    import numpy as np

    if not candidates or k < 1:
        return []
    matrix = _unit(np.asarray([candidate.vector for candidate in candidates], dtype=np.float64))
    asked = _unit(np.asarray([query], dtype=np.float64))[0]
    # Not by BLAS, whose threads wait for each other longer than so few numbers take.
    relevance = np.einsum("ij,j->i", matrix, asked).round(6)
    good = [
        place
        for place, candidate in enumerate(candidates)
        if relevance[place] >= floors.get(candidate.group, -1)
    ]
    pool = sorted(good, key=lambda place: (-relevance[place], candidates[place].id))[:POOL]
    # Plain numbers from here on: so few are compared that NumPy's way to each takes the longest.
    likeness = np.einsum("ij,kj->ik", matrix[pool], matrix[pool]).round(6).tolist()
    near = relevance[pool].tolist()

    picked: list[int] = []
    left = token_budget
    paid: set[str] = set()
    waiting = list(range(len(pool)))
    closest = [0.0] * len(pool)
    while waiting and len(picked) < k:
        best = min(
            waiting,
            key=lambda place: (
                -round(TRADE_OFF * near[place] - (1 - TRADE_OFF) * closest[place], 6),
                -near[place],
                place,
            ),
        )
        waiting.remove(best)
        candidate = candidates[pool[best]]
        cost = candidate.num_tokens
        if candidate.group not in paid:
            cost += group_tokens.get(candidate.group, 0)
        if cost <= left:
            left -= cost
            paid.add(candidate.group)
            like_it = likeness[best]
            closest = list(map(max, closest, like_it)) if picked else like_it
            picked.append(best)
    return [Chosen(id=candidates[pool[place]].id, relevance=near[place]) for place in picked]


def _unit(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    import numpy as np

    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix / np.where(norms == 0, 1, norms)
