"""Places in texts: selectors, graphemes, flat segments, and the demo's spans."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from review.anchoring import (
    CONTEXT,
    AnchorError,
    Mark,
    Selector,
    segments,
    select,
    snap,
    verify,
)
from review.rendering import Rendered, render
from tests.review.test_rendering import Page

DEMO = Path(__file__).parents[2] / "feedback" / "demo" / "qa-feedback.ndjson.gz"


def demo_spans() -> list[tuple[str, list[dict[str, Any]]]]:
    """Each answer of the demo with the spans that people marked in it."""
    answers: dict[str, str] = {}
    spans: dict[str, list[dict[str, Any]]] = {}
    with gzip.open(DEMO, "rt", encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            if record["type"] == "output":
                answers[record["id"]] = record["text"]
            elif record["type"] == "feedback" and record.get("span"):
                spans.setdefault(record["output"], []).append(record["span"])
    return [(answers[output], found) for output, found in spans.items()]


class TestSelect:
    @pytest.mark.parametrize(
        ("text", "start", "end", "exact"),
        [
            ("a 👩🏽\u200d🌾 b", 3, 4, "👩🏽\u200d🌾"),
            ("e\u0301tat", 0, 1, "e\u0301"),
            ("🇫🇷🇩🇪 x", 2, 3, "🇩🇪"),
            ("two  words here", 3, 11, "words"),
            ("שלום עולם", 0, 4, "שלום"),
        ],
    )
    def test_widens_to_graphemes_and_trims_white_space(
        self, text: str, start: int, end: int, exact: str
    ) -> None:
        selector = select(text, start=start, end=end, exact=text[start:end])
        assert selector.exact == exact
        verify(text, selector)

    @pytest.mark.parametrize(
        ("start", "end", "exact", "path"),
        [
            (-1, 3, "one", "start"),
            (99, 100, "x", "start"),
            (3, 3, "", "end"),
            (4, 2, "", "end"),
            (0, 99, "one two", "end"),
            (0, 3, "two", "exact"),
            (3, 4, " ", "exact"),
        ],
    )
    def test_names_the_field_that_does_not_fit(
        self, start: int, end: int, exact: str, path: str
    ) -> None:
        with pytest.raises(AnchorError) as caught:
            select("one two", start=start, end=end, exact=exact)
        assert caught.value.path == path

    # Canonical text has no carriage returns.
    @given(
        st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=300),
        st.data(),
    )
    @settings(deadline=None)
    def test_what_it_selects_is_whole_graphemes_that_verify(
        self, text: str, data: st.DataObject
    ) -> None:
        start = data.draw(st.integers(0, len(text) - 1))
        end = data.draw(st.integers(start + 1, len(text)))
        if not text[start:end].strip():
            return
        found = select(text, start=start, end=end, exact=text[start:end])
        verify(text, found)
        assert text[start:end].strip() in found.exact
        assert len(regex.findall(r"\X", found.suffix)) <= CONTEXT
        edges = {match.start() for match in regex.finditer(r"\X", text)} | {len(text)}
        assert set(snap(text, start, end)) <= edges


class TestVerify:
    @pytest.mark.parametrize(
        ("selector", "path"),
        [
            (Selector(8, 9, "x"), "start"),
            (Selector(4, 9, "two"), "end"),
            (Selector(4, 7, "one"), "exact"),
            (Selector(4, 7, "two", prefix="x "), "prefix"),
            (Selector(4, 7, "two", suffix="x"), "suffix"),
        ],
    )
    def test_names_what_has_changed(self, selector: Selector, path: str) -> None:
        with pytest.raises(AnchorError) as caught:
            verify("one two", selector)
        assert caught.value.path == path


class TestSegments:
    def test_cuts_at_every_boundary_with_the_shortest_on_top(self) -> None:
        first, second, third = Mark("a", 0, 10), Mark("b", 5, 15), Mark("c", 7, 8)
        found = [
            (piece.start, piece.end, piece.marks) for piece in segments([first, second, third])
        ]
        assert found == [
            (0, 5, (first,)),
            (5, 7, (second, first)),
            (7, 8, (third, second, first)),
            (8, 10, (second, first)),
            (10, 15, (second,)),
        ]

    @given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), max_size=8))
    def test_every_character_lies_under_its_marks_and_no_others(
        self, spans: list[tuple[int, int]]
    ) -> None:
        marks = [
            Mark(str(number), start, start + size) for number, (start, size) in enumerate(spans)
        ]
        found = segments(marks, cuts=[7])
        assert all(one.end <= other.start for one, other in pairwise(found))
        assert not any(piece.start < 7 < piece.end for piece in found)
        for at in range(60):
            over = [piece.marks for piece in found if piece.start <= at < piece.end]
            assert {mark.id for marks in over for mark in marks} == {
                mark.id for mark in marks if mark.start <= at < mark.end
            }


class TestSpansOfTheDemo:
    def test_every_one_is_painted_over_the_words_that_were_marked(self) -> None:
        num_spans = 0
        for answer, spans in demo_spans():
            rendered = render(answer)
            marks = []
            for number, span in enumerate(spans):
                place = rendered.source_to_canonical(span["start"], span["end"])
                assert place is not None
                marks.append(Mark(f"f{number}", *place, category=1 + number % 8))
            page = Page(rendered.painted(marks))
            assert page.text == rendered.canonical
            for mark, span in zip(marks, spans, strict=True):
                num_spans += 1
                assert page.marked[mark.id] == rendered.marked_text(mark.start, mark.end)
                if is_plain(rendered, mark):
                    assert page.marked[mark.id] == answer[span["start"] : span["end"]]
                    assert page.marked[mark.id] == span["exact"]
        assert num_spans > 900

    def test_almost_all_hold_no_markup(self) -> None:
        spans = [
            is_plain(rendered, Mark("f", *place))
            for answer, spans in demo_spans()
            for rendered in [render(answer)]
            for span in spans
            if (place := rendered.source_to_canonical(span["start"], span["end"]))
        ]
        assert sum(spans) / len(spans) > 0.95


def is_plain(rendered: Rendered, mark: Mark) -> bool:
    """Whether the mark lies in one run that is its source, character for character."""
    return any(
        run.is_exact and run.start <= mark.start and mark.end <= run.end for run in rendered.runs
    )
