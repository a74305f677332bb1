"""What is learned from verdicts."""

from __future__ import annotations

import json
import math
import random

import pytest

from review import learned, yields
from review.learned import Example

Labelled = tuple[list[Example], list[bool]]


def _examples(number: int, *, seed: int = 1) -> Labelled:
    """Answers that are faulty mostly when rated down, or about the one thing."""
    chance = random.Random(seed)  # noqa: S311
    examples, faulty = [], []
    for place in range(number):
        down, about = chance.random() < 0.4, chance.random() < 0.5
        angle = (0.1 if about else 1.4) + chance.gauss(0, 0.1)
        examples.append(
            Example(
                seen=frozenset({"rated down"} if down else ()),
                measured={"model confidence": chance.random()} if place % 3 else {},
                asked=[math.cos(angle), math.sin(angle)],
                answered=[1.0, 0.0],
                group=place // 2,
            )
        )
        faulty.append(chance.random() < 0.08 + 0.4 * down + 0.4 * about)
    return examples, faulty


def test_learns_what_tells_faulty_answers() -> None:
    examples, faulty = _examples(200)
    model = learned.fit(examples, faulty)
    other, truth = _examples(400, seed=2)

    told = [one.probability for one in learned.judge(model, other)]

    assert yields.gain(truth, told) > 1.5
    assert told == pytest.approx(learned.probabilities(model, other).tolist())


def test_its_probabilities_come_true() -> None:
    examples, faulty = _examples(600)
    model = learned.fit(examples, faulty)
    other, truth = _examples(3_000, seed=2)
    told = learned.probabilities(model, other).tolist()

    for low in (0.0, 0.25, 0.5, 0.75):
        rows = [row for row, one in enumerate(told) if low <= one < low + 0.25]
        if len(rows) < 100:
            continue
        expected = sum(told[row] for row in rows) / len(rows)
        assert sum(truth[row] for row in rows) / len(rows) == pytest.approx(expected, abs=0.08)


def test_the_same_verdicts_give_the_same_model_through_json() -> None:
    examples, faulty = _examples(120)
    model = learned.fit(examples, faulty)

    again = learned.Model.from_json(json.loads(json.dumps(learned.fit(examples, faulty).to_json())))

    assert again == model


def test_says_what_speaks_for_it() -> None:
    examples, faulty = _examples(200)
    model = learned.fit(examples, faulty)
    bad = Example(seen=frozenset({"rated down"}), asked=[1.0, 0.1], answered=[1.0, 0.0])
    good = Example(asked=[0.1, 1.0], answered=[1.0, 0.0])

    worst, best = learned.judge(model, [bad, good])

    assert set(worst.because) >= {"rated down", "what is asked"}
    assert worst.words.startswith(f"Learned: {worst.probability:.2f}, mostly because ")
    assert "not rated down" in best.because
    assert best.probability < 0.3 < worst.probability


def test_what_is_unknown_counts_as_usual() -> None:
    examples, faulty = _examples(200)
    model = learned.fit(examples, faulty)

    [nothing] = learned.judge(model, [Example()])

    assert 0.2 < nothing.probability < 0.8


def test_tries_each_example_on_a_model_that_has_not_seen_its_group() -> None:
    # Each pair has a signal of its own and a label by chance: only by heart could it be told.
    chance = random.Random(3)  # noqa: S311
    examples, faulty = [], []
    for group in range(60):
        label = chance.random() < 0.5
        for _ in range(3):
            examples.append(Example(seen=frozenset({f"signal {group}"}), group=group))
            faulty.append(label)
    model = learned.fit(examples, faulty)
    by_heart = yields.gain(faulty, learned.probabilities(model, examples))

    honest = yields.gain(faulty, learned.held_out(examples, faulty))

    assert by_heart > 1.5
    assert honest < 1.3


def test_needs_enough_of_both_kinds() -> None:
    groups = list(range(100))

    assert learned.can_learn([True] * 50 + [False] * 50, groups)
    assert not learned.can_learn([True] * 95 + [False] * 5, groups)
    assert not learned.can_learn([True] * 50 + [False] * 50, [0] * 100)
    assert not learned.can_learn([True, False] * 20, groups[:40])
