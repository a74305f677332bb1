"""Acts between two statements of another, as somebody else does whose work is committed there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


@contextmanager
def meanwhile(act: Callable[[], object], *, before: str) -> Iterator[None]:
    """Act once, before the first statement that has these words; there has to be one."""
    acted = False

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal acted
        if before in sql and not acted:
            acted = True
            act()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield
    assert acted
