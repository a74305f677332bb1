"""The vectors of published versions, kept in memory: a published version never changes.

Comparing 20,000 vectors takes PostgreSQL some 30 ms and a matrix product 3. What entries say stays
in the database, and is read from it for those that are served.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from django.db import connection

from curation.models import LibraryVersion, PublishedEntry

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# In each process; the one used last stays, however large it is.
MOST_BYTES = 128 * 1024 * 1024

Scope = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Audience:
    """Who asks: an entry meant for certain roles, environments or models serves only them."""

    role: str = ""
    environment: str = ""
    model: str = ""

    def may_have(self, scope: Scope) -> bool:
        """Whether an entry for these roles, environments and models serves this audience."""
        asked = (self.role, self.environment, self.model)
        return all(not meant or one in meant for one, meant in zip(asked, scope, strict=True))


@dataclass(frozen=True)
class Shelf:
    """A version's entries, by place: their ids, unit vectors, scopes, and last days as ordinals.

    `vectors` has a row of float32 for each entry. `scope_of` points into `scopes`.
    """

    models: frozenset[str]
    ids: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]
    scopes: list[Scope]
    scope_of: npt.NDArray[np.int32]
    last_days: npt.NDArray[np.int32]
    near: dict[int, int] = field(repr=False)

    @property
    def num_bytes(self) -> int:
        """About how much memory it takes."""
        return int(self.vectors.nbytes + 3 * self.ids.nbytes)

    def num_expired(self, today: date) -> int:
        """How many entries are not served any more on this day."""
        return int((self.last_days < today.toordinal()).sum())

    def nearest(
        self, query: Sequence[float], *, audience: Audience, today: date, limit: int
    ) -> list[int]:
        """Return the ids of the entries for an audience that are nearest to a unit vector.

        All are compared. Those of equal similarity, to six digits, come by their ids.
        """
        import numpy as np

        may = np.fromiter((audience.may_have(one) for one in self.scopes), bool, len(self.scopes))
        is_open = may[self.scope_of] & (self.last_days >= today.toordinal())
        num = min(limit, int(is_open.sum()))
        if num < 1:
            return []
        # By BLAS it takes longer: its threads wait for each other where others work too.
        asked = np.asarray(query, dtype=np.float32)
        likeness = np.einsum("ij,j->i", self.vectors, asked).round(6)
        likeness[~is_open] = -2
        # Those as near as the last one that is taken compete with it.
        least = np.partition(likeness, len(likeness) - num)[len(likeness) - num]
        places = np.flatnonzero((likeness >= least) & is_open)
        order = np.lexsort((self.ids[places], -likeness[places]))[:num]
        return [int(one) for one in self.ids[places[order]]]

    def vectors_of(self, ids: Sequence[int]) -> list[npt.NDArray[np.float32]]:
        """Return the unit vector of each of these entries."""
        return [self.vectors[self.near[one]] for one in ids]


# By version, and how many of its entries were erased.
_shelves: OrderedDict[tuple[int, int], Shelf] = OrderedDict()
_lock = threading.Lock()


def shelf_of(version: LibraryVersion) -> Shelf:
    """Return a version's vectors; the first time in a process they are read, in some 300 ms."""
    key = (version.pk, version.num_erased)
    with _lock:
        if (found := _shelves.get(key)) is not None:
            _shelves.move_to_end(key)
            return found
    found = _read(version)
    with _lock:
        for stale in [one for one in _shelves if one[0] == version.pk]:
            del _shelves[stale]
        _shelves[key] = found
        while len(_shelves) > 1 and sum(one.num_bytes for one in _shelves.values()) > MOST_BYTES:
            _shelves.popitem(last=False)
    return found


def clear() -> None:
    """Forget all of them."""
    with _lock:
        _shelves.clear()


# Vectors as they go over the wire, which NumPy reads as they are: the number of dimensions and an
# unused number in two bytes each, then one half-precision float a dimension, all big-endian.
_READ = (
    "SELECT entry_id, model, roles, environments, models, expires_on, halfvec_send(vector) "  # noqa: S608
    f"FROM {PublishedEntry._meta.db_table} WHERE version_id = %s ORDER BY entry_id"
)
_HEAD = 2


def _read(version: LibraryVersion) -> Shelf:
    import numpy as np

    with connection.cursor() as cursor:
        cursor.execute(_READ, [version.pk])
        rows = cursor.fetchall()
    scopes: dict[Scope, int] = {}
    scope_of = [
        scopes.setdefault((tuple(row[2]), tuple(row[3]), tuple(row[4])), len(scopes))
        for row in rows
    ]
    halves = np.frombuffer(b"".join(bytes(row[6]) for row in rows), dtype=">f2")
    width = len(halves) // len(rows) if rows else _HEAD
    vectors = halves.reshape(len(rows), width)[:, _HEAD:].astype(np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(norms == 0, 1, norms)
    return Shelf(
        models=frozenset(row[1] for row in rows),
        ids=np.fromiter((row[0] for row in rows), np.int64, len(rows)),
        vectors=vectors,
        scopes=list(scopes),
        scope_of=np.asarray(scope_of, dtype=np.int32),
        last_days=np.fromiter(
            (row[5].toordinal() if row[5] else date.max.toordinal() for row in rows),
            np.int32,
            len(rows),
        ),
        near={row[0]: place for place, row in enumerate(rows)},
    )
