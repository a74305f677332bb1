"""PURE. Plain text of a trail as HTML: the words searched for, and the words that are evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from review.anchoring import Mark, segments

# Places of a word that are marked in one text.
MOST_HITS = 200
# Code points around the first hit that an excerpt shows.
EXCERPT = 160


def hits(text: str, words: str) -> list[Mark]:
    """The first MOST_HITS places of the words in the text, in whichever case; none for blanks."""
    if not words.strip():
        return []
    places = re.finditer(re.escape(words), text, re.IGNORECASE)
    return [Mark("", *place.span()) for place, _ in zip(places, range(MOST_HITS), strict=False)]


def excerpt(text: str, words: str) -> str:
    """The text around the first place of the words, cut at EXCERPT; its head when they are not."""
    first = next(iter(hits(text, words)), None)
    start = max(0, first.start - EXCERPT // 4) if first else 0
    end = start + EXCERPT
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"


def painted(text: str, marks: Iterable[Mark]) -> str:
    """The text as HTML that reads back as the text, with flat marks.

    The `id` of a mark names an evidence and the card of its annotation, "e5 a12", or nothing for
    words that were searched for. Where an evidence begins stands an empty anchor of its id.
    """
    begun: set[str] = set()
    pieces = []
    at = 0
    for segment in segments(marks):
        pieces.append(_escaped(text[at : segment.start]))
        at = segment.end
        kept = [mark for mark in segment.marks if mark.id]
        for mark in kept:
            if mark.id not in begun:
                begun.add(mark.id)
                pieces.append(f'<span class="evidence-at" id="{mark.id.split()[0]}"></span>')
        words = _escaped(text[segment.start : segment.end])
        pieces.append(_mark(kept, words, is_hit=len(kept) < len(segment.marks)))
    pieces.append(_escaped(text[at:]))
    return "".join(pieces)


def _escaped(text: str) -> str:
    # A parser would fold CR LF, and a place would no longer be a count of code points.
    return escape(text).replace("\r", "&#13;")


def _mark(marks: list[Mark], words: str, *, is_hit: bool) -> str:
    if not marks:
        return f'<mark class="hit">{words}</mark>'
    cards = " ".join(dict.fromkeys(mark.id.split()[1] for mark in marks))
    category = f' data-cat="{marks[0].category}"' if marks[0].category else ""
    css = "evidence hit" if is_hit else "evidence"
    return (
        f'<mark class="{css}" data-a="{cards}"{category} tabindex="0" '
        f'aria-details="{cards}">{words}</mark>'
    )
