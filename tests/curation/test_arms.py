from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from curation.arms import Arm, draw, lot

SESSIONS = [f"session-{number}" for number in range(4_000)]


def arms(salt: str, served: float, held_out: float) -> list[Arm]:
    return [draw(salt=salt, session=one, served=served, held_out=held_out) for one in SESSIONS]


class TestDraw:
    def test_gives_the_shares_asked_for(self) -> None:
        counted = Counter(arms("a", 0.3, 0.2))
        # Four standard deviations of a binomial share of 4,000.
        for arm, share in ((Arm.SERVED, 0.3), (Arm.HELD_OUT, 0.2), (Arm.BEFORE, 0.5)):
            assert abs(counted[arm] / len(SESSIONS) - share) < 0.032

    def test_never_changes_for_a_session(self) -> None:
        # Written down, since another number would move sessions of running experiments.
        assert f"{lot(salt='a', session='session-1'):.6f}" == "0.554066"
        assert arms("a", 0.5, 0.1) == arms("a", 0.5, 0.1)

    def test_keeps_who_was_served_when_more_are(self) -> None:
        few, many = arms("a", 0.1, 0.1), arms("a", 0.9, 0.1)
        for before, after in zip(few, many, strict=True):
            assert after == before or (before, after) == (Arm.BEFORE, Arm.SERVED)

    def test_is_independent_of_another_experiment(self) -> None:
        both = Counter(zip(arms("a", 0.5, 0.5), arms("b", 0.5, 0.5), strict=True))
        for pair in both.values():
            assert abs(pair / len(SESSIONS) - 0.25) < 0.03

    @given(st.text(), st.text())
    def test_takes_any_text(self, salt: str, session: str) -> None:
        assert 0 <= lot(salt=salt, session=session) < 1
        assert draw(salt=salt, session=session, served=1, held_out=0) == Arm.SERVED
        assert draw(salt=salt, session=session, served=0, held_out=1) == Arm.HELD_OUT
        assert draw(salt=salt, session=session, served=0, held_out=0) == Arm.BEFORE
