"""An answer with what was said on it is gathered anew after any change, and else kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from feedback.models import FeedbackReason, Output, Project, User
from review.gathering import sheet
from review.models import Anchor, Annotation, Comment, Evidence
from review.row_versions import row_versions
from tests.factories import (
    NOW,
    make_annotation,
    make_feedback,
    make_item,
    make_output,
    make_queue,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def output(project: Project) -> Output:
    return make_output(project, text="Apples are red and pears are green.")


@pytest.fixture
def note(output: Output) -> Annotation:
    return make_annotation(output, make_user(output.project), "Apples")


def replied(note: Annotation) -> None:
    Comment.objects.create(
        project=note.project, annotation=note, author=note.author, text="So?", created_at=NOW
    )


def renamed(note: Annotation) -> None:
    User.objects.filter(pk=note.author_id).update(username="somebody-else")


def rested(note: Annotation) -> None:
    Evidence.objects.create(
        annotation=note,
        document=0,
        start=0,
        end=3,
        exact="red",
        text_sha256="0" * 64,
        added_by=note.author,
        created_at=NOW,
    )


def rated(note: Annotation) -> None:
    make_feedback(note.output, score=-1)


def marked(note: Annotation) -> None:
    reason = note.project.taxonomies.get().reasons.order_by("position")[0]
    FeedbackReason.objects.create(feedback=make_feedback(note.output), reason=reason)


def reworded(note: Annotation) -> None:
    note.project.taxonomies.get().reasons.update(definition="Another meaning.")


CHANGES: list[Callable[[Annotation], object]] = [
    replied,
    renamed,
    rested,
    rated,
    marked,
    reworded,
    lambda note: Annotation.objects.filter(pk=note.pk).update(comment="Green, too."),
    lambda note: note.delete(),
    lambda note: Output.objects.filter(pk=note.output_id).update(version=2),
    lambda note: Anchor.objects.create(
        annotation=note,
        output_version=2,
        renderer_version="1",
        state="detached",
        score=0.0,
        created_at=NOW,
    ),
]


class TestRowVersions:
    @pytest.mark.parametrize("change", CHANGES)
    def test_are_others_after_a_change(
        self, note: Annotation, change: Callable[[Annotation], object]
    ) -> None:
        before = row_versions(note.output)
        change(note)
        assert row_versions(note.output) != before

    def test_are_others_after_each_of_two_changes_in_one_transaction(
        self, note: Annotation
    ) -> None:
        seen = set()
        for words in ("One.", "Two.", "One."):
            Annotation.objects.filter(pk=note.pk).update(comment=words)
            seen.add(row_versions(note.output))
        assert len(seen) == 3

    def test_are_the_same_after_what_is_said_elsewhere(self, note: Annotation) -> None:
        before = row_versions(note.output)
        other = make_output(note.project, text="Plums are blue.")
        make_annotation(other, make_user(note.project), "Plums")
        make_feedback(other)
        assert row_versions(note.output) == before


class TestPage:
    def test_has_the_new_names_of_all_who_wrote(
        self, client: Client, output: Output, note: Annotation
    ) -> None:
        other = make_user(output.project, "expert", username="old-name")
        Comment.objects.create(
            project=note.project, annotation=note, author=other, text="So?", created_at=NOW
        )
        item = make_item(make_queue(output.project), output)
        client.force_login(note.author)
        url = reverse("item", args=[output.project.slug, item.pk])
        assert "old-name" in client.get(url).content.decode()
        User.objects.filter(pk=other.pk).update(username="new-name")
        page = client.get(url).content.decode()
        assert "new-name" in page
        assert "old-name" not in page


class TestSheet:
    def test_is_kept_while_nothing_changed(
        self, note: Annotation, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        first = sheet(output=note.output, to=note.author)
        with django_assert_num_queries(2):
            assert sheet(output=note.output, to=note.author) is first

    def test_has_what_was_said_since(self, note: Annotation) -> None:
        sheet(output=note.output, to=note.author)
        replied(note)
        [card] = sheet(output=note.output, to=note.author).cards
        assert [reply.text for reply in card.replies] == ["So?"]

    def test_of_a_blind_reviewer_is_nobody_elses(self, note: Annotation) -> None:
        make_item(make_queue(note.project, reviewers_per_item=2), note.output)
        moderator, other = make_user(note.project, "moderator"), make_user(note.project, "expert")
        mine = make_annotation(note.output, other, "pears")
        assert [one.id for one in sheet(output=note.output, to=other).cards] == [f"a{mine.pk}"]
        assert [one.id for one in sheet(output=note.output, to=note.author).cards] == [
            f"a{note.pk}"
        ]
        assert sheet(output=note.output, to=moderator).cards == []
