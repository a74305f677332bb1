from __future__ import annotations

import pytest

from curation.tokens import count


class TestCount:
    @pytest.mark.parametrize(
        ("text", "number"),
        [("", 0), ("When did it come out?", 6), ("\N{ROCKET}", 1), ("\N{ROCKET}" * 100, 100)],
    )
    def test_counts_pieces_of_words(self, text: str, number: int) -> None:
        assert count(text) == number

    def test_does_not_take_one_endless_word_for_one_token(self) -> None:
        assert count("a" * 4_000) == 1_000

    def test_counts_beyond_what_the_embedding_model_reads(self) -> None:
        assert count("word " * 1_000) == 1_000
