"""PURE. Finds a place of one version of an answer again in a later one, or says that it is gone.

Both texts are at hand, so they are compared word by word (E. W. Myers, "An O(ND) Difference
Algorithm and Its Variations", 1986, as in diff-match-patch), and a place goes where its own words
went. Words are looked for elsewhere only among those that are new, which no other words of the
former version account for; a lookalike that has been there all along is never taken.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

import regex
from diff_match_patch import diff_match_patch

from review.anchoring import CONTEXT, snap
from review.word_diff import WORDS, coded

# At least this share of the words' letters must be left for them to be the same words, changed.
LEAST_KEPT = 0.5
# Fewer characters are not looked for elsewhere: they say too little about where they are from.
SHORTEST_QUOTE = 8
# How alike the words around must be, and by how much more than around the next best place.
LEAST_ALIKE = 0.9
LEAST_AHEAD = 0.15
# A place that has grown beyond this many times its length was torn apart rather than edited.
MOST_GROWN = 3
# Seconds for a comparison; texts so long and different that it takes more share little anyway.
PATIENCE = 2.0

_TOKEN = regex.compile(rf"\s+|{WORDS}")
_CLUSTER = regex.compile(r"\X")
_WORD = regex.compile(r"\w")
_SENTENCE_ENDS = frozenset(".!?…。！？؟।")


@dataclass(frozen=True, slots=True)
class Place:
    """Where words are in a text: `state` is exact, changed, moved or detached.

    `start` and `end` are code points, None when detached. `score` is the share of the words'
    letters that are still there, 0 to 1. `is_confirmed` when a person has said so.
    """

    state: str
    start: int | None
    end: int | None
    score: float
    is_confirmed: bool = False


class Comparison:
    """Two versions of a text, compared once for all the places in the old one."""

    def __init__(self, old: str, new: str) -> None:
        self.old = _Text(old)
        self.new = _Text(new)
        self._mates, self._claims = _matched(self.old, self.new)

    def place(self, start: int, end: int, *, replacement: str = "") -> Place:
        """Find `start` to `end` of the old text, half open and not empty, in the new one.

        Exact means the same words, letter for letter, in the same surroundings. Words that differ
        in white space or in how a letter is composed are changed, with a score of 1. So are words
        in whose stead there is now the `replacement` that was proposed for them, if there was one.
        """
        if self.old.text == self.new.text:
            return Place("exact", start, end, 1.0)
        quote = self.old.text[start:end]
        kept, span = self._mapped(start, end)
        if span and self.new.text[slice(*span)] == quote:
            return Place("exact", *span, 1.0)
        if replacement and (taken_up := self._instead(start, end, replacement)) is not None:
            return Place("changed", *taken_up, kept)
        elsewhere = [
            found
            for found in self.new.occurrences(quote, self.old.edges(start, end))
            if span is None or found[1] <= span[0] or found[0] >= span[1]
        ]
        is_only_one = len(self.old.occurrences(quote, self.old.edges(start, end))) == 1
        if (moved := self._moved(start, end, elsewhere, is_only_one=is_only_one)) is not None:
            return Place("moved", *moved, 1.0)
        if span and kept >= LEAST_KEPT and not (is_only_one and elsewhere):
            return Place("changed", *span, kept)
        return Place("detached", None, None, kept)

    def _mapped(self, start: int, end: int) -> tuple[float, tuple[int, int] | None]:
        """The share of the words that the comparison kept, and the place around them."""
        old, new, mates = self.old, self.new, self._mates
        first, last = old.token_at(start), old.token_at(end - 1)
        kept = [number for number in range(first, last + 1) if mates[number] is not None]
        share = old.weight(kept, start, end) / old.weight(range(first, last + 1), start, end)
        if not kept or not share:
            return 0.0, None
        head, tail = kept[0], kept[-1]
        mapped_start = new.starts[mates[head] or 0]
        mapped_end = new.starts[(mates[tail] or 0) + 1]
        if head == first:
            mapped_start = self._within(head, start, is_end=False)
        elif old.starts[first] == start and (before := self._mate_before(first)) is not None:
            # What replaced the first words belongs to the place.
            mapped_start = self._closer(new.starts[before + 1], mapped_start, head, first)
        if tail == last:
            mapped_end = self._within(tail, end, is_end=True)
        elif old.starts[last + 1] == end and (after := self._mate_after(last)) is not None:
            mapped_end = self._closer(new.starts[after], mapped_end, last, tail)
        text = new.text
        while mapped_start < mapped_end and text[mapped_start].isspace():
            mapped_start += 1
        while mapped_start < mapped_end and text[mapped_end - 1].isspace():
            mapped_end -= 1
        if mapped_start >= mapped_end or mapped_end - mapped_start > MOST_GROWN * (end - start):
            return share, None
        return share, snap(text, mapped_start, mapped_end)

    def _within(self, number: int, at: int, *, is_end: bool) -> int:
        """A position in an old token, in the new token that matches it."""
        mate = self._mates[number] or 0
        return self.new.starts[mate] + _in_other_form(
            self.old.tokens[number],
            self.new.tokens[mate],
            at - self.old.starts[number],
            is_end=is_end,
        )

    def _instead(self, start: int, end: int, replacement: str) -> tuple[int, int] | None:
        """The new words between what was before and after the place, if they are these."""
        first, last = self.old.token_at(start), self.old.token_at(end - 1)
        before, after = self._mate_before(first), self._mate_after(last)
        if before is None or after is None:
            return None
        begin, stop = self.new.starts[before + 1], self.new.starts[after]
        begin += start - self.old.starts[first]
        stop -= self.old.starts[last + 1] - end
        text = self.new.text[begin:stop]
        lead = len(text) - len(text.lstrip())
        if not text.strip() or text.strip() != replacement.strip():
            return None
        return begin + lead, begin + lead + len(text.strip())

    def _mate_before(self, number: int) -> int | None:
        return -1 if number == 0 else self._mates[number - 1]

    def _mate_after(self, number: int) -> int | None:
        return self.new.num_tokens if number + 1 == self.old.num_tokens else self._mates[number + 1]

    def _closer(self, far: int, near: int, high: int, low: int) -> int:
        """`far` unless much more was put there than was taken away."""
        taken = abs(self.old.starts[high] - self.old.starts[low])
        return far if abs(near - far) <= MOST_GROWN * max(taken, 8) else near

    def _moved(
        self, start: int, end: int, elsewhere: Sequence[tuple[int, int]], *, is_only_one: bool
    ) -> tuple[int, int] | None:
        """The one new place that has these words, when it is sure enough."""
        fresh = [found for found in elsewhere if not self._is_claimed(*found)]
        if not fresh or end - start < SHORTEST_QUOTE:
            return None
        if len(elsewhere) == 1 and is_only_one:
            return fresh[0]
        around = self.old.around(start, end)
        ranked = sorted(
            ((_alike(around, self.new.around(*found)), found) for found in fresh), reverse=True
        )
        best = ranked[0][0]
        runner_up = ranked[1][0] if len(ranked) > 1 else 0.0
        return ranked[0][1] if best >= LEAST_ALIKE and best - runner_up >= LEAST_AHEAD else None

    def _is_claimed(self, start: int, end: int) -> bool:
        """Whether other words of the old text have become the words at this new place."""
        tokens = range(self.new.token_at(start), self.new.token_at(end - 1) + 1)
        claimed = [number for number in tokens if self._claims[number] is not None]
        return 2 * self.new.weight(claimed, start, end) >= self.new.weight(tokens, start, end)


class _Text:
    """A text as tokens: words, white space, and single signs."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = _TOKEN.findall(text)
        self.num_tokens = len(self.tokens)
        self.starts = [0, *accumulate(map(len, self.tokens))]
        self.keys = [_folded(token) for token in self.tokens]

    @cached_property
    def folded(self) -> str:
        """The text with its white space and its composed letters alike."""
        return "".join(self.keys)

    @cached_property
    def _folded_starts(self) -> list[int]:
        return [0, *accumulate(map(len, self.keys))]

    def token_at(self, at: int) -> int:
        """The number of the token that holds this position."""
        return bisect_right(self.starts, at) - 1

    def weight(self, tokens: Sequence[int], start: int, end: int) -> float:
        """Letters of these tokens from start to end; signs count little, white space less."""
        weight = 0.0
        for number in tokens:
            token = self.tokens[number]
            length = min(self.starts[number + 1], end) - max(self.starts[number], start)
            is_word = _WORD.match(token)
            weight += length * (1.0 if is_word else 1e-6 if token.isspace() else 1e-3)
        return weight

    def edges(self, start: int, end: int) -> tuple[bool, bool]:
        """Whether a place begins and ends within a word."""
        return _is_within_word(self.text, start), _is_within_word(self.text, end)

    def occurrences(
        self, quote: str, edges: tuple[bool, bool] | None = None
    ) -> list[tuple[int, int]]:
        """The places of these words, folded; with `edges` those whose ends are of that kind."""
        found = []
        wanted = "".join(map(_folded, _TOKEN.findall(quote)))
        at = self.folded.find(wanted)
        while at >= 0:
            start = self._unfolded(at, is_end=False)
            end = self._unfolded(at + len(wanted), is_end=True)
            if edges is None or self.edges(start, end) == edges:
                found.append((start, end))
            at = self.folded.find(wanted, at + 1)
        return found

    def around(self, start: int, end: int) -> tuple[str, str]:
        """The folded words before and after a place."""
        before = "".join(map(_folded, _TOKEN.findall(self.text[max(0, start - CONTEXT) : start])))
        after = "".join(map(_folded, _TOKEN.findall(self.text[end : end + CONTEXT])))
        return before, after

    def _unfolded(self, at: int, *, is_end: bool) -> int:
        starts = self._folded_starts
        number = (bisect_left if is_end else bisect_right)(starts, at) - 1
        token, key = self.tokens[number], self.keys[number]
        return self.starts[number] + _in_other_form(key, token, at - starts[number], is_end=is_end)


def quoted(text: str, quote: str) -> list[tuple[int, int]]:
    """Every place of a quote; without one, those that differ in white space or case alone."""
    found = [(at.start(), at.end()) for at in regex.finditer(regex.escape(quote), text) if quote]
    found = found or (_Text(text).occurrences(quote.strip()) if quote.strip() else [])
    # Lower case may have another length; then places in it are none of the text.
    if not found and quote.strip() and len(text.lower()) == len(text):
        found = _Text(text.lower()).occurrences(quote.strip().lower())
    return found


def place(old: str, new: str, *, start: int, end: int) -> Place:
    """Find one place of the old text in the new one; see Comparison.place."""
    return Comparison(old, new).place(start, end)


def _folded(token: str) -> str:
    return " " if token.isspace() else unicodedata.normalize("NFC", token)


def _in_other_form(token: str, other: str, at: int, *, is_end: bool) -> int:
    """A position in a token, in the same token composed in another way."""
    if len(token) == len(other):
        return at
    clusters = _CLUSTER.findall(token), _CLUSTER.findall(other)
    if len(clusters[0]) != len(clusters[1]):
        return len(other) if is_end else 0
    ends = list(accumulate(map(len, clusters[0]), initial=0))
    number = bisect_left(ends, at) if is_end else bisect_right(ends, at) - 1
    return sum(map(len, clusters[1][:number]))


def _is_within_word(text: str, at: int) -> bool:
    return 0 < at < len(text) and bool(_WORD.match(text[at - 1]) and _WORD.match(text[at]))


def _alike(first: tuple[str, str], second: tuple[str, str]) -> float:
    """The share of the words around one place that stand around the other, next to it."""
    before = _shared(first[0][::-1], second[0][::-1])
    after = _shared(first[1], second[1])
    return (before + after) / max(len(first[0]) + len(first[1]), 1)


def _shared(first: str, second: str) -> int:
    return next(
        (number for number, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
        min(len(first), len(second)),
    )


Mates = list[int | None]


def _matched(old: _Text, new: _Text) -> tuple[Mates, Mates]:
    """For each token of either text the number of the other's that it became or was."""
    mates: Mates = [None] * old.num_tokens
    claims: Mates = [None] * new.num_tokens
    sides = coded(old.keys, new.keys)
    if sides is None:
        return mates, claims
    differ = diff_match_patch()
    differ.Diff_Timeout = PATIENCE
    diffs = differ.diff_main(*sides, checklines=False)
    # Single words that both happen to have between long changes mean nothing.
    differ.diff_cleanupSemantic(diffs)
    at = there = 0
    for change, run in diffs:
        if change == 0:
            for step in range(len(run)):
                mates[at + step], claims[there + step] = there + step, at + step
        at += len(run) * (change <= 0)
        there += len(run) * (change >= 0)
    _slide(old, mates, claims)
    _slide(new, claims, mates)
    return mates, claims


def _slide(text: _Text, mates: Mates, theirs: Mates) -> None:
    """Shift what only this text has to where a reader would say that it begins and ends.

    Of `A x. [A y. ]A z.` and `A x. A [y. A ]z.` the first is what was written.
    """
    kept = [-1, *(number for number, mate in enumerate(mates) if mate is not None), len(mates)]
    for before, after in pairwise(kept):
        begin, end = before + 1, after
        left = mates[before] if before >= 0 else -1
        right = mates[after] if after < len(mates) else len(theirs)
        if begin == end or left is None or right is None or left + 1 != right:
            continue
        keys = text.keys
        low = high = 0
        while begin + low > 0 and keys[begin + low - 1] == keys[end + low - 1]:
            if mates[begin + low - 1] is None:
                break
            low -= 1
        while end + high < len(keys) and keys[begin + high] == keys[end + high]:
            if mates[end + high] is None:
                break
            high += 1
        best = max(
            range(low, high + 1),
            key=lambda step: _break(text, begin + step) + _break(text, end + step),
        )
        for number in range(begin - 1, begin + best - 1, -1):
            _remate(mates, theirs, number, number + end - begin)
        for number in range(end, end + best):
            _remate(mates, theirs, number, number - (end - begin))


def _remate(mates: Mates, theirs: Mates, number: int, to: int) -> None:
    mate = mates[number]
    mates[number], mates[to] = None, mate
    if mate is not None:
        theirs[mate] = to


def _break(text: _Text, number: int) -> int:
    """How clearly something ends before this token."""
    if number in (0, text.num_tokens) or "\n" in text.tokens[number - 1]:
        return 4
    before = text.tokens[number - 1]
    if "\n" in text.tokens[number]:
        return 3
    if before.isspace():
        return 3 if number > 1 and text.tokens[number - 2][-1] in _SENTENCE_ENDS else 2
    return 2 if before in _SENTENCE_ENDS else int(text.tokens[number].isspace())
