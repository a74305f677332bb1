from __future__ import annotations

import pytest

from curation.rates import Arm, arm, difference
from curation.sequential import discoveries, evidence, look


def _arm(complaints: int, outputs: int) -> Arm:
    """Sessions of one output each."""
    return arm([(1, 1, 0)] * complaints + [(1, 0, 0)] * (outputs - complaints))


class TestLook:
    def test_a_large_drop_is_better(self) -> None:
        found = look(_arm(80, 4_000), _arm(60, 1_000), usual=0.06)
        assert found.is_better
        assert found.evidence > 20

    def test_a_large_rise_is_worse(self) -> None:
        assert look(_arm(400, 4_000), _arm(60, 1_000), usual=0.06).is_worse

    def test_its_interval_is_wider_than_one_that_is_looked_at_once(self) -> None:
        treated, control = _arm(200, 4_000), _arm(60, 1_000)
        always, once = look(treated, control, usual=0.06).change, difference(treated, control)
        assert always
        assert once
        assert always.low < once.low < once.high < always.high

    @pytest.mark.parametrize("complaints", [80, 160, 240, 320, 400])
    def test_its_interval_leaves_out_no_difference_exactly_when_the_evidence_says_so(
        self, complaints: int
    ) -> None:
        treated, control = _arm(complaints, 4_000), _arm(60, 1_000)
        found = look(treated, control, usual=0.06)
        assert found.change
        is_told = found.is_better or found.is_worse
        assert is_told == (evidence(treated, control, usual=0.06) >= 20)
        for end in (found.change.low, found.change.high):
            assert evidence(treated, control, usual=0.06, against=end) == pytest.approx(20, 0.01)

    def test_says_nothing_of_fewer_than_ten_complaints(self) -> None:
        found = look(_arm(0, 4_000), _arm(9, 100), usual=0.06)
        assert (found.change, found.evidence) == (None, 1)

    def test_there_is_nothing_to_look_at_before_anything_came_back(self) -> None:
        assert look(Arm(), Arm()).needed is None
        assert look(_arm(0, 10), _arm(0, 10)).needed is None


class TestNeeded:
    def test_becomes_less_as_sessions_come_in(self) -> None:
        few = look(_arm(24, 400), _arm(6, 100), usual=0.06).needed
        more = look(_arm(48, 800), _arm(12, 200), usual=0.06).needed
        assert few
        assert more
        # Of so many in all, whatever there is already.
        assert few + 500 == pytest.approx(more + 1_000, rel=0.05)

    def test_is_nothing_once_a_change_by_half_would_have_shown(self) -> None:
        found = look(_arm(600, 10_000), _arm(150, 2_500), usual=0.06)
        assert found.needed == 0
        assert (found.is_better, found.is_worse) == (False, False)

    def test_is_known_from_the_usual_rate_before_anybody_complains(self) -> None:
        needed = look(_arm(0, 40), _arm(0, 10), usual=0.06).needed
        assert needed
        assert 4_000 < needed < 7_000

    def test_is_more_the_fewer_are_held_out(self) -> None:
        half = look(_arm(30, 500), _arm(30, 500), usual=0.06).needed
        twentieth = look(_arm(57, 950), _arm(3, 50), usual=0.06).needed
        assert half
        assert twentieth
        assert twentieth > 3 * half


class TestDiscoveries:
    def test_one_of_many_needs_as_many_times_the_evidence(self) -> None:
        assert discoveries({1: 20.1}) == {1}
        assert discoveries({1: 79.0, 2: 1.0, 3: 1.0, 4: 1.0}) == set()
        assert discoveries({1: 81.0, 2: 1.0, 3: 1.0, 4: 1.0}) == {1}

    def test_several_make_it_easier_for_each_other(self) -> None:
        assert discoveries({1: 41.0, 2: 41.0, 3: 1.0, 4: 1.0}) == {1, 2}

    def test_of_nothing_there_are_none(self) -> None:
        assert discoveries({}) == set()
