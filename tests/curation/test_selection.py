from __future__ import annotations

import itertools
import math

from curation.selection import Candidate, select


def at(degrees: float, *, id_: int, num_tokens: int = 1, group: str = "") -> Candidate:
    """A candidate whose vector stands at an angle to the question's, at 0 degrees."""
    angle = math.radians(degrees)
    return Candidate(id_, [math.cos(angle), math.sin(angle)], num_tokens, group)


def ids(candidates: list[Candidate], **options: object) -> list[int]:
    given: dict[str, object] = {
        "k": 4,
        "token_budget": 100,
        "group_tokens": {},
        "floors": {},
    } | options
    return [one.id for one in select(query=[2.0, 0.0], candidates=candidates, **given)]  # type: ignore[arg-type]


class TestSelect:
    def test_takes_the_nearest_first_and_says_how_near(self) -> None:
        [first, second] = select(
            query=[2.0, 0.0],
            candidates=[at(60, id_=1), at(0, id_=2)],
            k=4,
            token_budget=100,
            group_tokens={},
            floors={},
        )
        assert [(first.id, first.relevance), (second.id, second.relevance)] == [(2, 1.0), (1, 0.5)]

    def test_prefers_something_new_to_more_of_the_same(self) -> None:
        twins_and_another = [at(20, id_=1), at(21, id_=2), at(-45, id_=3)]
        assert ids(twins_and_another, k=2) == [1, 3]

    def test_passes_over_what_exceeds_the_budget(self) -> None:
        candidates = [at(0, id_=1, num_tokens=90), at(40, id_=2, num_tokens=20), at(60, id_=3)]
        assert ids(candidates) == [1, 3]

    def test_pays_for_a_groups_heading_once(self) -> None:
        candidates = [
            at(degrees, id_=degrees, num_tokens=10, group="a") for degrees in (10, 40, 70)
        ]
        assert ids(candidates, token_budget=44, group_tokens={"a": 15}) == [10, 40]
        assert ids(candidates, token_budget=24, group_tokens={"a": 15}) == []

    def test_returns_fewer_rather_than_bad_ones(self) -> None:
        candidates = [at(60, id_=1, group="a"), at(85, id_=2, group="a"), at(85, id_=3, group="b")]
        assert set(ids(candidates, floors={"a": 0.2})) == {1, 3}

    def test_returns_at_most_k(self) -> None:
        assert len(ids([at(degrees, id_=degrees) for degrees in range(1, 90)], k=7)) == 7
        assert ids([at(0, id_=1)], k=0) == []
        assert ids([]) == []

    def test_gives_the_same_whatever_the_order_of_candidates(self) -> None:
        candidates = [at(angle, id_=n) for n, angle in enumerate([5, 5, 5, 30, -30])]
        expected = ids(candidates)
        for shuffled in itertools.permutations(candidates):
            assert ids(list(shuffled)) == expected

    def test_survives_a_vector_of_zeros(self) -> None:
        assert ids([Candidate(1, [0.0, 0.0], 1), at(10, id_=2)]) == [2, 1]
