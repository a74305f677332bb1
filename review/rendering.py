"""Answers as sanitised HTML, with their canonical text and where each of its characters is from.

The canonical text is the text content of the HTML, character for character: the text of the
blocks in order, a line feed between blocks and at line breaks, a tab between a row's cells.
Annotations count in it. The HTML is made from runs of text, so marks are painted at run level.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from html import escape

import nh3

from review.anchoring import Mark, Segment, segments, within
from review.html_pieces import Piece, Run, Tag, pieces_of

__all__ = ["RENDERER_VERSION", "Rendered", "render"]

# Grows with every change that moves a character of some canonical text.
RENDERER_VERSION = 1

_BLOCKS = ["p", "h3", "h4", "h5", "h6", "th", "td", "code", "span"]
_CLEANER = nh3.Cleaner(
    tags={
        *_BLOCKS,
        *("a", "blockquote", "br", "del", "em", "hr", "li", "mark", "ol", "pre", "strong"),
        *("table", "tbody", "thead", "tr", "ul"),
    },
    attributes={
        **{tag: {"data-start"} for tag in _BLOCKS},
        "a": {"href", "title", "target"},
        "ol": {"start"},
        "mark": {"class", "data-a", "data-cat", "data-cat2", "data-n", "tabindex"},
    },
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="nofollow noopener noreferrer",
)


@dataclass(frozen=True)
class Rendered:
    """A rendered answer. `runs` cover the canonical text without gaps, in order."""

    canonical: str
    pieces: tuple[Piece, ...]

    @cached_property
    def html(self) -> str:
        """The sanitised HTML, without marks."""
        return self.painted(())

    @cached_property
    def runs(self) -> list[Run]:
        """The runs of the canonical text, separators between blocks among them."""
        return [piece for piece in self.pieces if isinstance(piece, Run)]

    @cached_property
    def _texts(self) -> list[Run]:
        return [run for run in self.runs if not run.is_separator]

    def painted(self, marks: Iterable[Mark]) -> str:
        """Return the sanitised HTML with flat `<mark>` elements over the marks' text.

        A mark's ids are in `data-a`; `data-cat` is the category of the topmost, `data-cat2` the
        next other one; `data-n` is there where a mark begins. Separators are never marked.
        """
        found = segments(marks)
        begun: set[str] = set()
        out: list[str] = []
        over: tuple[Mark, ...] = ()
        for piece in self.pieces:
            if isinstance(piece, Tag) or piece.is_separator:
                out.append("</mark>" * bool(over))
                over = ()
                out.append(piece.html if isinstance(piece, Tag) else piece.text)
                continue
            for part in within(found, piece.start, piece.end):
                if part.marks != over:
                    out.append("</mark>" * bool(over))
                    over = part.marks
                    out.append(_mark(part, begun))
                text = piece.text[part.start - piece.start : part.end - piece.start]
                out.append(escape(text, quote=False))
        out.append("</mark>" * bool(over))
        return _CLEANER.clean("".join(out))

    def marked_text(self, start: int, end: int) -> str:
        """The text that a mark over this span is painted on: without separators."""
        return "".join(
            run.text[max(start - run.start, 0) : end - run.start]
            for run in self._texts
            if run.start < end and run.end > start
        )

    def source_to_canonical(self, start: int, end: int) -> tuple[int, int] | None:
        """Map a span of the answer as sent to the canonical text.

        A span of markup alone maps to the word nearest to it. None when there is no text at all.
        """
        texts = self._texts
        first = bisect_right(texts, start, key=lambda run: run.source_end)
        after = bisect_left(texts, end, key=lambda run: run.source_start)
        if first < after:
            head, tail = texts[first], texts[after - 1]
            return head.canonical(start), tail.canonical(end, is_end=True)
        return self._word_beside(first, start, end)

    def canonical_to_source(self, start: int, end: int) -> tuple[int, int]:
        """Map a span of the canonical text to the answer as sent, entities and escapes whole."""
        runs = self.runs
        head = runs[bisect_right(runs, start, key=lambda run: run.end)]
        tail = runs[bisect_left(runs, end, key=lambda run: run.start) - 1]
        return head.source(start), tail.source(end, is_end=True)

    def _word_beside(self, number: int, start: int, end: int) -> tuple[int, int] | None:
        """The word nearest to markup that lies before the text run with this number."""
        near = [
            (run.text[0].isspace(), run.source_start - end, run.start, run)
            for run in self._texts[number : number + 1]
        ] + [
            (run.text[-1].isspace(), start - run.source_end, run.end - 1, run)
            for run in self._texts[max(number - 1, 0) : number]
        ]
        if not near:
            return None
        _, _, left, run = min(near, key=lambda place: place[:2])
        right = left + 1
        while left > run.start and not self.canonical[left - 1].isspace():
            left -= 1
        while right < run.end and not self.canonical[right].isspace():
            right += 1
        return left, right


def render(text: str) -> Rendered:
    """Render an answer as it was sent: CommonMark with tables and strikethrough.

    Raw HTML is shown as text, images as links with their description. Links lead to http, https
    and mailto only. Texts that are very long or nested very deeply are shown as they are.
    """
    pieces = tuple(pieces_of(text))
    return Rendered("".join(piece.text for piece in pieces if isinstance(piece, Run)), pieces)


def _mark(segment: Segment, begun: set[str]) -> str:
    if not segment.marks:
        return ""
    ids = [mark.id for mark in segment.marks]
    categories = list(dict.fromkeys(mark.category for mark in segment.marks if mark.category))
    begins = [mark for mark in segment.marks if mark.id not in begun]
    begun.update(ids)
    attributes = {
        "data-a": " ".join(ids),
        "data-cat": categories[0] if categories else None,
        "data-cat2": categories[1] if len(categories) > 1 else None,
        "data-n": begins[0].category if begins else None,
        "tabindex": 0 if begins else None,
    }
    written = "".join(
        f' {name}="{escape(str(value))}"' for name, value in attributes.items() if value is not None
    )
    return f'<mark class="hl"{written}>'
