from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.agreement import NOTHING_SHARED, ONE_VALUE, TOO_FEW, cohen, krippendorff

VERDICTS = ["accept", "fix", "reject"]
verdicts = st.sampled_from(VERDICTS)


class TestCohen:
    def test_gives_the_published_value_and_standard_error(self) -> None:
        """Fleiss, Levin and Paik, "Statistical methods for rates and proportions", table 18.1."""
        table = [[75, 1, 4], [5, 4, 1], [0, 0, 10]]
        pairs = [
            (row, column)
            for row, counts in enumerate(table)
            for column, count in enumerate(counts)
            for _ in range(count)
        ]
        found = cohen(pairs)
        assert found.value == pytest.approx(0.68, abs=0.005)
        assert found.low is not None
        assert found.high is not None
        assert (found.high - found.low) / 2 / 1.96 == pytest.approx(0.087, abs=0.001)

    def test_chance_is_what_two_who_do_not_look_reach(self) -> None:
        pairs = [(a, b) for a in VERDICTS for b in VERDICTS for _ in range(10)]
        found = cohen(pairs)
        assert found.value == pytest.approx(0)
        assert found.share == pytest.approx(1 / 3)

    def test_says_why_there_is_none(self) -> None:
        assert cohen([]).why == NOTHING_SHARED
        found = cohen([("fix", "fix")] * 9)
        assert (found.value, found.share, found.why) == (None, 1.0, ONE_VALUE)

    def test_full_agreement_is_no_certainty(self) -> None:
        few = cohen([("fix", "fix"), ("accept", "accept")] * 3)
        many = cohen([("fix", "fix"), ("accept", "accept")] * 300)
        assert few.value == many.value == 1
        assert few.low is not None
        assert many.low is not None
        assert few.low < 0.2
        assert 0.98 < many.low < 1

    @given(st.lists(st.tuples(verdicts, verdicts), max_size=40))
    def test_does_not_hang_on_who_is_first_nor_on_order(self, pairs: list[tuple[str, str]]) -> None:
        found, turned = cohen(pairs), cohen([(b, a) for a, b in reversed(pairs)])
        assert found.why == turned.why
        if found.value is not None:
            assert found.value == pytest.approx(turned.value)
            # A variance of nothing but rounding, some 1e-16, has a root of 1e-8.
            assert found.low == pytest.approx(turned.low, abs=1e-6)
            assert found.low is not None
            assert found.high is not None
            assert -1 <= found.low <= found.value + 1e-9 <= found.high + 2e-9 <= 1 + 3e-9


class TestKrippendorff:
    def test_gives_the_published_value(self) -> None:
        """Krippendorff 2011, example C: four observers, twelve units, some not judged by all."""
        observers = [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
            [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
        ]
        units = [
            [value for value in unit if value is not None] for unit in zip(*observers, strict=True)
        ]
        found = krippendorff(units)
        assert found.value == pytest.approx(0.743, abs=0.0005)
        # The last unit was judged by one alone.
        assert found.num_items == 11

    def test_says_why_there_is_none(self) -> None:
        assert krippendorff([["fix"], []]).why == NOTHING_SHARED
        assert krippendorff([["fix", "fix"]] * 9).why == ONE_VALUE
        found = krippendorff([["fix", "fix"], ["fix", "accept"]])
        assert (found.value, found.low, found.why) == (0, None, TOO_FEW)

    def test_full_agreement_is_no_certainty(self) -> None:
        found = krippendorff([["fix", "fix"], ["accept", "accept"]] * 5)
        assert (found.value, found.high) == (1, 1)
        assert found.low is not None
        assert 0 < found.low < 0.6

    def test_the_interval_holds_the_truth_about_as_often_as_it_says(self) -> None:
        """Two who name the true one of two even classes in 85 of 100 cases: alpha is 0.49."""
        chance = random.Random(5)  # noqa: S311
        truth = 2 * (0.85**2 + 0.15**2) - 1
        held = 0
        for _ in range(100):
            items = []
            for _ in range(80):
                true = chance.random() < 0.5
                items.append([true ^ (chance.random() < 0.15) for _ in range(2)])
            found = krippendorff(items)
            assert found.low is not None
            assert found.high is not None
            held += found.low <= truth <= found.high
        assert 88 <= held <= 100

    @given(st.lists(st.lists(verdicts, max_size=4), max_size=20), st.randoms())
    def test_does_not_hang_on_the_order_of_items_and_reviewers(
        self, items: list[list[str]], chance: random.Random
    ) -> None:
        found = krippendorff(items)
        turned = [list(values) for values in items]
        for values in turned:
            chance.shuffle(values)
        chance.shuffle(turned)
        assert krippendorff(turned) == found
