"""Picks the place that a reviewer is handed next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, models

from feedback import statements
from feedback.models import User
from review.models import Claim, Escalation, Queue, QueueItem, Review, Skip


def held(*, queue: Queue, by: User, now: datetime) -> Claim | None:
    """The place of the queue that the reviewer has held longest; None when they hold none."""
    return _place(statements.run(HELD, [by.pk, now, queue.pk]))


def pick(*, queue: Queue, by: User, now: datetime) -> Claim | None:
    """Lock the best free place for the reviewer; None when nothing is left. Needs a transaction.

    Never on an item they reviewed or skipped, nor on one that was sent back to the queue after they
    decided on its answer, nor a second place on one item. Rows that another reviewer's statement
    has locked are passed over, so nobody waits.
    """
    return _place(statements.run(FREE, [queue.pk, by.pk, by.pk, by.pk, now, by.pk, by.pk]))


def _names(model: type[models.Model]) -> list[str]:
    """The columns but for JSON: it would come as text; who asks for it gets it then."""
    fields = model._meta.concrete_fields
    return [field.attname for field in fields if not isinstance(field, models.JSONField)]


_CLAIM, _ITEM = _names(Claim), _names(QueueItem)
_COLUMNS = ", ".join([*(f"place.{name}" for name in _CLAIM), *(f"item.{name}" for name in _ITEM)])
_PLACES = (
    f"SELECT {_COLUMNS} FROM {Claim._meta.db_table} AS place "  # noqa: S608
    f"JOIN {QueueItem._meta.db_table} AS item ON item.id = place.item_id "
)
HELD = (
    f"{_PLACES} WHERE place.reviewer_id = %s AND place.lease_until > %s "
    "AND place.finished_at IS NULL AND item.queue_id = %s "
    "ORDER BY place.claimed_at, place.id LIMIT 1"
)
# Every claim asks this, so it is written out: the ORM takes longer to say it than PostgreSQL to
# answer it. What a reviewer has done is asked for item by item, as values: as joins they would be
# made for the whole queue, or in the order of another index than that of the rank. What they
# skipped is little, and read once. The inner query reads nothing but indexes, for a reviewer who
# is ahead of the others passes over as many items as the others have left. Whether an item was sent
# back is asked of those it leaves, one of which is taken.
FREE = (
    f"SELECT {_COLUMNS} FROM (SELECT item.id, item.rank FROM {QueueItem._meta.db_table} AS item "  # noqa: S608
    "WHERE item.queue_id = %s AND item.status = 'open' "
    f"AND NOT coalesce((SELECT true FROM {Review._meta.db_table} AS own "
    "WHERE own.item_id = item.id AND own.reviewer_id = %s), false) "
    f"AND NOT coalesce((SELECT own.finished_at IS NOT NULL FROM {Claim._meta.db_table} AS own "
    "WHERE own.item_id = item.id AND own.reviewer_id = %s), false) "
    f"AND item.id NOT IN (SELECT own.item_id FROM {Skip._meta.db_table} AS own "
    "WHERE own.reviewer_id = %s) "
    "ORDER BY item.rank DESC, item.id) AS free "
    f"JOIN {QueueItem._meta.db_table} AS item ON item.id = free.id "
    f"JOIN {Claim._meta.db_table} AS place ON place.item_id = free.id "
    "WHERE place.finished_at IS NULL AND (place.lease_until IS NULL OR place.lease_until <= %s) "
    f"AND NOT coalesce((SELECT own.id <> place.id FROM {Claim._meta.db_table} AS own "
    "WHERE own.item_id = free.id AND own.reviewer_id = %s), false) "
    f"AND NOT coalesce((SELECT true FROM {Escalation._meta.db_table} AS sent "
    f"JOIN {Review._meta.db_table} AS own ON own.output_id = sent.output_id "
    "WHERE sent.output_id = item.output_id AND sent.returned_to_id = item.queue_id "
    "AND own.reviewer_id = %s AND own.created_at <= sent.settled_at LIMIT 1), false) "
    "ORDER BY free.rank DESC, free.id, place.place LIMIT 1 FOR UPDATE OF place SKIP LOCKED"
)


def _place(rows: Sequence[Sequence[Any]]) -> Claim | None:
    if not rows:
        return None
    [row] = rows
    found = Claim.from_db(connection.alias, _CLAIM, row[: len(_CLAIM)])
    found.item = QueueItem.from_db(connection.alias, _ITEM, row[len(_CLAIM) :])
    return found
