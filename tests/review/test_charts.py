from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.charts import HEIGHT, forest, spark, stacked


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


class TestForest:
    def test_shares_stand_where_the_axis_says(self) -> None:
        chart = forest(
            labels=["Served", "Held out"], intervals=[(0.01, 0.02, 0.03), (0, 0.04, 0.075)]
        )
        assert [mark.percent for mark in chart.marks] == ["0", "2", "4", "6", "8"]
        served, held_out = chart.ranges
        assert served.value == chart.marks[1].x
        assert held_out.value == chart.marks[2].x
        assert served.low < served.value < served.high < held_out.high < chart.width
        assert served.y < held_out.y < chart.bottom

    @given(st.lists(st.tuples(*3 * [st.floats(0, 1)]), min_size=1, max_size=4))
    def test_nothing_leaves_the_view_box(self, shares: list[tuple[float, float, float]]) -> None:
        chart = forest(labels=["a"] * len(shares), intervals=[sorted(one) for one in shares])  # type: ignore[misc]
        for one in chart.ranges:
            assert 0 <= one.low <= one.value <= one.high <= chart.width
