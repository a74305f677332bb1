"""Rows as the database has them: told as JSON, and put back bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from django.db import connection
from django.db.models import ForeignKey, Model


def told(model: type[Model], pks: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The rows with these ids, every column of them, by id."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, to_jsonb(t) FROM {model._meta.db_table} AS t WHERE id = ANY(%s)",  # noqa: S608
            [list(pks)],
        )
        return {pk: read(row) for pk, row in cursor.fetchall()}


def put_back(model: type[Model], rows: Sequence[dict[str, Any]]) -> set[int]:
    """Insert rows as `told` told them; return the ids of those that could be.

    One that names something that is gone, or that is unique and taken by now, is left out.
    """
    columns = ", ".join(
        f.column for f in model._meta.concrete_fields if f.column and not f.generated
    )
    there = [
        f"(r.{f.column} IS NULL OR EXISTS (SELECT 1 FROM {f.related_model._meta.db_table} "  # noqa: S608
        f"WHERE id = r.{f.column}))"
        for f in model._meta.concrete_fields
        if isinstance(f, ForeignKey)
    ]
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} "  # noqa: S608
            f"FROM jsonb_populate_recordset(NULL::{table}, %s::jsonb) AS r "
            f"WHERE {' AND '.join(there)} ON CONFLICT DO NOTHING RETURNING id",
            [orjson.dumps(list(rows)).decode()],
        )
        return {pk for (pk,) in cursor.fetchall()}


def read(row: Any) -> dict[str, Any]:
    """A row as a cursor gives it."""
    found: dict[str, Any] = orjson.loads(row) if isinstance(row, str | bytes) else row
    return found
