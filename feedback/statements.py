"""Statements that every request runs, which PostgreSQL keeps planned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor


def run(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a statement whose text never varies and return its rows.

    Django binds parameters in the client, so that each request's statement is a new one to parse
    and plan. Bound by the server, it is prepared from its fifth run on a connection.
    """
    connection.ensure_connection()
    raw = cast("Any", ServerBindingCursor)(connection.connection)
    cursor = (
        connection.make_debug_cursor(raw)
        if connection.queries_logged
        else connection.make_cursor(raw)
    )
    with cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
