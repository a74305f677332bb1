"""Answers as sanitised HTML, with their canonical text and where each of its characters is from.

The canonical text is the text content of the HTML, character for character: the text of the
blocks in order, a line feed between blocks and at line breaks, a tab between a row's cells.
Annotations count in it. The HTML is made from runs of text, so marks are painted at run level.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import nh3

from review.anchoring import Mark
from review.html_pieces import Piece, Run, Tag, pieces_of
from review.painting import paint

__all__ = ["RENDERER_VERSION", "Rendered", "render"]

# Grows with every change that moves a character of some canonical text.
RENDERER_VERSION = 2
# Code points; a process keeps the last few answers rendered, at most about 30 MB of them.
LONGEST_KEPT = 40_000
# Of an answer that is kept, how often its HTML is kept with marks.
MOST_PAINTED = 3

_BLOCKS = ["p", "h3", "h4", "h5", "h6", "th", "td", "code", "span"]
_PLACE = re.compile(r' (?:data-start|id)="\w*"')
_CLEANER = nh3.Cleaner(
    tags={
        *_BLOCKS,
        *("a", "blockquote", "br", "del", "em", "hr", "ins", "li", "mark", "ol", "pre", "strong"),
        *("table", "tbody", "thead", "tr", "ul"),
    },
    attributes={
        **{tag: {"data-start"} for tag in _BLOCKS},
        "a": {"href", "title", "target"},
        "ol": {"start"},
        "ins": {"role", "data-no-text", "data-a"},
        "mark": {
            "role",
            *("class", "data-a", "data-cat", "data-cat2", "data-cat3", "data-more", "data-n"),
            *("data-first", "data-last", "tabindex", "aria-details"),
        },
        "span": {"data-start", "role", "aria-details"},
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

    @property
    def bare(self) -> str:
        """The sanitised HTML without marks and places, to be shown beside the answer itself."""
        return self.painted_bare(())

    def painted_bare(self, marks: Iterable[Mark]) -> str:
        """As `painted`, without places."""
        pieces = [
            piece if isinstance(piece, Run) else Tag(_PLACE.sub("", piece.html))
            for piece in self.pieces
        ]
        return _CLEANER.clean("".join(paint(pieces, marks).parts))

    @cached_property
    def runs(self) -> list[Run]:
        """The runs of the canonical text, separators between blocks among them."""
        return [piece for piece in self.pieces if isinstance(piece, Run)]

    @cached_property
    def _texts(self) -> list[Run]:
        return [run for run in self.runs if not run.is_separator]

    def painted(self, marks: Iterable[Mark]) -> str:
        """Return the sanitised HTML with flat `<mark>` elements over the marks' text.

        See `painting.paint` for what their attributes say.
        """
        given = tuple(marks)
        html = self._painted.get(given)
        if html is None:
            html = _CLEANER.clean("".join(paint(self.pieces, given).parts))
            if len(self._painted) >= MOST_PAINTED:
                self._painted.clear()
            self._painted[given] = html
        return html

    @cached_property
    def _painted(self) -> dict[tuple[Mark, ...], str]:
        """What was painted last; few see an answer with the same marks at one time."""
        return {}

    def painted_blocks(
        self, marks: Iterable[Mark], spans: Iterable[tuple[int, int]]
    ) -> dict[int, str]:
        """The inner HTML of the leaf blocks that spans touch, by their `data-start`.

        Put into the elements with these starts it makes the page that `painted` would.
        """
        wanted = list(spans)
        if not wanted:
            return {}
        painting = paint(self.pieces, marks)
        starts = sorted(painting.blocks)
        touched: set[int] = set()
        for start, end in wanted:
            first = max(bisect_right(starts, start) - 1, 0)
            touched.update(starts[first : max(bisect_left(starts, end), first + 1)])
        return {
            at: _phrases("".join(painting.parts[painting.blocks[at]])) for at in sorted(touched)
        }

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
    """Render an answer as it was sent: CommonMark with tables, strikethrough and task lists.

    TeX keeps its source, delimiters and all. Raw HTML is shown as text, images as links with
    their description. Links lead to http, https and mailto only. Texts that are very long or
    nested very deeply are shown as they are.
    """
    return _kept(text) if len(text) <= LONGEST_KEPT else _rendered(text)


def _rendered(text: str) -> Rendered:
    pieces = tuple(pieces_of(text))
    return Rendered("".join(piece.text for piece in pieces if isinstance(piece, Run)), pieces)


def _phrases(html: str) -> str:
    """Sanitise the inside of a block; in one, since a leading byte order mark would be lost."""
    return _CLEANER.clean(f"<p>{html}</p>").removeprefix("<p>").removesuffix("</p>")


# A page shows the same answers again and again, and a rendered answer is never changed.
_kept = lru_cache(maxsize=64)(_rendered)
