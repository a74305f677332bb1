"""Marks over an answer: flat, complete, said to every reader, and quick to paint."""

from __future__ import annotations

import re
import time
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.anchoring import Mark
from review.rendering import render
from tests.review.test_rendering import Page, markdown


def marks_of(html: str) -> list[dict[str, str]]:
    """The attributes of each mark and its text."""
    return [
        dict(re.findall(r'([\w-]+)="([^"]*)"', attributes)) | {"text": re.sub("<.*?>", "", inner)}
        for attributes, inner in re.findall(r"<mark([^>]*)>(.*?)</mark>", html, re.DOTALL)
    ]


class TestMarks:
    def test_tell_where_each_annotation_begins_and_ends(self) -> None:
        html = render("one **two** three").painted([Mark("a1", 2, 9, 3), Mark("a2", 4, 5, 1)])
        assert [
            (mark["text"], mark["data-a"], mark.get("data-first"), mark.get("data-last"))
            for mark in marks_of(html)
        ] == [
            ("e ", "a1", "a1", None),
            ("t", "a2 a1", "a2", "a2"),
            ("wo", "a1", None, None),
            (" t", "a1", None, "a1"),
        ]

    def test_name_their_cards_to_a_screen_reader(self) -> None:
        html = render("one two").painted([Mark("a1", 0, 7), Mark("f2", 4, 7)])
        assert [mark["aria-details"] for mark in marks_of(html)] == ["a1", "f2 a1"]

    def test_show_three_categories_and_count_the_rest(self) -> None:
        marks = [Mark(f"a{number}", 0, 10 - number, number) for number in range(1, 6)]
        first = marks_of(render("one two three").painted(marks))[0]
        shown = [first[name] for name in ("data-cat", "data-cat2", "data-cat3", "data-more")]
        assert shown == ["5", "4", "3", "2"]

    def test_are_resolved_where_everything_over_them_is(self) -> None:
        html = render("one two").painted(
            [Mark("a1", 0, 7, is_resolved=True), Mark("a2", 4, 7, is_resolved=False)]
        )
        assert [mark["class"] for mark in marks_of(html)] == ["hl is-resolved", "hl"]

    def test_lie_over_text_alone(self) -> None:
        html = render("a\n\n| b | |\n|---|---|\n| c | |").painted([Mark("a1", 0, 6)])
        assert [mark["text"] for mark in marks_of(html)] == ["a", "b", "c"]

    @given(markdown, st.data())
    @settings(max_examples=200, deadline=None)
    def test_of_a_block_are_the_same_as_in_the_page(self, source: str, data: st.DataObject) -> None:
        rendered = render(source)
        size = len(rendered.canonical)
        if not size:
            return
        marks = []
        for number in range(data.draw(st.integers(1, 5))):
            start = data.draw(st.integers(0, size - 1))
            end = data.draw(st.integers(start + 1, size))
            cut = data.draw(st.sampled_from([None, (start, end), (start, start), (end, end)]))
            marks.append(Mark(f"a{number}", start, end, number, cut=cut, insertion="<in>"))
        page = Page(rendered.painted(marks))
        assert page.text == rendered.canonical
        assert page.open == []
        for mark in marks:
            assert page.marked.get(mark.id, "") == rendered.marked_text(mark.start, mark.end)
        assert page.inserted == "<in>" * sum(1 for mark in marks if mark.cut)
        for at, inner in rendered.painted_blocks(marks, [(marks[0].start, size)]).items():
            assert re.search(
                rf'data-start="{at}"[^>]*>{re.escape(inner)}</', rendered.painted(marks)
            )

    def test_of_a_code_block_are_its_lines(self) -> None:
        rendered = render("before\n\n```\nx = 1\n```\n\nafter")
        assert rendered.painted_blocks([Mark("a1", 7, 12)], [(7, 12)]).keys() == {7}
        assert ">x = 1</mark>" in rendered.painted_blocks([Mark("a1", 7, 12)], [(7, 12)])[7]


class TestSuggestions:
    def test_are_a_deletion_then_an_insertion(self) -> None:
        html = render("Open at ten today.").painted(
            [Mark("a1", 8, 11, 1, cut=(8, 11), insertion="nine")]
        )
        assert re.fullmatch(
            r'<p[^>]*>Open at <span role="suggestion" aria-details="a1">'
            r'<mark class="hl hl--del" role="deletion"[^>]*><del>ten</del></mark>'
            r'<ins role="insertion" data-no-text="" data-a="a1">nine</ins></span> today.</p>',
            html,
        )

    def test_may_only_add(self) -> None:
        html = render("at ten today").painted([Mark("a1", 3, 6, cut=(6, 6), insertion=" sharp")])
        assert "<del>" not in html
        assert re.search(r">ten</mark><span [^>]*><ins [^>]*> sharp</ins></span> today", html)

    def test_may_only_take_out(self) -> None:
        html = render("at ten today").painted([Mark("a1", 3, 6, cut=(3, 6))])
        assert "<ins" not in html
        assert "<del>ten</del>" in html

    def test_never_cross_an_element(self) -> None:
        html = render("a **b** c\n\nd").painted([Mark("a1", 0, 7, cut=(0, 7), insertion="x")])
        assert html.count('role="suggestion"') == 4
        assert html.count("<ins") == 1
        assert html.index("<ins") > html.index("<del>d</del>")
        assert Page(html).open == []

    @pytest.mark.parametrize("text", ["</mark><img src=x onerror=alert(1)>", "<b>&amp;", "\"'<!--"])
    def test_are_text_whatever_they_hold(self, text: str) -> None:
        page = Page(render("one").painted([Mark("a1", 0, 3, cut=(0, 3), insertion=text)]))
        assert page.inserted == text
        assert page.text == "one"
        assert not page.tags & {"img", "b"}
        assert escape(text, quote=False) in render("one").painted(
            [Mark("a1", 0, 3, cut=(0, 3), insertion=text)]
        )


def test_two_hundred_marks_on_twenty_thousand_characters_take_milliseconds() -> None:
    paragraph = (
        "The plan **covers six** sessions a `year` and you may claim when *asked* &amp; so. "
    )
    rendered = render("\n\n".join([paragraph * 5] * 60))
    size = len(rendered.canonical)
    assert size > 18_000
    starts = range(0, size - 60, size // 200)
    took = []
    for number in range(7):
        # Others each time, since what was painted last is kept.
        marks = [Mark(f"a{number}{at}", at, at + 5 + at * 7 % 55, at % 9) for at in starts]
        assert len(marks) >= 199
        began = time.process_time()
        rendered.painted(marks)
        took.append(time.process_time() - began)
    assert min(took) < 0.05
