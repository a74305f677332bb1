"""Places of annotations in later versions: found, confirmed, chosen anew."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from feedback.models import Output, User
from review.anchoring import select
from review.annotations import (
    AnnotationError,
    ConflictError,
    StaleVersionError,
    lock,
    log,
    words_sent,
)
from review.models import Anchor, Annotation
from review.places import Versions, found
from review.reanchoring import Place
from review.rendering import RENDERER_VERSION, Rendered, render


def place_annotations(*, now: datetime) -> int:
    """Keep the places of all annotations of former versions; return how many there were."""
    waiting = Annotation.objects.unanchored().order_by("output").values_list("output", flat=True)
    return sum(place_on(output=output, now=now) for output in waiting.distinct())


@transaction.atomic
def place_on(*, output: int, now: datetime) -> int:
    """Keep the places of one output's annotations in its current version; return how many."""
    locked = lock(output)
    waiting = list(Annotation.objects.unanchored().filter(output=locked))
    versions = Versions(locked)
    # A former version may be compared by many; the texts come with one query.
    versions.load(one.output_version for one in waiting)
    Anchor.objects.bulk_create(
        _anchor(one, found(one, versions), versions.rendered, locked.version, now)
        for one in waiting
    )
    return len(waiting)


@transaction.atomic
def confirm(*, annotation: Annotation, version: int, by: User, now: datetime) -> None:
    """Say that the words found in the current version are those that were meant.

    Twice is once. Raises StaleVersionError when `version` is not current, AnnotationError when no
    words were found, ConflictError when the annotation is gone.
    """
    anchor = _current(annotation, version, now)
    if anchor.state == Anchor.State.DETACHED:
        raise AnnotationError("anchor", "The words are gone. Select those that it is about now.")
    if anchor.confirmed_at is None:
        Anchor.objects.filter(pk=anchor.pk).update(confirmed_by=by, confirmed_at=now)
        Annotation.objects.filter(pk=annotation.pk).update(changed_at=now)
        log(annotation, "confirmed", by, now)


@transaction.atomic
def reattach(
    *,
    annotation: Annotation,
    version: int,
    start: int,
    end: int,
    exact: str,
    by: User,
    now: datetime,
) -> None:
    """Choose the words of the current version that an annotation of a former one is about.

    They are verified and widened like those of a new annotation. What it was about at first stays
    with the annotation.

    Raises StaleVersionError when `version` is not current, AnchorError when the words are not at
    that place, AnnotationError when the annotation is of the current version, ConflictError when
    it is gone.
    """
    anchor = _current(annotation, version, now)
    rendered = render(Output.objects.get(pk=annotation.output_id).text)
    chosen = select(rendered.canonical, start=start, end=end, exact=exact)
    is_same = chosen.exact == annotation.exact
    state = Anchor.State.EXACT if is_same else Anchor.State.CHANGED
    place = Place(state, chosen.start, chosen.end, 1.0 if is_same else anchor.score)
    Anchor.objects.filter(pk=anchor.pk).update(
        **_columns(place, rendered), confirmed_by=by, confirmed_at=now
    )
    Annotation.objects.filter(pk=annotation.pk).update(changed_at=now)
    # Where it stood, so that pages on which it is shown know what to paint anew.
    left = {} if anchor.start is None else {"start": anchor.start, "end": anchor.end or 0}
    log(annotation, "reattached", by, now, **left, author=annotation.author_id)


@transaction.atomic
def reattach_sent(
    *,
    annotation: Annotation,
    start: int,
    end: int,
    exact: str,
    by: User,
    now: datetime,
    version: int | None = None,
) -> None:
    """As `reattach`, by code points of the answer as it was sent.

    Without a `version` the current one is meant.
    """
    output = lock(annotation.output_id)
    if version is not None and version != output.version:
        raise StaleVersionError(output.version)
    place = words_sent(output, start=start, end=end, exact=exact)
    reattach(
        annotation=annotation,
        version=output.version,
        start=place.start,
        end=place.end,
        exact=place.exact,
        by=by,
        now=now,
    )


def _current(annotation: Annotation, version: int, now: datetime) -> Anchor:
    """The annotation's place in the current version, which must be this one."""
    output = lock(annotation.output_id)
    if output.version != version:
        raise StaleVersionError(output.version)
    there = Annotation.objects.filter(pk=annotation.pk, deleted_at=None).first()
    if there is None:
        raise ConflictError("This comment was removed.")
    if there.output_version == version:
        raise AnnotationError("anchor", "This is on the current version of the answer.")
    place_on(output=output.pk, now=now)
    return Anchor.objects.get(annotation=there, output_version=version)


def _anchor(
    annotation: Annotation, place: Place, rendered: Rendered, version: int, now: datetime
) -> Anchor:
    return Anchor(
        annotation=annotation, output_version=version, created_at=now, **_columns(place, rendered)
    )


def _columns(place: Place, rendered: Rendered) -> dict[str, object]:
    columns: dict[str, object] = {
        "state": place.state,
        "start": place.start,
        "end": place.end,
        "score": place.score,
        "renderer_version": RENDERER_VERSION,
        "source_start": None,
        "source_end": None,
        "exact": "",
    }
    if place.start is not None and place.end is not None:
        source = rendered.canonical_to_source(place.start, place.end)
        columns["source_start"], columns["source_end"] = source
        columns["exact"] = rendered.canonical[place.start : place.end]
    return columns
