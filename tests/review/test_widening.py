"""The Markdown of marked words, and what a change of it does to the text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.edits import Edit, apply
from review.rendering import render
from review.widening import difference, empties, widened
from tests.review.test_rendering import markdown


def offered(source: str, words: str) -> str:
    """The source that is offered for words of the text."""
    rendered = render(source)
    start = rendered.canonical.index(words)
    found = widened(source, rendered, start, start + len(words))
    return source[found.start : found.end]


class TestWidened:
    @pytest.mark.parametrize(
        ("source", "words", "slice_"),
        [
            ("Family **Plus** covers", "covers", "covers"),
            ("Family **Plus** covers", "Plus", "**Plus**"),
            ("Family **Plus or so** covers", "or", "or"),
            ("Family **Plus** covers", "Plus cov", "**Plus** cov"),
            ('**bo**ld [link](http://u "t") x', "old li", '**bo**ld [link](http://u "t")'),
            ("_a **b c** d_", "b", "b"),
            ("_a **b c** d_", "a b", "a **b c**"),
            ("_a **b c** d_ e", "d e", "_a **b c** d_ e"),
            ("***a***b", "a", "***a***"),
            ("~~old~~ new", "old new", "~~old~~ new"),
            ("use `x = 1` here", "x = 1", "`x = 1`"),
            ("use `x = 1` here", "x", "x"),
            ("use `` a`b `` here", "b here", "`` a`b `` here"),
            ("AT&amp;T pays", "&", "&amp;"),
            (r"\*not bold\* here", "*not", r"\*not"),
            ("<http://a.example> x", "http://a.example", "<http://a.example>"),
            ("[a b](http://x.example/(y)) c", "b c", "[a b](http://x.example/(y)) c"),
            ("[a b][r] c\n\n[r]: http://x.example", "b c", "[a b][r] c"),
            (
                "![the alt](http://u.example/i.png) x",
                "alt x",
                "![the alt](http://u.example/i.png) x",
            ),
            (
                "[![badge](http://i.example)](http://x.example) y",
                "badge",
                "![badge](http://i.example)",
            ),
            ("# Title *here*\n\nText", "Title", "Title"),
            ("- one\n- two **three**\n", "two thr", "two **three**"),
            ("> said\n> *twice* so", "said\ntwice", "said\n> *twice*"),
            ("| a | **b** |\n|---|---|\n| c d | e |", "d", "d"),
            ("```py\n\tx = 1\n```\n", "\tx = 1", "\tx = 1"),
            ("one two\r\nthree", "two\nthree", "two\r\nthree"),
            ("a **b\r\nc** d", "c d", "**b\r\nc** d"),
        ],
    )
    def test_cuts_no_markup(self, source: str, words: str, slice_: str) -> None:
        assert offered(source, words) == slice_

    @pytest.mark.parametrize(
        ("source", "words", "lines"),
        [
            ("Before\n\n[a b](/relative) c\n\nAfter", "b c", "[a b](/relative) c"),
            ("| a | b |\n|---|---|\n| c | d |\n\nx", "c\td", "| c | d |"),
            ("| a | b |\n|---|---|\n| c | d |\n\nx", "b\nc", "| a | b |\n|---|---|\n| c | d |"),
            ("- x\n- ![one two](r.png) three", "two three", "- ![one two](r.png) three"),
        ],
    )
    def test_offers_whole_lines_where_less_cannot_be_told(
        self, source: str, words: str, lines: str
    ) -> None:
        rendered = render(source)
        start = rendered.canonical.index(words)
        found = widened(source, rendered, start, start + len(words))
        assert (source[found.start : found.end], found.is_block) == (lines, True)

    @given(markdown, st.data())
    @settings(max_examples=200, deadline=None)
    def test_another_word_in_its_stead_leaves_all_the_rest(
        self, source: str, data: st.DataObject
    ) -> None:
        """Or whole lines are offered."""
        rendered = render(source)
        size = len(rendered.canonical)
        if not rendered.canonical.strip():
            return
        start = data.draw(st.integers(0, size - 1))
        end = data.draw(st.integers(start + 1, size))
        if not rendered.canonical[start:end].strip():
            return
        found = widened(source, rendered, start, end)
        first, after = rendered.canonical_to_source(start, end)
        assert 0 <= found.start <= found.end <= len(source)
        if found.is_block:
            return
        assert found.start <= first
        assert after <= found.end
        made = render(source[: found.start] + "Word" + source[found.end :]).canonical
        head, _, tail = made.partition("Word")
        if made.count("Word") == 1:
            assert rendered.canonical.startswith(head)
            assert rendered.canonical.endswith(tail)


class TestDifference:
    @pytest.mark.parametrize(
        ("source", "taken", "given_", "words", "insertion"),
        [
            ("It covers six sessions.", "six", "twelve", "six", "twelve"),
            ("It covers six sessions.", "covers six", "covers twelve", "six", "twelve"),
            ("It covers six sessions.", "six ", "", "six ", ""),
            ("Family **Plus** covers", "**Plus**", "**Max**", "Plus", "Max"),
            ("Family **Plus** covers", "**Plus**", "Plus", "Plus", "Plus"),
            ("Family Plus covers", "Plus", "**Plus**", "Plus", "**Plus**"),
            ("AT&amp;T pays", "AT&amp;T", "BT", "AT&T", "BT"),
            ("| a | b |\n|---|---|\n| c | d |", "| c | d |", "| c | e |", "d", "e"),
            ("```\nx = 1\n```", "x = 1", "x = *2*", "1", "*2*"),
            ("a\r\n\r\nb c", "b", "x\ny", "b", "x\ny"),
            ("[a][r] b\n\n[r]: http://x.example", "b", "*c*", "b", "c"),
        ],
    )
    def test_is_what_a_reader_sees_change(
        self, source: str, taken: str, given_: str, words: str, insertion: str
    ) -> None:
        rendered = render(source)
        start = source.index(taken)
        found = difference(source, rendered, Edit(1, start, start + len(taken), given_))
        assert rendered.canonical[found.start : found.end] == words
        assert found.insertion == insertion

    def test_of_an_insertion_is_at_its_place(self) -> None:
        source = "It covers **six** sessions."
        at = source.index(".")
        found = difference(source, render(source), Edit(1, at, at, " a year"))
        assert (found.start, found.end, found.insertion) == (22, 22, " a year")

    def test_sees_what_a_fence_that_it_opens_takes_in(self) -> None:
        source = "*```\n~~~\n"
        rendered = render(source)
        found = difference(source, rendered, Edit(1, 0, 1, ""))
        made = rendered.canonical[: found.start] + found.insertion
        assert made + rendered.canonical[found.end :] == render(source[1:]).canonical

    @given(markdown, st.text(alphabet="ab *_\n|", max_size=6), st.data())
    @settings(max_examples=200, deadline=None)
    def test_makes_the_text_of_the_edited_answer(
        self, source: str, replacement: str, data: st.DataObject
    ) -> None:
        rendered = render(source)
        text = rendered.canonical
        if not text.strip():
            return
        first = data.draw(st.integers(0, len(text) - 1))
        last = data.draw(st.integers(first + 1, len(text)))
        slice_ = widened(source, rendered, first, last)
        edit = Edit(1, slice_.start, slice_.end, replacement)
        found = difference(source, rendered, edit)
        after = render(apply(source, [edit])).canonical
        assert 0 <= found.start <= found.end <= len(text)
        if after != text:
            made = text[: found.start] + found.insertion + text[found.end :]
            # White space that comes to stand at the edge of a line is trimmed by Markdown.
            assert "".join(made.split()) == "".join(after.split())


class TestEmpties:
    @pytest.mark.parametrize(
        ("source", "taken", "given_", "is_emptied"),
        [
            ("One.\n\nTwo.", "Two.", "", True),
            ("One.\n\nTwo.", "Two", "", False),
            ("One.\n\nTwo.", "Two.", " \n", True),
            ("One.\n\nTwo.", "Two.", "2", False),
            ("One.\n\nTwo.\n\nThree.", "ne.\n\nTwo.\n\nTh", "", True),
            ("- a\n- **b**", "**b**", "", True),
        ],
    )
    def test_is_told(self, source: str, taken: str, given_: str, is_emptied: bool) -> None:
        start = source.index(taken)
        edit = Edit(1, start, start + len(taken), given_)
        assert empties(render(source), edit) is is_emptied
