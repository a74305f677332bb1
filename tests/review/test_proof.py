"""What a spot check proves."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.proof import confidence, lowest_share, sample_size


@pytest.mark.parametrize(
    ("share", "sure", "number"), [(0.95, 0.95, 59), (0.9, 0.95, 29), (0.99, 0.95, 299)]
)
def test_as_many_as_the_tables_say_when_the_population_is_large(
    share: float, sure: float, number: int
) -> None:
    # The well-known sizes of a sample without a fault, of the binomial distribution.
    assert sample_size(size=10_000_000, share=share, sure=sure) == number


def test_fewer_are_needed_of_a_small_population() -> None:
    assert sample_size(size=12, share=0.9, sure=0.95) == 9
    assert sample_size(size=100, share=0.95, sure=0.95) == 39
    assert sample_size(size=1, share=0.95, sure=0.95) == 1


def test_sure_by_counting_when_every_possible_draw_is_looked_at() -> None:
    # 8 in all: if only 5 agreed, in how many of all draws of 4 would all 4 agree?
    draws = list(itertools.combinations(range(8), 4))
    chance = sum(max(draw) < 5 for draw in draws) / len(draws)

    assert confidence(size=8, sampled=4, agreeing=4, share=0.75) == pytest.approx(1 - chance)


@given(st.integers(1, 60), st.data())
def test_the_same_as_by_scipy(size: int, data: st.DataObject) -> None:
    from scipy.stats import hypergeom

    sampled = data.draw(st.integers(1, size))
    agreeing = data.draw(st.integers(0, sampled))
    share = data.draw(st.sampled_from([0.5, 0.8, 0.9, 0.95, 1.0]))
    most = -(-round(share * 100) * size // 100) - 1
    expected = 1 - hypergeom.sf(agreeing - 1, size, most, sampled)

    found = confidence(size=size, sampled=sampled, agreeing=agreeing, share=share)

    assert found == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 60), st.data())
def test_the_lowest_share_is_the_last_to_be_sure_of(size: int, data: st.DataObject) -> None:
    sampled = data.draw(st.integers(1, size))
    agreeing = data.draw(st.integers(0, sampled))

    found = lowest_share(size=size, sampled=sampled, agreeing=agreeing, sure=0.95)

    def sure_of(number: int) -> bool:
        seen = {"size": size, "sampled": sampled, "agreeing": agreeing}
        # So many are the first to reach this share; the share of so many has no end of digits.
        return confidence(**seen, share=(number - 0.5) / size) >= 0.95

    lowest = round(found * size)
    assert lowest == 0 or sure_of(lowest)
    assert lowest == size or not sure_of(lowest + 1)


def test_close_to_clopper_and_pearson_when_the_population_is_large() -> None:
    from scipy.stats import beta

    found = lowest_share(size=200_000, sampled=60, agreeing=57, sure=0.95)

    assert found == pytest.approx(beta.ppf(0.05, 57, 4), abs=1e-3)


def test_one_exception_costs_sureness_and_seeing_all_settles_it() -> None:
    assert confidence(size=100, sampled=40, agreeing=39, share=0.95) < 0.95
    assert confidence(size=20, sampled=20, agreeing=19, share=0.95) == 1
    assert confidence(size=20, sampled=20, agreeing=18, share=0.95) == 0


def test_a_sample_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="sample of the population"):
        confidence(size=3, sampled=4, agreeing=4, share=0.9)
