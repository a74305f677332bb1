"""PURE. Tells two texts apart word by word."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

# Beyond so many words a text is compared by lines: the work grows with the square.
MOST_WORDS = 4_000
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True)
class Piece:
    """A run of text, and whether the other text lacks it."""

    text: str
    is_changed: bool


def compare(before: str, after: str) -> tuple[list[Piece], list[Piece]]:
    """Return both texts in pieces that alternate between shared and changed, without empty ones."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if max(len(old), len(new)) > MOST_WORDS:
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    left: list[Piece] = []
    right: list[Piece] = []
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for pieces, words in ((left, old[i:j]), (right, new[k:m])):
            if words:
                pieces.append(Piece("".join(words), tag != "equal"))
    return left, right
