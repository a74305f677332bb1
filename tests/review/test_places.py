"""Where what was said on a former version of an answer lies in the current one."""

from __future__ import annotations

from typing import Any

import pytest

from feedback.models import AnswerVersion, Output, Project
from review.annotations import annotate
from review.gathering import sheet
from review.models import Annotation
from review.places import places_of, places_of_feedback
from review.rendering import render
from tests.factories import NOW, make_feedback, make_output, make_user

pytestmark = pytest.mark.django_db

TEXT = (
    "The *apple* harvest begins in May and takes six weeks.\n\n"
    "Pears are picked by hand later in the year.\n\n"
    "Plums are dried in the sun for two days."
)
EDITED = TEXT.replace("May", "June")
_FIRST, *_OTHERS = TEXT.split("\n\n")
MOVED = "\n\n".join([*_OTHERS, _FIRST])


@pytest.fixture
def output(project: Project) -> Output:
    return make_output(project, text=TEXT)


def put(output: Output, words: str, **fields: Any) -> Annotation:
    canonical = render(output.text).canonical
    start = canonical.index(words)
    given: dict[str, Any] = {"start": start, "end": start + len(words), "exact": words}
    given |= {"version": output.version, "comment": "Which?", "now": NOW}
    return annotate(output=output, by=make_user(output.project), **(given | fields))


def become(output: Output, text: str) -> Output:
    """Give the answer a new version, as a sender does."""
    AnswerVersion.objects.create(
        output=output, number=output.version, text=output.text, superseded_at=NOW
    )
    output.text, output.version = text, output.version + 1
    output.save()
    return output


class TestPlacesOf:
    @pytest.mark.parametrize(
        ("text", "words", "state", "there"),
        [
            (EDITED, "Pears are", "exact", "Pears are"),
            (EDITED, "harvest begins in May", "changed", "harvest begins in June"),
            (MOVED, "apple harvest begins", "moved", "apple harvest begins"),
            ("Nothing alike.", "apple harvest begins", "detached", None),
        ],
    )
    def test_tells_what_became_of_the_words(
        self, output: Output, text: str, words: str, state: str, there: str | None
    ) -> None:
        written = put(output, words)
        rendered = render(become(output, text).text)
        found = places_of(output, [written], rendered)[written.pk]
        assert found.state == state
        assert (found.start is None) == (there is None)
        if there:
            assert rendered.canonical[found.start : found.end] == there

    def test_compares_with_the_version_of_the_words_not_with_the_last_but_one(
        self, output: Output
    ) -> None:
        written = put(output, "harvest begins in May")
        become(output, "Nothing alike.")
        found = places_of(output, [written], render(become(output, TEXT).text))[written.pk]
        assert found.state == "exact"

    def test_a_suggestion_that_was_taken_up_is_where_its_words_are_now(
        self, output: Output
    ) -> None:
        written = put(output, "May", replacement="**June**")
        found = places_of(output, [written], render(become(output, EDITED).text))[written.pk]
        assert found.state == "changed"
        assert render(EDITED).canonical[found.start : found.end] == "June"

    def test_another_way_of_showing_answers_loses_nothing(self, output: Output) -> None:
        written = put(output, "apple harvest")
        Annotation.objects.update(renderer_version=0, start=0, end=3, exact="*apple* harvest")
        written.refresh_from_db()
        found = places_of(output, [written], render(output.text))[written.pk]
        assert (found.state, found.start, found.end) == ("changed", 4, 17)
        Annotation.objects.update(exact="apple harvest")
        written.refresh_from_db()
        assert places_of(output, [written], render(output.text))[written.pk].state == "exact"
        become(output, EDITED)
        assert places_of(output, [written], render(output.text))[written.pk].state == "exact"

    def test_asks_nothing_about_the_current_version(
        self, output: Output, django_assert_num_queries: Any
    ) -> None:
        written = [put(output, "Pears"), put(output, "sun")]
        rendered = render(output.text)
        with django_assert_num_queries(0):
            assert places_of(output, written, rendered)[written[1].pk].state == "exact"
        become(output, EDITED)
        with django_assert_num_queries(2):
            places_of(output, written, render(output.text))


class TestPlacesOfFeedback:
    def test_are_found_by_their_words_too(self, output: Output) -> None:
        start = TEXT.index("*apple*")
        said = make_feedback(output, span_start=start, span_end=start + 15, output_version=1)
        become(output, EDITED)
        place, words = places_of_feedback(output, [said], render(output.text))[said.pk]
        assert (place.state, words) == ("exact", "apple harvest")

    def test_without_a_span_have_none(self, output: Output) -> None:
        assert places_of_feedback(output, [make_feedback(output)], render(output.text)) == {}


class TestSheet:
    def test_never_paints_a_guess_as_certain(self, output: Output) -> None:
        kept, changed = put(output, "Pears"), put(output, "harvest begins in May")
        gone = put(output, "six weeks")
        become(output, EDITED.replace("six weeks", "long"))
        cards = {card.id: card for card in sheet(output=output, to=make_user()).cards}
        assert cards[f"a{kept.pk}"].anchor == "exact"
        assert not cards[f"a{kept.pk}"].is_guess
        assert cards[f"a{changed.pk}"].is_guess
        assert cards[f"a{changed.pk}"].quote == "harvest begins in May"
        assert cards[f"a{gone.pk}"].is_lost
        assert not cards[f"a{gone.pk}"].is_painted

    def test_paints_what_moved_only_when_somebody_said_so(self, output: Output) -> None:
        moved = put(output, "apple harvest begins")
        become(output, MOVED)
        shown = sheet(output=output, to=make_user())
        assert [card.is_painted for card in shown.cards] == [False]
        assert f"a{moved.pk}" not in shown.html
