"""Geometry of small charts, in the units of their own view box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

WIDTH, HEIGHT = 740, 196
LEFT, RIGHT, TOP, BOTTOM = 30, 6, 18, 22
# Share of its slot that a column fills.
FILLED = 0.62
MOST_TICKS = 4
# Where an axis of shares may end, and in how many parts.
_SHARES = (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
_PARTS = 4


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One part of a column: `series` is its place among the series, from 1."""

    x: float
    y: float
    width: float
    height: float
    series: int


@dataclass(frozen=True, kw_only=True)
class Column:
    """The parts of one column, with where its label and its total stand."""

    label: str
    total: int
    middle: float
    top: float
    bars: list[Bar]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A line of the value axis."""

    value: int
    y: float


@dataclass(frozen=True, kw_only=True)
class Stacked:
    """Stacked columns over a value axis that starts at 0."""

    columns: list[Column]
    ticks: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


def stacked(*, labels: Sequence[str], series: Sequence[Sequence[int]]) -> Stacked:
    """Columns of the series' values, the first series at the bottom; one value per label each."""
    totals = [sum(values) for values in zip(*series, strict=True)] or [0] * len(labels)
    step = _step(max(totals, default=0))
    highest = step * max(1, ceil(max(totals, default=0) / step))
    slot = (WIDTH - LEFT - RIGHT) / max(len(labels), 1)
    room = HEIGHT - TOP - BOTTOM
    columns = []
    for place, (label, total) in enumerate(zip(labels, totals, strict=True)):
        x, y = LEFT + slot * (place + (1 - FILLED) / 2), float(HEIGHT - BOTTOM)
        bars = []
        for number, values in enumerate(series, start=1):
            if values[place]:
                height = room * values[place] / highest
                y -= height
                bars.append(
                    Bar(x=_r(x), y=_r(y), width=_r(slot * FILLED), height=_r(height), series=number)
                )
        columns.append(
            Column(
                label=label,
                total=total,
                middle=_r(LEFT + slot * (place + 0.5)),
                top=_r(y - 6),
                bars=bars,
            )
        )
    ticks = [
        Tick(value=value, y=_r(HEIGHT - BOTTOM - room * value / highest))
        for value in range(0, highest + 1, step)
    ]
    return Stacked(columns=columns, ticks=ticks)


def spark(values: Sequence[int], *, width: int = 72, height: int = 20) -> str:
    """The path of a line through the values, from the first at the left to the last."""
    highest = max(values, default=0) or 1
    step = (width - 6) / max(len(values) - 1, 1)
    points = [
        f"{_r(3 + step * place)} {_r(height - 3 - (height - 6) * value / highest)}"
        for place, value in enumerate(values)
    ]
    return f"M{' L'.join(points)}" if points else ""


@dataclass(frozen=True, kw_only=True)
class Range:
    """One share with its interval, on a line of its own."""

    label: str
    y: float
    low: float
    value: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A line of an axis of shares."""

    percent: str
    x: float


@dataclass(frozen=True, kw_only=True)
class Forest:
    """Shares with their intervals one above the other, on an axis that starts at 0."""

    ranges: list[Range]
    marks: list[Mark]
    width: int
    height: float
    bottom: float


def forest(
    *,
    labels: Sequence[str],
    intervals: Sequence[tuple[float, float, float]],
    width: int = 330,
    left: int = 64,
    row: int = 30,
) -> Forest:
    """Each share, as its interval's low end, itself and the high end, on a line with its label."""
    highest = max((high for _, _, high in intervals), default=0.0)
    most = next((share for share in _SHARES if share >= highest), 1.0)
    room = width - left - 12

    def at(share: float) -> float:
        return _r(left + room * min(max(share, 0), most) / most)

    bottom = row * len(intervals) + 4
    return Forest(
        ranges=[
            Range(
                label=label,
                y=row * place + row / 2 + 1,
                low=at(low),
                value=at(value),
                high=at(high),
            )
            for place, (label, (low, value, high)) in enumerate(zip(labels, intervals, strict=True))
        ],
        marks=[
            Mark(percent=f"{100 * most * part / _PARTS:.3g}", x=at(most * part / _PARTS))
            for part in range(_PARTS + 1)
        ],
        width=width,
        height=bottom + 18,
        bottom=bottom,
    )


def _step(highest: int) -> int:
    """A distance of 1, 2 or 5 times a power of ten that makes at most MOST_TICKS steps."""
    if highest <= MOST_TICKS:
        return 1
    power = 10 ** floor(log10(highest / MOST_TICKS))
    steps = (int(factor * power) for factor in (1, 2, 5, 10))
    return next(step for step in steps if step * MOST_TICKS >= highest)


def _r(number: float) -> float:
    return round(number, 1)
