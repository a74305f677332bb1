"""Writes feedback and signals about outputs and sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connection

from feedback import spans
from feedback.incoming import Incoming, Outcome
from feedback.models import Embedding, Feedback, FeedbackReason, Output, Project, Reason
from feedback.payloads import FeedbackRecord, SignalRecord
from feedback.store_sessions import session_ids
from feedback.upserting import upsert
from feedback.wire import Fault

Item = Incoming[FeedbackRecord | SignalRecord]

# What, when it changes, was said of the answer as it is now: the place of a span, a person's rank.
_PLACED = {"span_start", "span_end"}
_RANKED = {"value", "score", "label", "at", "output_version"}


@dataclass(frozen=True)
class _Target:
    """Primary keys of what a record is about, and the output's current version."""

    session: int
    output: int | None
    version: int | None


def store_feedback(
    project: Project,
    feedback: list[Incoming[FeedbackRecord]],
    signals: list[Incoming[SignalRecord]],
    now: datetime,
) -> None:
    """Insert new rows and change those that are there; one without its target waits."""
    reasons = _check_reasons(project, feedback)
    items: list[Item] = [*(item for item in feedback if not item.faults), *signals]
    targets = _find_targets(project, items)
    texts = spans.texts_of(
        target.output
        for item in feedback
        if item.record.span is not None and (target := targets.get(_name(item))) is not None
    )
    judged: dict[str, dict[str, Any]] = {}
    for item in feedback:
        if (target := targets.get(_name(item))) is not None:
            judged[item.key] = _feedback_values(item, target, texts)
    seen = {
        item.key: _signal_values(item.record) | _target_values(target)
        for item in signals
        if (target := targets.get(_name(item))) is not None
    }
    _write(project, [i for i in feedback if i.key in judged and not i.faults], judged, targets, now)
    _write(project, [i for i in signals if i.key in seen], seen, targets, now)
    stored = [i for i in feedback if i.is_stored and not i.faults]
    _store_reasons(project, stored, reasons, now)


def _name(item: Item) -> tuple[str, str]:
    return item.record.type, item.key


def _target_values(target: _Target) -> dict[str, Any]:
    return {"session_id": target.session, "output_id": target.output}


def _feedback_values(
    item: Incoming[FeedbackRecord], target: _Target, texts: Mapping[int, list[tuple[int, str]]]
) -> dict[str, Any]:
    """The columns that were sent; sets the item's faults when its span fits no answer."""
    record = item.record
    left_out = {"type", "id", "output", "session", "reasons", "span", "author"}
    values = {name: value for name, value in record.sent().items() if name not in left_out}
    if record.author is not None:
        values["author_external_id"] = record.author.id
        if record.author.role is not None:
            values["author_role"] = record.author.role
    if record.span is not None and target.output is not None:
        place, item_faults = spans.place(record.span, texts[target.output])
        item.faults += item_faults
        values |= place
    return values | _target_values(target)


def _signal_values(record: SignalRecord) -> dict[str, Any]:
    values: dict[str, Any] = {"name": record.kind, "at": record.at, "annotator_kind": "HUMAN"}
    if record.value is not None:
        values["value"] = record.value
    return values


def _write(
    project: Project,
    items: list[Incoming[FeedbackRecord]] | list[Incoming[SignalRecord]],
    sent: dict[str, dict[str, Any]],
    targets: dict[tuple[str, str], _Target],
    now: datetime,
) -> None:
    if not items:
        return
    is_implicit = isinstance(items[0].record, SignalRecord)
    defaults: dict[str, Any] = {
        "identifier": "",
        "score": None,
        "label": "",
        "value": None,
        "comment": "",
        "correction": "",
        "span_start": None,
        "span_end": None,
        "author_external_id": "",
        "author_role": "",
        "confidence": None,
        "at": now,
        "metadata": {},
        "embedded_with": "",
    }
    rows = {
        item.key: {
            **defaults,
            "output_version": targets[_name(item)].version,
            **sent[item.key],
            "external_id": item.external_id,
            "is_implicit": is_implicit,
        }
        for item in items
    }

    def before_change(row: Feedback, changes: dict[str, Any], now: datetime) -> None:
        _reset_embedding(row, changes)
        changes["changed_at"] = now
        if changes.keys() & _PLACED:
            changes["output_version"] = rows[row.key]["output_version"]
        if row.is_rank and changes.keys() & _RANKED:
            changes |= {name: rows[row.key][name] for name in ("output_version", "at")}

    upsert(
        Feedback,
        project=project,
        items=items,
        # A repeat of a span that fits a newer version as well stays with the one it was made on.
        sent={item.key: _repeated(item, sent[item.key], rows[item.key]) for item in items},
        rows=rows,
        key="key",
        now=now,
        check=_faults,
        before_change=before_change,
        only={"is_implicit": is_implicit},
    )


def _repeated(
    item: Incoming[FeedbackRecord] | Incoming[SignalRecord],
    sent: Mapping[str, Any],
    row: Mapping[str, Any],
) -> dict[str, Any]:
    """The columns that a repeat may change, of those sent and those of a new row.

    A person's rank that neither id nor time tells from another is of the answer as it is now.
    """
    values = {name: value for name, value in sent.items() if name != "output_version"}
    record = item.record
    if isinstance(record, FeedbackRecord) and record.name == Feedback.RANK:
        is_persons = record.annotator_kind == Feedback.AnnotatorKind.HUMAN
        if is_persons and record.id is None and record.at is None:
            values["output_version"] = row["output_version"]
    return values


def _reset_embedding(row: Feedback, changes: dict[str, Any]) -> None:
    """Have a changed text embedded again, and forget the vector of one that is gone."""
    changed = changes.keys() & {"comment", "correction"}
    if changed:
        changes["embedded_with"] = ""
    emptied = [name for name in changed if not changes[name]]
    if emptied:
        Embedding.objects.filter(feedback=row, part__in=emptied).delete()


def _faults(row: Feedback, sent: dict[str, Any]) -> list[Fault]:
    if row.output_id != sent["output_id"]:
        return [Fault("output", "This feedback is about another output, and stays there.")]
    if row.session_id != sent["session_id"]:
        return [Fault("session", "This feedback is about another session, and stays there.")]
    return []


def _check_reasons(project: Project, items: list[Incoming[FeedbackRecord]]) -> dict[str, int]:
    """Primary keys of the project's reasons by slug; sets the faults of unknown ones."""
    if not any(item.record.reasons for item in items):
        return {}
    known = dict(
        Reason.objects.filter(taxonomy__project=project).current().values_list("slug", "pk")
    )
    for item in items:
        for place, slug in enumerate(item.record.reasons or []):
            if slug not in known:
                message = f"There is no reason “{slug}”. Known are: {', '.join(known)}."
                item.faults.append(Fault(f"reasons[{place}]", message))
    return known


def _find_targets(project: Project, items: Iterable[Item]) -> dict[tuple[str, str], _Target]:
    """Find what each record is about; one whose target is missing gets its waits_for set."""
    items = list(items)
    outputs = _outputs(project, {item.record.output for item in items if item.record.output})
    sessions = session_ids(project, {name for item in items if (name := _own_session(item))})
    targets = {}
    for item in items:
        output, session = item.record.output, _own_session(item)
        if session is not None and session not in sessions:
            item.waits_for = ("session", session)
        elif output is not None and output not in outputs:
            item.waits_for = ("output", output)
        elif output is not None:
            target = outputs[output]
            if session is not None and sessions[session] != target.session:
                item.faults.append(Fault("output", f"“{output}” is not in session “{session}”."))
            else:
                targets[_name(item)] = target
        elif session is not None:
            targets[_name(item)] = _Target(sessions[session], None, None)
    return targets


def _outputs(project: Project, wanted: set[str]) -> dict[str, _Target]:
    if not wanted:
        return {}
    found = Output.objects.filter(project=project, external_id__in=wanted)
    return {
        external_id: _Target(session, pk, version)
        for external_id, session, pk, version in found.values_list(
            "external_id", "session_id", "pk", "version"
        )
    }


def _own_session(item: Item) -> str | None:
    """The session a record names; one collected for an output has the output's."""
    return None if item.collected_for is not None else item.record.session


def _store_reasons(
    project: Project, items: list[Incoming[FeedbackRecord]], known: dict[str, int], now: datetime
) -> None:
    """Make each item's reasons those sent."""
    told = [item for item in items if item.record.reasons is not None]
    new = [item for item in told if item.outcome is Outcome.ACCEPTED]
    if any(item.record.reasons for item in new):
        pairs = [(item.key, known[slug]) for item in new for slug in item.record.reasons or []]
        _add_reasons(project, pairs)
    there = [item for item in told if item.outcome is not Outcome.ACCEPTED]
    _change_reasons(project, there, known, now)


def _add_reasons(project: Project, pairs: list[tuple[str, int]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO feedback_feedbackreason (feedback_id, reason_id) "
            "SELECT row.id, (new.value->>1)::bigint "
            "FROM jsonb_array_elements(%s::jsonb) AS new JOIN feedback_feedback AS row "
            "ON row.project_id = %s AND NOT row.is_implicit AND row.key = new.value->>0 "
            "ON CONFLICT DO NOTHING",
            [orjson.dumps(pairs).decode(), project.pk],
        )


def _change_reasons(
    project: Project, items: list[Incoming[FeedbackRecord]], known: dict[str, int], now: datetime
) -> None:
    if not items:
        return
    pks = dict(
        Feedback.objects.explicit()
        .filter(project=project, key__in=[item.key for item in items])
        .values_list("key", "pk")
    )
    present: dict[int, set[int]] = {}
    rows = FeedbackReason.objects.filter(feedback__in=pks.values())
    for feedback, reason in rows.values_list("feedback_id", "reason_id"):
        present.setdefault(feedback, set()).add(reason)
    added, changed = [], []
    for item in items:
        pk = pks[item.key]
        wanted, there = {known[slug] for slug in item.record.reasons or []}, present.get(pk, set())
        added += [(item.key, reason) for reason in sorted(wanted - there)]
        if gone := there - wanted:
            FeedbackReason.objects.filter(feedback=pk, reason__in=gone).delete()
        if wanted != there:
            changed.append(pk)
            item.outcome = Outcome.UPDATED
    if added:
        _add_reasons(project, added)
    if changed:
        Feedback.objects.filter(pk__in=changed).update(changed_at=now)
