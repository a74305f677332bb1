"""Finds which of many questions are nearly the same, in memory that grows with their number only.

By their words: MinHash with banding (Broder, "On the resemblance and containment of documents",
1997; Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", section 3.4), as Lee et al. do
for training data ("Deduplicating Training Data Makes Language Models Better", 2022). By their
meaning: cosines of the vectors, all of them or, of many, those that random hyperplanes put together
(Charikar, "Similarity Estimation Techniques from Rounding Algorithms", 2002). A pair found so is
compared word for word before it counts.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from curation.splits import Groups
from curation.wording import SHINGLE, likeness, plain, shingles, told_apart

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Keys = NDArray[np.uint32]
    Vectors = NDArray[np.float32] | NDArray[np.float16]

# Share of shingles in common from which two questions are worded nearly the same (Lee et al.).
LIKE = 0.8
# Cosine from which they mean the same: of the 1,942 medical-question-pairs, half of them written to
# sound the same and mean something else, all 58 that reach it mean the same.
SAME = 0.92
# Cosine from which a model that has learnt one may know the other: those two are not to be on
# both sides of a split. Of the same pairs 306 reach it, 9 of which mean something else.
CLOSE = 0.85

# Of two texts with LIKE shingles in common, 99.99 % share one of BANDS keys over WIDTH hashes each;
# of two with a third, a tenth.
BANDS, WIDTH = 25, 5
SEED = 20_260_101
# Up to so many vectors are all compared with each other, in a minute or so; of more, those that lie
# on the same side of PLANES hyperplanes in one of DRAWS draws: 98.6 % of the pairs at SAME.
MOST_COMPARED = 50_000
PLANES, DRAWS = 20, 64
TILE = 2_000
# Rows of one bucket that the others are compared with, and pairs looked at for a row before it is
# said to have no double: texts from one template may all be like each other.
MOST_LEADS, MOST_TRIED = 50, 50


@dataclass(frozen=True)
class Asked:
    """What is asked: the last question, and what was said before it, "" when nothing was."""

    question: str
    before: str = ""


@dataclass(frozen=True)
class Near:
    """What is nearly the same.

    `doubles` has for a row one before it that asks the same; `groups` for each row the least row
    of those it has to stay together with, which are more: also those just close to each other.
    `tested` has for a row a test case that asks the same.
    """

    doubles: dict[int, int]
    groups: Groups
    tested: dict[int, int] = field(default_factory=dict)

    def groups_of_several(self, num: int) -> set[int]:
        """The rows of groups of more than one, of so many rows."""
        sizes = Counter(self.groups.of(row) for row in range(num))
        return {row for row in range(num) if sizes[self.groups.of(row)] > 1}


def band_keys(asked: Asked) -> Keys:
    """Return the BANDS keys of a text: two that are worded alike share one of them, most likely."""
    import numpy as np

    text = f" {plain(f'{asked.before} {asked.question}')} "
    pieces = {text[at : at + SHINGLE] for at in range(max(len(text) - SHINGLE + 1, 1))}
    hashed = np.fromiter((zlib.crc32(piece.encode()) for piece in pieces), np.uint64, len(pieces))
    factors, offsets, mixers = _constants()
    # Multiply and shift (Dietzfelbinger et al., 1997) for the permutations.
    least = ((hashed[:, None] * factors + offsets) >> np.uint64(32)).min(axis=0)
    mixed = (least.reshape(BANDS, WIDTH) * mixers).sum(axis=1, dtype=np.uint64)
    keys: Keys = (mixed >> np.uint64(32)).astype(np.uint32)
    return keys


def find(asked: Sequence[Asked], keys: Keys, vectors: Vectors, *, num_cases: int = 0) -> Near:
    """Return which rows ask nearly the same.

    `keys` are their band_keys, one row each; `vectors` the unit vectors of their questions, one
    row each, zeros where there is none. `asked` is read row by row, only for pairs that may be the
    same. Two ask the same when they share LIKE of their shingles, or their cosine reaches SAME and
    what was said before is worded alike, and nothing tells them apart (told_apart). The same input
    gives the same output. The first `num_cases` are test cases, which are compared with the others
    and not among themselves; rows are counted from the first after them.
    """
    near = Near({}, Groups(len(asked) - num_cases))
    tried: dict[tuple[int, bool], set[int]] = defaultdict(set)
    for first, second, cosine in _candidates(keys, vectors, num_cases):
        row, is_tested = second - num_cases, first < num_cases
        one = first if is_tested else first - num_cases
        if row < 0 or _is_known(near, one, row, is_tested=is_tested):
            continue
        others = tried[row, is_tested]
        if one in others or len(others) >= MOST_TRIED:
            continue
        others.add(one)
        mine, theirs = asked[first], asked[second]
        is_worded = _is_worded_alike(mine, theirs)
        if not is_worded and not (cosine >= CLOSE and _is_said_alike(mine.before, theirs.before)):
            continue
        if not is_tested:
            near.groups.join(one, row)
        if (is_worded or cosine >= SAME) and not told_apart(mine.question, theirs.question):
            (near.tested if is_tested else near.doubles).setdefault(row, one)
    return near


def _is_known(near: Near, one: int, row: int, *, is_tested: bool) -> bool:
    """Whether the pair would add nothing to what was found."""
    if is_tested:
        return row in near.tested
    return row in near.doubles and near.groups.of(one) == near.groups.of(row)


def asks_the_same(first: Asked, second: Asked, cosine: float) -> bool:
    """Whether two ask the same, by their words and their vectors’ cosine, as `find` has it."""
    is_near = cosine >= SAME and _is_said_alike(first.before, second.before)
    return (is_near or _is_worded_alike(first, second)) and not told_apart(
        first.question, second.question
    )


def _is_worded_alike(first: Asked, second: Asked) -> bool:
    return _is_said_alike(first.before, second.before) and _is_said_alike(
        first.question, second.question
    )


def _is_said_alike(first: str, second: str) -> bool:
    return first == second or likeness(shingles(first), shingles(second)) >= LIKE


def _candidates(keys: Keys, vectors: Vectors, num_cases: int) -> Iterator[tuple[int, int, float]]:
    """Pairs of rows that may be the same, the lesser first, with their cosine; some twice."""
    import numpy as np

    # What is worded the same comes first: behind many look-alikes it would not be tried any more.
    cases: dict[bytes, int] = {}
    first: dict[bytes, int] = {}
    for row, own in enumerate(keys):
        if row < num_cases:
            cases.setdefault(own.tobytes(), row)
            continue
        if (case := cases.get(own.tobytes())) is not None:
            yield case, row, 1.0
        if (one := first.setdefault(own.tobytes(), row)) != row:
            yield one, row, 1.0
    for one, other in _in_buckets((keys[:, band] for band in range(keys.shape[1])), num_cases):
        yield one, other, float(vectors[one].astype(np.float32) @ vectors[other].astype(np.float32))
    if len(vectors) <= MOST_COMPARED:
        yield from _all_close(vectors)
    else:
        for one, other in _in_buckets(_sides(vectors), num_cases):
            cosine = float(vectors[one].astype(np.float32) @ vectors[other].astype(np.float32))
            if cosine >= CLOSE:
                yield one, other, cosine


def _all_close(vectors: Vectors) -> Iterator[tuple[int, int, float]]:
    import numpy as np

    num = len(vectors)
    for start in range(0, num, TILE):
        rows = vectors[start : start + TILE].astype(np.float32)
        for before in range(0, start + 1, TILE):
            cosines = rows @ vectors[before : before + TILE].astype(np.float32).T
            for row, column in np.argwhere(cosines >= CLOSE).tolist():
                if before + column < start + row:
                    yield before + column, start + row, float(cosines[row, column])


def _sides(vectors: Vectors) -> Iterator[Keys]:
    """For each draw, on which side of its hyperplanes each vector lies, as one number."""
    import numpy as np

    random = np.random.default_rng(SEED)
    weights = (1 << np.arange(PLANES)).astype(np.uint32)
    for _ in range(DRAWS):
        planes = random.standard_normal((vectors.shape[1], PLANES), dtype=np.float32)
        sides = np.empty(len(vectors), dtype=np.uint32)
        for start in range(0, len(vectors), TILE):
            block = vectors[start : start + TILE].astype(np.float32) @ planes > 0
            sides[start : start + TILE] = block @ weights
        yield sides


def _in_buckets(columns: Iterator[Keys], num_cases: int) -> Iterator[tuple[int, int]]:
    """Pairs of rows with the same key in a column: each with the first rows of its bucket.

    And with its first test cases.
    """
    import numpy as np

    for column in columns:
        order = np.argsort(column, kind="stable")
        ends = np.flatnonzero(np.diff(column[order])) + 1
        starts = np.concatenate(([0], ends))
        sizes = np.diff(np.concatenate((starts, [len(order)])))
        for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
            bucket = order[start : start + size].tolist()
            begin = bisect_left(bucket, num_cases)
            cases = bucket[: min(begin, MOST_LEADS)]
            for place, other in enumerate(bucket[begin:], start=begin):
                for one in (*cases, *bucket[begin : min(place, begin + MOST_LEADS)]):
                    yield one, other


def _constants() -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]:
    import numpy as np

    random = np.random.default_rng(SEED)
    num, most = BANDS * WIDTH, 2**63
    return (
        random.integers(1, most, num, dtype=np.uint64) | np.uint64(1),
        random.integers(0, most, num, dtype=np.uint64),
        random.integers(1, most, WIDTH, dtype=np.uint64) | np.uint64(1),
    )
