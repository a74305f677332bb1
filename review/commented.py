"""Finds what reviewers wrote beside answers, by words and by meaning."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from feedback import paging
from feedback.embedding import Encoder
from feedback.filters import OutputFilter, words_condition
from feedback.fusion import fused
from feedback.lexical import lexemes, ranked
from feedback.models import Output, Project, User
from feedback.nearest import Near, nearest_of
from feedback.search import DEPTH, TIME_LIMIT_MS, named
from feedback.timeouts import time_limit
from review.comment_vectors import VECTORS
from review.models import Annotation, AnnotationWords
from review.models.annotation import AnnotationQuerySet


@dataclass(frozen=True, kw_only=True)
class Remark:
    """A comment or suggestion that was found.

    `part` is the text that was found by meaning, comment or replacement, "" when none was.
    """

    annotation: Annotation
    part: str = ""

    @property
    def text(self) -> str:
        """What it says: what was found, else its words, what it proposes, what it marks."""
        annotation = self.annotation
        proposed = annotation.replacement or ""
        if self.part == "replacement":
            return proposed
        return annotation.comment or proposed or annotation.exact


@dataclass(frozen=True, kw_only=True)
class Remarks:
    """Some of what was found, the cursor of what follows, and how many there are in all.

    A list that goes on and on is not counted.
    """

    rows: list[Remark]
    next_cursor: str | None
    number: int | None = None


def commented(*, project: Project, wanted: OutputFilter, by: User | None) -> AnnotationQuerySet:
    """Comments and suggestions that match a filter and that the person may see.

    A product, `by` None, may see what nobody is to be kept from.

    The filter's terms are about their outputs; its words have to be in what was written, marked or
    proposed.
    """
    found = Annotation.objects.filter(project=project, deleted_at=None)
    found = found.seen_by(by) if by else found.revealed()
    if wanted.words:
        there = AnnotationWords.objects.filter(words_condition(wanted.words), project=project)
        found = found.filter(pk__in=there.values("pk"))
    if wanted.terms:
        outputs = replace(wanted, words=()).apply(Output.objects.filter(project=project))
        found = found.filter(output__in=outputs.values("pk"))
    return found


def commented_page(
    *, project: Project, wanted: OutputFilter, by: User | None, limit: int, cursor: str = ""
) -> Remarks:
    """The newest of those that match the filter. Raises paging.CursorError, and TooSlowError."""
    with time_limit(TIME_LIMIT_MS):
        found = paging.page(
            _shown(commented(project=project, wanted=wanted, by=by)),
            order=["-created_at", "-id"],
            size=limit,
            cursor=cursor,
        )
    return Remarks(
        rows=[Remark(annotation=row) for row in found.rows], next_cursor=found.next_cursor
    )


def search_comments(
    *,
    project: Project,
    query: str,
    encoder: Encoder,
    wanted: OutputFilter,
    by: User | None,
    by_words: bool = True,
    newest_first: bool = False,
    limit: int = 20,
    cursor: str = "",
) -> Remarks:
    """What of `commented` is near the query in meaning or, unless not `by_words`, shares words.

    Both rankings are fused as those of outputs are. Raises paging.CursorError, and TooSlowError.
    """
    after = _place_of(cursor) if cursor else None
    [vector] = encoder.encode([query])
    with time_limit(TIME_LIMIT_MS):
        among = commented(project=project, wanted=wanted, by=by)
        words: dict[int, float] = {}
        if by_words:
            words = dict(
                ranked(
                    project=project,
                    table=AnnotationWords,
                    among=among,
                    wanted=lexemes(query),
                    limit=DEPTH,
                )
            )
        near = nearest_of(
            vectors=VECTORS,
            project=project,
            among=among,
            vector=vector,
            model=encoder.model_id,
            limit=DEPTH,
        )
        sums = fused(
            words=words,
            meaning={one.pk: one.similarity for one in near},
            first=named(table=AnnotationWords, query=query, words=words),
        )
        order = _ordered(sums, newest_first=newest_first)
        rest = [place for place in order if after is None or place > after]
        rows = _read([-pk for _, pk in rest[:limit]], near)
    return Remarks(
        rows=rows,
        next_cursor=paging.write_cursor(rest[limit - 1]) if 0 < limit < len(rest) else None,
        number=len(order),
    )


def _ordered(sums: Mapping[int, float], *, newest_first: bool) -> list[tuple[float, int]]:
    """What is still there by its number to order by and its id, both turned round."""
    there = Annotation.objects.filter(pk__in=sums).values_list("pk", "created_at")
    return sorted((-(at.timestamp() if newest_first else sums[pk]), -pk) for pk, at in there)


def _read(pks: Sequence[int], near: Sequence[Near]) -> list[Remark]:
    parts = {one.pk: one.part for one in near}
    found = _shown(Annotation.objects.filter(pk__in=pks)).in_bulk() if pks else {}
    return [Remark(annotation=found[pk], part=parts.get(pk, "")) for pk in pks if pk in found]


def _shown(annotations: AnnotationQuerySet) -> AnnotationQuerySet:
    return annotations.select_related("output__session", "author", "reason")


def _place_of(cursor: str) -> tuple[float, int]:
    try:
        value, pk = paging.read_cursor(cursor, 2)
        value, pk = float(value), int(pk)
    except (ValueError, TypeError, OverflowError):
        raise paging.CursorError("This is no cursor that the list gave.") from None
    if not math.isfinite(value):
        raise paging.CursorError("This is no cursor that the list gave.")
    return value, pk
