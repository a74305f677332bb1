"""Keeps records whose counterpart has not come yet."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from feedback.incoming import Incoming, Outcome
from feedback.models import Project, WaitingRecord
from feedback.payloads import Record


def let_wait(project: Project, items: list[Incoming[Record]], now: datetime) -> None:
    """Keep each item until what it waits for comes; set its outcome.

    What was sent under one key is kept in order, so that nothing of it is lost when it is
    stored. A repeat of what is known changes nothing. Expects a transaction.
    """
    for item in items:
        while item.outcome is None and item.waits_for is not None:
            item.outcome = _keep(project, item, item.waits_for, now)


def _keep(
    project: Project, item: Incoming[Record], waits_for: tuple[str, str], now: datetime
) -> Outcome | None:
    kind, external_id = waits_for
    sent = {
        "record": item.raw,
        "collected_for": item.collected_for,
        "received_at": (item.received_at or now).isoformat(),
    }
    rows = WaitingRecord.objects.filter(project=project, type=item.record.type, key=item.key)
    row = rows.select_for_update().first()
    if row is None:
        made = WaitingRecord.objects.bulk_create(
            [
                WaitingRecord(
                    project=project,
                    type=item.record.type,
                    key=item.key,
                    external_id=item.external_id,
                    waits_for_type=kind,
                    waits_for_id=external_id,
                    records=[sent],
                    received_at=item.received_at or now,
                )
            ],
            ignore_conflicts=True,
        )
        # A concurrent request may have come first: then the row is there at the next look.
        is_ours = rows.filter(records=[sent]).exists()
        return Outcome.ACCEPTED if made and is_ours else None
    merged: dict[str, Any] = {}
    for one in row.records:
        merged |= one["record"]
    if merged | item.raw == merged:
        return Outcome.UNCHANGED
    rows.update(records=[*row.records, sent], waits_for_type=kind, waits_for_id=external_id)
    return Outcome.UPDATED
