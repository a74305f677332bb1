"""Suggestions of other words: accepted, rejected, cut down, or made of a rewritten answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from feedback.models import Output, User
from review.anchoring import select
from review.annotations import (
    AnnotationError,
    ConflictError,
    StaleVersionError,
    check_room,
    lock,
    log,
    put,
)
from review.comment_vectors import forget
from review.corrections import corrected, seen
from review.edits import Edit, apply, fold, hunks, is_in_conflict, revised
from review.models import Annotation, Notification
from review.notifications import notify
from review.rendering import render
from review.widening import words_at

LONGEST_ANSWER = 200_000


class OverlapError(ConflictError):
    """Accepted suggestions are in the way; `others` are those."""

    def __init__(self, others: Sequence[Annotation]) -> None:
        names = ", ".join(f"#{other.pk}" for other in others)
        super().__init__(f"This conflicts with {names}, which is accepted.")
        self.others = others


@transaction.atomic
def accept(*, annotation: Annotation, by: User, now: datetime) -> None:
    """Apply a suggestion in the corrected answer. Twice by one person is once.

    Raises OverlapError while accepted suggestions are in the way, ConflictError when somebody
    else has decided on it or removed it, or the answer has a newer version.
    """
    output = lock(annotation.output_id)
    found = _still_there(annotation, output, by)
    others = corrected(output=output, to=by).in_the_way(found)
    if others and not found.decision:
        raise OverlapError(others)
    _decide(found, Annotation.Decision.ACCEPTED, by, now)


@transaction.atomic
def reject(*, annotation: Annotation, by: User, now: datetime) -> None:
    """Leave a suggestion out of the corrected answer. Twice by one person is once.

    Raises ConflictError when somebody else has decided on it or removed it, or the answer has a
    newer version.
    """
    output = lock(annotation.output_id)
    _decide(_still_there(annotation, output, by), Annotation.Decision.REJECTED, by, now)


@transaction.atomic
def undo(*, annotation: Annotation, by: User, now: datetime) -> None:
    """Make a suggestion undecided again; one that is undecided stays so.

    Raises ConflictError when it was removed, or the answer has a newer version.
    """
    output = lock(annotation.output_id)
    _undo(_still_there(annotation, output, by), by, now)


@transaction.atomic
def accept_all(*, output: Output, by: User, now: datetime) -> list[Annotation]:
    """Accept every undecided suggestion that the person sees and that nothing is in the way of.

    The earlier suggestion goes first. Returns those accepted; `undo_all` at `now` takes them back.
    """
    locked = lock(output.pk)
    found = corrected(output=locked, to=by)
    applied = list(found.accepted)
    taken = []
    for one in sorted(_decidable(found.suggestions, by), key=lambda one: one.pk):
        if one.decision or any(is_in_conflict(one.edit, other.edit) for other in applied):
            continue
        _decide(one, Annotation.Decision.ACCEPTED, by, now)
        applied.append(one)
        taken.append(one)
    return taken


@transaction.atomic
def reject_all(*, output: Output, by: User, now: datetime) -> list[Annotation]:
    """Reject every undecided suggestion that the person sees; returns those rejected."""
    locked = lock(output.pk)
    seen = corrected(output=locked, to=by).suggestions
    found = [one for one in _decidable(seen, by) if not one.decision]
    for one in found:
        _decide(one, Annotation.Decision.REJECTED, by, now)
    return found


@transaction.atomic
def undo_all(*, output: Output, decided_at: datetime, by: User, now: datetime) -> list[Annotation]:
    """Take back what the person decided at one moment with one act; returns what that was."""
    locked = lock(output.pk)
    found = [
        one
        for one in seen(locked, locked.version, by)
        if one.decided_by_id == by.pk and one.decided_at == decided_at
    ]
    for one in found:
        _undo(one, by, now)
    return found


@transaction.atomic
def rebase(*, annotation: Annotation, by: User, now: datetime) -> None:
    """Cut a suggestion down to the changes in it that no accepted suggestion is in conflict with.

    Raises ConflictError when none are left or accepted ones lie between them, when the suggestion
    was decided on or removed, or the answer has a newer version.
    """
    output = lock(annotation.output_id)
    found = _still_there(annotation, output, by)
    others = [one.edit for one in corrected(output=output, to=by).in_the_way(found)]
    if not others:
        return
    whole = found.edit
    part = output.text[whole.start : whole.end]
    free = [
        moved
        for one in hunks(part, whole.replacement)
        for moved in [
            Edit(whole.id, whole.start + one.start, whole.start + one.end, one.replacement)
        ]
        if not any(is_in_conflict(moved, other) for other in others)
    ]
    if not free:
        raise ConflictError("Nothing is left of this beside what is accepted. Reject one of them.")
    first, last = free[0].start, free[-1].end
    inner = [Edit(one.id, one.start - first, one.end - first, one.replacement) for one in free]
    cut = Edit(whole.id, first, last, fold(apply(output.text[first:last], inner)))
    if any(is_in_conflict(cut, other) for other in others):
        raise ConflictError("What is accepted lies within this. Reject one of them.")
    changed = Annotation.objects.filter(pk=found.pk, decision="", deleted_at=None).update(
        replacement=cut.replacement,
        edit_start=cut.start,
        edit_end=cut.end,
        edited_at=now,
        changed_at=now,
    )
    if not changed:
        raise ConflictError("Somebody decided on this before you.")
    forget(found)
    log(found, "rebased", by, now)


@transaction.atomic
def rewrite(
    *,
    output: Output,
    version: int,
    text: str,
    by: User,
    now: datetime,
    request_key: UUID | None = None,
) -> list[Annotation]:
    """Make the corrected answer read like a text: one accepted suggestion for each change.

    What is accepted already and was not written over stays; the rest of it is rejected. Asked
    again with the same `request_key`, it changes nothing and returns nothing.

    Raises StaleVersionError when `version` is not current, AnnotationError when the text cannot
    stand.
    """
    locked = lock(output.pk)
    if request_key is not None and _is_known(locked, by, request_key):
        return []
    if locked.version != version:
        raise StaleVersionError(locked.version)
    return rewritten(output=locked, version=version, text=text, by=by, now=now, key=request_key)


def rewritten(
    *,
    output: Output,
    version: int,
    text: str,
    by: User,
    now: datetime,
    key: UUID | None = None,
) -> list[Annotation]:
    """As `rewrite`, of any version of a locked output, inside a transaction."""
    if "\x00" in text or len(text) > LONGEST_ANSWER:
        raise AnnotationError("text", f"Give at most {LONGEST_ANSWER:,} printable characters.")
    found = corrected(output=output, to=by, version=version)
    rendered = render(found.source)
    if not rendered.canonical.strip():
        raise AnnotationError("text", "The answer has no words that could be corrected.")
    kept, made = revised(found.source, found.edits, text)
    check_room(output, len(made))
    stay = {edit.id for edit in kept}
    for one in _decidable(found.accepted, by):
        if one.pk not in stay:
            _undo(one, by, now)
            _decide(one, Annotation.Decision.REJECTED, by, now)
    stored: list[Annotation] = []
    for edit in made:
        start, end = words_at(rendered, edit)
        stored.append(
            put(
                output=output,
                version=version,
                text=found.source,
                place=select(
                    rendered.canonical, start=start, end=end, exact=rendered.canonical[start:end]
                ),
                proposed=edit,
                by=by,
                now=now,
                request_key=key if not stored else None,
            )
        )
        _decide(stored[-1], Annotation.Decision.ACCEPTED, by, now)
    return stored


def _is_known(output: Output, by: User, key: UUID) -> bool:
    return Annotation.objects.filter(author=by, request_key=key, output=output).exists()


def _still_there(annotation: Annotation, output: Output, by: User) -> Annotation:
    """The suggestion as it is now, if the person may decide on it."""
    found = Annotation.objects.suggestions().filter(pk=annotation.pk).first()
    if found is None:
        raise ConflictError("This suggestion was removed.")
    if found.output_version != output.version:
        raise ConflictError("The answer has a newer version. Suggest it there.")
    if not _decidable([found], by):
        raise ConflictError("Its author is to judge the answer first, without knowing of others.")
    return found


def _decidable(suggestions: Iterable[Annotation], by: User) -> list[Annotation]:
    """Those that are not part of the answer as somebody else is to judge it blindly."""
    listed = list(suggestions)
    if all(one.author_id == by.pk for one in listed):
        return listed
    known = Annotation.objects.filter(pk__in=[one.pk for one in listed]).decidable_by(by)
    free = set(known.values_list("pk", flat=True))
    return [one for one in listed if one.pk in free]


def _decide(suggestion: Annotation, decision: Annotation.Decision, by: User, now: datetime) -> None:
    there = Annotation.objects.suggestions().filter(pk=suggestion.pk)
    fields = {"decision": decision, "decided_by": by, "decided_at": now, "changed_at": now}
    if there.filter(decision="").update(**fields):
        log(suggestion, decision.value, by, now)
        notify(
            annotation=suggestion,
            kind=Notification.Kind.DECIDED,
            to=[suggestion.author_id],
            by=by,
            now=now,
        )
        suggestion.decision, suggestion.decided_by, suggestion.decided_at = decision, by, now
        return
    current = there.select_related("decided_by").first()
    if current is None:
        raise ConflictError("This suggestion was removed.")
    if (current.decision, current.decided_by_id) != (decision, by.pk):
        who = current.decided_by.get_username() if current.decided_by else "Somebody"
        raise ConflictError(f"{who} {current.decision} this before you.")


def _undo(suggestion: Annotation, by: User, now: datetime) -> None:
    decided = Annotation.objects.suggestions().filter(pk=suggestion.pk).exclude(decision="")
    if decided.update(decision="", decided_by=None, decided_at=None, changed_at=now):
        log(suggestion, "undone", by, now)
