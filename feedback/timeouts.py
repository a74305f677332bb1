"""Keeps what people ask for from holding the database up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled


class TooSlowError(Exception):
    """The database did not answer in time; a narrower question may do."""


@contextmanager
def time_limit(milliseconds: int) -> Iterator[None]:
    """Give each statement within so much time, in one transaction. Raises TooSlowError.

    Within a transaction of the caller's the limit holds until that ends.
    """
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)]
                )
            yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooSlowError from error
        raise
