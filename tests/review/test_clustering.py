from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review import clustering
from review.clustering import NO_GROUP

if TYPE_CHECKING:
    from review.clustering import Vectors


def clouds(*sizes: int, noise: int = 0, seed: int = 1, dimensions: int = 64) -> Vectors:
    """Unit vectors around as many random centres as there are sizes, then some of no cloud."""
    import numpy as np

    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(sizes), dimensions))
    rows = [
        centre + 0.4 * rng.normal(size=(size, dimensions))
        for centre, size in zip(centres, sizes, strict=True)
    ]
    rows.append(rng.normal(size=(noise, dimensions)))
    found = np.concatenate(rows).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


class TestGroup:
    def test_finds_clouds_and_leaves_strays_out(self) -> None:
        vectors = clouds(20, 15, 10, noise=5)
        groups = clustering.group(vectors, sources=range(50))
        assert [len(set(groups[a:b])) for a, b in ((0, 20), (20, 35), (35, 45))] == [1, 1, 1]
        assert len(set(groups[:45])) == 3
        assert set(groups[45:]) == {NO_GROUP}

    def test_the_same_input_gives_the_same_groups(self) -> None:
        vectors = clouds(30, 30, noise=30)
        once, again = (clustering.group(vectors, sources=range(90)) for _ in range(2))
        assert once == again

    def test_drops_a_group_that_few_sources_make_up(self) -> None:
        vectors = clouds(20, 20)
        talkative = [*range(20), *[100, 101] * 10]
        groups = clustering.group(vectors, sources=talkative)
        assert NO_GROUP not in groups[:20]
        assert set(groups[20:]) == {NO_GROUP}

    @pytest.mark.parametrize("size", [0, 1, 2, 4])
    def test_few_rows_make_no_group(self, size: int) -> None:
        assert clustering.group(clouds(size), sources=range(size)) == [NO_GROUP] * size

    def test_goes_on_from_the_former_groups(self) -> None:
        vectors = clouds(20, 20)
        former = [7] * 18 + [NO_GROUP] * 2 + [3] * 18 + [NO_GROUP] * 2
        groups = clustering.group(vectors, sources=range(40), former=former)
        assert [len(set(groups[:20])), len(set(groups[20:])), len(set(groups))] == [1, 1, 2]

    def test_twins_of_one_text_are_told_apart_by_nothing(self) -> None:
        vectors = clouds(1, 1).repeat(10, axis=0)
        groups = clustering.group(vectors, sources=range(20))
        assert len(set(groups[:10])) == len(set(groups[10:])) == 1


class TestMatch:
    def test_the_greatest_overlap_goes_on(self) -> None:
        old = {"a": {1, 2, 3, 4}, "b": {5, 6}}
        new = {0: {1, 2, 3}, 1: {4, 5, 6, 7}}
        assert clustering.match(old, new) == {0: "a", 1: "b"}

    def test_a_split_group_goes_on_in_its_larger_half(self) -> None:
        assert clustering.match({"a": {1, 2, 3, 4, 5}}, {0: {1, 2}, 1: {3, 4, 5}}) == {1: "a"}

    def test_a_scattered_group_does_not_go_on(self) -> None:
        old = {"a": set(range(10))}
        new = {n: {n, 100 + n, 200 + n, 300 + n} for n in range(10)}
        assert clustering.match(old, new) == {}

    @given(
        st.dictionaries(st.integers(0, 5), st.sets(st.integers(0, 20), min_size=1)),
        st.dictionaries(st.integers(0, 5), st.sets(st.integers(0, 20), min_size=1)),
    )
    def test_no_old_group_goes_on_twice(
        self, old: dict[int, set[int]], new: dict[int, set[int]]
    ) -> None:
        goes_on = clustering.match(old, new)
        assert len(set(goes_on.values())) == len(goes_on)
        assert all(new[one] & old[other] for one, other in goes_on.items())
