from __future__ import annotations

import pytest

from curation.diffs import MOST_WORDS, Piece, compare


class TestCompare:
    def test_tells_words_apart_never_letters(self) -> None:
        before, after = compare("Take the season.", "Take the day asked.")
        assert before == [Piece("Take the ", False), Piece("season", True), Piece(".", False)]
        assert after == [Piece("Take the ", False), Piece("day asked", True), Piece(".", False)]

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("", ""),
            ("", "new"),
            ("old", ""),
            ("same", "same"),
            ("a\n\n b", "a\n b\u2028<b>"),
            ("word " * (MOST_WORDS + 1) + "\nend", "word " * (MOST_WORDS + 1) + "\nstop"),
        ],
    )
    def test_loses_nothing(self, before: str, after: str) -> None:
        for text, pieces in zip((before, after), compare(before, after), strict=True):
            assert "".join(piece.text for piece in pieces) == text
            assert all(piece.text for piece in pieces)

    def test_compares_long_texts_by_lines(self) -> None:
        same = "word " * (MOST_WORDS + 1) + "\n"
        before, after = compare(same + "end", same + "stop")
        assert before == [Piece(same, False), Piece("end", True)]
        assert after[-1] == Piece("stop", True)
