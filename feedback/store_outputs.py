"""Writes outputs and keeps the texts that a change replaces."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from feedback.incoming import Incoming
from feedback.models import AnswerVersion, Output, Project
from feedback.payloads import OutputRecord
from feedback.store_sessions import session_ids
from feedback.upserting import upsert
from feedback.wire import Fault


def _output_fields(record: OutputRecord) -> dict[str, Any]:
    values = {
        name: value
        for name, value in record.sent().items()
        if name not in {"type", "id", "session", "context"}
    }
    if record.context is not None:
        values |= record.context.model_dump(
            exclude_none=True, include=record.context.model_fields_set
        )
    return values


def store_outputs(project: Project, items: list[Incoming[OutputRecord]], now: datetime) -> None:
    """Insert new outputs and change those that are there; one without its session waits."""
    sessions = session_ids(project, {item.record.session for item in items})
    ready = _split_waiting(items, sessions)
    defaults: dict[str, Any] = {
        "at": now,
        "system": "",
        "documents": [],
        "messages": [],
        "tools": [],
        "exposure": None,
        "version": 1,
        "model": "",
        "model_version": "",
        "prompt_version": "",
        "confidence": None,
        "usage": {},
        "latency_ms": None,
        "trace_id": "",
        "span_id": "",
        "metadata": {},
        "embedded_with": "",
    }
    values = {}
    for item in ready:
        sent = _output_fields(item.record)
        values[item.key] = {**sent, "session_id": sessions[item.record.session]}
    rows = {key: {**defaults, **sent} for key, sent in values.items()}
    upsert(
        Output,
        project=project,
        items=ready,
        sent=values,
        rows=rows,
        key="external_id",
        now=now,
        check=_output_faults,
        before_change=_keep_version,
    )


def _split_waiting(
    items: list[Incoming[OutputRecord]], sessions: dict[str, int]
) -> list[Incoming[OutputRecord]]:
    ready = []
    for item in items:
        if item.record.session in sessions:
            ready.append(item)
        else:
            item.waits_for = ("session", item.record.session)
    return ready


def _output_faults(row: Output, sent: dict[str, Any]) -> list[Fault]:
    if row.session_id != sent["session_id"]:
        return [Fault("session", "This output belongs to another session, and stays there.")]
    return []


def _keep_version(row: Output, changes: dict[str, Any], now: datetime) -> None:
    """Keep the text that a change replaces as a former version, and say when it changed."""
    if "text" in changes:
        AnswerVersion.objects.create(
            output=row, number=row.version, text=row.text, superseded_at=now
        )
        changes["version"] = row.version + 1
    changes["changed_at"] = now
    if "text" in changes or "query" in changes:
        changes["embedded_with"] = ""
