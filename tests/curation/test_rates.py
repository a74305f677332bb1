from __future__ import annotations

from dataclasses import replace

import pytest

from curation.rates import (
    Z_DAILY,
    Arm,
    arm,
    crossed,
    design_effects,
    difference,
    drift_corrected,
    expected,
    interval,
)
from review.prevalence import wilson

ONE_EACH = arm([(1, 1, 0)] * 7 + [(1, 0, 0)] * 43)


class TestInterval:
    def test_is_wilsons_where_each_session_has_one_output(self) -> None:
        assert interval(ONE_EACH, effect=1) == pytest.approx((0.0695, 0.2619), abs=1e-4)
        own = wilson(share=0.14, sampled=50, size=10**12)
        assert interval(ONE_EACH) == pytest.approx(own, abs=2e-3)

    def test_no_complaint_does_not_mean_that_there_are_none(self) -> None:
        assert interval(arm([(1, 0, 0)] * 20)) == pytest.approx((0, 0.1611), abs=1e-4)

    def test_of_nothing_is_known_that_it_is_a_share(self) -> None:
        assert interval(Arm()) == (0, 1)

    def test_is_wider_when_the_complaints_of_a_session_come_together(self) -> None:
        scattered = arm([(4, 1, 0)] * 28 + [(4, 0, 0)] * 22)
        together = arm([(4, 4, 0)] * 7 + [(4, 0, 0)] * 43)
        assert scattered.rate == together.rate
        assert interval(together)[1] > interval(scattered)[1] + 0.04


class TestDesignEffects:
    def test_outputs_that_say_the_same_count_once(self) -> None:
        fours = arm([(4, 4, 0)] * 70 + [(4, 0, 0)] * 430)
        assert design_effects(fours) == [pytest.approx(4, rel=0.01)]

    def test_an_arm_with_few_complaints_leans_on_the_other(self) -> None:
        many = arm([(4, 4, 0)] * 700 + [(4, 0, 0)] * 4_300)
        silent = arm([(4, 0, 0)] * 100)
        assert design_effects(many, silent)[1] == pytest.approx(4, rel=0.05)

    def test_are_never_below_one(self) -> None:
        assert design_effects(arm([(2, 1, 0)] * 50)) == [1]


class TestDifference:
    def test_is_newcombes_where_each_session_has_one_output(self) -> None:
        # 84 of 1,000 and 60 of 1,000, as statsmodels computes it.
        found = difference(
            arm([(1, 1, 0)] * 84 + [(1, 0, 0)] * 916), arm([(1, 1, 0)] * 60 + [(1, 0, 0)] * 940)
        )
        assert found
        assert (found.value, found.low, found.high) == pytest.approx(
            (0.024, 0.0013, 0.0469), abs=1e-4
        )

    def test_there_is_none_while_an_arm_is_empty(self) -> None:
        assert difference(ONE_EACH, Arm()) is None

    def test_weights_make_up_for_what_was_looked_at_more(self) -> None:
        # Of a hundred faulty outputs half were looked at, of nine hundred good ones a tenth.
        looked_at = arm([(2, 2, 0)] * 50 + [(10, 0, 0)] * 90)
        assert looked_at.rate == pytest.approx(0.1)


class TestDriftCorrected:
    BEFORE = arm([(1, 1, 0)] * 60 + [(1, 0, 1)] * 100 + [(1, 0, 0)] * 840)

    def test_what_grew_as_all_complaints_grew_is_no_effect(self) -> None:
        after = arm([(1, 1, 0)] * 90 + [(1, 0, 1)] * 150 + [(1, 0, 0)] * 760)
        plain, found = difference(after, self.BEFORE), drift_corrected(self.BEFORE, after)
        assert plain
        assert plain.low > 0
        assert found
        assert found.value == pytest.approx(0)
        assert found.low < 0 < found.high

    def test_what_stayed_while_all_others_grew_is_an_effect(self) -> None:
        after = arm([(1, 1, 0)] * 60 + [(1, 0, 1)] * 300 + [(1, 0, 0)] * 640)
        meant, found = expected(self.BEFORE, after), drift_corrected(self.BEFORE, after)
        assert meant
        assert meant.value == pytest.approx(0.18)
        assert found
        assert found.value == pytest.approx(-0.12)
        assert found.high < 0
        wide = drift_corrected(self.BEFORE, after, z=Z_DAILY)
        assert wide
        assert wide.value == found.value
        assert wide.low < found.low
        assert found.high < wide.high < 0

    def test_too_few_other_complaints_tell_nothing(self) -> None:
        after = arm([(1, 1, 0)] * 60 + [(1, 0, 1)] * 19 + [(1, 0, 0)] * 921)
        assert drift_corrected(self.BEFORE, after) is None


class TestUsersWhoComeAgain:
    """Heavy users, each one row: half of them complain of the theme, and all of other things."""

    USERS = [(20, 6, 8) if number % 2 else (20, 0, 8) for number in range(40)]

    def test_tell_most_when_the_same_come_before_and_after(self) -> None:
        same = crossed(self.USERS, self.USERS)
        one = arm(self.USERS)
        apart, together = drift_corrected(one, one), drift_corrected(one, one, both=same)
        assert apart
        assert together
        assert together.value == apart.value == 0
        assert 0 <= together.high - together.low < (apart.high - apart.low) / 3

    def test_are_few_however_many_sessions_they_have(self) -> None:
        few = arm(self.USERS[:6])
        of_users = drift_corrected(few, few)
        assert drift_corrected(*[replace(few, sessions=500, users=6)] * 2) == of_users
        assert drift_corrected(*[replace(few, sessions=500)] * 2) != of_users

    def test_tell_less_than_as_many_sessions(self) -> None:
        one = arm(self.USERS)
        sessions = arm([(2, 1, 0)] * 120 + [(2, 0, 2)] * 120 + [(2, 0, 0)] * 80 + [(2, 0, 1)] * 80)
        assert (sessions.rate, sessions.others) == (one.rate, one.others)
        of_users, of_sessions = drift_corrected(one, one), drift_corrected(sessions, sessions)
        assert of_users
        assert of_sessions
        assert of_users.high > 1.3 * of_sessions.high
