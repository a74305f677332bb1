"""PURE. Rows as the records they were sent as. Touches related rows that are loaded already."""

from __future__ import annotations

from typing import Any

from feedback.models import Feedback, Output, Session


def session_record(session: Session) -> dict[str, Any]:
    """The session as a record; expects its tags to be prefetched."""
    return {
        "type": "session",
        "id": session.external_id,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "user": _person(session.user_external_id, session.user_role),
        "environment": session.environment or None,
        "tags": sorted(tag.name for tag in session.tags.all()),
        "metadata": session.metadata,
    }


def output_record(output: Output) -> dict[str, Any]:
    """The output as a record, with its version; expects its session to be loaded."""
    return {
        "type": "output",
        "id": output.external_id,
        "session": output.session.external_id,
        "at": output.at,
        "query": output.query,
        "context": {
            "system": output.system or None,
            "documents": output.documents,
            "messages": output.messages,
            "tools": output.tools,
            "exposure": output.exposure,
        },
        "text": output.text,
        "version": output.version,
        "model": output.model or None,
        "model_version": output.model_version or None,
        "prompt_version": output.prompt_version or None,
        "confidence": output.confidence,
        "usage": output.usage,
        "latency_ms": output.latency_ms,
        "trace_id": output.trace_id or None,
        "span_id": output.span_id or None,
        "metadata": output.metadata,
    }


def feedback_record(feedback: Feedback) -> dict[str, Any]:
    """The feedback or signal as a record; expects session, output and reasons to be loaded."""
    output = feedback.output.external_id if feedback.output else None
    common = {
        "id": feedback.external_id,
        "session": feedback.session.external_id,
        "output": output,
        "value": feedback.value,
        "at": feedback.at,
    }
    if feedback.is_implicit:
        return {"type": "signal", "kind": feedback.name, **common}
    return {
        "type": "feedback",
        **common,
        "identifier": feedback.identifier or None,
        "name": feedback.name,
        "score": feedback.score,
        "label": feedback.label or None,
        "reasons": [reason.slug for reason in feedback.reasons.all()],
        "comment": feedback.comment or None,
        "correction": feedback.correction or None,
        "span": _span(feedback),
        "annotator_kind": feedback.annotator_kind,
        "author": _person(feedback.author_external_id, feedback.author_role),
        "confidence": feedback.confidence,
        "metadata": feedback.metadata,
    }


def _person(external_id: str, role: str) -> dict[str, str | None] | None:
    return {"id": external_id, "role": role or None} if external_id else None


def _span(feedback: Feedback) -> dict[str, Any] | None:
    if feedback.span_start is None:
        return None
    return {
        "start": feedback.span_start,
        "end": feedback.span_end,
        "unit": "codepoint",
        "output_version": feedback.output_version,
    }
