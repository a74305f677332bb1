"""Where what was said about an answer's words lies in its current version."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from feedback.models import AnswerVersion, Feedback, Output
from review.anchoring import AnchorError, Selector, verify
from review.models import Anchor, Annotation
from review.reanchoring import Comparison, Place
from review.rendering import RENDERER_VERSION, Rendered, render

DETACHED = Place("detached", None, None, 0.0)


class Versions:
    """The former versions of an answer, each compared at most once with the current one."""

    def __init__(self, output: Output, rendered: Rendered | None = None) -> None:
        self.output = output
        self.rendered = rendered or render(output.text)
        self._former: dict[int, Rendered] = {}

    def load(self, numbers: Iterable[int]) -> None:
        """Get the texts of these versions. One query, or none when there is nothing to get."""
        missing = {number for number in numbers if number != self.output.version}
        missing -= self._former.keys()
        if missing:
            texts = AnswerVersion.objects.filter(output=self.output, number__in=missing)
            for number, text in texts.values_list("number", "text"):
                self._former[number] = render(text)

    def canonical(self, number: int) -> str:
        """The canonical text of a version; empty when it is not kept."""
        former = self.rendered if number == self.output.version else self._former.get(number)
        return former.canonical if former else ""

    def of_source(self, number: int, start: int, end: int) -> tuple[Place, str]:
        """The place of a span of that version as it was sent, and the words that it had there."""
        there = self.rendered if number == self.output.version else self._former.get(number)
        span = there.source_to_canonical(start, end) if there else None
        if there is None or span is None:
            return DETACHED, ""
        return self.of_canonical(number, *span), there.canonical[slice(*span)]

    def of_canonical(self, number: int, start: int, end: int, *, replacement: str = "") -> Place:
        """The place of a span of that version's canonical text."""
        if number == self.output.version:
            return Place("exact", start, end, 1.0)
        former = self._former.get(number)
        if former is None or end > len(former.canonical):
            return DETACHED
        compared = _compared(former.canonical, self.rendered.canonical)
        return compared.place(start, end, replacement=replacement)


def places_of(
    output: Output, annotations: Iterable[Annotation], rendered: Rendered
) -> dict[int, Place]:
    """Where each of the output's annotations lies in its current version, by id.

    Those of former versions have their place kept as an Anchor; where it is not kept yet, it is
    found here and nothing is written. No query when all are of the current version, else two.
    """
    wanted = list(annotations)
    versions = Versions(output, rendered)
    former = [one for one in wanted if one.output_version != output.version]
    anchors = Anchor.objects.filter(annotation__in=former, output_version=output.version)
    # Django asks nothing when there is nothing to look for.
    kept = {anchor.annotation_id: anchor for anchor in anchors}
    versions.load(one.output_version for one in former if one.pk not in kept)
    return {
        one.pk: _kept(kept[one.pk], rendered) if one.pk in kept else found(one, versions)
        for one in wanted
    }


def places_of_feedback(
    output: Output, feedback: Iterable[Feedback], rendered: Rendered
) -> dict[int, tuple[Place, str]]:
    """Where each span of feedback lies in the current version, and the words that it was put on.

    By the feedback's id; without a span it has none. One query when some is of a former version.
    """
    spans = [
        (one.pk, one.output_version, one.span_start, one.span_end)
        for one in feedback
        if one.span_start is not None
    ]
    versions = Versions(output, rendered)
    versions.load(number for _, number, _, _ in spans if number is not None)
    return {
        pk: versions.of_source(number, start, end)
        for pk, number, start, end in spans
        if number is not None and start is not None and end is not None
    }


def selected_before(
    *, output: Output, version: int, start: int, end: int, exact: str
) -> tuple[Place, str]:
    """Where words that were selected in a former version are now, and the words there now.

    Detached too when the words were not at that place.
    """
    versions = Versions(output)
    versions.load([version])
    place = DETACHED
    if 0 <= start < end and versions.canonical(version)[start:end] == exact:
        place = versions.of_canonical(version, start, end)
    return place, "" if place.start is None else versions.rendered.canonical[
        place.start : place.end
    ]


def found(annotation: Annotation, versions: Versions) -> Place:
    """Find an annotation's place in the current version, by its words in the version it is of."""
    number = annotation.output_version
    start, end = annotation.start, annotation.end
    versions.load([number])
    if annotation.renderer_version != RENDERER_VERSION:
        return _rerendered(annotation, versions)
    if number == versions.output.version:
        try:
            verify(versions.rendered.canonical, selector(annotation))
        except AnchorError:
            return DETACHED
    replacement = render(annotation.replacement).canonical if annotation.replacement else ""
    return versions.of_canonical(number, start, end, replacement=replacement)


def selector(annotation: Annotation) -> Selector:
    """The place and the words that an annotation keeps."""
    return Selector(
        start=annotation.start,
        end=annotation.end,
        exact=annotation.exact,
        prefix=annotation.prefix,
        suffix=annotation.suffix,
    )


def _rerendered(annotation: Annotation, versions: Versions) -> Place:
    """The place of an annotation made when answers were shown in another way.

    The answer as it was sent is still the same, and so is the place in it.
    """
    start, end = annotation.source_start, annotation.source_end
    if start is None or end is None:
        return DETACHED
    place, _ = versions.of_source(annotation.output_version, start, end)
    return _with_words(place, annotation.exact, versions.rendered)


def _kept(anchor: Anchor, rendered: Rendered) -> Place:
    """A place that was found before, or chosen by a person."""
    place = Place(
        anchor.state, anchor.start, anchor.end, anchor.score, anchor.confirmed_at is not None
    )
    if anchor.renderer_version == RENDERER_VERSION or place.start is None:
        return place
    if anchor.source_start is None or anchor.source_end is None:
        return DETACHED
    span = rendered.source_to_canonical(anchor.source_start, anchor.source_end)
    if span is None:
        return DETACHED
    moved = Place(anchor.state, *span, anchor.score, place.is_confirmed)
    return _with_words(moved, anchor.exact, rendered)


def _with_words(place: Place, words: str, rendered: Rendered) -> Place:
    """Call a place changed whose words read differently now."""
    if place.state == "exact" and rendered.canonical[place.start : place.end] != words:
        return Place("changed", place.start, place.end, place.score, place.is_confirmed)
    return place


@lru_cache(maxsize=16)
def _compared(old: str, new: str) -> Comparison:
    return Comparison(old, new)
