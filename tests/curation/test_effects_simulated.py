"""What the benchmark `effects` does at length, in a few runs: it fails where the formulas do."""

from __future__ import annotations

import pytest

from curation import rates
from tests.bench import effects
from tests.bench.traffic import Truth

# Of 200 runs, so many hold the truth 999 times of a thousand when 93 to 97 of a hundred do.
RUNS, HOLD = 200, (0.86, 1.0)


class TestIntervals:
    def test_of_held_out_hold_the_truth(self) -> None:
        served = Truth(sessions=40, days=14, rate=0.03)
        held_out = Truth(sessions=10, days=14, rate=0.06)
        share = effects.covered(served, held_out, rates.difference, RUNS)
        assert HOLD[0] <= share.value <= HOLD[1]

    def test_of_a_version_given_out_in_stages_hold_it_only_by_day(self) -> None:
        found = {name: share.value for name, share, _ in effects._staged(100)}
        for name, value in found.items():
            if name.endswith("by day"):
                assert max(HOLD[0], found[name.replace("by day", "plain")]) < value, name

    def test_of_sessions_that_stay_hold_it_only_by_day(self) -> None:
        found = {name: share.value for name, share, _ in effects._staying(60)}
        for name, value in found.items():
            if name.endswith("by day"):
                assert max(HOLD[0], found[name.replace("by day", "plain")]) < value, name

    def test_before_and_after_hold_it_only_where_they_are_corrected(self) -> None:
        found = {name: share.value for name, share, _ in effects._before_and_after(100)}
        for name, value in found.items():
            assert (value >= 0.8) == name.endswith("corrected"), name

    def test_of_reviewed_outputs_hold_it_when_weighted(self) -> None:
        served = Truth(sessions=40, days=14, rate=0.06, looked_at=(0.6, 0.1))
        held_out = Truth(sessions=10, days=14, rate=0.06, looked_at=(0.6, 0.4))
        share = effects.covered(served, held_out, rates.difference, RUNS)
        assert HOLD[0] <= share.value <= HOLD[1]
        assert effects._unweighted(20).value < 0.5


class TestLooks:
    # Of 200 runs with 5 % false alarms, more than 20 are one of a thousand.
    @pytest.mark.parametrize("rate", [0.06, 0.02])
    def test_daily_ones_rarely_tell_what_is_not_there(self, rate: float) -> None:
        served = Truth(sessions=40, days=30, rate=rate)
        held_out = Truth(sessions=10, days=30, rate=rate)
        told = effects.told(served, held_out, RUNS, usual=rate)
        assert sum(day is not None for day in told) <= 20

    def test_of_stages_rarely_tell_what_is_not_there(self) -> None:
        assert sum(day is not None for day in effects._staged_looks(60)) <= 9

    def test_daily_ones_tell_what_is_there(self) -> None:
        served = Truth(sessions=40, days=30, rate=0.02)
        held_out = Truth(sessions=10, days=30, rate=0.06)
        told = effects.told(served, held_out, 50, usual=0.06)
        assert sum(day is not None for day in told) >= 45
