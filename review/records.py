"""What people think of answers, as records of the API."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet

from feedback.models import User
from review.models import Annotation, Comment, Evidence, Review


def with_threads(found: QuerySet[Annotation], *, to: User | None) -> QuerySet[Annotation]:
    """The annotations with what a record of each tells: of threads and evidence what a person
    sees, or for None all. Two queries beside their own.
    """
    replies, evidence = Comment.objects.all(), Evidence.objects.all()
    if to is not None:
        replies, evidence = replies.seen_by(to), evidence.seen_by(to)
    return found.select_related(
        "output", "author", "reason", "resolved_by", "decided_by"
    ).prefetch_related(
        Prefetch("replies", replies.select_related("author").order_by("pk")),
        Prefetch("evidence", evidence.order_by("pk")),
    )


def annotation_record(annotation: Annotation) -> dict[str, Any]:
    """The annotation with its thread and evidence; expects them as `with_threads` loads them."""
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
        "replies": [reply_record(reply) for reply in annotation.replies.all()],
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
        "id": evidence.pk,
        "document": documents[evidence.document]["id"] if there else None,
        "exact": evidence.exact,
        "span": {"start": evidence.start, "end": evidence.end, "unit": "codepoint"},
        "at": evidence.created_at,
    }


def reply_record(reply: Comment) -> dict[str, Any]:
    """The reply; expects its author to be loaded."""
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
