"""PURE. The passage of a text that answers a search, cut out and marked."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

# Code points of a text that are looked at, and of a passage that is shown.
LOOKED_AT, SHOWN = 8_000, 320
MOST_SENTENCES = 5
# Beyond so many code points a sentence is taken clause by clause.
LONG = 140

_WORD = re.compile(r"[^\W_]+")
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|\n+")
_CLAUSE_END = re.compile(r"(?<=[,;:])\s+| [–—-] ")

Span = tuple[int, int]


@dataclass(frozen=True)
class Piece:
    """A stretch of a passage; a `hit` is a word looked for, what is `near` means the same."""

    text: str
    mark: Literal["", "hit", "near"] = ""


def words(text: str) -> set[str]:
    """The distinct words of a text's beginning, lower-case."""
    return {found.group().lower() for found in _WORD.finditer(text[:LOOKED_AT])}


def sentences(text: str) -> list[Span]:
    """Where the first sentences of a text are; of a long or single one its clauses."""
    looked_at = text[:LOOKED_AT]
    whole = list(_between(looked_at, 0, len(looked_at), _SENTENCE_END))
    found: list[Span] = []
    for start, end in whole[:MOST_SENTENCES]:
        is_cut = end - start > LONG or len(whole) == 1
        clauses = list(_between(looked_at, start, end, _CLAUSE_END)) if is_cut else []
        found += clauses or [(start, end)]
    return found[:MOST_SENTENCES]


def _between(text: str, start: int, end: int, ends: re.Pattern[str]) -> Iterator[Span]:
    """What lies between the ends, where there is more than one word."""
    cuts = [start, *(cut for found in ends.finditer(text, start, end) for cut in found.span()), end]
    for first, last in list(pairwise(cuts))[::2]:
        if len(_WORD.findall(text, first, last)) > 1:
            yield first, last


def passage(text: str, *, hits: Collection[str], near: Span | None = None) -> list[Piece]:
    """About SHOWN code points of the text: what is near, else where most hits are.

    `hits` are lower-case words. Joined, the pieces are the text's own, but for an ellipsis at an
    end that was cut.
    """
    looked_at = text[:LOOKED_AT]
    found = [one.span() for one in _WORD.finditer(looked_at) if one.group().lower() in hits]
    start, end = _window(text, found, near)
    return [
        *([Piece("…")] if start else []),
        *_pieces(text, start, end, found, near),
        *([Piece("…")] if end < len(text) else []),
    ]


def _window(text: str, found: list[Span], near: Span | None) -> Span:
    if len(text) <= SHOWN:
        return 0, len(text)
    if near is not None:
        middle = (near[0] + min(near[1], near[0] + SHOWN)) // 2
    elif found:
        # The first of the starts with the most hits within a passage's length.
        best = (
            max(
                found,
                key=lambda span: sum(0 <= other[0] - span[0] < SHOWN for other in found[:400]),
            )
            if len(found) <= 400
            else found[0]
        )
        middle = best[0] + SHOWN // 3
    else:
        middle = 0
    start = max(0, min(middle - SHOWN // 2, len(text) - SHOWN))
    end = start + SHOWN
    return _to_gap(text, start), _to_gap(text, end)


def _to_gap(text: str, place: int) -> int:
    """The end of the word that the place cuts, when it is near."""
    if place in {0, len(text)}:
        return place
    for later in range(place, min(place + 20, len(text))):
        if text[later].isspace():
            return later
    return place


def _pieces(
    text: str, start: int, end: int, found: list[Span], near: Span | None
) -> Iterator[Piece]:
    marks: dict[int, Literal["", "hit", "near"]] = {start: ""}
    if near is not None and near[0] < end and near[1] > start:
        marks[max(near[0], start)] = "near"
        marks[min(near[1], end)] = ""
    for first, last in found:
        if start <= first and last <= end:
            after = _mark_at(marks, last)
            marks[first] = "hit"
            marks[last] = after
    places = sorted(place for place in marks if start <= place < end)
    for place, following in pairwise([*places, end]):
        if place < following:
            yield Piece(text[place:following], marks[place])


def _mark_at(
    marks: dict[int, Literal["", "hit", "near"]], place: int
) -> Literal["", "hit", "near"]:
    return marks[max(other for other in marks if other <= place)]
