"""Comments on words: where they land, who may, and what is refused."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from feedback.models import Output, Project, User
from review.anchoring import AnchorError
from review.annotations import (
    AnnotationError,
    NotYoursError,
    StaleVersionError,
    annotate,
    remove,
)
from review.models import Annotation, Event
from review.rendering import RENDERER_VERSION
from tests.factories import NOW, make_output, make_project, make_user
from tests.threads import at_once

TEXT = "The **Bloom** tour\r\nbegan in&nbsp;2018."
CANONICAL = "The Bloom tour\nbegan in\u00a02018."


@pytest.fixture
def output(project: Project) -> Output:
    return make_output(project, text=TEXT)


def put(output: Output, by: User, words: str = "Bloom tour", **fields: Any) -> Annotation:
    start = CANONICAL.index(words)
    given: dict[str, Any] = {"start": start, "end": start + len(words), "exact": words}
    given |= {"version": output.version, "comment": "Which one?", "now": NOW}
    return annotate(output=output, by=by, **(given | fields))


@pytest.mark.django_db
class TestAnnotate:
    def test_a_key_used_for_another_answer_is_another_annotation(
        self, output: Output, project: Project
    ) -> None:
        author, key = make_user(project, "expert"), uuid4()
        first = put(output, author, request_key=key)
        assert put(output, author, request_key=key) == first
        assert put(make_output(project, text=TEXT), author, request_key=key) != first

    def test_there_are_so_many_on_an_answer_and_no_more(
        self, output: Output, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("review.annotations.MOST_ANNOTATIONS", 1)
        author = make_user(output.project, "expert")
        put(output, author)
        with pytest.raises(AnnotationError, match="at most 1"):
            put(output, author)
        assert Annotation.objects.count() == 1

    def test_keeps_the_place_the_words_and_the_source(self, output: Output) -> None:
        author = make_user(output.project, "expert")
        kept = put(output, author, reason="too-vague", replacement="tour for Bloom")
        kept.refresh_from_db()
        assert (kept.start, kept.end, kept.exact) == (4, 14, "Bloom tour")
        assert (kept.prefix, kept.suffix) == ("The ", "\nbegan in\u00a02018.")
        assert TEXT[kept.source_start : kept.source_end] == "Bloom** tour"
        assert kept.text_sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
        assert kept.renderer_version == RENDERER_VERSION
        assert kept.output_version == 1
        assert kept.reason is not None
        assert kept.reason.slug == "too-vague"
        assert kept.replacement == "tour for Bloom"

    def test_counts_line_ends_and_entities_of_the_answer_as_sent(self, output: Output) -> None:
        kept = put(output, make_user(output.project), "tour\nbegan in\u00a02018")
        assert TEXT[kept.source_start : kept.source_end] == "tour\r\nbegan in&nbsp;2018"

    def test_says_who_did_it_without_their_words(self, output: Output) -> None:
        author = make_user(output.project)
        kept = put(output, author)
        event = Event.objects.get(target_type="annotation", target_id=kept.pk)
        assert (event.verb, event.actor, event.at) == ("annotated", author, NOW)
        assert event.output == output
        assert event.data == {}

    def test_an_empty_replacement_proposes_to_delete_the_words(self, output: Output) -> None:
        kept = put(output, make_user(output.project), comment="", replacement="")
        assert kept.replacement == ""

    def test_a_version_that_is_no_longer_current_is_refused(self, output: Output) -> None:
        Output.objects.update(version=2)
        with pytest.raises(StaleVersionError) as caught:
            put(output, make_user(output.project), version=1)
        assert caught.value.version == 2
        assert not Annotation.objects.exists()

    @pytest.mark.parametrize(
        ("fields", "path"),
        [
            ({"comment": " "}, "comment"),
            ({"comment": "x" * 20_001}, "comment"),
            ({"comment": "a\x00"}, "comment"),
            ({"reason": "no-such-reason"}, "reason"),
            ({"reason": "unsafe\x00"}, "reason"),
            ({"replacement": "**Bloom** tour"}, "replacement"),
        ],
    )
    def test_names_the_field_that_cannot_stand(
        self, output: Output, fields: dict[str, Any], path: str
    ) -> None:
        with pytest.raises(AnnotationError) as caught:
            put(output, make_user(output.project), **fields)
        assert caught.value.path == path

    def test_words_that_are_elsewhere_are_refused(self, output: Output) -> None:
        with pytest.raises(AnchorError) as caught:
            put(output, make_user(output.project), start=5, end=15)
        assert caught.value.path == "exact"

    def test_a_reason_of_another_project_is_unknown(self, output: Output) -> None:
        other = make_project()
        other.taxonomies.get().reasons.filter(slug="unsafe").update(slug="theirs")
        with pytest.raises(AnnotationError):
            put(output, make_user(output.project), reason="theirs")


@pytest.mark.django_db(transaction=True)
class TestAnnotateWhileTheAnswerChanges:
    def test_a_stored_annotation_is_always_on_the_version_it_names(self) -> None:
        output = make_output(make_project(), text=TEXT)
        author = make_user(output.project)

        def change() -> str:
            with transaction.atomic():
                Output.objects.filter(pk=output.pk).update(text="Something else.", version=2)
            return ""

        def comment() -> str:
            try:
                put(output, author, version=1)
            except StaleVersionError:
                return "stale"
            return "stored"

        said = at_once(comment, change, comment, change, comment)
        assert said.count("stored") == Annotation.objects.filter(output_version=1).count()
        assert Annotation.objects.count() == said.count("stored")
        with pytest.raises(StaleVersionError):
            put(output, author, version=1)


@pytest.mark.django_db
class TestRemove:
    @pytest.mark.parametrize("role", ["moderator", "curator", "admin"])
    def test_a_moderator_may_remove_anybodys(self, output: Output, role: str) -> None:
        kept = put(output, make_user(output.project))
        remove(annotation=kept, by=make_user(output.project, role), now=NOW)
        assert not Annotation.objects.exists()

    def test_an_author_may_remove_their_own_and_it_is_remembered(self, output: Output) -> None:
        author = make_user(output.project, "expert")
        kept = put(output, author)
        pk = kept.pk
        remove(annotation=kept, by=author, now=NOW)
        assert Event.objects.filter(verb="removed", target_id=pk, actor=author).exists()

    @pytest.mark.parametrize("role", ["viewer", "tagger", "expert"])
    def test_others_may_not(self, output: Output, role: str) -> None:
        kept = put(output, make_user(output.project))
        with pytest.raises(NotYoursError):
            remove(annotation=kept, by=make_user(output.project, role), now=NOW)
        assert Annotation.objects.exists()

    def test_a_moderator_of_another_project_may_not(self, output: Output) -> None:
        kept = put(output, make_user(output.project))
        with pytest.raises(NotYoursError):
            remove(annotation=kept, by=make_user(make_project(), "admin"), now=NOW)

    def test_twice_is_once(self, output: Output) -> None:
        author = make_user(output.project)
        kept = put(output, author)
        again = Annotation.objects.get()
        remove(annotation=kept, by=author, now=NOW)
        remove(annotation=again, by=author, now=NOW)
        assert Event.objects.filter(verb="removed").count() == 1
