"""Reads the records of feedback/demo (see NOTICE.md there), as if they had just come."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

import feedback

DIRECTORY = Path(feedback.__file__).parent / "demo"
TIMES = ("started_at", "at")

Record = dict[str, Any]


def read(*, newest: datetime) -> list[tuple[datetime, Record]]:
    """All records with their times, the oldest first, moved so that the last is of `newest`."""
    records = sorted(((_time(record), record) for record in _lines()), key=lambda one: one[0])
    shift = newest - records[-1][0]
    return [(at + shift, _moved(record, shift)) for at, record in records]


def _lines() -> Iterator[Record]:
    for path in sorted(DIRECTORY.glob("*.ndjson.gz")):
        with gzip.open(path) as lines:
            yield from map(orjson.loads, lines)


def _time(record: Record) -> datetime:
    return max(datetime.fromisoformat(record[name]) for name in TIMES if name in record)


def _moved(record: Record, shift: timedelta) -> Record:
    times = {name: datetime.fromisoformat(record[name]) for name in TIMES if name in record}
    return record | {name: (at + shift).isoformat() for name, at in times.items()}
