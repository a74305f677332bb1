"""Near duplicates among many questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from curation import duplicates
from curation.duplicates import Asked, Near, band_keys, find

if TYPE_CHECKING:
    from collections.abc import Sequence

LONG = (
    "I sent money to my sister in Spain on Monday, but it has not arrived in her account yet. "
    "Could you please tell me how long such a transfer usually takes, and whether I can cancel it?"
)


def found(*asked: str | Asked, degrees: Sequence[float] | None = None) -> Near:
    """What is found of questions whose vectors point that way, or that have none."""
    import numpy as np

    rows = [one if isinstance(one, Asked) else Asked(one) for one in asked]
    vectors = np.zeros((len(rows), 2), dtype=np.float32)
    if degrees is not None:
        angles = np.radians(degrees)
        vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return find(rows, np.stack([band_keys(one) for one in rows]), vectors)


def groups(near: Near, num: int) -> list[int]:
    return [near.groups.of(row) for row in range(num)]


class TestFind:
    def test_by_words_what_is_worded_nearly_the_same(self) -> None:
        near = found(LONG, "Where is my card?", LONG.replace("usually ", "").upper() + " Thanks")
        assert near.doubles == {2: 0}
        assert groups(near, 3) == [0, 1, 0]

    def test_by_meaning_what_is_worded_otherwise(self) -> None:
        # Cosine 0.92 lies at 23 degrees, 0.85 at 32.
        near = found("Where is my card?", "Has it been posted?", "Is it lost?", degrees=[0, 20, 50])
        assert near.doubles == {1: 0}

    def test_what_is_only_close_stays_on_one_side_and_is_no_duplicate(self) -> None:
        near = found("Where is my card?", "When does it come?", degrees=[0, 28])
        assert near.doubles == {}
        assert groups(near, 2) == [0, 0]

    def test_look_alikes_stay_apart(self) -> None:
        near = found(
            "Can I take 2 tablets before a meal?",
            "Can I take 4 tablets before a meal?",
            "Can I take 2 tablets after a meal?",
            degrees=[0, 1, 2],
        )
        assert near.doubles == {}
        # A model that learnt one may give its answer to the other all the same.
        assert groups(near, 3) == [0, 0, 0]

    def test_the_same_question_in_another_conversation_is_another(self) -> None:
        near = found(
            Asked("And how long?", "How do I send money abroad?"),
            Asked("And how long?", "May I keep chickens in my garden?"),
            Asked("And how long?", "How do I send money abroad?!"),
            degrees=[0, 0, 0],
        )
        assert near.doubles == {2: 0}

    def test_nothing_without_rows_of_its_kind(self) -> None:
        assert found("Where is my card?").doubles == {}

    def test_finds_a_double_behind_many_that_are_told_apart(self) -> None:
        asked = [f"Is flight {number} from Rome to Oslo late?" for number in range(80)]
        near = found(*asked, "is flight 75 from Rome to Oslo late", degrees=[0.0] * 81)
        assert near.doubles == {80: 75}

    def test_many_are_put_together_by_hyperplanes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import numpy as np

        random = np.random.default_rng(1)
        vectors = random.standard_normal((300, 64)).astype(np.float32)
        vectors[200:] = vectors[:100] + 0.2 * random.standard_normal((100, 64))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        asked = [Asked(f"{random.bytes(9).hex()}") for _ in range(300)]
        keys = np.stack([band_keys(one) for one in asked])
        exactly = find(asked, keys, vectors)
        monkeypatch.setattr(duplicates, "MOST_COMPARED", 0)
        by_hyperplanes = find(asked, keys, vectors)
        assert set(range(200, 300)) == exactly.groups_of_several(300) - set(range(200))
        assert len(by_hyperplanes.groups_of_several(300)) >= 196

    def test_the_same_input_gives_the_same_output(self) -> None:
        asked = [LONG, LONG + " Thanks", "Where is my card?", "where is my card"]
        assert found(*asked).doubles == found(*asked).doubles == {1: 0, 3: 2}


def test_band_keys_are_those_of_every_process() -> None:
    assert band_keys(Asked("Where is my card?"))[[0, 24]].tolist() == [1756307221, 614650879]
