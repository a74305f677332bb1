"""Threads under comments: replies, and whether the matter is settled."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from feedback.models import User
from review.annotations import (
    AnnotationError,
    ConflictError,
    NotYoursError,
    check_may_remove,
    checked,
    lock,
    log,
)
from review.comment_vectors import forget
from review.mentions import mention
from review.models import Annotation, Comment, Notification
from review.notifications import notify

# In one thread; who has more to say can begin another.
MOST_REPLIES = 200


@transaction.atomic
def reply(
    *,
    annotation: Annotation,
    by: User,
    text: str,
    now: datetime,
    request_key: UUID | None = None,
) -> Comment:
    """Answer an annotation. Asked again with the same `request_key`, it returns the first reply.

    Raises AnnotationError when the text cannot stand, ConflictError when the annotation is gone.
    """
    lock(annotation.output_id)
    if request_key is not None:
        known = Comment.objects.filter(author=by, request_key=request_key, annotation=annotation)
        if found := known.first():
            return found
    text = checked("text", text).strip()
    if not text:
        raise AnnotationError("text", "Write a reply.")
    if annotation.replies.count() >= MOST_REPLIES:
        raise AnnotationError("text", f"A thread has at most {MOST_REPLIES} replies.")
    if not Annotation.objects.filter(pk=annotation.pk).update(changed_at=now):
        raise ConflictError("This comment was removed.")
    written = Comment.objects.create(
        project_id=annotation.project_id,
        annotation=annotation,
        author=by,
        text=text,
        request_key=request_key,
        created_at=now,
    )
    named = mention(annotation=annotation, reply=written, text=text, now=now)
    said = annotation.replies.filter(deleted_at=None).values_list("author", flat=True)
    others = {annotation.author_id, *said} - named
    notify(annotation=annotation, kind=Notification.Kind.REPLY, to=others, by=by, now=now)
    log(annotation, "replied", by, now, reply=written.pk)
    return written


@transaction.atomic
def edit_reply(*, reply: Comment, by: User, text: str, now: datetime) -> None:
    """Change the words of a reply.

    Raises NotYoursError for anybody but its author, AnnotationError when the text cannot stand,
    ConflictError when the reply was removed.
    """
    if reply.author_id != by.pk:
        raise NotYoursError("Only its author may change this.")
    lock(reply.annotation.output_id)
    text = checked("text", text).strip()
    if not text:
        raise AnnotationError("text", "Write something, or remove the reply.")
    there = Comment.objects.filter(pk=reply.pk, deleted_at=None)
    if there.filter(text=text).exists():
        return
    if not there.update(text=text, edited_at=now):
        raise ConflictError("This reply was removed.")
    forget(reply)
    mention(annotation=reply.annotation, reply=reply, text=text, now=now)
    _touch(reply.annotation, "reply_edited", by, now, reply=reply.pk)


@transaction.atomic
def remove_reply(*, reply: Comment, by: User, now: datetime) -> None:
    """Take the words of a reply back; it keeps its place. One that is gone stays so.

    The last reply to a removed annotation takes the whole thread with it.

    Raises NotYoursError unless the person wrote it or is at least a moderator.
    """
    annotation = reply.annotation
    check_may_remove(annotation, author_id=reply.author_id, by=by)
    lock(annotation.output_id)
    there = Comment.objects.filter(pk=reply.pk, deleted_at=None)
    if not there.update(text="", deleted_at=now):
        return
    reply.mentions.all().delete()
    forget(reply)
    if annotation.replies.filter(deleted_at=None).exists():
        _touch(annotation, "reply_removed", by, now, reply=reply.pk)
        return
    gone, _ = Annotation.objects.filter(pk=annotation.pk, deleted_at__isnull=False).delete()
    if gone:
        place = {"start": annotation.start, "end": annotation.end}
        log(annotation, "removed", by, now, **place, author=annotation.author_id)
    else:
        _touch(annotation, "reply_removed", by, now, reply=reply.pk)


@transaction.atomic
def resolve(*, annotation: Annotation, by: User, now: datetime) -> None:
    """Settle a thread. Twice by one person is once.

    Raises ConflictError when somebody else has settled or removed it.
    """
    lock(annotation.output_id)
    open_one = Annotation.objects.filter(pk=annotation.pk, resolved_at=None, deleted_at=None)
    if open_one.update(resolved_at=now, resolved_by=by, changed_at=now):
        log(annotation, "resolved", by, now)
        return
    found = Annotation.objects.select_related("resolved_by").filter(pk=annotation.pk).first()
    if found is None or found.deleted_at:
        raise ConflictError("This comment was removed.")
    if found.resolved_by_id != by.pk:
        who = found.resolved_by.get_username() if found.resolved_by else "Somebody"
        raise ConflictError(f"{who} resolved this before you.")


@transaction.atomic
def reopen(*, annotation: Annotation, by: User, now: datetime) -> None:
    """Take a settled thread up again; one that is open stays so.

    Raises ConflictError when it was removed.
    """
    lock(annotation.output_id)
    settled = Annotation.objects.filter(pk=annotation.pk, resolved_at__isnull=False)
    if settled.update(resolved_at=None, resolved_by=None, changed_at=now):
        log(annotation, "reopened", by, now)
    elif not Annotation.objects.filter(pk=annotation.pk).exists():
        raise ConflictError("This comment was removed.")


def _touch(annotation: Annotation, verb: str, by: User, now: datetime, **data: int) -> None:
    Annotation.objects.filter(pk=annotation.pk).update(changed_at=now)
    log(annotation, verb, by, now, **data)
