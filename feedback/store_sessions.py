"""Writes sessions and the tags their senders put on them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from feedback.incoming import Incoming, Outcome
from feedback.models import Project, Session, SessionTag
from feedback.payloads import SessionRecord
from feedback.tag_names import named, tidied
from feedback.upserting import upsert
from feedback.wire import Fault


def _session_fields(record: SessionRecord) -> dict[str, Any]:
    sent = record.sent()
    names = {"started_at", "ended_at", "environment", "metadata"}
    values = {name: value for name, value in sent.items() if name in names}
    if record.user is not None:
        values["user_external_id"] = record.user.id
        if record.user.role is not None:
            values["user_role"] = record.user.role
    return values


def store_sessions(project: Project, items: list[Incoming[SessionRecord]], now: datetime) -> None:
    """Insert new sessions, change those that are there, and set the sender's tags."""
    defaults: dict[str, Any] = {
        "started_at": now,
        "ended_at": None,
        "user_external_id": "",
        "user_role": "",
        "environment": "",
        "metadata": {},
    }
    values = {}
    for item in items:
        values[item.key] = _session_fields(item.record)
    rows = {key: {**defaults, **sent} for key, sent in values.items()}
    for row in rows.values():
        if row["ended_at"] is not None and row["started_at"] > row["ended_at"]:
            row["started_at"] = row["ended_at"]
    upsert(
        Session,
        project=project,
        items=items,
        sent=values,
        rows=rows,
        key="external_id",
        now=now,
        check=_session_faults,
    )
    tagged = [item for item in items if item.record.tags is not None]
    _store_tags(project, [item for item in tagged if not item.faults])


def _session_faults(row: Session, sent: dict[str, Any]) -> list[Fault]:
    started = sent.get("started_at", row.started_at)
    ended = sent.get("ended_at", row.ended_at)
    if ended is not None and ended < started:
        return [Fault("ended_at", "Must not be before started_at.")]
    return []


def _store_tags(project: Project, items: list[Incoming[SessionRecord]]) -> None:
    """Make the sender's tags those sent; what people added stays."""
    # A new session has no tags that might have to go.
    items = [i for i in items if i.record.tags or i.outcome is not Outcome.ACCEPTED]
    if not items:
        return
    wanted = {
        item.external_id: {name for tag in item.record.tags or [] if (name := tidied(tag))}
        for item in items
    }
    tags = named(project=project, names=set().union(*wanted.values()), make=True)
    sessions = dict(
        Session.objects.filter(project=project, external_id__in=wanted).values_list(
            "external_id", "pk"
        )
    )
    present: dict[int, dict[int, SessionTag]] = {}
    for row in SessionTag.objects.filter(session__in=sessions.values()):
        present.setdefault(row.session_id, {})[row.tag_id] = row
    added, gone = [], []
    for item in items:
        session = sessions[item.external_id]
        tags_wanted = {tags[name] for name in wanted[item.external_id]}
        there = present.get(session, {})
        new = sorted(tags_wanted - set(there))
        old = [
            row.pk
            for tag, row in there.items()
            if row.added_by_id is None and tag not in tags_wanted
        ]
        added += [SessionTag(session_id=session, tag_id=tag) for tag in new]
        gone += old
        if (new or old) and item.outcome is Outcome.UNCHANGED:
            item.outcome = Outcome.UPDATED
    SessionTag.objects.bulk_create(added, ignore_conflicts=True)
    if gone:
        SessionTag.objects.filter(pk__in=gone).delete()


def session_ids(project: Project, wanted: set[str]) -> dict[str, int]:
    """Primary keys of the sessions with these ids, as far as they are there."""
    if not wanted:
        return {}
    found = Session.objects.filter(project=project, external_id__in=wanted)
    return dict(found.values_list("external_id", "pk"))
