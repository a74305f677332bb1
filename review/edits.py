"""PURE. Edits of an answer's Markdown: applied in any order, undone by leaving them out.

Positions are code points of the answer as sent, half open. Replacements have LF line ends; where
they are applied they get those of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from review.markdown_source import MarkdownError, parse
from review.word_diff import changes, tokens

_LINE_END = re.compile(r"\r\n?|\n")
# Longer texts are not read as Markdown, so they have no rows and no fences.
_LONGEST = 200_000


@dataclass(frozen=True, slots=True)
class Edit:
    """Another text for a span of the source; an empty span is a place to insert at."""

    id: int
    start: int
    end: int
    replacement: str


@dataclass(frozen=True, slots=True)
class Mapped:
    """Where a span lies after some edits, and whether they changed anything within it."""

    start: int
    end: int
    is_changed: bool


class ConflictingEditsError(ValueError):
    """Two edits want the same place; `pairs` are those that do."""

    def __init__(self, pairs: Sequence[tuple[Edit, Edit]]) -> None:
        super().__init__("These edits overlap.")
        self.pairs = pairs


def fold(text: str) -> str:
    """The text with LF line ends."""
    return _LINE_END.sub("\n", text)


def line_end(source: str) -> str:
    """The line end that most lines of a text have; LF when there is none."""
    ends = _LINE_END.findall(source)
    return max(("\n", "\r\n", "\r"), key=ends.count)


def is_in_conflict(one: Edit, other: Edit) -> bool:
    """Whether the outcome would depend on which of the two comes first.

    Edits may touch: what is inserted at the edge of a replaced span stands beside its
    replacement. Two insertions at the same place are in conflict, and so is one within a span
    that the other replaces.
    """
    if one.start == one.end == other.start == other.end:
        return True
    return one.start < other.end and other.start < one.end


def conflicts(edits: Iterable[Edit]) -> list[tuple[Edit, Edit]]:
    """The pairs of edits that are in conflict, each with the earlier place first."""
    found: list[tuple[Edit, Edit]] = []
    running: list[Edit] = []
    for edit in sorted(edits, key=_place):
        running = [other for other in running if other.end >= edit.start]
        found += [(other, edit) for other in running if is_in_conflict(other, edit)]
        running.append(edit)
    return found


def first_come(edits: Iterable[Edit]) -> list[int]:
    """The positions of those edits that are made: of two in conflict, the one given earlier."""
    made: list[Edit] = []
    positions = []
    for position, edit in enumerate(edits):
        if not any(is_in_conflict(edit, other) for other in made):
            made.append(edit)
            positions.append(position)
    return positions


def apply(source: str, edits: Iterable[Edit]) -> str:
    """The source with all edits made; the order in which they are given does not matter.

    Raises ConflictingEditsError.
    """
    listed = sorted(edits, key=_place)
    if pairs := conflicts(listed):
        raise ConflictingEditsError(pairs)
    end_of_line = line_end(source)
    parts: list[str] = []
    at = 0
    for edit in listed:
        parts += [source[at : edit.start], fold(edit.replacement).replace("\n", end_of_line)]
        at = edit.end
    return "".join([*parts, source[at:]])


def mapped(source: str, edits: Iterable[Edit], start: int, end: int) -> Mapped:
    """Where a span of the source lies in the text that `apply` makes.

    A place within a replaced span becomes the whole replacement: words that an edit replaced are
    what it replaced them with, never a lookalike elsewhere. The span is empty when nothing is
    left of it. `edits` are not in conflict.
    """
    end_of_line = line_end(source)
    new_start, new_end = start, end
    is_changed = False
    for edit in edits:
        size = len(fold(edit.replacement).replace("\n", end_of_line))
        growth = size - (edit.end - edit.start)
        if edit.end <= start:
            new_start += growth
            new_end += growth
        elif edit.start < end:
            is_changed = True
            if edit.start < start:
                new_start -= start - edit.start
            if edit.end > end:
                new_end += edit.end - end
            new_end += growth
    return Mapped(new_start, new_end, is_changed)


def hunks(source: str, rewritten: str) -> list[Edit]:
    """The edits that make the source into another text, numbered from 0, in order.

    Only words that differ are replaced. A row of a table and the line of a fence are replaced
    whole, and no grapheme is split. Line ends are compared folded: those that stay are left as
    they are.
    """
    before, origin = _folded(source)
    after = fold(rewritten)
    old, new = tokens(before, _lines_kept_whole(before)), tokens(after, _lines_kept_whole(after))
    starts = [0, *accumulate(map(len, old))]
    return [
        Edit(
            number,
            origin[starts[change.old_start]],
            origin[starts[change.old_end]],
            "".join(new[change.new_start : change.new_end]),
        )
        for number, change in enumerate(changes(old, new))
    ]


def revised(source: str, edits: Iterable[Edit], rewritten: str) -> tuple[list[Edit], list[Edit]]:
    """The edits that stay, and those to make besides, when their outcome is rewritten.

    An edit whose words were written over does not stay; a new one has its place. `edits` are not
    in conflict, and neither are those returned. The new ones are numbered from 0.
    """
    listed = sorted(edits, key=_place)
    base = apply(source, listed)
    end_of_line = line_end(source)
    # The same edits as places in their outcome, so that both kinds can be compared there.
    there: dict[Edit, Edit] = {}
    grown: dict[Edit, int] = {}
    for edit in listed:
        size = len(fold(edit.replacement).replace("\n", end_of_line))
        start = edit.start + sum(grown.values())
        outcome = Edit(-1 - len(there), start, start + size, "")
        there[outcome] = edit
        grown[outcome] = size - (edit.end - edit.start)
    insertions = {outcome for outcome, edit in there.items() if edit.start == edit.end}

    def is_one(edit: Edit, other: Edit) -> bool:
        """Whether both want one place; what is put beside an insertion wants the insertion's."""
        if is_in_conflict(edit, other):
            return True
        return any(
            one in insertions and new.start == new.end and new.start in {one.start, one.end}
            for one, new in ((edit, other), (other, edit))
        )

    kept: list[Edit] = []
    made: list[Edit] = []
    for group in _groups([*there, *hunks(base, rewritten)], is_one):
        changed = [one for one in group if one.id >= 0]
        former = [one for one in group if one.id < 0]
        if not changed:
            kept += [there[one] for one in former]
            continue
        first, last = min(one.start for one in group), max(one.end for one in group)
        moved = [Edit(0, one.start - first, one.end - first, one.replacement) for one in changed]
        text = fold(apply(base[first:last], moved))
        before = sum(grown[one] for one in there if one not in former and one.end <= first)
        inside = sum(grown[one] for one in former)
        made.append(Edit(len(made), first - before, last - before - inside, text))
    if fold(apply(source, [*kept, *made])) != fold(rewritten):
        # A carriage return and a line feed that come to stand together are one line end.
        return [], [Edit(0, 0, len(source), fold(rewritten))]
    return kept, made


def _groups(edits: Iterable[Edit], is_one: Callable[[Edit, Edit], bool]) -> list[list[Edit]]:
    """Edits in groups, none of which belongs with an edit of another group."""
    groups: list[list[Edit]] = []
    for edit in sorted(edits, key=_place):
        last = groups[-1] if groups else []
        if any(is_one(edit, other) for other in last):
            last.append(edit)
        else:
            groups.append([edit])
    return groups


def _place(edit: Edit) -> tuple[int, int]:
    return edit.start, edit.end


def _folded(source: str) -> tuple[str, Sequence[int]]:
    """The text with LF line ends, and where each of its characters is in the source."""
    if "\r" not in source:
        return source, range(len(source) + 1)
    sizes = [len(one[0]) for one in re.finditer(r"\r\n|[\s\S]", source)]
    return fold(source), [0, *accumulate(sizes)]


def _lines_kept_whole(text: str) -> list[tuple[int, int]]:
    """The lines, without their ends, that are rows of a table or fences of code."""
    try:
        found = parse(text.replace("\0", "\ufffd")) if len(text) <= _LONGEST else []
    except MarkdownError:
        found = []
    numbers: set[int] = set()
    for token in found:
        if token.map is None:
            continue
        first, after = token.map
        if token.type == "table_open":
            numbers.update(range(first, after))
        elif token.type == "fence":
            numbers.update({first, after - 1})
    starts = [0, *(match.end() for match in _LINE_END.finditer(text)), len(text) + 1]
    lines = list(pairwise(starts))
    return [
        (lines[number][0], lines[number][1] - 1)
        for number in sorted(numbers)
        if number < len(lines) and lines[number][1] - 1 > lines[number][0]
    ]
