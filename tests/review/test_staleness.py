"""What somebody wrote over, and whether it is still there."""

from __future__ import annotations

from dataclasses import dataclass, replace

from review.staleness import is_stale, mark


@dataclass(frozen=True)
class Part:
    name: str


@dataclass(frozen=True)
class Whole:
    parts: tuple[Part, ...]
    rate: float | None = None


SHOWN = Whole((Part("a"),))
OTHER = Whole((Part("b"),))
MINE = Whole((Part("c"),))


class TestMark:
    def test_tells_what_is_within_too(self) -> None:
        assert mark(SHOWN) == mark(Whole((Part("a"),)))
        assert len({mark(one) for one in (SHOWN, OTHER, replace(SHOWN, rate=0.5))}) == 3

    def test_goes_by_no_order_of_names(self) -> None:
        assert mark({"a": 1, "b": 2}) == mark({"b": 2, "a": 1})
        assert mark(["a", "b"]) != mark(["b", "a"])


class TestIsStale:
    def test_where_something_else_is_there_than_was_shown(self) -> None:
        seen = mark(SHOWN)
        assert is_stale(seen=seen, there=OTHER, wanted=MINE)
        assert not is_stale(seen=seen, there=SHOWN, wanted=MINE)

    def test_not_where_what_is_wanted_is_there_already(self) -> None:
        assert not is_stale(seen=mark(SHOWN), there=MINE, wanted=MINE)

    def test_not_where_nothing_is_asked(self) -> None:
        assert not is_stale(seen=None, there=OTHER, wanted=MINE)
