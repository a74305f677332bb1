from __future__ import annotations

import random
from functools import cache
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.prevalence import Counted, share, wilson


class TestShare:
    def test_each_stratum_counts_by_its_size(self) -> None:
        severe = Counted(size=100, num_decided=100, num_faulty=80)
        rest = Counted(size=900, num_decided=180, num_faulty=9)
        found = share([severe, rest])
        assert found
        assert found.value == pytest.approx(0.1 * 0.8 + 0.9 * 0.05)
        assert found.low < 0.125 < found.high

    def test_a_stratum_looked_at_whole_has_no_doubt(self) -> None:
        found = share([Counted(size=4, num_decided=4, num_faulty=1)])
        assert found
        assert (found.value, found.low, found.high) == (0.25, 0.25, 0.25)

    def test_no_fault_found_does_not_mean_that_there_is_none(self) -> None:
        found = share([Counted(size=1_000, num_decided=20, num_faulty=0)])
        assert found
        assert (found.value, found.low) == (0, 0)
        assert 0.1 < found.high < 0.2

    def test_what_is_undecided_may_be_anything(self) -> None:
        found = share([Counted(size=10, num_decided=5, num_faulty=1, num_undecided=5)])
        assert found
        assert (found.value, found.low, found.high) == (None, 0.1, 0.6)

    def test_a_stratum_nobody_looked_at_may_be_anything(self) -> None:
        strata = [
            Counted(size=50, num_decided=50, num_faulty=50),
            Counted(size=50, num_decided=0, num_faulty=0),
        ]
        found = share(strata)
        assert found
        assert (found.value, found.low, found.high) == (None, 0.5, 1)

    def test_of_nothing_there_is_no_share(self) -> None:
        assert share([Counted(size=0, num_decided=0, num_faulty=0)]) is None

    @given(
        st.lists(
            st.tuples(st.integers(0, 50), *3 * [st.integers(0, 50)]).map(
                lambda n: Counted(
                    size=sum(n), num_faulty=n[1], num_decided=n[1] + n[2], num_undecided=n[3]
                )
            ),
            max_size=4,
        )
    )
    def test_the_ends_are_in_order_and_shares(self, strata: list[Counted]) -> None:
        found = share(strata)
        if found is not None:
            assert 0 <= found.low <= found.high <= 1
            if found.value is not None:
                assert found.low - 1e-9 <= found.value <= found.high + 1e-9


def test_wilson_is_the_textbooks_for_an_endless_population() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I.
    low, high = wilson(share=81 / 263, sampled=263, size=10**12)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


@cache
def simulated() -> tuple[float, list[tuple[float, float, float, float]]]:
    """Audits of 5,000 answers: all severe ones, and of a random tenth of the rest two thirds.

    The true share, and of each audit the estimate, its interval, and the share of those reviewed.
    """
    chance = random.Random(11)  # noqa: S311
    severe = [chance.random() < 0.6 for _ in range(300)]
    rest = [chance.random() < 0.04 for _ in range(4_700)]
    runs = []
    for _ in range(600):
        audit = [faulty for faulty in rest if chance.random() < 0.1]
        chance.shuffle(audit)
        reviewed = audit[: len(audit) * 2 // 3]
        found = share(
            [
                Counted(size=300, num_decided=300, num_faulty=sum(severe)),
                Counted(size=4_700, num_decided=len(reviewed), num_faulty=sum(reviewed)),
            ]
        )
        assert found
        assert found.value is not None
        plain = (sum(severe) + sum(reviewed)) / (300 + len(reviewed))
        runs.append((found.value, found.low, found.high, plain))
    return (sum(severe) + sum(rest)) / 5_000, runs


class TestSimulated:
    def test_the_estimate_is_unbiased_and_the_share_of_those_reviewed_is_not(self) -> None:
        truth, runs = simulated()
        # The mean of so many runs is off by chance by less than a fifth of a percentage point.
        assert mean(run[0] for run in runs) == pytest.approx(truth, abs=0.002)
        assert mean(run[3] for run in runs) > 3 * truth

    def test_the_interval_covers_the_truth_as_often_as_it_says(self) -> None:
        truth, runs = simulated()
        covered = mean(low <= truth <= high for _, low, high, _ in runs)
        assert 0.93 <= covered <= 0.985
