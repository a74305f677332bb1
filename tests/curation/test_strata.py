from __future__ import annotations

import pytest

from curation.strata import FEWEST, weights


class TestWeights:
    def test_held_out_ones_count_for_as_many_of_each_day_as_were_served(self) -> None:
        first, second = weights([(10, 40), (90, 40)])
        assert second == pytest.approx(9 * first)
        assert 40 * first + 40 * second == pytest.approx(80)

    def test_leaves_equal_shares_as_they_are(self) -> None:
        assert weights([(FEWEST, 2 * FEWEST)] * 2) == pytest.approx([1.0, 1.0])

    def test_joins_days_of_few_sessions(self) -> None:
        assert weights([(1, FEWEST - 1)] * 3) == [1.0] * 3
        few = (FEWEST // 2, FEWEST // 2)
        assert weights([few, few, (20, 10)]) == pytest.approx([2 / 3, 2 / 3, 4 / 3])

    def test_days_on_which_only_one_arm_came_join_others(self) -> None:
        assert weights([(20, 0), (20, 20), (20, 20)]) == pytest.approx([4 / 3, 4 / 3, 2 / 3])
        assert weights([(20, 20), (20, 20), (20, 0)]) == pytest.approx([2 / 3, 4 / 3, 4 / 3])

    def test_nothing_is_nothing(self) -> None:
        assert weights([]) == []
