"""Inserts new rows in one statement and changes those that are there, safely side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import orjson
from django.db import connection
from django.db.models import Field, Model

from feedback import statements
from feedback.incoming import Incoming, Outcome
from feedback.models import Project
from feedback.payloads import Record
from feedback.wire import Fault

Values = dict[str, Any]
M = TypeVar("M", bound=Model)


def upsert(
    model: type[M],
    *,
    project: Project,
    items: Sequence[Incoming[Record]],
    sent: Mapping[str, Values],
    rows: Mapping[str, Values],
    key: str,
    now: datetime,
    check: Callable[[M, Values], list[Fault]],
    before_change: Callable[[M, Values, datetime], None] | None = None,
    only: Values | None = None,
) -> None:
    """Insert `rows` and, where their key is taken, change the fields that were `sent`.

    Both map an item's key to columns. `check` may refuse a change; `before_change` may add to
    one. Sets each item's outcome or faults. A concurrent insert of the same key is waited for
    and then seen as being there.
    """
    left = {item.key: item for item in items}
    while left:
        inserted = _insert(model, project, [rows[one] | {key: one} for one in left], key, only, now)
        for one in inserted:
            left.pop(one).outcome = Outcome.ACCEPTED
        there = _changes(model, project, left, sent, key, only, lock=False)
        changed = {one for one, (_, changes) in there.items() if changes}
        for one in there.keys() - changed:
            left.pop(one).outcome = Outcome.UNCHANGED
        to_change = {one: left[one] for one in left.keys() & changed}
        locked = _changes(model, project, to_change, sent, key, only, lock=True)
        for one, (row, changes) in locked.items():
            _change(left.pop(one), row, changes, sent[one], check, before_change, now)


def _change(
    item: Incoming[Record],
    row: M,
    changes: Values,
    sent: Values,
    check: Callable[[M, Values], list[Fault]],
    before_change: Callable[[M, Values, datetime], None] | None,
    now: datetime,
) -> None:
    item.faults += check(row, sent)
    if item.faults:
        return
    item.outcome = Outcome.UPDATED if changes else Outcome.UNCHANGED
    if changes:
        if before_change is not None:
            before_change(row, changes, now)
        type(row)._default_manager.filter(pk=row.pk).update(**changes)


def _changes(
    model: type[M],
    project: Project,
    items: Mapping[str, Incoming[Record]],
    sent: Mapping[str, Values],
    key: str,
    only: Values | None,
    *,
    lock: bool,
) -> dict[str, tuple[M, Values]]:
    """The rows that are there, each with the sent fields whose value differs."""
    if not items:
        return {}
    rows = model._default_manager.filter(
        project=project, **{f"{key}__in": list(items)}, **(only or {})
    )
    if lock:
        rows = rows.select_for_update(no_key=True).order_by(key)
    return {
        getattr(row, key): (
            row,
            {
                name: value
                for name, value in sent[getattr(row, key)].items()
                if getattr(row, name) != value
            },
        )
        for row in rows
    }


def _insert(
    model: type[M],
    project: Project,
    rows: Sequence[Values],
    key: str,
    only: Values | None,
    now: datetime,
) -> list[str]:
    """Insert rows whose key is free, all in one statement; return the keys inserted."""
    statement = _insert_statement(model, tuple(rows[0]), (*(only or {}), key))
    # One JSON document travels and is taken apart faster than an array a column.
    inserted = statements.run(statement, [project.pk, now, orjson.dumps(rows).decode()])
    return [row[0] for row in inserted]


@cache
def _insert_statement(model: type[Model], names: tuple[str, ...], unique: tuple[str, ...]) -> str:
    columns = {name: _column(model, name) for name in names}
    shape = ", ".join(f'"{name}" {kind}' for name, (_, kind) in columns.items())
    values = ", ".join(f'new."{name}"' for name in columns)
    targets = ", ".join(f'"{column}"' for column, _ in columns.values())
    conflict = ", ".join(f'"{name}"' for name in ("project_id", *unique))
    return (
        f'INSERT INTO "{model._meta.db_table}" (project_id, received_at, {targets}) '  # noqa: S608
        f"SELECT %s, %s, {values} FROM json_to_recordset(%s::json) AS new({shape}) "
        f'ON CONFLICT ({conflict}) DO NOTHING RETURNING "{unique[-1]}"'
    )


def _column(model: type[Model], name: str) -> tuple[str, str]:
    """The column's name and type."""
    field = model._meta.get_field(name)
    if not isinstance(field, Field):
        raise TypeError(f"{name} is no column.")
    return str(field.column), field.db_type(connection) or "text"
