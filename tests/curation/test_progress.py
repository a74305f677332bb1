from __future__ import annotations

import pytest

from curation.progress import Standing, State, following
from curation.rates import Arm, arm


def _recent(per_thousand: int) -> Arm:
    return arm([(1, 1, 0)] * per_thousand + [(1, 0, 0)] * (1_000 - per_thousand))


def _standing(per_thousand: int = 60, **fields: bool) -> Standing:
    """Sixty of a thousand was usual."""
    fields = {"is_acted_on": True, "is_better": True} | fields
    return Standing(usual=0.06, recent=_recent(per_thousand), **fields)


class TestFollowing:
    @pytest.mark.parametrize("state", ["open", "acting", "fixed", "regressed"])
    def test_a_theme_that_nobody_acts_on_is_open(self, state: State) -> None:
        assert following(state, _standing(5, is_acted_on=False)) == "open"

    def test_acting_on_it_is_not_fixing_it(self) -> None:
        assert following("open", _standing(60, is_better=False)) == "acting"

    def test_it_is_fixed_when_it_works_and_hardly_anybody_complains(self) -> None:
        assert following("acting", _standing(10)) == "fixed"

    def test_what_works_and_still_is_complained_of_goes_on(self) -> None:
        assert following("acting", _standing(30)) == "acting"

    def test_quiet_alone_proves_nothing(self) -> None:
        assert following("acting", _standing(10, is_better=False)) == "acting"

    def test_few_recent_outputs_prove_nothing(self) -> None:
        few = Standing(is_acted_on=True, is_better=True, usual=0.06, recent=arm([(1, 0, 0)] * 20))
        assert following("acting", few) == "acting"

    def test_it_comes_back_by_itself(self) -> None:
        assert following("fixed", _standing(60)) == "regressed"

    def test_it_does_not_flicker(self) -> None:
        assert following("fixed", _standing(35)) == "fixed"
        assert following("regressed", _standing(25)) == "regressed"

    def test_what_came_back_is_fixed_when_it_is_quiet_again(self) -> None:
        assert following("regressed", _standing(10)) == "fixed"

    def test_publishing_against_what_came_back_is_acting_on_it(self) -> None:
        assert following("regressed", _standing(60, is_renewed=True)) == "acting"
