"""Keyset pages of a list: as fast at the end as at the start, whatever comes in meanwhile."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import orjson
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import Field, Model, Q, QuerySet

from feedback.wire import UNSTORABLE

M = TypeVar("M", bound=Model)


class CursorError(BadRequest):
    """The cursor is not one that this list gave; Django answers 400 where nobody catches it."""


@dataclass(frozen=True)
class Page(Generic[M]):
    """Some rows of a list, and the cursor of what follows them, if anything does."""

    rows: list[M]
    next_cursor: str | None


def page(rows: QuerySet[M], *, order: Sequence[str], size: int, cursor: str = "") -> Page[M]:
    """Return `size` rows after the cursor, "" for the first.

    `order` names columns, "-" for descending; the last is unique and none is ever null. Raises
    CursorError.
    """
    if cursor:
        rows = rows.filter(_after(rows.model, order, read_cursor(cursor, len(order))))
    found = list(rows.order_by(*order)[: size + 1])
    more = len(found) > size
    return Page(found[:size], _cursor_of(found[size - 1], order) if more else None)


def _after(model: type[Model], order: Sequence[str], values: list[Any]) -> Q:
    """Equal in the first so many columns, and beyond in the next."""
    condition = Q()
    equal = Q()
    for name, value in zip(order, values, strict=True):
        column = name.removeprefix("-")
        if value is None or (isinstance(value, str) and UNSTORABLE.search(value)):
            raise CursorError("This is no cursor that the list gave.")
        try:
            field = cast("Field[Any, Any]", model._meta.get_field(column))
            given = getattr(field, "output_field", field).to_python(value)
        except (ValidationError, TypeError) as error:
            raise CursorError("This is no cursor that the list gave.") from error
        comparison = "lt" if name.startswith("-") else "gt"
        condition |= equal & Q(**{f"{column}__{comparison}": given})
        equal &= Q(**{column: given})
    return condition


def _cursor_of(row: Model, order: Sequence[str]) -> str:
    return write_cursor([getattr(row, name.removeprefix("-")) for name in order])


def write_cursor(values: Sequence[Any]) -> str:
    """The cursor of what follows these values."""
    return base64.urlsafe_b64encode(orjson.dumps([*values])).decode().rstrip("=")


def read_cursor(cursor: str, length: int) -> list[Any]:
    """So many values of a cursor, unchecked. Raises CursorError."""
    try:
        values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        raise CursorError("This is no cursor that the list gave.") from None
    if not isinstance(values, list) or len(values) != length:
        raise CursorError("This is no cursor that the list gave.")
    return values
