"""Suggestions of other words: accepted or rejected, and the corrected answer that they make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from uuid import UUID

from django.db import transaction

from feedback.models import Output, User
from review.anchoring import Mark, select
from review.annotations import (
    AnnotationError,
    ConflictError,
    StaleVersionError,
    check_edit,
    check_room,
    checked,
    lock,
    log,
    put,
)
from review.edits import Edit, apply, first_come, fold, hunks, is_in_conflict, mapped, revised
from review.models import Annotation, Notification
from review.models.annotation import AnnotationQuerySet
from review.notifications import notify
from review.rendering import render
from review.sheets import Sheet
from review.widening import edited_lines, widened, words_at
from review.word_diff import Piece, distance, word_diff

LONGEST_ANSWER = 200_000


class OverlapError(ConflictError):
    """Accepted suggestions are in the way; `others` are those."""

    def __init__(self, others: Sequence[Annotation]) -> None:
        names = ", ".join(f"#{other.pk}" for other in others)
        super().__init__(f"This conflicts with {names}, which is accepted.")
        self.others = others


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A version of an answer with the suggestions on it that one person sees.

    `accepted` are applied. `left_out` are accepted as well, but in conflict with some that were
    accepted earlier, as when two people decided without knowing of each other.
    """

    source: str
    suggestions: Sequence[Annotation]
    accepted: Sequence[Annotation]
    left_out: Sequence[Annotation]

    @cached_property
    def edits(self) -> list[Edit]:
        """What is applied to the answer."""
        return [one.edit for one in self.accepted]

    @cached_property
    def text(self) -> str:
        """The answer with the accepted suggestions applied."""
        return apply(self.source, self.edits)

    @cached_property
    def distance(self) -> int:
        """How many code points the correction changes (Levenshtein)."""
        return distance(self.source, self.text)

    @property
    def num_open(self) -> int:
        """Suggestions that nobody has decided on."""
        return sum(not one.decision for one in self.suggestions)

    @property
    def num_edits(self) -> int:
        """Suggestions that were not rejected."""
        return sum(one.decision != Annotation.Decision.REJECTED for one in self.suggestions)

    def in_the_way(self, suggestion: Annotation) -> list[Annotation]:
        """The accepted suggestions that a suggestion is in conflict with."""
        return [
            other
            for other in self.accepted
            if other.pk != suggestion.pk and is_in_conflict(other.edit, suggestion.edit)
        ]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a replacement would do: to the Markdown offered for the words, and to the page.

    `html` is sanitised; `pieces` and `html` are empty when nothing was proposed yet. `is_wider`
    is whether more than the marked words is offered, `is_block` whether that is whole lines.
    `problem` says why it cannot be suggested.
    """

    words: str
    offered: str
    is_wider: bool
    is_block: bool
    pieces: Sequence[Piece] = ()
    html: str = ""
    problem: str = ""


def corrected(*, output: Output, to: User, version: int | None = None) -> Correction:
    """The corrected answer as a person sees it: with the accepted ones of the suggestions shown.

    Of the current version unless another one is named. One query, two for a former version.
    """
    number = version or output.version
    if number == output.version:
        text = output.text
    else:
        text = output.former_versions.values_list("text", flat=True).get(number=number)
    return correction(text, _seen(output, number, to))


def correction(source: str, suggestions: Iterable[Annotation]) -> Correction:
    """The correction that suggestions on an answer make; of those in conflict the earliest."""
    listed = list(suggestions)
    accepted = [one for one in listed if one.decision == Annotation.Decision.ACCEPTED]
    accepted.sort(key=lambda one: (one.decided_at, one.pk))
    applied = first_come(one.edit for one in accepted)
    return Correction(
        source=source,
        suggestions=listed,
        accepted=[accepted[position] for position in applied],
        left_out=[one for position, one in enumerate(accepted) if position not in applied],
    )


def preview(
    *, output: Output, version: int, start: int, end: int, exact: str, replacement: str | None
) -> Preview:
    """Show what a suggestion would do, without storing it. No query.

    A replacement of None asks only for the Markdown that is offered for the words. Raises
    StaleVersionError when `version` is not current, AnchorError when the words are not there.
    """
    if output.version != version:
        raise StaleVersionError(output.version)
    rendered = render(output.text)
    place = select(rendered.canonical, start=start, end=end, exact=exact)
    part = widened(output.text, rendered, place.start, place.end)
    offered = fold(output.text[part.start : part.end])
    plain = Preview(
        words=place.exact,
        offered=offered,
        is_wider=offered != place.exact,
        is_block=part.is_block,
    )
    if replacement is None:
        return plain
    problem = ""
    try:
        edit = Edit(0, part.start, part.end, fold(checked("replacement", replacement)))
    except AnnotationError as error:
        return replace(plain, problem=error.message)
    try:
        check_edit(output.text, rendered, edit)
    except AnnotationError as error:
        problem = error.message
    return replace(
        plain,
        pieces=word_diff(offered, edit.replacement),
        html=render(edited_lines(output.text, edit)).bare,
        problem=problem,
    )


def painted(found: Correction, shown: Sheet) -> str:
    """The corrected answer as sanitised HTML, with the marks that have a place in it.

    Marks go where the edits moved their words; over accepted suggestions they cover what was put
    in. Those whose words are gone are left out, and those whose words an edit replaced tell so.
    """
    rendered = render(found.text)
    accepted = {f"a{one.pk}": one.edit for one in found.accepted}
    marks = []
    for card in shown.cards:
        if not card.is_painted or card.start is None or card.end is None:
            continue
        span = shown.rendered.canonical_to_source(card.start, card.end)
        is_changed = True
        if edit := accepted.get(card.id):
            others = [other for other in found.edits if other != edit]
            start = mapped(found.source, others, edit.start, edit.start).start
            growth = len(found.text) - len(apply(found.source, others))
            end = start + edit.end - edit.start + growth
        else:
            place = mapped(found.source, found.edits, *span)
            start, end = place.start, place.end
            is_changed = place.is_changed
        words = rendered.source_to_canonical(start, end) if start < end else None
        if words and words[0] < words[1]:
            is_resolved = card.state == "resolved"
            marks.append(Mark(card.id, *words, card.category, is_resolved, is_changed=is_changed))
    return rendered.painted_bare(marks)


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
        for one in _seen(locked, locked.version, by)
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


def _seen(output: Output, version: int, to: User) -> AnnotationQuerySet:
    found = Annotation.objects.filter(output=output, output_version=version).seen_by(to)
    return found.suggestions().select_related("reason")


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
