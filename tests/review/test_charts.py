from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.charts import HEIGHT, spark, stacked


class TestStacked:
    def test_parts_stand_on_each_other_and_on_the_axis(self) -> None:
        chart = stacked(labels=["3 Nov", "10 Nov"], series=[[2, 0], [1, 4]])
        first, second = chart.columns
        assert (first.total, second.total) == (3, 4)
        low, high = first.bars
        assert low.y + low.height == pytest.approx(chart.ticks[0].y, abs=0.2)
        assert high.y + high.height == pytest.approx(low.y, abs=0.2)
        assert [bar.series for bar in second.bars] == [2]

    @pytest.mark.parametrize(
        ("highest", "values"),
        [(0, [0, 1]), (3, [0, 1, 2, 3]), (13, [0, 5, 10, 15]), (214, [0, 100, 200, 300])],
    )
    def test_the_axis_counts_in_round_steps(self, highest: int, values: list[int]) -> None:
        chart = stacked(labels=["a"], series=[[highest]])
        assert [tick.value for tick in chart.ticks] == values

    def test_without_series_there_are_empty_columns(self) -> None:
        assert [column.total for column in stacked(labels=["a", "b"], series=[]).columns] == [0, 0]

    @given(st.lists(st.lists(st.integers(0, 10**6), min_size=3, max_size=3), max_size=4))
    def test_nothing_leaves_the_view_box(self, series: list[list[int]]) -> None:
        chart = stacked(labels=["a", "b", "c"], series=series)
        assert len(chart.ticks) <= 6
        for column in chart.columns:
            assert all(0 <= bar.y <= HEIGHT for bar in column.bars)


class TestSpark:
    def test_rises_with_the_values(self) -> None:
        assert spark([0, 5, 10]) == "M3.0 17.0 L36.0 10.0 L69.0 3.0"

    def test_nothing_draws_nothing(self) -> None:
        assert spark([]) == ""
        assert spark([0]) == "M3.0 17.0"
