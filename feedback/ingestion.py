"""Stores what senders send: once each, in part where it must be, and never losing a record.

A batch is stored in one transaction. Records that refer to one that is not there yet wait; they
are joined in a second transaction, after the first is committed, so that of two concurrent
requests at least one sees both halves. What both miss, `join_waiting` finds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from django.conf import settings
from django.db import OperationalError, transaction

from feedback import erasure, storing
from feedback.incoming import Incoming, Outcome
from feedback.models import Project, RejectedRecord, WaitingRecord
from feedback.payloads import (
    FeedbackRecord,
    OutputRecord,
    Record,
    RecordError,
    SessionRecord,
    SignalRecord,
    excerpt,
    printable,
    read,
)
from feedback.waiting import let_wait
from feedback.wire import Fault, Unreadable

T = TypeVar("T")

# What a refused request leaves behind is capped, so that a flood cannot fill the disk.
MAX_REJECTED_KEPT = 10_000
# Rows are locked in one order; what still collides is a batch that lets a record wait while
# another request joins it. PostgreSQL ends one of the two, which is then tried again.
DEADLOCK_DETECTED = "40P01"
DEADLOCK_ATTEMPTS = 4


@dataclass(frozen=True)
class Rejection:
    """A record that was refused: its place in the request, its id if any, and why."""

    index: int
    id: str | None
    errors: list[Fault]


@dataclass
class Report:
    """What became of each record of a batch; the four numbers add up to what was sent."""

    accepted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[Rejection] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The report as the API replies it."""
        return {
            "accepted": self.accepted,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "rejected": [asdict(rejection) for rejection in self.rejected],
        }


def ingest(
    *,
    project: Project,
    records: Sequence[object],
    now: datetime,
    collected_for: str | None = None,
) -> Report:
    """Store the records of one request and say what became of each.

    With `collected_for`, the id of an output, the records come from that output's users: they
    may be feedback and signals of people only, get that output as their target, and can neither
    name nor change a row that came another way. Raises nothing for a faulty record: it is in the
    report, and among the project's rejected records.
    """
    report, incoming = _again_on_deadlock(
        lambda: _store(project, records, now, collected_for),
    )
    _join_after(project, incoming, now)
    return report


def _gone(field: str) -> Fault:
    return Fault(field, "This was erased, and is not taken in again.")


@transaction.atomic
def _store(
    project: Project, records: Sequence[object], now: datetime, collected_for: str | None
) -> tuple[Report, list[Incoming[Record]]]:
    incoming, refused = _read(records, collected_for)
    erased = erasure.refused(project=project, incoming=incoming)
    told = [
        Rejection(one.index, _text_field(one.raw, "id"), [_gone(erased[one.index])])
        for one in incoming
        if one.index in erased
    ]
    incoming = [one for one in incoming if one.index not in erased]
    for batch in _without_repeats(incoming):
        storing.store(project=project, batch=batch, now=now)
        let_wait(project, [one for one in batch if one.waits_for and not one.faults], now)
    report = _tell(incoming, refused)
    _keep_rejected(project, refused, now, collected_for)
    # Nothing is kept of them, not even that they came: they were erased.
    report.rejected = sorted([*report.rejected, *told], key=lambda one: one.index)
    return report, incoming


def join_waiting(*, now: datetime, limit: int = 1_000) -> int:
    """Store waiting records whose counterpart has come; return how many keys were looked at."""
    refs = list(
        WaitingRecord.objects.ready().values_list("project_id", "waits_for_type", "waits_for_id")[
            :limit
        ]
    )
    by_project: dict[int, set[tuple[str, str]]] = {}
    for project_id, kind, external_id in refs:
        by_project.setdefault(project_id, set()).add((kind, external_id))
    for project in Project.objects.filter(pk__in=by_project):
        _join(project, by_project[project.pk], now)
    return len(refs)


@transaction.atomic
def expire(*, now: datetime) -> int:
    """Reject what has waited too long, forget old rejections; return how many were rejected."""
    RejectedRecord.objects.filter(
        received_at__lt=now - timedelta(days=settings.REJECTED_DAYS)
    ).delete()
    late = list(
        WaitingRecord.objects.select_for_update(skip_locked=True).filter(
            received_at__lt=now - timedelta(days=settings.WAITING_DAYS)
        )[:1_000]
    )
    RejectedRecord.objects.bulk_create(
        RejectedRecord(
            project_id=row.project_id,
            type=row.type,
            external_id=row.external_id,
            errors=[
                {
                    "path": row.waits_for_type,
                    "message": f"{row.waits_for_type.title()} “{row.waits_for_id}” did not come "
                    f"within {settings.WAITING_DAYS} days.",
                }
            ],
            excerpt=excerpt(row.records[-1]),
            received_at=now,
        )
        for row in late
    )
    WaitingRecord.objects.filter(pk__in=[row.pk for row in late]).delete()
    return len(late)


Refused = tuple[int, object, list[Fault]]


def _read(
    records: Sequence[object], collected_for: str | None
) -> tuple[list[Incoming[Record]], list[Refused]]:
    incoming: list[Incoming[Record]] = []
    refused: list[Refused] = []
    for index, raw in enumerate(records):
        try:
            if isinstance(raw, Unreadable):
                raise RecordError(*raw.faults)  # noqa: TRY301
            if not isinstance(raw, dict):
                raise RecordError(Fault("", "A record is a JSON object."))  # noqa: TRY301
            record = _collected(raw, collected_for) if collected_for is not None else raw
            incoming.append(_incoming(index, read(record), record, collected_for))
        except RecordError as error:
            refused.append((index, raw, error.faults))
    return incoming, refused


def _collected(raw: dict[str, object], output: str) -> dict[str, object]:
    """What a user's browser sent, as a record on the output its token names."""
    kind = raw.get("type")
    if kind not in ("feedback", "signal"):
        raise RecordError(Fault("type", "Give feedback or signal."))
    for name in ("output", "session"):
        if raw.get(name) is not None:
            raise RecordError(Fault(name, "The token names the output; leave this out."))
    if kind == "signal":
        # The session is the output's own; storing finds it.
        return {**raw, "session": "-", "output": output}
    if raw.get("annotator_kind") not in ("HUMAN", None):
        raise RecordError(Fault("annotator_kind", "Only HUMAN feedback may be collected."))
    return {**raw, "annotator_kind": "HUMAN", "output": output}


def _incoming(
    index: int, record: Record, raw: dict[str, Any], collected_for: str | None
) -> Incoming[Record]:
    given = record.id
    if isinstance(record, (SessionRecord, OutputRecord)):
        key = external_id = record.id
    else:
        scope = "" if collected_for is None else f"c:{_digest([collected_for])[:24]}:"
        parts = _identity(record, collected=collected_for is not None)
        external_id = given or _digest(parts)[:32]
        key = (
            f"{scope}i:{_digest([given]) if scope else given}"
            if given
            else (f"{scope}d:{_digest(parts)}")
        )
    return Incoming(
        index=index,
        record=record,
        raw=raw,
        key=key,
        external_id=external_id,
        collected_for=collected_for,
    )


def _identity(record: FeedbackRecord | SignalRecord, *, collected: bool) -> list[object]:
    """What makes a record without an id one."""
    if isinstance(record, SignalRecord):
        session = None if collected else record.session
        return [session, record.output, record.kind, record.at.isoformat()]
    target = ["output", record.output] if record.output else ["session", record.session]
    author = record.author.id if record.author else None
    return [*target, record.name, record.annotator_kind, author, record.identifier or None]


def _digest(parts: Iterable[object]) -> str:
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()


def _without_repeats(incoming: list[Incoming[Record]]) -> list[list[Incoming[Record]]]:
    """Split a batch so that no key comes twice in one part and the order of each key is kept."""
    seen: dict[tuple[str, str], int] = {}
    parts: list[list[Incoming[Record]]] = []
    for item in incoming:
        place = seen.get((item.record.type, item.key), 0)
        seen[item.record.type, item.key] = place + 1
        if place == len(parts):
            parts.append([])
        parts[place].append(item)
    return parts


def _tell(incoming: list[Incoming[Record]], refused: list[Refused]) -> Report:
    report = Report()
    for item in incoming:
        if item.faults:
            refused.append((item.index, item.raw, item.faults))
        elif item.outcome is Outcome.ACCEPTED:
            report.accepted += 1
        elif item.outcome is Outcome.UPDATED:
            report.updated += 1
        else:
            report.unchanged += 1
    for index, raw, faults in sorted(refused, key=lambda one: one[0]):
        report.rejected.append(Rejection(index, _text_field(raw, "id"), faults))
    return report


def _keep_rejected(
    project: Project, refused: Sequence[Refused], now: datetime, collected_for: str | None = None
) -> None:
    if not refused:
        return
    records = [_sent(raw) for _, raw, _ in refused]
    erased = erasure.refused_unread(project=project, records=records, output=collected_for)
    RejectedRecord.objects.bulk_create(
        RejectedRecord(
            project=project,
            type=(_text_field(record, "type") or "")[:20],
            external_id=(_text_field(record, "id") or "")[:200],
            errors=[{"path": f.path, "message": f.message} for f in faults],
            excerpt=excerpt(record),
            received_at=now,
        )
        for place, (record, (_, _, faults)) in enumerate(zip(records, refused, strict=True))
        if place not in erased
    )
    RejectedRecord.objects.beyond(project=project, newest=MAX_REJECTED_KEPT).delete()


def _sent(raw: object) -> object:
    return raw.record if isinstance(raw, Unreadable) else raw


def _text_field(raw: object, name: str) -> str | None:
    record = _sent(raw)
    value = record.get(name) if isinstance(record, dict) else None
    return printable(value) if isinstance(value, str) else None


def _again_on_deadlock(work: Callable[[], T]) -> T:
    for _ in range(DEADLOCK_ATTEMPTS - 1):
        try:
            return work()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != DEADLOCK_DETECTED:
                raise
    return work()


def _join_after(project: Project, incoming: list[Incoming[Record]], now: datetime) -> None:
    refs = {
        (str(item.record.type), item.external_id)
        for item in incoming
        if item.outcome is Outcome.ACCEPTED
        and item.is_stored
        and isinstance(item.record, (SessionRecord, OutputRecord))
    } | {item.waits_for for item in incoming if item.waits_for is not None}
    _join(project, refs, now)


def _join(project: Project, refs: set[tuple[str, str]], now: datetime) -> None:
    """Store what waits for these sessions and outputs, and what waits for that in turn."""
    while refs and WaitingRecord.objects.waits(project=project, refs=refs):
        refs = _again_on_deadlock(partial(_join_once, project, refs, now))


@transaction.atomic
def _join_once(project: Project, refs: set[tuple[str, str]], now: datetime) -> set[tuple[str, str]]:
    # Waited for, not skipped: who holds them may have looked just before our half was there.
    rows = list(
        WaitingRecord.objects.waiting_for(project=project, refs=refs)
        .select_for_update()
        .order_by("pk")
    )
    stored: list[Incoming[Record]] = []
    for row in rows:
        for one in row.records:
            item = _incoming(row.pk, read(one["record"]), one["record"], one["collected_for"])
            item.received_at = datetime.fromisoformat(one["received_at"])
            stored.append(item)
    for batch in _without_repeats(stored):
        storing.store(project=project, batch=batch, now=now)
    waits = {item.index: item.waits_for for item in stored if item.waits_for and not item.faults}
    for row in rows:
        if row.pk in waits:
            row.waits_for_type, row.waits_for_id = waits[row.pk]
            row.save(update_fields=["waits_for_type", "waits_for_id"])
    WaitingRecord.objects.filter(pk__in=[row.pk for row in rows if row.pk not in waits]).delete()
    refused: list[Refused] = [(one.index, one.raw, one.faults) for one in stored if one.faults]
    _keep_rejected(project, refused, now)
    return {
        ("output", item.external_id)
        for item in stored
        if isinstance(item.record, OutputRecord) and item.is_stored
    }
