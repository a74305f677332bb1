"""PURE. Which of many reviewed answers to propose: well confirmed, and unlike what there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from curation.duplicates import CLOSE, Asked, asks_the_same

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# How much being confirmed outweighs novelty.
TRADE_OFF = 0.5


@dataclass(frozen=True, kw_only=True)
class Nominee:
    """A reviewed answer: what it answers, the unit vector of that, and who confirmed it."""

    id: int
    asked: Asked
    vector: NDArray[np.float32]
    num_reviewers: int


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is promoted, proposed or rejected already; `id` is the caller's own."""

    id: int
    asked: Asked
    vector: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What becomes of a nominee: `double` is the kept one that asks the same, `twin` a nominee.

    With neither it is to be proposed. `nearest` is the kept one with the highest cosine,
    `similarity`; None where nothing is kept.
    """

    nominee: int
    nearest: int | None = None
    similarity: float | None = None
    double: int | None = None
    twin: int | None = None


def nominate(*, nominees: Sequence[Nominee], kept: Sequence[Kept], most: int) -> list[Outcome]:
    """Return what becomes of nominees, those to propose first, the best of them at the top.

    Maximal marginal relevance, as curation.selection has it: again and again the one with the
    highest `TRADE_OFF * confirmed - (1 - TRADE_OFF) * closest`, where `confirmed` is
    `1 - 1 / num_reviewers` and `closest` the highest cosine to anything kept or picked. At most
    `most` are picked; those that nothing is said of may be tried again. Equal scores go to the
    lower id, and similarities are rounded, so that the same input gives the same output.
    """
    import numpy as np

    if not nominees:
        return []
    matrix = np.asarray([one.vector for one in nominees], dtype=np.float32)
    found, free = [], []
    nearest: dict[int, tuple[int, float]] = {}
    closest = np.zeros(len(nominees))
    if kept:
        likeness = (matrix @ np.asarray([one.vector for one in kept], dtype=np.float32).T).round(4)
        for place, nominee in enumerate(nominees):
            row = likeness[place]
            best = int(row.argmax())
            nearest[place] = (kept[best].id, round(float(row[best]), 4))
            closest[place] = row[best]
            doubles = (
                kept[at].id
                for at in np.argsort(-row, kind="stable").tolist()
                if row[at] >= CLOSE and asks_the_same(nominee.asked, kept[at].asked, float(row[at]))
            )
            if (double := next(doubles, None)) is not None:
                found.append(_outcome(nominee, nearest.get(place), double=double))
            else:
                free.append(place)
    else:
        free = list(range(len(nominees)))
    among = (matrix @ matrix.T).round(4)
    picked: list[Outcome] = []
    while free and len(picked) < most:
        best = min(
            free,
            key=lambda at: (
                -round(
                    TRADE_OFF * (1 - 1 / max(nominees[at].num_reviewers, 1))
                    - (1 - TRADE_OFF) * float(closest[at]),
                    4,
                ),
                nominees[at].id,
            ),
        )
        free.remove(best)
        picked.append(_outcome(nominees[best], nearest.get(best)))
        for at in list(free):
            cosine = float(among[best, at])
            if cosine >= CLOSE and asks_the_same(nominees[at].asked, nominees[best].asked, cosine):
                free.remove(at)
                found.append(_outcome(nominees[at], nearest.get(at), twin=nominees[best].id))
        closest = np.maximum(closest, among[best])
    return picked + found


def _outcome(
    nominee: Nominee,
    nearest: tuple[int, float] | None,
    *,
    double: int | None = None,
    twin: int | None = None,
) -> Outcome:
    near, similarity = nearest or (None, None)
    return Outcome(
        nominee=nominee.id, nearest=near, similarity=similarity, double=double, twin=twin
    )
