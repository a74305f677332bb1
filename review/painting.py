"""Marks over an answer's text, as flat HTML.

A mark is cut at every tag and wherever another one begins or ends, so marks never nest and never
cross an element. Words that a suggestion would take out are struck, and what it puts in follows
them; the inserted words are no text of the answer (`data-no-text`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from review.anchoring import Mark, segments
from review.html_pieces import Piece, Run, Tag

# The categories that one piece shows; the number of further ones stands behind it.
_CATEGORIES = ("data-cat", "data-cat2", "data-cat3")

_BLOCK = re.compile(r'<(\w+)[^>]* data-start="(\d+)"')


@dataclass(frozen=True, slots=True)
class Painting:
    """HTML in parts, not yet sanitised; `blocks` maps a leaf block's start to its inner parts."""

    parts: Sequence[str]
    blocks: dict[int, slice]


@dataclass(slots=True)
class _Stretch:
    """Text under the same marks in one element; of them `struck` would be taken out here."""

    marks: tuple[Mark, ...]
    struck: tuple[Mark, ...]
    text: list[str] = field(default_factory=list)


def paint(pieces: Iterable[Piece], marks: Iterable[Mark]) -> Painting:
    """Write pieces as HTML with flat `<mark>` elements over the marks' text.

    A mark's ids are in `data-a` and `aria-details`, those that begin or end with it in
    `data-first` and `data-last`; `data-cat` is the category of the topmost, `data-cat2` and
    `data-cat3` the next other ones, `data-more` the number of the rest; `data-n` is there where a
    mark begins. Separators are never marked.
    """
    painter = _Painter(list(marks))
    for piece in pieces:
        painter.add(piece)
    return painter.finish()


class _Painter:
    def __init__(self, marks: Sequence[Mark]) -> None:
        self.proposed = sorted(
            (mark.cut[1], number, mark)
            for number, mark in enumerate(marks)
            if mark.cut and mark.insertion
        )
        self.segments = segments(marks, cuts=[at for mark in marks if mark.cut for at in mark.cut])
        self.at = 0
        self.parts: list[str | _Stretch | Mark] = []
        self.blocks: dict[int, slice] = {}
        self.open: tuple[str, int, int] | None = None

    def add(self, piece: Piece) -> None:
        if isinstance(piece, Tag):
            self.tag(piece.html)
        elif piece.is_separator:
            self.parts.append(piece.text)
        else:
            self.run(piece)

    def tag(self, html: str) -> None:
        if self.open and html.startswith(f"</{self.open[0]}>"):
            _, start, first = self.open
            self.blocks[start] = slice(first, len(self.parts))
            self.open = None
        self.parts.append(html)
        if found := _BLOCK.search(html):
            self.open = found[1], int(found[2]), len(self.parts)

    def run(self, run: Run) -> None:
        for start, end, marks in self.over(run):
            text = escape(run.text[start - run.start : end - run.start], quote=False)
            self.insert(start)
            if marks:
                struck = tuple(mark for mark in marks if mark.cut and _is_in(start, mark.cut))
                last = self.parts[-1] if self.parts else None
                if isinstance(last, _Stretch) and (last.marks, last.struck) == (marks, struck):
                    last.text.append(text)
                else:
                    self.parts.append(_Stretch(marks, struck, [text]))
            else:
                self.parts.append(text)
            self.insert(end)

    def over(self, run: Run) -> Iterator[tuple[int, int, tuple[Mark, ...]]]:
        """The run cut at its segments, without gaps. Runs come in order, and so do segments."""
        at, end = run.start, run.end
        while self.at < len(self.segments):
            segment = self.segments[self.at]
            if segment.end <= at:
                self.at += 1
                continue
            if segment.start >= end:
                break
            if segment.start > at:
                yield at, segment.start, ()
                at = segment.start
            stop = min(segment.end, end)
            yield at, stop, segment.marks
            at = stop
            if at == end:
                return
        yield at, end, ()

    def insert(self, at: int) -> None:
        """Put in what suggestions propose at or before a place."""
        while self.proposed and self.proposed[0][0] <= at:
            self.parts.append(self.proposed.pop(0)[2])

    def finish(self) -> Painting:
        # Nothing is left unless the last words struck are no text but a separator.
        self.parts += [mark for _, _, mark in self.proposed]
        first: dict[str, _Stretch] = {}
        last: dict[str, _Stretch] = {}
        for part in self.parts:
            if isinstance(part, _Stretch):
                for mark in part.marks:
                    first.setdefault(mark.id, part)
                    last[mark.id] = part
        html: list[str] = []
        for part, before, after in zip(
            self.parts, [None, *self.parts], [*self.parts[1:], None], strict=False
        ):
            if isinstance(part, str):
                html.append(part)
                continue
            if isinstance(part, Mark):
                written = _insertion(part)
            else:
                begins = [mark for mark in part.marks if first[mark.id] is part]
                ends = [mark for mark in part.marks if last[mark.id] is part]
                written = _mark(part, begins, ends)
            if of := _suggestion(part):
                if of != _suggestion(before):
                    written = f'<span role="suggestion" aria-details="{escape(of)}">{written}'
                if of != _suggestion(after):
                    written += "</span>"
            html.append(written)
        return Painting(html, self.blocks)


def _is_in(at: int, span: tuple[int, int]) -> bool:
    return span[0] <= at < span[1]


def _suggestion(part: str | _Stretch | Mark | None) -> str:
    """The id of the suggestion that a part is a deletion or an insertion of."""
    if isinstance(part, Mark):
        return part.id
    return part.struck[0].id if isinstance(part, _Stretch) and part.struck else ""


def _insertion(mark: Mark) -> str:
    of, text = escape(mark.id), escape(mark.insertion, quote=False)
    return f'<ins role="insertion" data-no-text data-a="{of}">{text}</ins>'


def _mark(part: _Stretch, begins: Sequence[Mark], ends: Sequence[Mark]) -> str:
    ids = escape(_ids(part.marks))
    categories = list(dict.fromkeys(mark.category for mark in part.marks if mark.category))
    classes = "hl"
    if part.struck:
        classes += " hl--del"
    if all(mark.is_resolved for mark in part.marks):
        classes += " is-resolved"
    if any(mark.is_changed for mark in ends):
        classes += " is-changed"
    # A suggestion may have nothing but deletions and insertions in it (ARIA 1.3).
    role = ' role="deletion"' if part.struck else ""
    written = f'<mark class="{classes}"{role} data-a="{ids}"'
    for name, category in zip(_CATEGORIES, categories, strict=False):
        written += f' {name}="{category}"'
    if len(categories) > len(_CATEGORIES):
        written += f' data-more="{len(categories) - len(_CATEGORIES)}"'
    if begins:
        first = escape(_ids(begins))
        written += f' data-n="{begins[0].category}" data-first="{first}" tabindex="0"'
    if ends:
        written += f' data-last="{escape(_ids(ends))}"'
    text = "".join(part.text)
    if part.struck:
        text = f"<del>{text}</del>"
    return f'{written} aria-details="{ids}">{text}</mark>'


def _ids(marks: Sequence[Mark]) -> str:
    return " ".join(mark.id for mark in marks)
