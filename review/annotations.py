"""Comments anchored to the words of an answer: made, changed and removed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from feedback.models import Membership, Output, Reason, User
from review.anchoring import AnchorError, Selector, select
from review.comment_vectors import forget
from review.edits import Edit, fold
from review.mentions import mention
from review.models import Annotation, Event
from review.rendering import RENDERER_VERSION, Rendered, render
from review.widening import empties, widened

LONGEST_TEXT = 20_000
# On one answer, whoever wrote them.
MOST_ANNOTATIONS = 1_000


class AnnotationError(ValueError):
    """An annotation that cannot stand; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class StaleVersionError(Exception):
    """The answer has changed since the reviewer opened it; `version` is the one it has now."""

    def __init__(self, version: int) -> None:
        super().__init__("The answer has changed since you opened it.")
        self.version = version


class NotYoursError(Exception):
    """Only its author may change a comment, only its author and moderators may remove it."""


class ConflictError(Exception):
    """Somebody was faster: the comment is not any more what it was when the reviewer saw it."""


@transaction.atomic
def annotate(
    *,
    output: Output,
    version: int,
    by: User,
    start: int,
    end: int,
    exact: str,
    now: datetime,
    reason: str = "",
    comment: str = "",
    replacement: str | None = None,
    is_sure: bool = False,
    request_key: UUID | None = None,
) -> Annotation:
    """Anchor a comment to words of the current version of an answer.

    `start` and `end` are code points of the canonical text, half open, and `exact` the words
    there; they are widened to whole graphemes and trimmed of white space. `reason` is a slug of
    the current taxonomy. A replacement is Markdown for the source of the words, widened so that
    no markup is cut (see `widened`); None proposes none, an empty one to delete the words. One
    that leaves nothing of a paragraph is asked about unless the person `is_sure`.
    Asked again with the `request_key` of an annotation of theirs, it returns that one.

    Raises StaleVersionError when `version` is not current, AnchorError when the words are not at
    that place, AnnotationError naming the field that cannot stand.
    """
    # A new version waits until this annotation is stored, or is seen here.
    locked = lock(output.pk)
    if found := _known(locked, by, request_key):
        return found
    if locked.version != version:
        raise StaleVersionError(locked.version)
    rendered = render(locked.text)
    place = select(rendered.canonical, start=start, end=end, exact=exact)
    check_room(locked)
    comment = checked("comment", comment).strip()
    proposed = None
    if replacement is not None:
        part = widened(locked.text, rendered, place.start, place.end)
        proposed = Edit(0, part.start, part.end, checked("replacement", replacement))
        check_edit(locked.text, rendered, proposed, is_sure=is_sure)
    given = _reason(locked.project_id, reason) if reason else None
    if given is None and not comment and proposed is None:
        raise AnnotationError("comment", "Choose a reason, or write a comment or a replacement.")
    annotation = put(
        output=locked,
        version=version,
        text=locked.text,
        place=place,
        proposed=proposed,
        by=by,
        now=now,
        reason=given,
        comment=comment,
        request_key=request_key,
    )
    mention(annotation=annotation, text=comment, now=now)
    return annotation


@transaction.atomic
def annotate_sent(
    *,
    output: Output,
    start: int,
    end: int,
    exact: str,
    by: User,
    now: datetime,
    version: int | None = None,
    reason: str = "",
    comment: str = "",
    replacement: str | None = None,
    is_sure: bool = False,
    request_key: UUID | None = None,
) -> Annotation:
    """As `annotate`, by code points of the answer as it was sent.

    Without a `version` the current one is meant. Markup alone stands for the word nearest to it.
    """
    locked = lock(output.pk)
    if found := _known(locked, by, request_key):
        return found
    if version is not None and version != locked.version:
        raise StaleVersionError(locked.version)
    place = words_sent(locked, start=start, end=end, exact=exact)
    return annotate(
        output=locked,
        version=locked.version,
        by=by,
        start=place.start,
        end=place.end,
        exact=place.exact,
        reason=reason,
        comment=comment,
        replacement=replacement,
        is_sure=is_sure,
        request_key=request_key,
        now=now,
    )


def words_sent(output: Output, *, start: int, end: int, exact: str) -> Selector:
    """The canonical words at code points of the current answer as it was sent.

    Markup alone stands for the word nearest to it. Raises AnchorError when `exact` is not there.
    """
    if not start < end <= len(output.text) or output.text[start:end] != exact:
        raise AnchorError("exact", "These words are not at that place of the answer.")
    rendered = render(output.text)
    place = rendered.source_to_canonical(start, end)
    if place is None:
        raise AnchorError("start", "The answer has no words.")
    words = rendered.canonical[slice(*place)]
    return select(rendered.canonical, start=place[0], end=place[1], exact=words)


def _known(output: Output, by: User, request_key: UUID | None) -> Annotation | None:
    """What the person wrote on the output by this very request before."""
    if request_key is None:
        return None
    return Annotation.objects.filter(author=by, request_key=request_key, output=output).first()


def put(
    *,
    output: Output,
    version: int,
    text: str,
    place: Selector,
    proposed: Edit | None,
    by: User,
    now: datetime,
    reason: Reason | None = None,
    comment: str = "",
    request_key: UUID | None = None,
) -> Annotation:
    """Store an annotation at a place of a version with this text, inside a transaction."""
    source_start, source_end = render(text).canonical_to_source(place.start, place.end)
    annotation = Annotation.objects.create(
        project_id=output.project_id,
        output=output,
        output_version=version,
        author=by,
        reason=reason,
        comment=comment,
        replacement=proposed.replacement if proposed else None,
        edit_start=proposed.start if proposed else None,
        edit_end=proposed.end if proposed else None,
        start=place.start,
        end=place.end,
        source_start=source_start,
        source_end=source_end,
        exact=place.exact,
        prefix=place.prefix,
        suffix=place.suffix,
        text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        renderer_version=RENDERER_VERSION,
        request_key=request_key,
        created_at=now,
        changed_at=now,
    )
    log(annotation, "annotated", by, now)
    return annotation


@transaction.atomic
def edit(
    *,
    annotation: Annotation,
    by: User,
    now: datetime,
    comment: str | None = None,
    reason: str | None = None,
    replacement: str | None = None,
    is_sure: bool = False,
) -> None:
    """Change the words of an annotation, its reason, and what it suggests.

    `reason` is a slug of the current taxonomy or the one it has, "" for none; a comment, reason or
    replacement of None stays. A replacement is changed as long as nobody has decided on it.

    Raises NotYoursError for anybody but its author, AnnotationError naming the field that cannot
    stand, ConflictError when it was removed or the suggestion cannot be changed any more.
    """
    if annotation.author_id != by.pk:
        raise NotYoursError("Only its author may change this.")
    output = lock(annotation.output_id)
    there = Annotation.objects.filter(pk=annotation.pk, deleted_at=None)
    found = there.select_related("reason").first()
    if found is None:
        raise ConflictError("This comment was removed.")
    before = (found.comment, found.reason_id, found.replacement)
    texts = (found.comment, found.replacement)
    if comment is not None:
        found.comment = checked("comment", comment).strip()
    if reason is not None and reason != (found.reason.slug if found.reason else ""):
        found.reason = _reason(output.project_id, reason) if reason else None
    if replacement is not None:
        replacement = fold(checked("replacement", replacement))
        if replacement != found.replacement:
            _check_replacement(found, output, replacement, is_sure=is_sure)
            found.replacement = replacement
    if not found.comment and found.reason is None and found.replacement is None:
        raise AnnotationError("comment", "Write a comment, or remove it.")
    if before == (found.comment, found.reason_id, found.replacement):
        return
    found.edited_at = found.changed_at = now
    found.save(update_fields=["comment", "reason", "replacement", "edited_at", "changed_at"])
    if texts != (found.comment, found.replacement):
        forget(found)
    mention(annotation=found, text=found.comment, now=now)
    log(found, "edited", by, now)


def _check_replacement(
    suggestion: Annotation, output: Output, replacement: str, *, is_sure: bool
) -> None:
    if not suggestion.is_suggestion:
        raise AnnotationError("replacement", "This suggests nothing. Select the words again.")
    if suggestion.decision:
        raise ConflictError("Somebody decided on this before you.")
    if suggestion.output_version != output.version:
        raise ConflictError("The answer has a newer version. Suggest it there.")
    proposed = replace(suggestion.edit, replacement=replacement)
    check_edit(output.text, render(output.text), proposed, is_sure=is_sure)


@transaction.atomic
def remove(*, annotation: Annotation, by: User, now: datetime) -> None:
    """Remove an annotation; one that is gone already stays so.

    One that was replied to keeps its place and its replies, and nothing of its own.

    Raises NotYoursError unless the person wrote it or is at least a moderator of its project.
    """
    check_may_remove(annotation, author_id=annotation.author_id, by=by)
    lock(annotation.output_id)
    there = Annotation.objects.filter(pk=annotation.pk, deleted_at=None)
    if annotation.replies.filter(deleted_at=None).exists():
        gone = there.update(
            comment="",
            reason=None,
            replacement=None,
            edit_start=None,
            edit_end=None,
            decision="",
            decided_by=None,
            decided_at=None,
            deleted_at=now,
            changed_at=now,
        )
        annotation.mentions.filter(reply=None).delete()
        annotation.evidence.all().delete()
        forget(annotation)
    else:
        gone, _ = there.delete()
    if gone:
        # Where it stood, so that pages on which it is shown know what to paint anew.
        place = {"start": annotation.start, "end": annotation.end}
        log(annotation, "removed", by, now, **place, author=annotation.author_id)


def check_may_remove(annotation: Annotation, *, author_id: int, by: User) -> None:
    """Raise NotYoursError unless the person wrote it or is at least a moderator."""
    if author_id == by.pk:
        return
    membership = Membership.objects.filter(project=annotation.project_id, user=by).first()
    if membership is None or not membership.may(Membership.Role.MODERATOR):
        raise NotYoursError("Only its author and moderators may remove this.")


def check_edit(source: str, rendered: Rendered, edit: Edit, *, is_sure: bool = False) -> None:
    """Raise AnnotationError when an edit changes nothing, or leaves nothing and nobody is sure."""
    if fold(source[edit.start : edit.end]) == fold(edit.replacement):
        raise AnnotationError("replacement", "This changes nothing.")
    if not is_sure and empties(rendered, edit):
        raise AnnotationError("is_sure", "Nothing would be left of the paragraph. Delete it?")


def check_room(output: Output, more: int = 1) -> None:
    """Raise AnnotationError when a locked output cannot have so many more annotations."""
    if output.annotations.count() + more > MOST_ANNOTATIONS:
        raise AnnotationError("comment", f"An answer has at most {MOST_ANNOTATIONS:,} comments.")


def lock(output: int) -> Output:
    """Hold an output until the transaction ends, so that its events are stored in their order."""
    return Output.objects.select_for_update(no_key=True).get(pk=output)


def checked(path: str, text: str) -> str:
    """A typed text with plain line ends; AnnotationError when it cannot be stored."""
    if "\x00" in text or len(text) > LONGEST_TEXT:
        raise AnnotationError(path, f"Give at most {LONGEST_TEXT:,} printable characters.")
    # Browsers send a text field's line ends as CR LF.
    return text.replace("\r\n", "\n")


def log(annotation: Annotation, verb: str, by: User, now: datetime, **data: int) -> None:
    """Store that somebody did something to an annotation. `data` holds no words."""
    Event.objects.create(
        project_id=annotation.project_id,
        output_id=annotation.output_id,
        actor=by,
        verb=verb,
        target_type="annotation",
        target_id=annotation.pk,
        data=data,
        at=now,
    )


def _reason(project_id: int, slug: str) -> Reason:
    known = {
        reason.slug: reason
        for reason in Reason.objects.current().filter(taxonomy__project=project_id)
    }
    if slug not in known:
        raise AnnotationError("reason", f"Give one of {', '.join(known)}.")
    return known[slug]
