"""Places in later versions: kept, confirmed, chosen anew."""

from __future__ import annotations

from typing import Any

import pytest

from feedback.models import Output, Project
from review.anchoring import AnchorError
from review.anchors import confirm, place_annotations, reattach
from review.annotations import AnnotationError, ConflictError, StaleVersionError
from review.gathering import sheet
from review.models import Anchor, Annotation, Event
from review.places import places_of
from review.rendering import RENDERER_VERSION, render
from tests.factories import NOW, make_output, make_user
from tests.review.test_places import EDITED, MOVED, TEXT, become, put

pytestmark = pytest.mark.django_db


@pytest.fixture
def output(project: Project) -> Output:
    return make_output(project, text=TEXT)


def chosen(output: Output, words: str) -> dict[str, Any]:
    start = render(output.text).canonical.index(words)
    return {"version": output.version, "start": start, "end": start + len(words), "exact": words}


class TestPlaceAnnotations:
    def test_keeps_the_place_its_words_and_its_source(self, output: Output) -> None:
        written = put(output, "apple harvest begins in May")
        become(output, EDITED)
        assert place_annotations(now=NOW) == 1
        kept = Anchor.objects.get(annotation=written)
        assert (kept.output_version, kept.state, kept.confirmed_at) == (2, "changed", None)
        assert kept.exact == "apple harvest begins in June"
        assert EDITED[kept.source_start : kept.source_end] == "apple* harvest begins in June"
        assert kept.renderer_version == RENDERER_VERSION
        assert 0.5 < kept.score < 1

    def test_keeps_that_words_are_gone(self, output: Output) -> None:
        put(output, "Pears")
        become(output, "Nothing alike.")
        place_annotations(now=NOW)
        kept = Anchor.objects.get()
        assert (kept.state, kept.start, kept.exact) == ("detached", None, "")

    def test_leaves_what_has_its_place(self, output: Output) -> None:
        put(output, "Pears")
        assert place_annotations(now=NOW) == 0
        become(output, EDITED)
        place_annotations(now=NOW)
        assert place_annotations(now=NOW) == 0
        put(output, "Plums")
        assert place_annotations(now=NOW) == 0

    def test_says_the_same_as_a_page_did_before(self, output: Output) -> None:
        written = [put(output, "Pears"), put(output, "harvest begins in May"), put(output, "six")]
        rendered = render(become(output, MOVED).text)
        before = places_of(output, written, rendered)
        place_annotations(now=NOW)
        assert places_of(output, written, rendered) == before

    def test_each_version_is_compared_with_the_words_at_first(self, output: Output) -> None:
        put(output, "harvest begins in May")
        for text in (EDITED, EDITED.replace("begins", "starts"), TEXT):
            become(output, text)
            place_annotations(now=NOW)
        states = Anchor.objects.order_by("output_version").values_list("state", flat=True)
        assert list(states) == ["changed", "changed", "exact"]


class TestConfirm:
    def test_what_moved_is_painted_from_then_on(self, output: Output) -> None:
        moved, by = put(output, "apple harvest begins"), make_user(output.project)
        become(output, MOVED)
        confirm(annotation=moved, version=2, by=by, now=NOW)
        kept = Anchor.objects.get()
        assert (kept.state, kept.confirmed_by, kept.confirmed_at) == ("moved", by, NOW)
        [card] = sheet(output=output, to=by).cards
        assert card.is_painted
        assert not card.is_guess
        moved.refresh_from_db()
        assert moved.changed_at == NOW

    def test_twice_is_once(self, output: Output) -> None:
        moved, first = put(output, "apple harvest begins"), make_user(output.project)
        become(output, MOVED)
        confirm(annotation=moved, version=2, by=first, now=NOW)
        confirm(annotation=moved, version=2, by=make_user(output.project), now=NOW)
        assert Anchor.objects.get().confirmed_by == first
        assert Event.objects.filter(verb="confirmed", output=output).count() == 1

    def test_words_that_are_gone_cannot_be_confirmed(self, output: Output) -> None:
        gone = put(output, "Pears")
        become(output, "Nothing alike.")
        with pytest.raises(AnnotationError):
            confirm(annotation=gone, version=2, by=make_user(output.project), now=NOW)

    def test_another_version_than_the_current_one_is_refused(self, output: Output) -> None:
        moved = put(output, "apple harvest begins")
        become(output, MOVED)
        with pytest.raises(StaleVersionError):
            confirm(annotation=moved, version=1, by=make_user(output.project), now=NOW)

    def test_nothing_is_to_be_said_of_the_current_version(self, output: Output) -> None:
        with pytest.raises(AnnotationError):
            confirm(
                annotation=put(output, "Pears"), version=1, by=make_user(output.project), now=NOW
            )

    def test_a_removed_comment_has_no_place(self, output: Output) -> None:
        moved = put(output, "apple harvest begins")
        become(output, MOVED)
        Annotation.objects.all().delete()
        with pytest.raises(ConflictError):
            confirm(annotation=moved, version=2, by=make_user(output.project), now=NOW)


class TestReattach:
    def test_the_chosen_words_are_its_place_and_the_first_ones_stay(self, output: Output) -> None:
        gone, by = put(output, "Pears are picked"), make_user(output.project)
        become(output, "Now *apples* are picked.")
        reattach(annotation=gone, **chosen(output, "apples are picked"), by=by, now=NOW)
        [card] = sheet(output=output, to=by).cards
        assert card.quote == "Pears are picked"
        assert render(output.text).canonical[card.start : card.end] == "apples are picked"
        assert card.is_painted
        assert not card.is_guess
        gone.refresh_from_db()
        assert (gone.exact, gone.output_version) == ("Pears are picked", 1)
        assert Anchor.objects.get().state == "changed"

    def test_the_same_words_elsewhere_are_exact(self, output: Output) -> None:
        gone = put(output, "Pears")
        become(output, "Nothing of Pears.")
        by = make_user(output.project)
        reattach(annotation=gone, **chosen(output, "Pears"), by=by, now=NOW)
        assert Anchor.objects.get().state == "exact"

    def test_tells_pages_what_to_paint_anew(self, output: Output) -> None:
        written = put(output, "Pears")
        become(output, EDITED)
        by = make_user(output.project)
        reattach(annotation=written, **chosen(output, "Plums"), by=by, now=NOW)
        event = Event.objects.get(verb="reattached", target_id=written.pk, output=output)
        start = render(EDITED).canonical.index("Pears")
        assert event.data == {"start": start, "end": start + 5, "author": written.author_id}

    def test_words_that_are_not_there_are_refused(self, output: Output) -> None:
        gone = put(output, "Pears")
        become(output, "Nothing alike.")
        given = chosen(output, "alike") | {"exact": "other"}
        with pytest.raises(AnchorError):
            reattach(annotation=gone, **given, by=make_user(output.project), now=NOW)
        assert not Anchor.objects.exclude(state="detached").exists()

    def test_holds_for_its_version_alone(self, output: Output) -> None:
        gone, by = put(output, "Pears"), make_user(output.project)
        become(output, "Nothing alike.")
        reattach(annotation=gone, **chosen(output, "alike"), by=by, now=NOW)
        become(output, TEXT)
        place_annotations(now=NOW)
        assert Anchor.objects.get(output_version=3).state == "exact"
