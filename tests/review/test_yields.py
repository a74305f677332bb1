"""How early an order finds what is faulty."""

from __future__ import annotations

import json
import random

import pytest

from review import yields


def _told(number: int) -> tuple[list[float], list[bool]]:
    """Probabilities that come true."""
    chance = random.Random(1)  # noqa: S311
    told = [chance.random() for _ in range(number)]
    return told, [chance.random() < one for one in told]


def test_beats_the_rules_only_beyond_chance() -> None:
    told, faulty = _told(300)
    groups = [place // 2 for place in range(300)]
    chance = random.Random(4)  # noqa: S311
    blind = [chance.random() for _ in told]

    better = yields.compare(faulty, learned=told, rules=blind, groups=groups)
    same = yields.compare(faulty, learned=told, rules=told, groups=groups)
    worse = yields.compare(faulty, learned=blind, rules=told, groups=groups)

    assert better.beats_rules
    assert better.gain.low <= better.gain.value <= better.gain.high
    assert better.precision.value > better.rules_precision.value
    assert better.brier.value < better.base_brier
    assert yields.Quality.from_json(json.loads(json.dumps(better.to_json()))) == better
    assert not same.beats_rules
    assert not worse.beats_rules


def test_ties_count_as_chance_would_take_them() -> None:
    # 2 of 10 are worked off; all tie, so that chance finds 20 % of the faulty ones.
    assert yields.gain([1, 1, 0, 0, 0, 0, 0, 0, 0, 0], [0.0] * 10) == pytest.approx(1)
    assert yields.gain([1, 1, 0, 0, 0, 0, 0, 0, 0, 0], [2, 1] + [0.0] * 8) == pytest.approx(5)
    assert yields.gain([0] * 10, [0.0] * 10) == 0


def test_average_precision_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score

    told, faulty = _told(200)
    rough = [round(one, 1) for one in told]

    for scores in (told, rough, [0.0] * 200):
        expected = average_precision_score(faulty, scores)
        assert yields.average_precision(faulty, scores) == pytest.approx(expected)
    assert yields.average_precision([0, 0], [1, 2]) == 0
