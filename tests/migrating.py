"""Applies single migrations to what a test has put into the database, in its own transaction.

Going back to where the database was before takes tens of seconds; a migration of data wants no more
than the rows it is about, and the constraints that came after it gone.
"""

from __future__ import annotations

from functools import cache

from django.db import connection
from django.db.migrations.loader import MigrationLoader


def apply(app: str, name: str) -> None:
    """Apply a migration, with the models as they were before it."""
    _hold_constraints()
    state = _loader().project_state((app, name), at_end=False)
    with connection.schema_editor() as editor:
        _loader().graph.nodes[app, name].apply(state, editor)


def unapply(app: str, name: str) -> None:
    """Take a migration back; what came after it stays as it is."""
    _hold_constraints()
    state = _loader().project_state((app, name), at_end=False)
    with connection.schema_editor() as editor:
        _loader().graph.nodes[app, name].unapply(state, editor)


@cache
def _loader() -> MigrationLoader:
    return MigrationLoader(None)


def _hold_constraints() -> None:
    """Check what waits for the end of the transaction: no table is changed before."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
