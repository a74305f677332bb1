"""PURE. Tells which entries say nearly the same, and which of these contradict each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Cosine similarity of questions, or of instructions' texts, from which on two are the same one told
# twice, and from which on they are about the same: so that what they say can disagree.
NEAR, ABOUT_THE_SAME = 0.92, 0.72
# Rows that are compared with all others at a time.
BLOCK = 1_000
MOST_PAIRS = 200


class Relation(StrEnum):
    """How two entries stand to each other."""

    NEAR = "near"
    CONFLICT = "conflict"


@dataclass(frozen=True, kw_only=True)
class Saying:
    """What an entry says to whom; `vector` is that of its question, or else of its text."""

    id: int
    kind: str
    answer: str
    vector: Sequence[float]
    roles: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()

    def meets(self, other: Saying) -> bool:
        """Whether both can be served to one audience."""
        return all(
            not mine or not theirs or mine & theirs
            for mine, theirs in (
                (self.roles, other.roles),
                (self.environments, other.environments),
                (self.models, other.models),
            )
        )


@dataclass(frozen=True)
class Pair:
    """Two entries, the changed one first, and the similarity of what they are about."""

    relation: Relation
    id: int
    other: int
    similarity: float
    why: str


def pairs(*, changed: Sequence[Saying], all_: Sequence[Saying]) -> list[Pair]:
    """Compare what has changed with all entries, among which it is, and return what stands out.

    An instruction is compared with instructions only: what it says is not about one question. At
    most MOST_PAIRS are returned, conflicts first and then the nearest.
    """
    import numpy as np

    if not changed or not all_:
        return []
    places = {one.id: place for place, one in enumerate(all_)}
    matrix = _unit(np.asarray([one.vector for one in all_], dtype=np.float32))
    found: dict[tuple[int, int], Pair] = {}
    for start in range(0, len(changed), BLOCK):
        block = changed[start : start + BLOCK]
        likeness = matrix[[places[one.id] for one in block]] @ matrix.T
        for row, column in np.argwhere(likeness >= ABOUT_THE_SAME):
            one, other = block[row], all_[column]
            key = (min(one.id, other.id), max(one.id, other.id))
            if key not in found and (pair := _pair(one, other, float(likeness[row, column]))):
                found[key] = pair
    ranked = sorted(
        found.values(), key=lambda pair: (pair.relation != Relation.CONFLICT, -pair.similarity)
    )
    return ranked[:MOST_PAIRS]


def _pair(one: Saying, other: Saying, similarity: float) -> Pair | None:
    is_same_sort = (one.kind == "instruction") == (other.kind == "instruction")
    if one.id == other.id or not is_same_sort or not one.meets(other):
        return None
    if why := disagreement(one.answer, other.answer):
        return Pair(Relation.CONFLICT, one.id, other.id, similarity, why)
    if similarity >= NEAR:
        return Pair(Relation.NEAR, one.id, other.id, similarity, "nearly the same")
    return None


_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|cannot|without|don't|doesn't|didn't|isn't"
    r"|aren't|wasn't|weren't|won't|can't|couldn't|shouldn't|mustn't|avoid|refuse|forbidden"
    r"|prohibited|nicht|kein\w*|nie|niemals)\b",
    re.IGNORECASE,
)
_OPPOSITES = tuple(
    (re.compile(rf"\b(?:{one})\b", re.IGNORECASE), re.compile(rf"\b(?:{other})\b", re.IGNORECASE))
    for one, other in (
        ("always", "never"),
        ("must|required|mandatory", "optional|need not"),
        ("allowed|permitted|may", "forbidden|prohibited|may not|must not"),
        ("free|free of charge", "costs?|fee|charged"),
        ("open", "closed"),
        ("before", "after"),
        ("minimum|at least", "maximum|at most"),
        ("formal", "informal"),
        ("short|brief|concise", "long|detailed|thorough"),
        ("enabled?", "disabled?"),
        ("included", "excluded"),
        ("yes", "no"),
    )
)


def disagreement(one: str, other: str) -> str:
    """Return why two texts about the same thing contradict each other; "" when they do not.

    By the signs that count most in answers (after de Marneffe, Rafferty and Manning, "Finding
    Contradictions in Text", ACL 2008): numbers, negation and opposites. Nothing is said of
    contradictions that take knowledge of the world.
    """
    one, other = one.replace("’", "'"), other.replace("’", "'")
    for left, right in _OPPOSITES:
        says = bool(left.search(one)), bool(right.search(one))
        replies = bool(left.search(other)), bool(right.search(other))
        if (says, replies) in {((True, False), (False, True)), ((False, True), (True, False))}:
            return "they say the opposite"
    numbers, others = set(_NUMBER.findall(one)), set(_NUMBER.findall(other))
    if numbers and others and not (numbers <= others or others <= numbers):
        return "their numbers differ"
    if bool(_NEGATION.search(one)) != bool(_NEGATION.search(other)) and _overlap(one, other) >= 0.5:
        return "one of them denies"
    return ""


def _overlap(one: str, other: str) -> float:
    """The share of the shorter text's words that the other has."""
    words, others = (
        set(re.findall(r"\w+", one.casefold())),
        set(re.findall(r"\w+", other.casefold())),
    )
    return len(words & others) / max(1, min(len(words), len(others)))


def _unit(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    import numpy as np

    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    return (matrix / np.where(norms == 0, 1, norms)).astype(np.float32)
