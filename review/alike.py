"""Finds what is nearly the same among many: stars of rows around a first one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

# Rows compared with all at once.
BLOCK = 1_000


def stars(asked: Vectors, answered: Vectors, *, same: float) -> list[int]:
    """For each row the first row it is the same as, its own place when there is none.

    Takes unit vectors. Two rows are the same when the cosines of both their vectors reach `same`.
    A row joins the first before it that joined no other: so all of one star are the same as its
    first, and no chain leads from one meaning to another.
    """
    import numpy as np

    num = len(asked)
    first = list(range(num))
    leads = np.ones(num, dtype=bool)
    for start in range(0, num, BLOCK):
        end = min(start + BLOCK, num)
        # Only rows before the end of the block can lead its rows.
        near = (asked[start:end] @ asked[:end].T >= same) & (
            answered[start:end] @ answered[:end].T >= same
        )
        for row in range(start, end):
            found = np.flatnonzero(near[row - start, :row] & leads[:row])
            if found.size:
                first[row] = int(found[0])
                leads[row] = False
    return first
