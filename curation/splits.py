"""Puts rows that belong together on one side of the line between training and testing."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

TRAIN, VALIDATION = "train", "validation"
# One group in so many is for validation.
ONE_IN = 10


class Groups:
    """Rows from 0 on, joined two by two: union-find with path halving.

    Tarjan and van Leeuwen, "Worst-case Analysis of Set Union Algorithms" (1984).
    """

    def __init__(self, num: int) -> None:
        self._above = list(range(num))

    def of(self, row: int) -> int:
        """The least row of the group."""
        above = self._above
        while above[row] != row:
            above[row] = above[above[row]]
            row = above[row]
        return row

    def join(self, first: int, second: int) -> None:
        """Make one group of two."""
        one, other = self.of(first), self.of(second)
        if one != other:
            self._above[max(one, other)] = min(one, other)

    def join_alike(self, keys: Iterable[Collection[Hashable]]) -> None:
        """Join all rows that have a key in common; `keys` are each row's, in order."""
        first: dict[Hashable, int] = {}
        for row, own in enumerate(keys):
            for key in own:
                self.join(first.setdefault(key, row), row)


def split_of(name: str) -> str:
    """Return the split of what has this name: a tenth, by the SHA-256, is for validation."""
    digest = hashlib.sha256(name.encode()).digest()
    return VALIDATION if int.from_bytes(digest[:8], "big") % ONE_IN == 0 else TRAIN


def assign(
    groups: Sequence[int], names: Sequence[str], settled: Mapping[str, str]
) -> dict[str, str]:
    """Return the split of each name, such that a group is never in two.

    `groups` and `names` are those of each row: its group, and its session. `settled` are the splits
    that names have had in earlier releases, which they keep: no model is tested on what an earlier
    one has learnt. Only by that may a group be in two, which leaks() then names. What is new goes
    where its group is, to training when that is in both; a new group by the hash of the least of
    its names (split_of). A group of over half of all rows is for training, and so is what is new
    when nothing else would be. The same input gives the same output in any order.
    """
    members: dict[int, set[str]] = defaultdict(set)
    sizes: dict[int, int] = defaultdict(int)
    for group, name in zip(groups, names, strict=True):
        members[group].add(name)
        sizes[group] += 1
    splits: dict[str, str] = {}
    fresh: set[str] = set()
    for group, own in members.items():
        before = {settled[name] for name in own if name in settled}
        if before:
            split = TRAIN if TRAIN in before else min(before)
        elif 2 * sizes[group] > len(groups):
            split = TRAIN
        else:
            split = split_of(min(own))
            fresh |= own
        splits |= {name: settled.get(name, split) for name in own}
    if TRAIN not in splits.values():
        splits |= dict.fromkeys(fresh, TRAIN)
    return splits


@dataclass(frozen=True)
class Leak:
    """Two rows of one group in two splits; `kind` is what they share."""

    row: int
    other: int
    kind: str


def leaks(splits: Sequence[str], shared: Iterable[tuple[str, int, Hashable]]) -> list[Leak]:
    """Return every row outside training that shares something with one in training.

    `splits` is each row's; `shared` what rows have: kind, row, and what it is (a session, a theme,
    a question). Each row is named once for each kind, with the first row of training.
    """
    trained: dict[tuple[str, Hashable], int] = {}
    tested: list[tuple[str, int, Hashable]] = []
    for kind, row, what in shared:
        if splits[row] == TRAIN:
            trained[kind, what] = min(row, trained.get((kind, what), row))
        else:
            tested.append((kind, row, what))
    found: dict[tuple[str, int], Leak] = {}
    for kind, row, what in sorted(tested, key=lambda one: (one[1], one[0])):
        if (kind, what) in trained:
            found.setdefault((kind, row), Leak(row, trained[kind, what], kind))
    return list(found.values())
