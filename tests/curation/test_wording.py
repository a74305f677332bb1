"""What texts say in words."""

from __future__ import annotations

import pytest

from curation.wording import digest, likeness, plain, shingles, told_apart


class TestPlain:
    @pytest.mark.parametrize(
        "text",
        [
            "Where is my card?",
            "where is my card",
            "  Where  is\nmy card ?!",
            "@bank Where is my card? https://t.co/x1",
            "“Where is my card”…",
            "Ｗｈｅｒｅ is my card?",
        ],
    )
    def test_is_the_same_for_exact_duplicates(self, text: str) -> None:
        assert plain(text) == "where is my card"

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("Lists in C#?", "Lists in C++?"),
            ("Lists in C?", "Lists in C++?"),
            ("Is -5 even?", "Is 5 even?"),
            ("Is 2.5 mg safe?", "Is 25 mg safe?"),
            ("What does a*b do?", "What does a+b do?"),
            ("Great 👍", "Great 👎"),
            ("@one", "@other"),
        ],
    )
    def test_keeps_what_makes_a_difference(self, one: str, other: str) -> None:
        assert plain(one) != plain(other)

    def test_texts_do_not_run_into_each_other(self) -> None:
        assert digest("a b", "c") != digest("a", "b c")
        assert digest("A, b", "C.") == digest("a b", "c")


class TestToldApart:
    @pytest.mark.parametrize(
        ("one", "other", "why"),
        [
            ("Can I take 2 tablets a day?", "Can I take 4 tablets a day?", "other numbers"),
            ("Can I take two tablets?", "Can I take three tablets?", "other numbers"),
            ("Is the card active?", "Is the card not active?", "one is negated"),
            ("My card does work.", "My card doesn't work.", "one is negated"),
            ("May I eat before the test?", "May I eat after the test?", "opposites"),
            ("How do I sort in Java?", "How do I sort in C#?", "other names"),
            ("Is Aspirin safe with Advil?", "Is Aspirin safe with Xarelto?", "other names"),
            ("Who sends from Paris to us?", "Who sends from London to us?", "other names"),
            ("How do I turn an int into a string?", "How do I turn a string into an int?", "order"),
        ],
    )
    def test_by_what_the_question_is_about(self, one: str, other: str, why: str) -> None:
        assert why in told_apart(one, other)
        assert why in told_apart(other, one)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("Is my card lost?", "My card, is it lost?"),
            ("Where is my PIN?", "where is my pin"),
            ("I have had it for 2 days.", "I have had it for two days!"),
            ("Is paypal safe?", "Is PayPal safe?"),
            # A longer text tells more, and negates something else.
            (
                "What can cause stabbing eye pain after sleep?",
                "I have stabbing eye pain after sleep, I sleep well and have no issues. Why?",
            ),
        ],
    )
    def test_not_by_how_it_is_worded(self, one: str, other: str) -> None:
        assert told_apart(one, other) == ""
        assert told_apart(other, one) == ""


def test_likeness_is_the_share_of_pieces_in_common() -> None:
    one, other = shingles("abcdef"), shingles("ABCDEF!")
    assert likeness(one, other) == 1
    assert likeness(one, shingles("uvwxyz")) == 0
    assert likeness(shingles(""), shingles("")) == 1
    # " abcdef " against " abcdeg ": 2 of 4 and 4 pieces are the same.
    assert likeness(one, shingles("abcdeg")) == pytest.approx(2 / 6)
