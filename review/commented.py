"""Finds what reviewers wrote beside answers, by words and by meaning."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet

from feedback import paging
from feedback.embedding import Encoder
from feedback.filter_syntax import Word
from feedback.filters import OutputFilter, has_words, words_condition
from feedback.fusion import fused
from feedback.lexical import lexemes, ranked
from feedback.models import Output, Project, User
from feedback.nearest import Near, nearest_of
from feedback.search import DEPTH, TIME_LIMIT_MS, named
from feedback.timeouts import time_limit
from review.comment_vectors import OF_REPLIES, VECTORS
from review.models import Annotation, AnnotationWords, Comment, CommentWords
from review.models.annotation import AnnotationQuerySet, CommentQuerySet


class Place(NamedTuple):
    """What was written: an annotation, or a reply to it; 0 is the annotation itself."""

    annotation: int
    reply: int = 0


@dataclass(frozen=True, kw_only=True)
class Remark:
    """A comment or suggestion that was found, or that a reply to it was found.

    `part` is the text that was found by meaning: comment, replacement or reply, "" when none was.
    """

    annotation: Annotation
    reply: Comment | None = None
    part: str = ""

    @property
    def text(self) -> str:
        """What it says: what was found, else its words, what it proposes, what it marks."""
        annotation = self.annotation
        proposed = annotation.replacement or ""
        if self.reply:
            return self.reply.text
        if self.part == "replacement":
            return proposed
        return annotation.comment or proposed or annotation.exact

    @property
    def author(self) -> User:
        """Who wrote what was found."""
        return (self.reply or self.annotation).author

    @property
    def created_at(self) -> datetime:
        """When that was."""
        return (self.reply or self.annotation).created_at


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
    proposed, or in one reply to it.
    """
    terms = replace(wanted, words=())
    found = _annotations(project=project, wanted=terms, by=by)
    if wanted.words:
        own = _annotations(project=project, wanted=wanted, by=by)
        replies = _replies(project=project, wanted=wanted, by=by)
        found = found.filter(Q(pk__in=own.values("pk")) | Q(pk__in=replies.values("annotation")))
    return found


def commented_page(
    *, project: Project, wanted: OutputFilter, by: User | None, limit: int, cursor: str = ""
) -> Remarks:
    """The newest of those that match the filter, by the time of what was found.

    Raises paging.CursorError, and TooSlowError.
    """
    own = _annotations(project=project, wanted=wanted, by=by)
    with time_limit(TIME_LIMIT_MS):
        notes = paging.page(_shown(own), order=["-created_at", "-id"], size=limit, cursor=cursor)
        found = [Remark(annotation=note) for note in notes.rows]
        is_more = notes.next_cursor is not None
        if wanted.words:
            replies = paging.page(
                _standing_for(_replies(project=project, wanted=wanted, by=by), own=own),
                order=["-created_at", "-annotation_id"],
                size=limit,
                cursor=cursor,
            )
            found += [Remark(annotation=one.annotation, reply=one) for one in replies.rows]
            found.sort(key=_age, reverse=True)
            is_more |= replies.next_cursor is not None or len(found) > limit
    rows = found[:limit]
    return Remarks(rows=rows, next_cursor=paging.write_cursor(_age(rows[-1])) if is_more else None)


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

    Both rankings are fused as those of outputs are, and of a thread what ranks best is told.
    Raises paging.CursorError, and TooSlowError.
    """
    after = _place_of(cursor) if cursor else None
    [vector] = encoder.encode([query])
    words: dict[Place, float] = {}
    near: dict[Place, Near] = {}
    first: set[Place] = set()
    with time_limit(TIME_LIMIT_MS):
        stems = lexemes(query)
        for table, vectors, among in (
            (AnnotationWords, VECTORS, _annotations(project=project, wanted=wanted, by=by)),
            (CommentWords, OF_REPLIES, _replies(project=project, wanted=wanted, by=by)),
        ):
            shared: dict[int, float] = {}
            if by_words:
                shared = dict(
                    ranked(project=project, table=table, among=among, wanted=stems, limit=DEPTH)
                )
            alike = nearest_of(
                vectors=vectors,
                project=project,
                among=among,
                vector=vector,
                model=encoder.model_id,
                limit=DEPTH,
            )
            places = _places(among, {*shared, *(one.pk for one in alike)})
            words |= {places[pk]: share for pk, share in shared.items() if pk in places}
            near |= {places[one.pk]: one for one in alike if one.pk in places}
            first |= {
                places[pk] for pk in named(table=table, query=query, words=shared) if pk in places
            }
        by_rank = dict(sorted(words.items(), key=lambda one: -one[1]))
        sums = fused(
            words=by_rank,
            meaning={place: one.similarity for place, one in near.items()},
            first=first,
        )
        best: dict[int, Place] = {}
        for place in sums:
            best.setdefault(place.annotation, place)
        order = _ordered(best.values(), sums, newest_first=newest_first)
        rest = [number for number in order if after is None or number > after]
        rows = _read([best[-pk] for _, pk in rest[:limit]], near)
    return Remarks(
        rows=rows,
        next_cursor=paging.write_cursor(rest[limit - 1]) if 0 < limit < len(rest) else None,
        number=len(order),
    )


def _annotations(*, project: Project, wanted: OutputFilter, by: User | None) -> AnnotationQuerySet:
    """Those that match the filter by their own words."""
    found = Annotation.objects.filter(project=project, deleted_at=None)
    found = found.seen_by(by) if by else found.revealed()
    if wanted.words:
        found = found.filter(pk__in=_having(AnnotationWords, wanted.words, project))
    if wanted.terms:
        outputs = replace(wanted, words=()).apply(Output.objects.filter(project=project))
        found = found.filter(output__in=outputs.values("pk"))
    return found


def _replies(*, project: Project, wanted: OutputFilter, by: User | None) -> CommentQuerySet:
    """Replies that match the filter by their own words, in threads that the person may see."""
    found = Comment.objects.filter(project=project, deleted_at=None)
    found = found.seen_by(by) if by else found.revealed()
    if wanted.words:
        found = found.filter(pk__in=_having(CommentWords, wanted.words, project))
    threads = _annotations(project=project, wanted=replace(wanted, words=()), by=by)
    return found.filter(annotation__in=threads.values("pk"))


def _having(
    table: type[AnnotationWords | CommentWords], words: Collection[Word], project: Project
) -> QuerySet[Any, Any]:
    """The ids of what has all the words; of nothing where those are signs alone."""
    if not any(has_words(one.text) for one in words):
        return table.objects.none().values("pk")
    return table.objects.filter(words_condition(words), project=project).values("pk")


def _standing_for(replies: CommentQuerySet, *, own: AnnotationQuerySet) -> CommentQuerySet:
    """Of the threads that are not found by their own words the newest of these replies."""
    newer = Q(created_at__gt=OuterRef("created_at")) | Q(
        created_at=OuterRef("created_at"), pk__gt=OuterRef("pk")
    )
    later = replies.filter(newer, annotation=OuterRef("annotation"))
    return (
        replies.exclude(annotation__in=own.values("pk"))
        .filter(~Exists(later))
        .select_related(
            "author", "annotation__output__session", "annotation__author", "annotation__reason"
        )
    )


def _age(remark: Remark) -> tuple[datetime, int]:
    """What a list by time is ordered by, and goes on after."""
    return remark.created_at, remark.annotation.pk


def _places(among: AnnotationQuerySet | CommentQuerySet, pks: Collection[int]) -> dict[int, Place]:
    if among.model is Annotation:
        return {pk: Place(pk) for pk in pks}
    roots = Comment.objects.filter(pk__in=pks).values_list("pk", "annotation_id")
    return {pk: Place(root, pk) for pk, root in roots}


def _ordered(
    places: Collection[Place], sums: Mapping[Place, float], *, newest_first: bool
) -> list[tuple[float, int]]:
    """What is still there by its number to order by and the annotation's id, both turned round."""
    notes = Annotation.objects.filter(pk__in=[one.annotation for one in places if not one.reply])
    replies = Comment.objects.filter(pk__in=[one.reply for one in places if one.reply])
    at = {Place(pk): when for pk, when in notes.values_list("pk", "created_at")} | {
        Place(root, pk): when
        for pk, root, when in replies.values_list("pk", "annotation_id", "created_at")
    }
    return sorted(
        (-(when.timestamp() if newest_first else sums[place]), -place.annotation)
        for place, when in at.items()
    )


def _read(places: Sequence[Place], near: Mapping[Place, Near]) -> list[Remark]:
    if not places:
        return []
    wanted = Annotation.objects.filter(pk__in=[one.annotation for one in places])
    found = _shown(wanted).in_bulk()
    replies: dict[int, Comment] = {}
    if pks := [one.reply for one in places if one.reply]:
        replies = Comment.objects.filter(pk__in=pks).select_related("author").in_bulk()
    return [
        Remark(
            annotation=found[one.annotation],
            reply=replies.get(one.reply),
            part=near[one].part if one in near else "",
        )
        for one in places
        if one.annotation in found
    ]


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
