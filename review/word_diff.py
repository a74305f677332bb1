"""PURE. Tells two texts apart word by word.

The comparison is E. W. Myers' ("An O(ND) Difference Algorithm and Its Variations", 1986) on words
instead of letters, cleaned up so that people can read it (Neil Fraser, "Diff Strategies", 2006),
both as in diff-match-patch. No grapheme is ever split.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain

import regex
from diff_match_patch import diff_match_patch

# Seconds for one comparison; then what is left to compare counts as all different.
PATIENCE = 1.0

# Code points of both texts together; comparisons of longer ones are not kept.
LONGEST_KEPT = 2_000

# Code points that `distance` compares exactly; the work grows with the square.
EXACT = 20_000

# Words and signs. Scripts that are written without spaces count by the character.
WORDS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\p{M}*|\w+|\X"
_TOKEN = regex.compile(rf"\n|[^\S\n]+|{WORDS}")
_GRAPHEME = regex.compile(r"\X")
# Private use characters stand for tokens, so that the clean-up sees no letters in them.
_PRIVATE = [*range(0xE000, 0xF900), *range(0xF0000, 0x110000)]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text: "equal" in both, "delete" in the former, "insert" in the latter alone."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """Half open ranges of tokens of both texts that stand for each other; one may be empty."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int


def tokens(text: str, whole: Iterable[tuple[int, int]] = ()) -> list[str]:
    """Cut a text with LF line ends into words, white space, line ends and signs.

    `whole` are spans in order, no two of them overlapping, that are not cut.
    """
    found: list[str] = []
    at = 0
    for start, end in whole:
        found += _TOKEN.findall(text, at, start)
        found.append(text[start:end])
        at = end
    found += _TOKEN.findall(text, at)
    if text.isascii():
        return found
    # A word may end within a cluster, as before a sign that joins it to the next.
    edges = {match.start() for match in _GRAPHEME.finditer(text)} | {len(text)}
    joined: list[str] = []
    kept = ""
    for token, end in zip(found, accumulate(map(len, found)), strict=True):
        kept += token
        if end in edges:
            joined.append(kept)
            kept = ""
    return joined


def coded(*texts: Sequence[str]) -> list[str] | None:
    """Lists of tokens as texts, a character for each; None when there are too many different."""
    codes: dict[str, str] = {}
    for token in chain(*texts):
        if token not in codes:
            if len(codes) == len(_PRIVATE):
                return None
            codes[token] = chr(_PRIVATE[len(codes)])
    return ["".join(map(codes.__getitem__, tokens)) for tokens in texts]


def changes(old: Sequence[str], new: Sequence[str]) -> list[Change]:
    """Where two lists of tokens differ, in order; between two changes lies something equal."""
    encoded = coded(old, new)
    if encoded is None:
        return [Change(0, len(old), 0, len(new))]
    differ = diff_match_patch()
    differ.Diff_Timeout = PATIENCE
    found = differ.diff_main(*encoded, checklines=False)
    differ.diff_cleanupSemantic(found)
    listed: list[Change] = []
    at, other = 0, 0
    for kind, text in found:
        size = len(text)
        if kind == 0:
            at, other = at + size, other + size
            continue
        taken, given = (size, 0) if kind < 0 else (0, size)
        last = listed[-1] if listed else None
        if last and (last.old_end, last.new_end) == (at, other):
            listed[-1] = Change(last.old_start, at + taken, last.new_start, other + given)
        else:
            listed.append(Change(at, at + taken, other, other + given))
        at, other = at + taken, other + given
    return listed


def word_diff(before: str, after: str) -> tuple[Piece, ...]:
    """The pieces of both texts in order, deletions before insertions, none of them empty."""
    return (
        _kept(before, after) if len(before) + len(after) <= LONGEST_KEPT else _pieces(before, after)
    )


def _pieces(before: str, after: str) -> tuple[Piece, ...]:
    old, new = tokens(before), tokens(after)
    pieces: list[Piece] = []
    at = 0
    for change in changes(old, new):
        pieces += [
            Piece("equal", "".join(old[at : change.old_start])),
            Piece("delete", "".join(old[change.old_start : change.old_end])),
            Piece("insert", "".join(new[change.new_start : change.new_end])),
        ]
        at = change.old_end
    pieces.append(Piece("equal", "".join(old[at:])))
    return tuple(piece for piece in pieces if piece.text)


# A page of suggestions is drawn again and again, and texts compare as they did before.
_kept = lru_cache(maxsize=2_000)(_pieces)


def distance(before: str, after: str) -> int:
    """The Levenshtein distance in code points.

    Bit-parallel: H. Hyyrö, "A Bit-Vector Algorithm for Computing Levenshtein and Damerau Edit
    Distances", Nordic Journal of Computing 10, 2003. Texts that differ over more than EXACT code
    points get the upper bound that their word diff gives.
    """
    before, after = _different(before, after)
    if not before or not after:
        return len(before) + len(after)
    if max(len(before), len(after)) > EXACT:
        return _bound(before, after)
    places: dict[str, int] = {}
    for number, char in enumerate(before):
        places[char] = places.get(char, 0) | 1 << number
    full, top = (1 << len(before)) - 1, 1 << len(before) - 1
    up, down, score = full, 0, len(before)
    for char in after:
        here = places.get(char, 0)
        diagonal = (((here & up) + up) ^ up) | here | down
        right = down | ~(diagonal | up) & full
        left = diagonal & up
        score += bool(right & top) - bool(left & top)
        right, left = (right << 1 | 1) & full, left << 1 & full
        up, down = left | ~(diagonal | right) & full, right & diagonal
    return score


def _bound(before: str, after: str) -> int:
    old, new = tokens(before), tokens(after)
    return sum(
        max(
            len("".join(old[change.old_start : change.old_end])),
            len("".join(new[change.new_start : change.new_end])),
        )
        for change in changes(old, new)
    )


def _different(before: str, after: str) -> tuple[str, str]:
    """Both texts without what they begin and end with alike."""
    start, stop = 0, min(len(before), len(after))
    while start < stop and before[start] == after[start]:
        start += 1
    end = 0
    while end < stop - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return before[start : len(before) - end], after[start : len(after) - end]
