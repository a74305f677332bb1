from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feedback.passages import SHOWN, Piece, passage, sentences, words


class TestPassage:
    def test_marks_the_words_and_the_nearest_sentence(self) -> None:
        text = "It renewed. I never meant to keep the plan. Help"
        pieces = passage(text, hits={"renewed", "plan"}, near=(12, 43))
        assert pieces == [
            Piece("It "),
            Piece("renewed", "hit"),
            Piece(". "),
            Piece("I never meant to keep the ", "near"),
            Piece("plan", "hit"),
            Piece(".", "near"),
            Piece(" Help"),
        ]

    def test_shows_of_a_long_text_where_it_was_found(self) -> None:
        text = "no " * 400 + "refund here" + " no" * 400
        shown = "".join(piece.text for piece in passage(text, hits={"refund"}))
        assert "refund here" in shown
        assert shown.startswith("…")
        assert shown.endswith("…")
        assert len(shown) < SHOWN + 50

    @given(st.text(max_size=900), st.sets(st.text(min_size=1, max_size=3)), st.integers(0, 5))
    def test_shows_the_text_as_it_is(self, text: str, hits: set[str], place: int) -> None:
        spans = sentences(text)
        near = spans[place] if place < len(spans) else None
        pieces = passage(text, hits=hits, near=near)
        assert "".join(piece.text for piece in pieces).strip("…") in text
        assert all(piece.text.lower() in hits for piece in pieces if piece.mark == "hit")


class TestSentences:
    @given(st.text(max_size=900))
    def test_lie_within_the_text_in_order(self, text: str) -> None:
        spans = sentences(text)
        places = [place for span in spans for place in span]
        assert places == sorted(places)
        assert not places or places[-1] <= len(text)

    def test_of_a_single_one_are_its_clauses(self) -> None:
        text = "my plan renewed last night, I never meant to keep it"
        assert [text[start:end] for start, end in sentences(text)] == [
            "my plan renewed last night,",
            "I never meant to keep it",
        ]

    def test_take_time_that_grows_with_the_text(self) -> None:
        assert sentences("a" * 2_000_000) == []
        assert words("\n" * 2_000_000) == set()

    def test_of_a_long_one_are_its_clauses(self) -> None:
        text = f"Short one. {'word ' * 20}, and {'then ' * 20}. Last one."
        assert [text[start:end][:8] for start, end in sentences(text)] == [
            "Short on", "word wor", "and then", "Last one",
        ]  # fmt: skip
