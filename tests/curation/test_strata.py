from __future__ import annotations

import pytest

from curation.rates import Arm, arm, difference
from curation.strata import FEWEST, standardized


def _of(sessions: int, rate: float) -> Arm:
    """So many sessions of ten outputs, each complained of alike."""
    return arm((10.0, 10 * rate, 1.0) for _ in range(sessions))


class TestStandardized:
    def test_a_growing_share_while_complaints_grow_is_no_effect(self) -> None:
        days = [(_of(10, 0.1), _of(40, 0.1)), (_of(90, 0.3), _of(40, 0.3))]
        served, held_out = standardized(days)
        assert served.rate == pytest.approx(0.28)
        assert held_out.rate == pytest.approx(0.28)
        assert held_out.outputs == pytest.approx(800)
        plain = difference(*(arm_ for arm_ in (served, _of(40, 0.1))))
        assert plain is not None
        assert plain.low > 0

    def test_weighs_products_by_the_square(self) -> None:
        days = [(_of(30, 0.2), _of(20, 0.2)), (_of(10, 0.2), _of(20, 0.2))]
        held_out = standardized(days)[1]
        assert held_out.outputs_squared == pytest.approx(20 * 100 * (1.5**2 + 0.5**2))
        assert held_out.complaints_others == pytest.approx(20 * 2 * (1.5**2 + 0.5**2))

    def test_leaves_equal_shares_as_they_are(self) -> None:
        day = (_of(FEWEST, 0.1), _of(2 * FEWEST, 0.2))
        served, held_out = standardized([day, day])
        assert (served.sessions, held_out.sessions) == (2 * FEWEST, 4 * FEWEST)
        assert held_out.complaints == pytest.approx(4 * FEWEST * 2)

    def test_joins_days_of_few_sessions(self) -> None:
        few = (_of(1, 0.1), _of(FEWEST - 1, 0.2))
        served, held_out = standardized([few, few, few])
        assert (served.sessions, held_out.sessions) == (3, 3 * FEWEST - 3)
        assert held_out.complaints == pytest.approx((3 * FEWEST - 3) * 2)

    def test_days_on_which_only_one_arm_came_join_others(self) -> None:
        both, alone = (_of(20, 0.1), _of(20, 0.1)), (_of(20, 0.5), Arm())
        served, held_out = standardized([alone, both, both])
        assert served.sessions == 60
        assert held_out.outputs == pytest.approx(400)

    def test_nothing_is_nothing(self) -> None:
        assert standardized([]) == (Arm(), Arm())
