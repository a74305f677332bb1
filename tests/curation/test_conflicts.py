from __future__ import annotations

from typing import Any

import pytest

from curation.conflicts import Relation, Saying, disagreement, pairs


def saying(pk: int, answer: str = "At nine.", *vector: float, **fields: Any) -> Saying:
    given: dict[str, Any] = {"id": pk, "kind": "example", "answer": answer}
    return Saying(**given | {"vector": vector or (1.0, 0.0)} | fields)


class TestDisagreement:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("Always greet by name.", "Never greet by name."),
            ("It opens at 9:00.", "It opens at 10:00."),
            ("You can renew a loan online.", "You cannot renew a loan online."),
            ("Eating is allowed in the hall.", "Eating is forbidden in the hall."),
            ("Renewal is free of charge.", "Renewal costs a fee."),
            ("Keep answers short.", "Keep answers detailed."),
        ],
    )
    def test_sees_the_signs_from_both_sides(self, one: str, other: str) -> None:
        assert disagreement(one, other)
        assert disagreement(other, one)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("It opens at 9:00.", "It opens at 9:00 on weekdays."),
            ("Bloom came out in 2018.", "The album was released on 31 August 2018."),
            ("Never blame the reader.", "Do not blame the reader."),
            ("", ""),
            ("At nine.", "At nine."),
        ],
    )
    def test_sees_none_where_one_says_more(self, one: str, other: str) -> None:
        assert not disagreement(one, other)
        assert not disagreement(other, one)


class TestPairs:
    def test_finds_the_same_said_twice_and_contradictions_first(self) -> None:
        all_ = [
            saying(1, "At nine.", 1.0, 0.0),
            saying(2, "At nine, daily.", 1.0, 0.05),
            saying(3, "Never.", 0.8, 0.6),
            saying(4, "Always.", 0.8, 0.61),
            saying(5, "Else.", 0.0, -1.0),
        ]
        found = pairs(changed=all_, all_=all_)
        assert [(one.relation, one.id, one.other) for one in found] == [
            (Relation.CONFLICT, 3, 4),
            (Relation.NEAR, 1, 2),
        ]

    def test_compares_what_changed_alone(self) -> None:
        all_ = [saying(1), saying(2), saying(3)]
        found = pairs(changed=[all_[1]], all_=all_)
        assert {(one.id, one.other) for one in found} == {(2, 1), (2, 3)}
        assert pairs(changed=[], all_=all_) == []

    @pytest.mark.parametrize(
        "fields",
        [
            {"kind": "instruction"},
            {"roles": frozenset({"member"})},
            {"models": frozenset({"m"}), "environments": frozenset({"test"})},
        ],
    )
    def test_leaves_apart_what_no_one_prompt_has(self, fields: dict[str, Any]) -> None:
        scope: dict[str, Any] = {"roles": frozenset({"guest"}), "environments": frozenset({"live"})}
        all_ = [saying(1, **scope), saying(2, **fields)]
        assert pairs(changed=all_, all_=all_) == []
