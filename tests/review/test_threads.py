"""Threads: replies, changed words, tombstones, settling, mentions, and who may."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection

from feedback.models import Output, Project, User
from review import threads
from review.annotations import (
    AnnotationError,
    ConflictError,
    NotYoursError,
    annotate,
    edit,
    remove,
)
from review.models import Annotation, Comment, Event, Mention
from tests.factories import NOW, make_output, make_project, make_user
from tests.threads import at_once

LATER = NOW + timedelta(minutes=5)


def note(output: Output, by: User, comment: str = "Which one?") -> Annotation:
    return annotate(
        output=output,
        version=output.version,
        by=by,
        start=0,
        end=5,
        exact="Bloom",
        comment=comment,
        now=NOW,
    )


@pytest.fixture
def output(project: Project) -> Output:
    return make_output(project)


@pytest.fixture
def ann(project: Project) -> User:
    return make_user(project, "expert", username="ann")


@pytest.fixture
def ben(project: Project) -> User:
    return make_user(project, "expert", username="ben")


def verbs(output: Output) -> list[str]:
    return list(Event.objects.filter(output=output).order_by("id").values_list("verb", flat=True))


@pytest.mark.django_db
class TestReply:
    def test_is_of_its_annotations_project(self, output: Output, ann: User) -> None:
        root = note(output, ann)
        root.replies.create(project=make_project(), author=ann, text="Yes.", created_at=NOW)
        with (
            connection.cursor() as cursor,
            pytest.raises(IntegrityError, match="of_its_annotations_project"),
        ):
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def test_is_kept_and_moves_the_time_of_the_thread(
        self, output: Output, ann: User, ben: User
    ) -> None:
        root = note(output, ann)
        said = threads.reply(annotation=root, by=ben, text=" The album.\r\n", now=LATER)
        assert (said.text, said.author, said.created_at) == ("The album.", ben, LATER)
        root.refresh_from_db()
        assert root.changed_at == LATER
        event = Event.objects.latest("id")
        assert (event.verb, event.output, event.target_id) == ("replied", output, root.pk)
        assert event.data == {"reply": said.pk}

    def test_sent_twice_is_one(self, output: Output, ann: User) -> None:
        root, key = note(output, ann), uuid.uuid4()
        first = threads.reply(annotation=root, by=ann, text="One.", now=NOW, request_key=key)
        again = threads.reply(annotation=root, by=ann, text="One.", now=NOW, request_key=key)
        assert first == again
        assert Comment.objects.count() == 1

    def test_a_key_used_for_another_thread_is_another_reply(
        self, output: Output, ann: User
    ) -> None:
        key = uuid.uuid4()
        for root in (note(output, ann), note(output, ann)):
            threads.reply(annotation=root, by=ann, text="One.", now=NOW, request_key=key)
        assert Comment.objects.count() == 2

    def test_there_are_so_many_and_no_more(
        self, output: Output, ann: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(threads, "MOST_REPLIES", 1)
        root = note(output, ann)
        threads.reply(annotation=root, by=ann, text="One.", now=NOW)
        with pytest.raises(AnnotationError, match="at most 1"):
            threads.reply(annotation=root, by=ann, text="Two.", now=NOW)
        assert verbs(output).count("replied") == 1

    @pytest.mark.parametrize("text", ["", " \n", "a\x00", "x" * 20_001])
    def test_must_say_something_that_can_be_kept(
        self, output: Output, ann: User, text: str
    ) -> None:
        with pytest.raises(AnnotationError) as caught:
            threads.reply(annotation=note(output, ann), by=ann, text=text, now=NOW)
        assert caught.value.path == "text"

    def test_to_what_is_gone_is_refused(self, output: Output, ann: User) -> None:
        root = note(output, ann)
        Annotation.objects.all().delete()
        with pytest.raises(ConflictError):
            threads.reply(annotation=root, by=ann, text="One.", now=NOW)


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_a_reply_sent_many_times_at_once_is_one(self) -> None:
        output = make_output(make_project())
        ann = make_user(output.project, "expert")
        root, key = note(output, ann), uuid.uuid4()

        def send() -> int:
            return threads.reply(annotation=root, by=ann, text="One.", now=NOW, request_key=key).pk

        assert len(set(at_once(*[send] * 5))) == 1
        assert Comment.objects.count() == 1

    def test_of_two_who_resolve_one_is_told(self) -> None:
        output = make_output(make_project())
        root = note(output, make_user(output.project, "expert"))

        def resolver() -> Callable[[], str]:
            by = make_user(output.project, "expert")

            def settle() -> str:
                try:
                    threads.resolve(annotation=root, by=by, now=NOW)
                except ConflictError:
                    return "late"
                return "done"

            return settle

        said = at_once(*[resolver() for _ in range(4)])
        assert sorted(said) == ["done", "late", "late", "late"]
        assert verbs(output).count("resolved") == 1


@pytest.mark.django_db
class TestEdit:
    def test_only_its_author_changes_a_comment(
        self, output: Output, ann: User, project: Project
    ) -> None:
        root = note(output, ann)
        with pytest.raises(NotYoursError):
            edit(annotation=root, by=make_user(project, "admin"), comment="No.", now=LATER)
        edit(annotation=root, by=ann, comment="This one.", now=LATER)
        root.refresh_from_db()
        assert (root.comment, root.edited_at, root.changed_at) == ("This one.", LATER, LATER)
        assert verbs(output) == ["annotated", "edited"]

    def test_the_same_words_are_no_change(self, output: Output, ann: User) -> None:
        root = note(output, ann)
        edit(annotation=root, by=ann, comment="Which one? ", now=LATER)
        root.refresh_from_db()
        assert root.edited_at is None
        assert verbs(output) == ["annotated"]

    def test_a_comment_alone_cannot_be_emptied(self, output: Output, ann: User) -> None:
        root = note(output, ann)
        with pytest.raises(AnnotationError):
            edit(annotation=root, by=ann, comment=" ", now=LATER)

    def test_what_was_removed_meanwhile_is_a_conflict(self, output: Output, ann: User) -> None:
        root = note(output, ann)
        Annotation.objects.all().delete()
        with pytest.raises(ConflictError):
            edit(annotation=root, by=ann, comment="This one.", now=LATER)

    def test_only_its_author_changes_a_reply(self, output: Output, ann: User, ben: User) -> None:
        said = threads.reply(annotation=note(output, ann), by=ben, text="One.", now=NOW)
        with pytest.raises(NotYoursError):
            threads.edit_reply(reply=said, by=ann, text="Two.", now=LATER)
        threads.edit_reply(reply=said, by=ben, text="Two.", now=LATER)
        said.refresh_from_db()
        assert (said.text, said.edited_at) == ("Two.", LATER)
        threads.remove_reply(reply=said, by=ben, now=LATER)
        with pytest.raises(ConflictError):
            threads.edit_reply(reply=said, by=ben, text="Three.", now=LATER)


@pytest.mark.django_db
class TestRemove:
    def test_a_root_with_replies_leaves_a_tombstone(
        self, output: Output, ann: User, ben: User
    ) -> None:
        root = annotate(
            output=output,
            version=1,
            by=ann,
            start=0,
            end=5,
            exact="Bloom",
            reason="too-vague",
            comment="@ben look",
            replacement="Flower",
            now=NOW,
        )
        threads.reply(annotation=root, by=ben, text="One.", now=NOW)
        remove(annotation=root, by=ann, now=LATER)
        root.refresh_from_db()
        assert root.deleted_at == LATER
        assert (root.comment, root.reason, root.replacement) == ("", None, None)
        assert not Mention.objects.exists()
        assert Comment.objects.get().text == "One."

    def test_the_last_reply_takes_the_tombstone_with_it(
        self, output: Output, ann: User, ben: User
    ) -> None:
        root = note(output, ann)
        said = [
            threads.reply(annotation=root, by=ben, text=text, now=NOW) for text in ("One.", "Two.")
        ]
        remove(annotation=root, by=ann, now=LATER)
        threads.remove_reply(reply=said[0], by=ben, now=LATER)
        assert Annotation.objects.count() == 1
        threads.remove_reply(reply=said[1], by=ben, now=LATER)
        assert not Annotation.objects.exists()
        assert verbs(output)[-1] == "removed"

    def test_a_removed_reply_keeps_its_place_without_words(
        self, output: Output, ann: User, ben: User, project: Project
    ) -> None:
        said = threads.reply(annotation=note(output, ann), by=ben, text="@ann One.", now=NOW)
        with pytest.raises(NotYoursError):
            threads.remove_reply(reply=said, by=ann, now=LATER)
        threads.remove_reply(reply=said, by=make_user(project, "moderator"), now=LATER)
        threads.remove_reply(reply=said, by=ben, now=LATER)
        said.refresh_from_db()
        assert (said.text, said.deleted_at) == ("", LATER)
        assert not Mention.objects.exists()
        assert verbs(output).count("reply_removed") == 1


@pytest.mark.django_db
class TestResolve:
    def test_anybody_settles_and_takes_up_again(self, output: Output, ann: User, ben: User) -> None:
        root = note(output, ann)
        threads.resolve(annotation=root, by=ben, now=LATER)
        root.refresh_from_db()
        assert (root.resolved_by, root.resolved_at) == (ben, LATER)
        threads.reopen(annotation=root, by=ann, now=LATER)
        threads.reopen(annotation=root, by=ann, now=LATER)
        root.refresh_from_db()
        assert (root.resolved_by, root.resolved_at) == (None, None)
        assert verbs(output) == ["annotated", "resolved", "reopened"]

    def test_twice_by_one_is_once_and_by_another_a_conflict(
        self, output: Output, ann: User, ben: User
    ) -> None:
        root = note(output, ann)
        threads.resolve(annotation=root, by=ben, now=NOW)
        threads.resolve(annotation=root, by=ben, now=LATER)
        with pytest.raises(ConflictError, match="ben resolved this before you"):
            threads.resolve(annotation=root, by=ann, now=LATER)
        assert verbs(output).count("resolved") == 1

    def test_what_is_gone_can_be_neither(self, output: Output, ann: User) -> None:
        root = note(output, ann)
        Annotation.objects.all().delete()
        for act in (threads.resolve, threads.reopen):
            with pytest.raises(ConflictError):
                act(annotation=root, by=ann, now=NOW)


@pytest.mark.django_db
class TestMentions:
    def test_members_who_are_named_are_kept_and_nobody_else(
        self, output: Output, ann: User, ben: User, project: Project
    ) -> None:
        dotted = make_user(project, username="c.d")
        make_user(make_project(), username="stranger")
        root = note(output, ann, "@ben and @c.d. Not @stranger, @nobody, mail@ann.example or @@ben")
        named = Mention.objects.filter(annotation=root, reply=None)
        assert {one.user for one in named} == {ben, dotted}

    def test_follow_the_words(self, output: Output, ann: User, ben: User) -> None:
        root = note(output, ann, "@ben?")
        edit(annotation=root, by=ann, comment="@ann?", now=LATER)
        assert [one.user for one in Mention.objects.all()] == [ann]
        said = threads.reply(annotation=root, by=ben, text="@ann @ann", now=NOW)
        assert Mention.objects.filter(reply=said).count() == 1
        threads.edit_reply(reply=said, by=ben, text="Nobody.", now=LATER)
        assert not Mention.objects.filter(reply=said).exists()
