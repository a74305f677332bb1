from __future__ import annotations

import math
from typing import Any

import pytest

from curation.duplicates import Asked
from curation.nominating import Kept, Nominee, nominate


def at(degrees: float) -> Any:
    """A unit vector in the plane."""
    import numpy as np

    angle = math.radians(degrees)
    return np.asarray([math.cos(angle), math.sin(angle)], dtype=np.float32)


def nominee(pk: int, degrees: float, question: str = "", num_reviewers: int = 2) -> Nominee:
    question = question or f"Question of its own {'abcdefgh'[pk]}"
    return Nominee(id=pk, asked=Asked(question), vector=at(degrees), num_reviewers=num_reviewers)


def kept(pk: int, degrees: float, question: str = "Something quite else") -> Kept:
    return Kept(id=pk, asked=Asked(question), vector=at(degrees))


class TestNominate:
    def test_has_what_is_better_confirmed_first(self) -> None:
        found = nominate(nominees=[nominee(1, 0), nominee(2, 90, num_reviewers=5)], kept=[], most=5)
        assert [one.nominee for one in found] == [2, 1]
        assert found[0].similarity is None

    def test_prefers_what_is_unlike_the_kept_and_each_other(self) -> None:
        found = nominate(
            nominees=[nominee(1, 35), nominee(2, 80), nominee(3, 85)], kept=[kept(9, 0)], most=2
        )
        assert [one.nominee for one in found if not one.twin] == [3, 1]
        assert found[0].nearest == 9
        assert found[0].similarity == pytest.approx(math.cos(math.radians(85)), abs=1e-4)

    def test_names_the_kept_one_that_asks_the_same(self) -> None:
        [found] = nominate(
            nominees=[nominee(1, 5, "How do I reset my password?")],
            kept=[kept(8, 60), kept(9, 0, "How can I reset the password?")],
            most=5,
        )
        assert found.double == 9

    def test_names_the_better_twin(self) -> None:
        found = nominate(
            nominees=[
                nominee(1, 0, "How do I reset my password?"),
                nominee(2, 5, "How can I reset the password?", num_reviewers=3),
            ],
            kept=[],
            most=5,
        )
        assert [(one.nominee, one.twin) for one in found] == [(2, None), (1, 2)]

    def test_keeps_apart_what_numbers_tell_apart(self) -> None:
        found = nominate(
            nominees=[nominee(1, 2, "What costs plan 3?")],
            kept=[kept(9, 0, "What costs plan 4?")],
            most=5,
        )
        assert found[0].double is None

    def test_says_nothing_of_what_there_is_no_room_for(self) -> None:
        found = nominate(nominees=[nominee(1, 0), nominee(2, 90)], kept=[], most=1)
        assert [one.nominee for one in found] == [1]
        assert nominate(nominees=[], kept=[], most=1) == []
