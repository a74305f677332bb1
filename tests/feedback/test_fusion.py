from __future__ import annotations

from feedback.fusion import fused


def test_sums_reciprocal_ranks() -> None:
    sums = fused(["a", "b"], ["b", "c"])
    assert sums == {"b": 1 / 62 + 1 / 61, "a": 1 / 61, "c": 1 / 62}
    assert list(sums) == ["b", "a", "c"]


def test_of_nothing_is_nothing() -> None:
    assert fused([], []) == {}
