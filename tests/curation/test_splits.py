"""Splits that keep together what belongs together."""

from __future__ import annotations

import random
from collections.abc import Hashable

from curation.splits import TRAIN, VALIDATION, Groups, Leak, assign, leaks, split_of

TRAINS = [name for name in map(str, range(100)) if split_of(name) == TRAIN]
TESTS = [name for name in map(str, range(100)) if split_of(name) == VALIDATION]


def split(rows: list[tuple[int, str]]) -> dict[str, str]:
    return assign([group for group, _ in rows], [name for _, name in rows], {})


class TestGroups:
    def test_joins_what_has_anything_in_common(self) -> None:
        groups = Groups(5)
        groups.join_alike([["s1", "t1"], ["s2"], ["s3", "t1"], ["s3"], []])
        assert [groups.of(row) for row in range(5)] == [0, 1, 0, 0, 4]

    def test_a_long_chain_is_one_group(self) -> None:
        groups = Groups(5_000)
        for row in reversed(range(4_999)):
            groups.join(row, row + 1)
        assert {groups.of(row) for row in range(5_000)} == {0}


class TestAssign:
    def test_a_tenth_is_for_validation(self) -> None:
        names = [f"session {number}" for number in range(2_000)]
        splits = assign(range(2_000), names, {})
        assert 160 < list(splits.values()).count(VALIDATION) < 240

    def test_a_group_is_never_in_two(self) -> None:
        one, other = min(TRAINS[0], TESTS[0]), max(TRAINS[0], TESTS[0])
        splits = assign([0, 0, 1, 2, 3], [other, one, *TRAINS[1:4]], {})
        assert splits[one] == splits[other] == split_of(one)

    def test_what_was_released_keeps_its_split(self) -> None:
        splits = assign(
            [0, 1, 2], [TESTS[0], *TRAINS[:2]], {TESTS[0]: TRAIN, TRAINS[0]: VALIDATION}
        )
        assert splits == {TESTS[0]: TRAIN, TRAINS[0]: VALIDATION, TRAINS[1]: TRAIN}

    def test_what_joins_both_splits_is_for_training_and_a_leak(self) -> None:
        splits = assign([0, 0, 0], ["a", "b", "c"], {"a": TRAIN, "b": VALIDATION})
        assert splits == {"a": TRAIN, "b": VALIDATION, "c": TRAIN}
        sides = [splits[name] for name in "abc"]
        assert leaks(sides, [("question", row, 0) for row in range(3)]) == [Leak(1, 0, "question")]

    def test_what_is_new_goes_where_its_group_is(self) -> None:
        splits = assign([0, 0, 1], [TRAINS[0], TESTS[0], TRAINS[1]], {TESTS[0]: VALIDATION})
        assert splits[TRAINS[0]] == VALIDATION

    def test_most_of_the_rows_are_never_for_validation(self) -> None:
        splits = assign([0, 0, 0, 1], [TESTS[0]] * 3 + [TESTS[1]], {})
        assert splits == {TESTS[0]: TRAIN, TESTS[1]: VALIDATION}

    def test_something_is_left_to_train_on(self) -> None:
        assert assign([0, 1], TESTS[:2], {}) == dict.fromkeys(TESTS[:2], TRAIN)
        assert assign([0, 1], TESTS[:2], {TESTS[0]: VALIDATION}) == {
            TESTS[0]: VALIDATION,
            TESTS[1]: TRAIN,
        }

    def test_the_order_of_the_rows_changes_nothing(self) -> None:
        rows = [(number // 3, f"session {number % 70}") for number in range(210)]
        groups = Groups(210)
        groups.join_alike([(group, name) for group, name in rows])
        whole = [(groups.of(place), name) for place, (_, name) in enumerate(rows)]
        shuffled = random.Random(1).sample(whole, k=210)  # noqa: S311
        assert split(whole) == split(shuffled)


class TestLeaks:
    def test_names_each_tested_row_with_the_row_it_was_learnt_from(self) -> None:
        shared = [
            ("session", 0, "a"),
            ("session", 1, "b"),
            ("session", 2, "a"),
            ("theme", 0, 7),
            ("theme", 1, 7),
            ("question", 2, 0),
        ]
        splits = [TRAIN, VALIDATION, VALIDATION]
        assert leaks(splits, shared) == [Leak(1, 0, "theme"), Leak(2, 0, "session")]

    def test_none_in_what_was_assigned(self) -> None:
        rng = random.Random(2)  # noqa: S311
        names = [f"s{rng.randrange(60)}" for _ in range(200)]
        themes = [rng.randrange(400) for _ in range(200)]
        groups = Groups(200)
        groups.join_alike([(name, theme) for name, theme in zip(names, themes, strict=True)])
        splits = assign([groups.of(row) for row in range(200)], names, {})
        shared: list[tuple[str, int, Hashable]] = [
            ("session", row, name) for row, name in enumerate(names)
        ]
        shared += [("theme", row, theme) for row, theme in enumerate(themes)]
        assert leaks([splits[name] for name in names], shared) == []
