"""Which rule speaks, without a database."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from review.routes import Condition, Decided, speaking

ANY = Condition()


class TestCondition:
    def test_holds_where_each_part_has_one_in_common(self) -> None:
        condition = Condition(
            verdicts=["fix", "reject"], severities=["major"], reasons=["unsafe", "incomplete"]
        )
        decided = Decided(verdict="fix", severity="major", reasons=["too-vague", "unsafe"])
        assert condition.holds(decided)
        assert not condition.holds(Decided(verdict="fix", severity="major", reasons=["too-vague"]))
        assert not condition.holds(Decided(verdict="fix", severity="minor", reasons=["unsafe"]))
        assert not condition.holds(Decided(verdict="accept", severity="major", reasons=["unsafe"]))

    def test_a_severity_that_was_not_said_is_none_of_them(self) -> None:
        assert not Condition(severities=["minor"]).holds(Decided(verdict="fix"))
        assert ANY.holds(Decided(verdict="fix"))


class TestSpeaking:
    def test_the_first_that_holds_and_matches_speaks(self) -> None:
        rules = [
            (1, Condition(verdicts=["accept"])),
            (2, Condition(verdicts=["fix"])),
            (3, Condition(reasons=["unsafe"])),
            (4, ANY),
        ]
        decided = Decided(verdict="fix", reasons=["unsafe"])
        assert speaking(rules, decided=decided, matching={1, 2, 3, 4}) == 2
        assert speaking(rules, decided=decided, matching={1, 3, 4}) == 3
        assert speaking(rules, decided=decided, matching={4}) == 4
        assert speaking(rules, decided=decided, matching=set()) is None
        assert speaking([], decided=decided, matching={1}) is None

    @given(st.lists(st.sampled_from([[], ["accept"], ["fix"], ["reject"]])), st.integers(0, 9))
    def test_rules_after_the_one_that_speaks_change_nothing(
        self, verdicts: list[list[str]], cut: int
    ) -> None:
        rules = [(n, Condition(verdicts=one)) for n, one in enumerate(verdicts)]
        decided, everything = Decided(verdict="fix"), set(range(len(rules)))
        spoke = speaking(rules, decided=decided, matching=everything)
        if spoke is not None:
            assert speaking(rules[: spoke + 1 + cut], decided=decided, matching=everything) == spoke
