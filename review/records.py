"""What people think of answers, as records of the API."""

from __future__ import annotations

from typing import Any

from feedback.models import User
from review.models import Annotation, Comment, Evidence, Review


def annotation_record(annotation: Annotation) -> dict[str, Any]:
    """The annotation with its thread and evidence; expects all of them to be loaded."""
    return {
        "type": "annotation",
        "id": annotation.pk,
        "output": annotation.output.external_id,
        "output_version": annotation.output_version,
        "author": annotation.author.get_username(),
        "reason": annotation.reason.slug if annotation.reason else None,
        "comment": annotation.comment or None,
        "replacement": annotation.replacement,
        "exact": annotation.exact,
        "span": {
            "start": annotation.source_start,
            "end": annotation.source_end,
            "unit": "codepoint",
        },
        "evidence": [_evidence_record(annotation, one) for one in annotation.evidence.all()],
        "replies": [_reply_record(reply) for reply in annotation.replies.all()],
        "decision": annotation.decision or None,
        "decided_by": _name(annotation.decided_by),
        "decided_at": annotation.decided_at,
        "resolved_by": _name(annotation.resolved_by),
        "resolved_at": annotation.resolved_at,
        "edited_at": annotation.edited_at,
        "deleted_at": annotation.deleted_at,
        "at": annotation.created_at,
    }


def _evidence_record(annotation: Annotation, evidence: Evidence) -> dict[str, Any]:
    documents = annotation.output.documents
    there = evidence.document < len(documents)
    return {
        "document": documents[evidence.document]["id"] if there else None,
        "exact": evidence.exact,
        "span": {"start": evidence.start, "end": evidence.end, "unit": "codepoint"},
        "at": evidence.created_at,
    }


def _reply_record(reply: Comment) -> dict[str, Any]:
    return {
        "id": reply.pk,
        "author": reply.author.get_username(),
        "text": reply.text or None,
        "edited_at": reply.edited_at,
        "deleted_at": reply.deleted_at,
        "at": reply.created_at,
    }


def _name(user: User | None) -> str | None:
    return user.get_username() if user else None


def review_record(review: Review) -> dict[str, Any]:
    """The review; expects its output, reviewer, reasons and what was added to be loaded."""
    return {
        "type": "review",
        "id": review.pk,
        "output": review.output.external_id,
        "output_version": review.output_version,
        "reviewer": review.reviewer.get_username(),
        "verdict": review.verdict,
        "severity": review.severity or None,
        "confidence": review.confidence,
        "reasons": [reason.slug for reason in review.reasons.all()],
        "added_reasons": [one.reason.slug for one in review.added_reasons.all()],
        "comment": review.comment or None,
        "correction": review.correction or None,
        "routes": review.routes,
        "added_routes": [
            one.route for one in review.handovers.all() if one.route not in review.routes
        ],
        "proposed_routes": review.proposed_routes,
        "counts": review.is_authoritative,
        "at": review.created_at,
    }
