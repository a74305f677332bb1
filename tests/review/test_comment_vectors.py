from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from feedback.embedding import Encoder
from feedback.models import Output, Project
from feedback.nearest import ensure_indexes, is_indexed, nearest_of
from feedback.timeouts import time_limit
from review import tasks, threads
from review.annotations import edit, remove
from review.comment_vectors import VECTORS, embed_annotations
from review.models import Annotation, AnnotationEmbedding
from tests.factories import NOW, make_annotation, make_output, make_project, make_user


class Counting:
    """The real encoder, that tells what it is given and can be held up."""

    def __init__(self, encoder: Encoder, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.encoder, self.meanwhile = encoder, meanwhile
        self.model_id = encoder.model_id
        self.seen: list[str] = []

    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        self.seen += texts
        self.meanwhile()
        return self.encoder.encode(texts)


@pytest.fixture
def annotation(project: Project) -> Annotation:
    return make_annotation(
        make_output(project), make_user(project), "Bloom", comment="Wrong date.", replacement="Rose"
    )


def parts() -> list[str]:
    return sorted(AnnotationEmbedding.objects.values_list("part", flat=True))


class TestEmbedAnnotations:
    def test_embeds_what_was_written_and_proposed_once(
        self, annotation: Annotation, encoder: Encoder
    ) -> None:
        """Of a reason alone, and of a deletion, there is nothing to embed."""
        output, author = annotation.output, annotation.author
        make_annotation(output, author, "Bloom", comment="", reason="too-vague")
        make_annotation(output, author, "Bloom", replacement="")
        counting = Counting(encoder)
        assert embed_annotations(encoder=counting) == 1
        assert embed_annotations(encoder=counting) == 0
        assert counting.seen == ["Wrong date.", "Rose"]
        assert parts() == ["comment", "replacement"]
        Annotation.objects.update(embedded_with="")
        assert embed_annotations(encoder=counting) == 1
        assert len(counting.seen) == 2

    def test_embeds_anew_what_was_edited(self, annotation: Annotation, encoder: Encoder) -> None:
        embed_annotations(encoder=encoder)
        edit(annotation=annotation, by=annotation.author, comment="Off topic.", now=timezone.now())
        assert parts() == []
        counting = Counting(encoder)
        embed_annotations(encoder=counting)
        assert counting.seen == ["Off topic.", "Rose"]

    def test_keeps_the_vectors_when_only_the_reason_changes(
        self, annotation: Annotation, encoder: Encoder
    ) -> None:
        embed_annotations(encoder=encoder)
        edit(
            annotation=annotation,
            by=annotation.author,
            comment="Wrong date.",
            reason="too-vague",
            now=timezone.now(),
        )
        assert parts() == ["comment", "replacement"]

    @pytest.mark.parametrize("is_replied_to", [False, True])
    def test_keeps_nothing_of_what_was_removed(
        self, annotation: Annotation, encoder: Encoder, is_replied_to: bool
    ) -> None:
        if is_replied_to:
            threads.reply(
                annotation=annotation, by=annotation.author, text="Really?", now=timezone.now()
            )
        embed_annotations(encoder=encoder)
        remove(annotation=annotation, by=annotation.author, now=timezone.now())
        assert Annotation.objects.exists() == is_replied_to
        assert parts() == (["reply"] if is_replied_to else [])
        assert embed_annotations(encoder=encoder) == 0

    def test_keeps_nothing_of_a_reply_that_was_changed_or_removed(
        self, annotation: Annotation, encoder: Encoder
    ) -> None:
        by = annotation.author
        reply = threads.reply(annotation=annotation, by=by, text="Really?", now=timezone.now())
        embed_annotations(encoder=encoder)
        assert parts() == ["comment", "replacement", "reply"]
        threads.edit_reply(reply=reply, by=by, text="No, it is.", now=timezone.now())
        assert parts() == ["comment", "replacement"]
        counting = Counting(encoder)
        assert embed_annotations(encoder=counting) == 1
        assert counting.seen == ["No, it is."]
        threads.remove_reply(reply=reply, by=by, now=timezone.now())
        assert parts() == ["comment", "replacement"]
        assert embed_annotations(encoder=encoder) == 0

    def test_keeps_nothing_of_what_was_removed_while_the_model_worked(
        self, annotation: Annotation, encoder: Encoder
    ) -> None:
        def meanwhile() -> None:
            Annotation.objects.update(comment="", replacement=None, edit_start=None, edit_end=None,
                                      deleted_at=NOW)  # fmt: skip

        assert embed_annotations(encoder=Counting(encoder, meanwhile)) == 0
        assert parts() == []

    def test_goes_with_an_answer_that_is_erased(
        self, annotation: Annotation, encoder: Encoder
    ) -> None:
        embed_annotations(encoder=encoder)
        Output.objects.all().delete()
        assert parts() == []

    def test_only_known_parts_can_be_stored(self, annotation: Annotation, encoder: Encoder) -> None:
        embed_annotations(encoder=encoder)
        with pytest.raises(IntegrityError):
            AnnotationEmbedding.objects.filter(part="comment").update(part="exact")

    def test_is_done_by_the_worker_until_nothing_is_left(
        self, annotation: Annotation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[bool] = []
        monkeypatch.setattr(tasks.embed_annotations, "delay", lambda: calls.append(True))
        tasks.embed_annotations()
        tasks.embed_annotations()
        assert (parts(), len(calls)) == (["comment", "replacement"], 1)


@pytest.mark.django_db(transaction=True)
class TestIndex:
    def test_is_built_when_it_pays_and_serves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        project = make_project()
        output, author = make_output(project), make_user(project)
        one = make_annotation(output, author, "Bloom", comment="x")
        rows = [one, *(_copy(one) for _ in range(59))]
        AnnotationEmbedding.objects.bulk_create(
            AnnotationEmbedding(
                project=project, annotation=row, part="comment", model="m", text_sha256="",
                vector=[1.0, place / 10, 0.0],
            )
            for place, row in enumerate(rows)
        )  # fmt: skip
        assert ensure_indexes(model="m", of=[VECTORS]) == []
        monkeypatch.setattr("feedback.nearest.INDEXED_ROWS", 50)
        monkeypatch.setattr("feedback.nearest.EXACT_ROWS", 10)
        try:
            assert ensure_indexes(model="m", of=[VECTORS]) == ["annotation"]
            assert is_indexed(kind="annotation", model="m")
            assert not is_indexed(kind="output", model="m")
            with time_limit(5_000):
                near = nearest_of(
                    vectors=VECTORS,
                    project=project,
                    among=Annotation.objects.filter(pk__gt=one.pk),
                    vector=[1.0, 0.0, 0.0],
                    model="m",
                    limit=3,
                )
            assert [found.pk for found in near] == [row.pk for row in rows[1:4]]
        finally:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT indexname FROM pg_indexes WHERE indexname LIKE 'embedding_near_%'"
                )
                for (name,) in cursor.fetchall():
                    cursor.execute(f"DROP INDEX {name}")


def _copy(annotation: Annotation) -> Annotation:
    annotation = Annotation.objects.get(pk=annotation.pk)
    annotation.pk = None
    annotation._state.adding = True
    annotation.save()
    return annotation
