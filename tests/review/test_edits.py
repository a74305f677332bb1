"""Edits of an answer: the order never matters, undo is exact, hunks make the rewritten text."""

from __future__ import annotations

import random

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from review.edits import (
    ConflictingEditsError,
    Edit,
    Mapped,
    apply,
    conflicts,
    fold,
    hunks,
    is_in_conflict,
    line_end,
    mapped,
    revised,
)
from review.word_diff import EXACT, distance, tokens, word_diff
from tests.review.test_rendering import markdown

SOURCE = "Robin told Robin that the plan covers six sessions."
NAMED = Edit(1, 11, 16, "Elisa")
COUNTED = Edit(2, 38, 41, "twelve")

texts = st.one_of(
    markdown, st.text(max_size=40), st.text(alphabet="ab \n|`-👩🏽\u200d🌾\u0301", max_size=40)
)


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, list[Edit]]:
    """A text and edits of it, in order, none in conflict with another."""
    source = draw(texts)
    edges = sorted(
        draw(
            st.lists(st.integers(0, len(source)), min_size=2, max_size=12, unique=True)
            if source
            else st.just([0, 0])
        )
    )
    return source, [
        Edit(number, start, end, draw(st.text(max_size=8)))
        for number, (start, end) in enumerate(zip(edges[::2], edges[1::2], strict=False))
    ]


class TestApply:
    @given(edited(), st.randoms(use_true_random=False))
    @settings(deadline=None)
    def test_gives_the_same_whatever_the_order(
        self, given_edits: tuple[str, list[Edit]], chance: random.Random
    ) -> None:
        source, edits = given_edits
        made = apply(source, edits)
        chance.shuffle(edits)
        assert apply(source, edits) == made

    @given(edited(), st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=20))
    @settings(deadline=None)
    def test_undo_is_exact(
        self, given_edits: tuple[str, list[Edit]], decisions: list[tuple[int, bool]]
    ) -> None:
        """Whatever was accepted and undone before, only what is accepted now counts."""
        source, edits = given_edits
        accepted: dict[int, Edit] = {}
        for number, is_accepted in decisions:
            if number < len(edits) and is_accepted:
                accepted[number] = edits[number]
            else:
                accepted.pop(number, None)
        at_once = [edit for edit in edits if edit.id in accepted]
        assert apply(source, accepted.values()) == apply(source, at_once)
        assert apply(source, []) == source

    def test_keeps_the_line_ends_of_the_answer(self) -> None:
        assert apply("a\r\nb\r\n", [Edit(1, 3, 4, "c\nd")]) == "a\r\nc\r\nd\r\n"
        assert apply("a\nb", [Edit(1, 0, 1, "c\r\nd")]) == "c\nd\nb"

    def test_keeps_tabs_and_blanks_of_code(self) -> None:
        source = "```\n\tif x:\n\t\ty = 1  \n\n```\n"
        start = source.index("y = 1")
        made = apply(source, [Edit(1, start, start + 5, "y = 2\n\t\tz\t= 3 ")])
        assert made == "```\n\tif x:\n\t\ty = 2\n\t\tz\t= 3   \n\n```\n"

    def test_refuses_edits_in_conflict(self) -> None:
        with pytest.raises(ConflictingEditsError) as caught:
            apply(SOURCE, [NAMED, Edit(3, 0, 16, "They")])
        assert caught.value.pairs == [(Edit(3, 0, 16, "They"), NAMED)]

    @pytest.mark.parametrize(
        ("source", "end"), [("", "\n"), ("a", "\n"), ("a\r\nb\nc\r\n", "\r\n"), ("a\rb", "\r")]
    )
    def test_line_end_is_that_of_most_lines(self, source: str, end: str) -> None:
        assert line_end(source) == end


class TestConflicts:
    @pytest.mark.parametrize(
        ("one", "other", "is_one"),
        [
            ((0, 5), (5, 9), False),
            ((0, 5), (4, 9), True),
            ((0, 9), (4, 5), True),
            ((0, 5), (5, 5), False),
            ((0, 5), (0, 0), False),
            ((0, 5), (3, 3), True),
            ((3, 3), (3, 3), True),
            ((0, 5), (0, 5), True),
        ],
    )
    def test_edits_may_touch_but_not_overlap(
        self, one: tuple[int, int], other: tuple[int, int], is_one: bool
    ) -> None:
        first, second = Edit(1, *one, "x"), Edit(2, *other, "y")
        assert is_in_conflict(first, second) is is_in_conflict(second, first) is is_one
        assert bool(conflicts([first, second])) is is_one

    @given(
        st.lists(st.tuples(st.integers(0, 20), st.integers(0, 6), st.text(max_size=2)), max_size=8)
    )
    def test_lists_every_pair(self, given_edits: list[tuple[int, int, str]]) -> None:
        edits = [
            Edit(number, start, start + size, text)
            for number, (start, size, text) in enumerate(given_edits)
        ]
        assert {frozenset((one.id, other.id)) for one, other in conflicts(edits)} == {
            frozenset((one.id, other.id))
            for one in edits
            for other in edits
            if one.id < other.id and is_in_conflict(one, other)
        }


class TestMapped:
    def test_replaced_words_are_their_replacement_and_never_a_lookalike(self) -> None:
        place = mapped(SOURCE, [NAMED, COUNTED], 11, 16)
        made = apply(SOURCE, [NAMED, COUNTED])
        assert made[place.start : place.end] == "Elisa"
        assert place.is_changed

    @pytest.mark.parametrize(
        ("span", "words", "is_changed"),
        [
            ((0, 5), "Robin", False),
            ((17, 21), "that", False),
            ((38, 50), "twelve sessions", True),
            ((12, 14), "Elisa", True),
            ((6, 13), "told Elisa", True),
            ((14, 21), "Elisa that", True),
            ((42, 50), "sessions", False),
        ],
    )
    def test_other_words_move_with_the_text(
        self, span: tuple[int, int], words: str, is_changed: bool
    ) -> None:
        place = mapped(SOURCE, [COUNTED, NAMED], *span)
        assert apply(SOURCE, [COUNTED, NAMED])[place.start : place.end] == words
        assert place.is_changed is is_changed

    def test_nothing_is_left_of_deleted_words(self) -> None:
        assert mapped(SOURCE, [Edit(1, 11, 17, "")], 11, 16) == Mapped(11, 11, is_changed=True)

    def test_counts_the_line_ends_that_are_put_in(self) -> None:
        edits = [Edit(1, 0, 1, "x\ny")]
        place = mapped("a\r\nb", edits, 3, 4)
        assert apply("a\r\nb", edits)[place.start : place.end] == "b"

    @given(edited(), st.data())
    @settings(deadline=None)
    def test_untouched_words_stay_the_same(
        self, given_edits: tuple[str, list[Edit]], data: st.DataObject
    ) -> None:
        source, edits = given_edits
        start = data.draw(st.integers(0, len(source)))
        end = data.draw(st.integers(start, len(source)))
        place = mapped(source, edits, start, end)
        made = apply(source, edits)
        assert 0 <= place.start <= place.end <= len(made)
        if not place.is_changed:
            assert made[place.start : place.end] == source[start:end]


class TestHunks:
    @given(texts, texts)
    @settings(max_examples=150, deadline=None)
    def test_applied_make_the_rewritten_text(self, source: str, rewritten: str) -> None:
        made = apply(source, hunks(source, rewritten))
        assert fold(made) == fold(rewritten)
        if "\r" not in source:
            assert made == fold(rewritten)

    @given(texts)
    @settings(deadline=None)
    def test_there_are_none_when_only_line_ends_differ(self, source: str) -> None:
        assert hunks(source, fold(source)) == []

    @given(texts, texts)
    @settings(max_examples=100, deadline=None)
    def test_split_no_grapheme(self, source: str, rewritten: str) -> None:
        edges = {match.start() for match in regex.finditer(r"\X", source)} | {len(source)}
        assert {at for edit in hunks(source, rewritten) for at in (edit.start, edit.end)} <= edges

    def test_are_one_for_each_place_that_differs(self) -> None:
        made = [
            (SOURCE[edit.start : edit.end], edit.replacement)
            for edit in hunks(SOURCE, "Elisa told Robin that the plan covers twelve sessions.")
        ]
        assert made == [("Robin", "Elisa"), ("six", "twelve")]

    def test_replace_rows_of_a_table_whole(self) -> None:
        source = "| Song | Year |\n|---|---|\n| Plum | 2017 |\n| Bloom | 2018 |\n\n2017 is early."
        found = hunks(source, source.replace("2017", "2018"))
        assert [source[edit.start : edit.end] for edit in found] == ["| Plum | 2017 |", "2017"]

    def test_replace_the_line_of_a_fence_whole(self) -> None:
        source = "See:\n\n```python hello\npython = 1\n```\n"
        found = hunks(source, "See:\n\n```python there\npython = 2\n```\n")
        assert [source[edit.start : edit.end] for edit in found] == ["```python hello", "1"]

    def test_keep_the_line_ends_of_an_answer_with_carriage_returns(self) -> None:
        source = "one\r\ntwo\r\nthree"
        found = hunks(source, "one\ntwo and\nfour\nthree")
        assert apply(source, found) == "one\r\ntwo and\r\nfour\r\nthree"


class TestRevised:
    @given(edited(), texts)
    @settings(max_examples=150, deadline=None)
    def test_makes_the_rewritten_text_and_keeps_what_it_can(
        self, given_edits: tuple[str, list[Edit]], rewritten: str
    ) -> None:
        source, edits = given_edits
        kept, made = revised(source, edits, rewritten)
        assert set(kept) <= set(edits)
        assert fold(apply(source, [*kept, *made])) == fold(rewritten)

    def test_takes_up_an_insertion_that_more_is_put_beside(self) -> None:
        for rewritten in ("0:", ":0"):
            assert revised("", [Edit(7, 0, 0, "0")], rewritten) == ([], [Edit(0, 0, 0, rewritten)])

    def test_puts_no_line_ends_together(self) -> None:
        source, edits = "\r00\n", [Edit(0, 1, 2, "")]
        kept, made = revised(source, edits, "\n\n")
        assert fold(apply(source, [*kept, *made])) == "\n\n"

    @given(edited())
    @settings(deadline=None)
    def test_keeps_all_where_nothing_was_written_over(
        self, given_edits: tuple[str, list[Edit]]
    ) -> None:
        source, edits = given_edits
        kept, made = revised(source, edits, apply(source, edits))
        assert (sorted(kept, key=lambda one: one.id), made) == (edits, [])

    def test_tells_what_was_written_over_from_what_stays(self) -> None:
        kept, made = revised(
            SOURCE,
            [NAMED, COUNTED],
            "Robin told Elisa that the plan covers twenty sessions a year.",
        )
        assert kept == [NAMED]
        assert [(SOURCE[one.start : one.end], one.replacement) for one in made] == [
            ("six", "twenty"),
            ("", " a year"),
        ]


class TestWordDiff:
    @given(texts, texts)
    @settings(deadline=None)
    def test_holds_both_texts(self, before: str, after: str) -> None:
        pieces = word_diff(before, after)
        assert "".join(one.text for one in pieces if one.kind != "insert") == before
        assert "".join(one.text for one in pieces if one.kind != "delete") == after
        assert all(piece.text for piece in pieces)

    def test_tells_words_apart_and_not_letters(self) -> None:
        pieces = word_diff("It covers six sessions.", "It covers sixteen sessions a year.")
        assert [(one.kind, one.text) for one in pieces] == [
            ("equal", "It covers "),
            ("delete", "six"),
            ("insert", "sixteen"),
            ("equal", " sessions"),
            ("insert", " a year"),
            ("equal", "."),
        ]

    def test_joins_changes_with_only_a_blank_between(self) -> None:
        assert [one.text for one in word_diff("big red car", "old blue car")] == [
            "big red",
            "old blue",
            " car",
        ]

    @pytest.mark.parametrize(
        ("text", "cut"),
        [
            ("e\u0301tat 👩🏽\u200d🌾!", ["e\u0301tat", " ", "👩🏽\u200d🌾", "!"]),
            ("🇫🇷🇩🇪", ["🇫🇷", "🇩🇪"]),
            ("他说 hi", ["他", "说", " ", "hi"]),
        ],
    )
    def test_counts_graphemes_whole(self, text: str, cut: list[str]) -> None:
        assert tokens(text) == cut


class TestDistance:
    @given(
        st.text(alphabet="abc👩\u0301", max_size=12), st.text(alphabet="abc👩\u0301", max_size=12)
    )
    def test_is_the_one_of_the_table(self, before: str, after: str) -> None:
        assert distance(before, after) == by_table(before, after)

    def test_counts_code_points(self) -> None:
        assert distance("👩🏽\u200d🌾", "👩") == 3

    def test_of_texts_that_differ_far_apart_is_bounded(self) -> None:
        same = "one two three " * (EXACT // 10)
        assert distance(f"begin {same}end", f"start {same}stop") == 5 + 4


def by_table(before: str, after: str) -> int:
    """Levenshtein's distance the slow way (R. A. Wagner and M. J. Fischer, 1974)."""
    row = list(range(len(after) + 1))
    for number, one in enumerate(before, 1):
        last, row = row, [number]
        for other_number, other in enumerate(after, 1):
            row.append(
                min(last[other_number] + 1, row[-1] + 1, last[other_number - 1] + (one != other))
            )
    return row[-1]


def test_more_different_signs_than_can_be_told_apart_are_replaced_whole() -> None:
    signs = "".join(map(chr, range(0x40000, 0x40000 + 140_000)))
    [edit] = hunks(signs, "apple")
    assert (edit.start, edit.end, edit.replacement) == (0, len(signs), "apple")
