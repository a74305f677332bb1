"""Words chosen in an answer, as the query string or a form names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from review.anchoring import AnchorError, select
from review.reanchoring import quoted


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The words to comment on, and what was typed about them; `errors` by field."""

    start: int = 0
    end: int = 0
    exact: str = ""
    words: str = ""
    reason: str = ""
    comment: str = ""
    replacement: str = ""
    suggests: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)


def selection(query: Mapping[str, str], canonical: str) -> Selection | None:
    """The words that ?select=start,end or ?words= names; None when nothing is asked."""
    words = query.get("words", "").replace("\r\n", "\n").strip()
    if words:
        places = quoted(canonical, words)
        if len(places) == 1:
            [(start, end)] = places
            return Selection(start=start, end=end, exact=canonical[start:end])
        problem = f"there {len(places)} times: give more of them" if places else "not in the answer"
        return Selection(words=words, errors={"words": f"These words are {problem}."})
    if "select" not in query:
        return None
    start_text, _, end_text = query["select"].partition(",")
    start, end = whole(start_text), whole(end_text)
    try:
        place = select(canonical, start=start, end=end, exact=canonical[start:end])
    except AnchorError as error:
        return Selection(errors={"words": error.message})
    return Selection(start=place.start, end=place.end, exact=place.exact)


def whole(text: str) -> int:
    """A whole number from 0 that a row can hold; 0 for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else 0
