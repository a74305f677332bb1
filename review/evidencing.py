"""Words of retrieved documents that an annotation rests on."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from feedback.models import User
from review.anchoring import AnchorError, Mark, select
from review.annotations import check_may_remove, lock, log
from review.models import Annotation, Evidence

# Passages that one annotation may rest on.
MOST_EVIDENCE = 20


class EvidenceError(ValueError):
    """Evidence that cannot stand; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


@transaction.atomic
def add_evidence(
    *,
    annotation: Annotation,
    document: int,
    start: int,
    end: int,
    exact: str,
    by: User,
    now: datetime,
) -> Evidence:
    """Rest an annotation on words of one of its output's documents; the same words only once.

    `document` is the position among the documents; `start` and `end` are code points of its text,
    half open, and `exact` the words there, whichever way their line ends are written. They are
    widened to whole graphemes and trimmed of white space.

    Raises EvidenceError naming the field: no such document, other words at that place, a deleted
    annotation, or one that rests on MOST_EVIDENCE passages already.
    """
    documents = lock(annotation.output_id).documents
    locked = Annotation.objects.filter(pk=annotation.pk, deleted_at=None).first()
    if locked is None:
        raise EvidenceError("annotation", "This comment was deleted.")
    if not 0 <= document < len(documents):
        raise EvidenceError("document", "The answer has no such document.")
    text = str(documents[document]["text"])
    try:
        if _folded(text[start:end]) != _folded(exact):
            raise EvidenceError("exact", "These words are not at this place. Select them again.")
        place = select(text, start=start, end=end, exact=text[start:end])
    except AnchorError as error:
        raise EvidenceError(error.path, error.message) from error
    known = Evidence.objects.filter(annotation=locked)
    same = known.filter(document=document, start=place.start, end=place.end).first()
    if same:
        return same
    if known.count() >= MOST_EVIDENCE:
        raise EvidenceError("annotation", f"A comment rests on at most {MOST_EVIDENCE} passages.")
    evidence = Evidence.objects.create(
        annotation=locked,
        document=document,
        start=place.start,
        end=place.end,
        exact=place.exact,
        text_sha256=_sha(text),
        added_by=by,
        created_at=now,
    )
    _log(evidence, locked, "evidence_added", by, now)
    return evidence


@transaction.atomic
def remove_evidence(*, evidence: Evidence, by: User, now: datetime) -> None:
    """Rest the annotation on these words no more; what is gone already stays so.

    Raises NotYoursError unless the person added it or is at least a moderator of its project.
    """
    annotation = evidence.annotation
    check_may_remove(annotation, author_id=evidence.added_by_id, by=by)
    lock(annotation.output_id)
    gone, _ = Evidence.objects.filter(pk=evidence.pk).delete()
    if gone:
        _log(evidence, annotation, "evidence_removed", by, now)


def passages(
    *, annotations: Iterable[Annotation], documents: Sequence[Mapping[str, Any]]
) -> dict[int, list[Mark]]:
    """The marks of the annotations' evidence, by the position of the document they lie in.

    Evidence in a text that has changed since has no mark: what it says may not be there any more.
    Expects each annotation's evidence and reason to be at hand.
    """
    found: dict[int, list[Mark]] = defaultdict(list)
    hashes: dict[int, str] = {}
    for annotation in annotations:
        for one in annotation.evidence.all():
            if one.document >= len(documents):
                continue
            if one.document not in hashes:
                hashes[one.document] = _sha(str(documents[one.document]["text"]))
            if hashes[one.document] == one.text_sha256:
                category = annotation.reason.position if annotation.reason else 0
                mark = Mark(f"e{one.pk} a{annotation.pk}", one.start, one.end, category)
                found[one.document].append(mark)
    return found


def _folded(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _log(evidence: Evidence, annotation: Annotation, verb: str, by: User, now: datetime) -> None:
    Annotation.objects.filter(pk=annotation.pk).update(changed_at=now)
    log(annotation, verb, by, now, document=evidence.document)
