from __future__ import annotations

import pytest

from feedback.fusion import WORDS_WEIGHT, fused, identifiers


def test_sums_reciprocal_ranks_those_by_words_with_their_weight() -> None:
    sums = fused(words={"a": 0.9, "b": 0.4}, meaning={"b": 0.8, "c": 0.2})
    assert sums == pytest.approx(
        {"b": 1 / 61 + WORDS_WEIGHT / 62, "c": 1 / 62, "a": WORDS_WEIGHT / 61}, abs=2e-6
    )
    assert list(sums) == ["b", "c", "a"]


def test_words_decide_among_what_is_about_as_near() -> None:
    near = {"a": 0.80, "b": 0.79, "c": 0.60, "d": 0.0}
    assert list(fused(words={}, meaning=near)) == ["a", "b", "c", "d"]
    assert list(fused(words={"b": 0.5}, meaning=near)) == ["b", "a", "c", "d"]
    assert list(fused(words={"c": 1.0}, meaning=near)) == ["a", "b", "c", "d"]


def test_what_is_named_comes_first_in_the_order_of_the_rest() -> None:
    near = {"a": 0.8, "b": 0.7, "c": 0.1}
    assert list(fused(words={"d": 1.0}, meaning=near, first={"d", "c"})) == ["c", "d", "a", "b"]


def test_words_alone_keep_their_order() -> None:
    assert list(fused(words={"b": 1.0, "a": 1.0, "c": 0.5}, meaning={})) == ["b", "a", "c"]


def test_of_nothing_is_nothing() -> None:
    assert fused(words={}, meaning={}) == {}


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("What is error E-1042?", ["E-1042"]),
        ("orders 77812, ORD_9/2024 and #471", ["77812", "ORD_9/2024", "#471"]),
        ("3fa85f64-5717", ["3fa85f64-5717"]),
        ("in 2019 I took 30mg on the 2nd at 5am for $10", []),
        ("", []),
    ],
)
def test_identifiers_are_no_counts_or_years(question: str, found: list[str]) -> None:
    assert identifiers(question) == found
