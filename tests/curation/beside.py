"""Acts that meet at one point, each on a connection of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection

from tests.threads import at_once

PATIENCE = 20.0


class Meeting:
    """Holds an act up in the middle until another one waits for its locks, or is through."""

    def __init__(self) -> None:
        self._began, self._ended = threading.Event(), threading.Event()

    def holding(self, act: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
        """The same act, held up before it or after it, the first time."""

        def held(*args: Any, **kwargs: Any) -> Any:
            found = None if before else act(*args, **kwargs)
            if not self._began.is_set():
                self._began.set()
                self._wait()
            return act(*args, **kwargs) if before else found

        return held

    def of(self, first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
        """Do the first, which is held up somewhere, and from then on the second; what they gave.

        What one raises is given in its place.
        """

        def later() -> Any:
            assert self._began.wait(PATIENCE)
            try:
                return _tried(second)
            finally:
                self._ended.set()

        return at_once(lambda: _tried(first), later)

    def _wait(self) -> None:
        until = time.monotonic() + PATIENCE
        while not self._ended.is_set() and not _is_one_blocked():
            assert time.monotonic() < until
            time.sleep(0.02)


def _tried(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except Exception as error:  # noqa: BLE001  (the test judges it)
        return error


def _is_one_blocked() -> bool:
    with connection.cursor() as cursor:
        # What one transaction sees of others stays the same without this.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])
