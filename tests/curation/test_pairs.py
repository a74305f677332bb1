"""Which of two answers is the better."""

from __future__ import annotations

from collections.abc import Hashable

import pytest

from curation.pairs import Answer, Preferred, Rank, prefer, rank

Ranks = dict[Hashable, Rank]
FIRST: Ranks = {"ada": ("place", -1.0)}
SECOND: Ranks = {"ada": ("place", -2.0)}


def good(text: str, ranks: Ranks | None = None) -> Answer:
    return Answer(text=text, reviewed=text, settled=text, ranks=ranks or {})


def bad(text: str, correction: str = "", ranks: Ranks | None = None) -> Answer:
    return Answer(text=text, reviewed=text, settled=correction, is_faulted=True, ranks=ranks or {})


class TestRank:
    @pytest.mark.parametrize(
        ("value", "score", "given"),
        [
            (2, None, ("place", -2.0)),
            (0, 1.0, ("place", 0.0)),
            (None, 0.5, ("score", 0.5)),
            ("first", 0.5, ("score", 0.5)),
            (True, None, None),
            (None, None, None),
        ],
    )
    def test_is_the_place_or_else_the_score(
        self, value: object, score: float | None, given: object
    ) -> None:
        assert rank(value=value, score=score) == given


class TestPrefer:
    def test_a_good_answer_to_one_at_fault(self) -> None:
        assert prefer(good("a"), bad("b")) == Preferred("a", "b", is_first=True)
        assert prefer(bad("b"), good("a")) == Preferred("a", "b", is_first=False)
        assert prefer(good("a"), bad("b", "B")) == Preferred("a", "b", is_first=True)

    def test_a_correction_to_what_nobody_corrected(self) -> None:
        assert prefer(bad("a", "A"), bad("b")) == Preferred("A", "b", is_first=True)

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (good("a"), good("b")),
            (bad("a"), bad("b")),
            (bad("a", "A"), bad("b", "B")),
            (good("a"), Answer(text="b")),
            (bad("a", "A"), Answer(text="b")),
        ],
    )
    def test_neither_where_the_decisions_do_not_say(self, first: Answer, second: Answer) -> None:
        assert prefer(first, second) is None
        assert prefer(second, first) is None

    def test_goes_by_ranks_where_the_decisions_do_not_say(self) -> None:
        preferred = prefer(good("a", FIRST), good("b", SECOND))
        assert preferred == Preferred("a", "b", is_first=True)
        preferred = prefer(bad("b", ranks=SECOND), bad("a", ranks=FIRST))
        assert preferred == Preferred("a", "b", is_first=False)

    def test_believes_the_decisions_and_not_the_ranks(self) -> None:
        preferred = prefer(good("a", SECOND), bad("b", ranks=FIRST))
        assert preferred == Preferred("a", "b", is_first=True)

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ({"ada": 1.0}, {"ada": 1.0}),
            ({"ada": 1.0}, {"bob": 0.0}),
            ({"ada": 1.0, "bob": 0.0}, {"ada": 0.0, "bob": 1.0}),
            ({"ada": 1.0, "bob": 1.0}, {"ada": 0.0, "bob": 1.0}),
        ],
    )
    def test_neither_on_ties_contradictions_and_ranks_by_different_people(
        self, first: dict[str, float], second: dict[str, float]
    ) -> None:
        one, other = (
            Answer(text=text, ranks={who: ("score", score) for who, score in ranks.items()})
            for text, ranks in (("a", first), ("b", second))
        )
        assert prefer(one, other) is None

    def test_never_compares_a_place_with_a_score(self) -> None:
        first = Answer(text="a", ranks={"ada": ("place", -1.0)})
        assert prefer(first, Answer(text="b", ranks={"ada": ("score", 1.0)})) is None

    def test_neither_of_two_that_say_the_same(self) -> None:
        assert prefer(good("a"), bad(" a\n")) is None
        assert prefer(bad("b", "b "), bad("b")) is None
