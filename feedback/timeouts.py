"""Keeps what people ask for from holding the database up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from time import monotonic
from typing import Any

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled


class TooSlowError(Exception):
    """The database did not answer in time; a narrower question may do."""


@contextmanager
def time_limit(milliseconds: int, *, altogether: int | None = None) -> Iterator[None]:
    """Give each statement within so much time, in one transaction. Raises TooSlowError.

    None is begun that much time after the first, `altogether`, where that is said. Within a
    transaction of the caller's the limit of each holds until that ends.
    """
    ends = inf if altogether is None else monotonic() + altogether / 1_000

    def in_time(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if monotonic() > ends and "SAVEPOINT" not in sql:
            raise TooSlowError
        return execute(sql, *rest)

    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)]
                )
            with connection.execute_wrapper(in_time):
                yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooSlowError from error
        raise
