"""Inserts new rows in one statement and changes those that are there, safely side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Field, JSONField, Model

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
    columns = {name: _column(model, name) for name in rows[0]}
    parameters = [
        [json.dumps(row[name]) if is_json and row[name] is not None else row[name] for row in rows]
        for name, (_, _, is_json) in columns.items()
    ]
    arrays = ", ".join(f"%s::{kind}[]" for _, kind, _ in columns.values())
    names = ", ".join(f'"{column}"' for column, _, _ in columns.values())
    values = ", ".join(
        f'new."{column}"::jsonb' if is_json else f'new."{column}"'
        for column, _, is_json in columns.values()
    )
    unique = ", ".join(f'"{name}"' for name in ["project_id", *(only or {}), key])
    statement = (
        f'INSERT INTO "{model._meta.db_table}" (project_id, received_at, {names}) '  # noqa: S608
        f"SELECT %s, %s, {values} FROM unnest({arrays}) AS new({names}) "
        f'ON CONFLICT ({unique}) DO NOTHING RETURNING "{key}"'
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [project.pk, now, *parameters])
        return [row[0] for row in cursor.fetchall()]


def _column(model: type[M], name: str) -> tuple[str, str, bool]:
    """Column name, the array's element type, and whether it is JSON, which travels as text."""
    field = model._meta.get_field(name)
    if not isinstance(field, Field):
        raise TypeError(f"{name} is no column.")
    is_json = isinstance(field, JSONField)
    kind = "text" if is_json else (field.db_type(connection) or "text")
    return str(field.column), kind, is_json
