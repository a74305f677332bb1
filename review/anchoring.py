"""Places in an answer's canonical text: selectors, graphemes, flat segments.

Positions are Unicode code points, half open, as in the W3C Web Annotation Data Model
(https://www.w3.org/TR/annotation-model/#text-position-selector).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import regex

# Graphemes kept on either side of the quote, so that it can be found again.
CONTEXT = 64

_GRAPHEME = regex.compile(r"\X")
_CONTEXT_AFTER = regex.compile(rf"\X{{0,{CONTEXT}}}")


class AnchorError(ValueError):
    """A place that is not in the text; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


@dataclass(frozen=True, slots=True)
class Selector:
    """A place by position, and by the words at and around it."""

    start: int
    end: int
    exact: str
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """What is painted over a span. `category` is the position of its reason, 0 for none.

    `is_changed` is whether its words are not those that were marked.
    Of a suggestion `cut` is the part of the span that it takes out, maybe an empty one, and
    `insertion` the text that it puts in there.
    """

    id: str
    start: int
    end: int
    category: int = 0
    is_resolved: bool = False
    cut: tuple[int, int] | None = None
    insertion: str = ""
    is_changed: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text under the same marks, the topmost first."""

    start: int
    end: int
    marks: tuple[Mark, ...]


def select(text: str, *, start: int, end: int, exact: str) -> Selector:
    """Return the selector of a selected span, widened to whole graphemes, white space trimmed.

    `exact` is what was selected, as the page showed it. Raises AnchorError when the span is not
    in the text, holds white space only, or the text there differs from `exact`.
    """
    if not 0 <= start <= len(text):
        raise AnchorError("start", f"Give a place from 0 to {len(text)}.")
    if not start < end <= len(text):
        raise AnchorError("end", f"Give a place after start, up to {len(text)}.")
    if text[start:end] != exact:
        raise AnchorError("exact", "These words are not at this place. Select them again.")
    start, end = snap(text, start, end)
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    if start == end:
        raise AnchorError("exact", "Select at least one word.")
    return Selector(
        start=start,
        end=end,
        exact=text[start:end],
        prefix=_before(text, start),
        suffix=_after(text, end),
    )


def verify(text: str, selector: Selector) -> None:
    """Raise AnchorError naming the field that does not fit the text."""
    if not 0 <= selector.start < len(text):
        raise AnchorError("start", "Lies outside the text.")
    if not selector.start < selector.end <= len(text):
        raise AnchorError("end", "Lies outside the text.")
    if text[selector.start : selector.end] != selector.exact:
        raise AnchorError("exact", "The text at this place has changed.")
    if not text[: selector.start].endswith(selector.prefix):
        raise AnchorError("prefix", "The text before this place has changed.")
    if not text[selector.end :].startswith(selector.suffix):
        raise AnchorError("suffix", "The text after this place has changed.")


def snap(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen a span to whole extended grapheme clusters (Unicode Standard Annex 29)."""
    # A cluster never runs across a line feed, so the lines around the span tell all.
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    for match in _GRAPHEME.finditer(text, first, len(text) if last < 0 else last):
        if match.start() < start < match.end():
            start = match.start()
        if match.start() < end < match.end():
            end = match.end()
        if match.start() >= end:
            break
    return start, end


def segments(marks: Iterable[Mark], *, cuts: Iterable[int] = ()) -> list[Segment]:
    """Cut the text at every start and end, and at `cuts`; each piece lists the marks over it.

    The shortest mark lies on top, of equal ones the last given: it is the one easiest to miss.
    """
    numbered = list(enumerate(marks))
    places = {*cuts, *(mark.start for _, mark in numbered), *(mark.end for _, mark in numbered)}
    starting: dict[int, list[tuple[int, Mark]]] = {}
    for number, mark in numbered:
        starting.setdefault(mark.start, []).append((number, mark))
    found: list[Segment] = []
    running: list[tuple[int, Mark]] = []
    for cut, following in pairwise(sorted(places)):
        running = [pair for pair in running if pair[1].end > cut] + starting.get(cut, [])
        running.sort(key=lambda pair: (pair[1].end - pair[1].start, -pair[0]))
        if running:
            found.append(Segment(cut, following, tuple(mark for _, mark in running)))
    return found


def _before(text: str, start: int) -> str:
    # Generous for 64 graphemes; longer clusters only mean less context.
    around = text[max(0, start - 16 * CONTEXT) : start]
    return "".join(_GRAPHEME.findall(around)[-CONTEXT:])


def _after(text: str, end: int) -> str:
    found = _CONTEXT_AFTER.match(text, end)
    return found.group() if found else ""
