"""What accepted suggestions make of an answer, and what one would make of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from feedback.models import Output, User
from review.anchoring import Mark, select
from review.annotations import (
    AnnotationError,
    StaleVersionError,
    check_edit,
    checked,
)
from review.edits import Edit, apply, first_come, fold, is_in_conflict, mapped
from review.models import Annotation
from review.models.annotation import AnnotationQuerySet
from review.rendering import render
from review.sheets import Sheet
from review.widening import edited_lines, widened
from review.word_diff import Piece, distance, word_diff


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
    return correction(text, seen(output, number, to))


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


def seen(output: Output, version: int, to: User) -> AnnotationQuerySet:
    """The suggestions on a version of an answer that a person sees, with their reasons."""
    found = Annotation.objects.filter(output=output, output_version=version).seen_by(to)
    return found.suggestions().select_related("reason")
