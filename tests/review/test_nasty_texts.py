"""Texts that have broken other tools: each is shown, marked and kept to the letter.

What is nasty about the mouse, threads and drafts is tested with the pages; re-anchoring has a
module of its own.
"""

from __future__ import annotations

import pytest

from review.anchoring import Mark, Selector, segments, select
from review.rendering import Rendered, render
from tests.review.test_rendering import Page, assert_sound


def marked(source: str, words: str, *, number: int = 0) -> tuple[Rendered, Selector, str]:
    """Select words of an answer, and read the painted marks back."""
    rendered = render(source)
    assert_sound(source, rendered)
    start = -1
    for _ in range(number + 1):
        start = rendered.canonical.index(words, start + 1)
    place = select(rendered.canonical, start=start, end=start + len(words), exact=words)
    page = Page(rendered.painted([Mark("a1", place.start, place.end, 1)]))
    assert page.text == rendered.canonical
    return rendered, place, page.marked["a1"]


def source_of(source: str, rendered: Rendered, place: Selector) -> str:
    return source[slice(*rendered.canonical_to_source(place.start, place.end))]


def test_an_emoji_of_several_code_points_is_one() -> None:
    source = "a 👩🏽\u200d🌾 b"
    rendered = render(source)
    place = select(rendered.canonical, start=3, end=5, exact=source[3:5])
    assert (place.exact, place.end - place.start) == ("👩🏽\u200d🌾", 4)
    assert len(place.exact.encode("utf-16-le")) // 2 == 7
    assert marked(source, place.exact)[2] == "👩🏽\u200d🌾"


def test_a_decomposed_letter_stays_decomposed() -> None:
    _, place, there = marked("e\u0301tat", "e\u0301")
    assert (place.end, there) == (2, "e\u0301")


def test_the_second_of_two_flags() -> None:
    _, place, there = marked("🇫🇷🇩🇪 x", "🇩🇪")
    assert (place.start, place.end, there) == (2, 4, "🇩🇪")


def test_two_directions_are_one_range_in_logical_order() -> None:
    source = "שלום **עולם** abc"
    rendered, place, there = marked(source, "לום עולם ab")
    assert there == "לום עולם ab"
    assert source_of(source, rendered, place) == "לום **עולם** ab"
    assert rendered.painted([Mark("a1", place.start, place.end)]).count("<mark") == 3


def test_line_ends_of_windows() -> None:
    rendered, place, there = marked("x\r\ny", "y")
    assert (rendered.canonical, place.start, there) == ("x\ny", 2, "y")
    assert source_of("x\r\ny", rendered, place) == "y"


@pytest.mark.parametrize("source", ["foo\\\nbar", "foo  \nbar"])
def test_a_hard_break_is_a_line_feed(source: str) -> None:
    rendered, _, there = marked(source, "foo\nbar")
    assert (rendered.canonical, there) == ("foo\nbar", "foo\nbar")


def test_across_paragraphs_nothing_between_them_is_marked() -> None:
    rendered, place, there = marked("One two.\n\nThree four.", "two.\nThree")
    assert (place.exact, there) == ("two.\nThree", "two.Three")
    assert rendered.painted([Mark("a1", place.start, place.end)]).count("<mark") == 2


def test_across_cells_the_table_stays_one() -> None:
    source = "| a | b | c |\n|---|---|---|\n| 1\\|2 | | z |"
    rendered, place, there = marked(source, "1|2\t\tz")
    assert there == "1|2z"
    assert source_of(source, rendered, place) == "1\\|2 | | z"
    html = rendered.painted([Mark("a1", place.start, place.end)])
    assert html.count("<mark") == 2
    assert html.count("<td") == 3


def test_no_list_marker_is_in_a_quote() -> None:
    source = "- outer\n  1. first\n  2. second\n- last"
    rendered, place, there = marked(source, "outer\nfirst")
    assert there == "outerfirst"
    assert source_of(source, rendered, place) == "outer\n  1. first"
    assert rendered.painted([Mark("a1", place.start, place.end)]).count("<mark") == 2


def test_blank_lines_and_tabs_at_the_start_of_code_count() -> None:
    source = "```python\n\n\n\tx = 1\n```"
    rendered, place, there = marked(source, "x = 1")
    assert (rendered.canonical, place.start, there) == ("\n\n\tx = 1", 3, "x = 1")
    assert source_of(source, rendered, place) == "x = 1"


def test_code_that_equals_its_language() -> None:
    source = "```python\npython\n```"
    rendered, place, _ = marked(source, "python")
    start, _ = rendered.canonical_to_source(place.start, place.end)
    assert start == len("```python\n")


def test_code_is_marked_across_its_tokens() -> None:
    rendered, place, there = marked("```python\ndef f(x):\n    return x\n```", "f(x)")
    assert there == "f(x)"
    assert rendered.canonical == "def f(x):\n    return x"
    assert place.prefix == "def "


def test_code_has_no_numbers_and_no_buttons_in_its_text() -> None:
    rendered, _, there = marked("```sh\nls\ncd\n```", "ls\ncd")
    assert there == "ls\ncd"
    assert Page(rendered.html).text == "ls\ncd"


def test_an_entity_is_whole_in_the_source() -> None:
    source = "AT&amp;T &lt;b&gt;"
    rendered, place, there = marked(source, "T <b", number=0)
    assert (rendered.canonical, there) == ("AT&T <b>", "T <b")
    assert source_of(source, rendered, place) == "T &lt;b"
    _, ampersand, _ = marked(source, "&")
    assert source_of(source, rendered, ampersand) == "&amp;"


def test_tex_keeps_its_source() -> None:
    source = r"\*not bold\* \(x_1\) and \[ y_1 * y_2 * y_3 \]"
    rendered, place, there = marked(source, r"\(x_1\)")
    assert rendered.canonical == r"*not bold* \(x_1\) and \[ y_1 * y_2 * y_3 \]"
    assert there == r"\(x_1\)"
    assert source_of(source, rendered, place) == r"\(x_1\)"
    _, part, _ = marked(source, "x_1")
    assert source_of(source, rendered, part) == "x_1"


def test_across_strong_text_and_a_link() -> None:
    source = '**bo**ld [link](http://u.example "t")'
    rendered, place, there = marked(source, "old li")
    assert there == "old li"
    assert source_of(source, rendered, place) == "o**ld [li"


def test_of_an_image_the_description_is_the_text() -> None:
    """Nothing is loaded, so the description is all there is to read, and to mark."""
    rendered, place, there = marked("![alt](http://u.example/i.png) text", "alt text")
    assert (rendered.canonical, place.start, there) == ("alt text", 0, "alt text")
    assert "<img" not in rendered.html


@pytest.mark.parametrize("source", ["<script>alert(1)</script>", "<b>alert(1)</b>"])
def test_raw_html_is_text_that_can_be_marked(source: str) -> None:
    rendered, _, there = marked(source, "alert(1)")
    assert (rendered.canonical, there) == (source, "alert(1)")


def test_removing_one_of_three_overlapping_leaves_the_others() -> None:
    a, b, c = Mark("a", 0, 10), Mark("b", 5, 15), Mark("c", 7, 8)
    rendered = render("0123456789abcdef")
    for marks in ([a, b, c], [a, c]):
        page = Page(rendered.painted(marks))
        assert page.marked == {mark.id: rendered.canonical[mark.start : mark.end] for mark in marks}
        assert all(piece.start < piece.end for piece in segments(marks))


@pytest.mark.parametrize("char", ["\u202e", "\u200b", "\u00ad", "\u2028", "\ufeff"])
def test_characters_that_nobody_sees_are_kept(char: str) -> None:
    source = f"one {char}two three"
    rendered, place, there = marked(source, f"{char}two")
    assert rendered.canonical == source
    assert f"{char}two".strip() in there
    assert source_of(source, rendered, place).strip() == there.strip()


def test_nul_is_shown_as_a_replacement() -> None:
    rendered, place, there = marked("a\x00b", "\ufffdb")
    assert (rendered.canonical, there) == ("a\ufffdb", "\ufffdb")
    assert source_of("a\x00b", rendered, place) == "\x00b"


def test_s4_ends_snap_to_graphemes_and_lose_white_space() -> None:
    text = "go  👩🏽\u200d🌾 \n now"
    place = select(text, start=2, end=6, exact=text[2:6])
    assert place.exact == "👩🏽\u200d🌾"
