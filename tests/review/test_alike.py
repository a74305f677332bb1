"""Stars of what is nearly the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from review import alike

if TYPE_CHECKING:
    from review.alike import Vectors


def _at(*degrees: float) -> Vectors:
    import numpy as np

    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


# Cosine 0.92 lies at 23 degrees.
SAME = 0.92


def test_joins_the_first_that_is_the_same() -> None:
    found = alike.stars(_at(0, 90, 5, 92), _at(0, 0, 5, 2), same=SAME)

    assert found == [0, 1, 0, 1]


def test_no_chain_leads_from_one_meaning_to_another() -> None:
    # Each is the same as its neighbour, the ends are not.
    found = alike.stars(_at(0, 20, 40, 60), _at(0, 0, 0, 0), same=SAME)

    assert found == [0, 0, 2, 2]


def test_the_same_question_with_another_answer_is_another() -> None:
    assert alike.stars(_at(0, 0), _at(0, 90), same=SAME) == [0, 1]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    chance = np.random.default_rng(1)
    asked, answered = _at(*chance.uniform(0, 90, 60)), _at(*chance.uniform(0, 90, 60))
    whole = alike.stars(asked, answered, same=SAME)

    monkeypatch.setattr(alike, "BLOCK", 7)

    assert alike.stars(asked, answered, same=SAME) == whole
    assert any(first != row for row, first in enumerate(whole))
