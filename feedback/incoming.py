"""PURE. A checked record on its way into the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Generic, TypeVar, cast

from feedback.payloads import Record
from feedback.wire import Fault

R_co = TypeVar("R_co", bound=Record, covariant=True)
S = TypeVar("S", bound=Record)


class Outcome(Enum):
    ACCEPTED = "accepted"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass
class Incoming(Generic[R_co]):
    """One checked record, and what became of it.

    `key` tells the record from others of its type; `raw` is what was sent; `collected_for` the
    id of the output whose user sent it.
    """

    index: int
    record: R_co
    raw: dict[str, object]
    key: str
    external_id: str
    collected_for: str | None = None
    received_at: datetime | None = None
    outcome: Outcome | None = None
    faults: list[Fault] = field(default_factory=list)
    waits_for: tuple[str, str] | None = None

    @property
    def is_stored(self) -> bool:
        """Whether the row itself is in place, as against waiting or refused."""
        return self.outcome is not None and self.waits_for is None


def of(items: Iterable[Incoming[Record]], shape: type[S]) -> list[Incoming[S]]:
    """The items whose record has the shape."""
    return [cast("Incoming[S]", item) for item in items if isinstance(item.record, shape)]
