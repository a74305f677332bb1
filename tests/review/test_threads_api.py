"""Comments, their threads and evidence by script, with a person's own key."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from feedback.models import Output, Project, User
from review import threads
from review.evidencing import add_evidence
from review.models import Annotation, Comment, Event, Evidence
from tests.calling import Caller
from tests.factories import (
    NOW,
    make_annotation,
    make_item,
    make_key,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_user,
)
from tests.review.test_places import become

pytestmark = pytest.mark.django_db

TEXT = "**Bloom** \N{ROCKET} came out on *31 August 2017*."
DOCUMENTS = [
    {"id": "kb-1", "title": "", "text": "Nothing of use."},
    {"id": "kb-2", "title": "", "text": "It came out on 31 August 2018."},
]


@pytest.fixture
def ann(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "expert", username="ann"))


@pytest.fixture
def ben(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "expert", username="ben"))


@pytest.fixture
def moderator(client: Client, project: Project) -> Caller:
    return Caller(client, project, make_user(project, "moderator"))


@pytest.fixture
def output(project: Project) -> Output:
    return make_output(project, external_id="o/1", text=TEXT, documents=DOCUMENTS)


@pytest.fixture
def mine(output: Output, ann: Caller) -> Annotation:
    return make_annotation(output, ann.user, "Bloom")


def places(words: str, text: str = TEXT) -> dict[str, Any]:
    start = text.index(words)
    return {"start": start, "end": start + len(words), "exact": words}


def rest(annotation: Annotation, by: User) -> Evidence:
    """Rest a comment on the first word of the second document."""
    return add_evidence(
        annotation=annotation, document=1, start=0, end=2, exact="It", by=by, now=NOW
    )


def sent(words: str) -> dict[str, Any]:
    return {"output": "o/1", **places(words)}


class TestCommenting:
    def test_stand_at_code_points_of_the_answer_as_sent(self, ann: Caller, output: Output) -> None:
        """Complaint 19."""
        reply = ann.post(
            "annotations",
            {
                **sent("August 2017"),
                "reasons": ["incomplete"],
                "comment": "A year off.",
                "replacement": "August 2018",
            },
        )
        assert reply.status_code == 201, reply.json()
        told = reply.json()
        made = Annotation.objects.get()
        assert (told["id"], told["author"], told["reason"]) == (made.pk, "ann", "incomplete")
        assert told["exact"] == "August 2017"
        start = TEXT.index("August")
        assert told["span"] == {"start": start, "end": start + 11, "unit": "codepoint"}
        assert made.edit_start is not None
        assert TEXT[made.edit_start : made.edit_end] == "August 2017"

    def test_may_name_markup(self, ann: Caller, output: Output) -> None:
        reply = ann.post("annotations", {**sent("**Bloom**"), "comment": "Which?"})
        assert (reply.status_code, reply.json()["exact"]) == (201, "Bloom")

    def test_sent_again_with_a_key_never_double(self, ann: Caller, output: Output) -> None:
        body = {**sent("Bloom"), "comment": "Which?"}
        first = ann.post("annotations", body, **{"Idempotency-Key": "one"})
        again = ann.post("annotations", body, **{"Idempotency-Key": "one"})
        assert again.status_code == 201
        assert again.json()["id"] == first.json()["id"]
        assert ann.post("annotations", body, **{"Idempotency-Key": "two"}).status_code == 201
        assert Annotation.objects.count() == 2
        assert ann.post("annotations", body, **{"Idempotency-Key": "x" * 201}).status_code == 422

    @pytest.mark.parametrize(
        ("more", "path"),
        [
            ({"exact": "Blom"}, "exact"),
            ({"start": 5, "end": 5, "exact": ""}, "exact"),
            ({"end": 10_000}, "exact"),
            ({"start": -1}, "start"),
            ({"reasons": ["none-such"]}, "reasons"),
            ({"reasons": ["incomplete", "style"]}, "reasons"),
            ({"comment": ""}, "comment"),
            ({"comment": "a\x00"}, "comment"),
            ({"replacement": "a\x00"}, "replacement"),
            ({"more": 1}, "more"),
        ],
    )
    def test_name_the_field_that_cannot_be(
        self, ann: Caller, output: Output, more: dict[str, Any], path: str
    ) -> None:
        reply = ann.post("annotations", {**sent("Bloom"), "comment": "x", **more})
        assert (reply.status_code, [one["path"] for one in reply.json()["errors"]]) == (422, [path])
        assert not Annotation.objects.exists()

    def test_conflict_with_a_version_that_is_not_current(self, ann: Caller, output: Output) -> None:
        reply = ann.post("annotations", {**sent("Bloom"), "comment": "x", "version": 2})
        assert (reply.status_code, reply.json()["message"]) == (
            409,
            "The answer is at version 1 now.",
        )


class TestReading:
    def test_tells_the_thread_and_where_the_words_are_now(
        self, ann: Caller, mine: Annotation
    ) -> None:
        told = ann.get(f"annotations/{mine.pk}").json()
        assert (told["id"], told["output"], told["exact"]) == (mine.pk, "o/1", "Bloom")
        assert told["place"] == {
            "version": 1,
            "state": "exact",
            "exact": "Bloom",
            "span": {"start": 2, "end": 7, "unit": "codepoint"},
            "is_confirmed": False,
        }
        become(mine.output, "Nothing alike.")
        told = ann.get(f"annotations/{mine.pk}").json()
        assert told["output_version"] == 1
        assert told["place"] == {
            "version": 2,
            "state": "detached",
            "exact": None,
            "span": None,
            "is_confirmed": False,
        }

    def test_lists_those_of_an_answer_in_pages(
        self, client: Client, project: Project, output: Output, mine: Annotation
    ) -> None:
        viewer = Caller(client, project, make_user(project, "viewer"))
        made = [mine, *(make_annotation(output, mine.author, "came") for _ in range(51))]
        make_annotation(make_output(project), mine.author, "came")
        first = viewer.get("annotations", output="o/1").json()
        assert [one["id"] for one in first["annotations"]] == [one.pk for one in made[:50]]
        rest = viewer.get("annotations", output="o/1", cursor=first["next_cursor"]).json()
        assert [one["id"] for one in rest["annotations"]] == [one.pk for one in made[50:]]
        assert rest["next_cursor"] is None
        bad = viewer.get("annotations", output="o/1", cursor="x")
        assert (bad.status_code, bad.json()["errors"][0]["path"]) == (422, "cursor")
        for unknown in ("none", "o\x001"):
            assert viewer.get("annotations", output=unknown).status_code == 404

    def test_asks_as_much_for_many_as_for_one(
        self,
        ann: Caller,
        output: Output,
        mine: Annotation,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for _ in range(10):
            other = make_annotation(output, make_user(output.project), "came")
            threads.reply(annotation=other, by=ann.user, text="Yes.", now=NOW)
            rest(other, ann.user)
        become(output, f"{TEXT} So.")
        ann.get("annotations", output="o/1")
        # The key, the answer, its annotations, their replies and evidence, places, the old text.
        with django_assert_num_queries(7):
            told = ann.get("annotations", output="o/1").json()["annotations"]
        assert [len(one["replies"]) for one in told] == [0] + [1] * 10


class TestChanging:
    def test_changes_what_is_sent_and_leaves_the_rest(self, ann: Caller, mine: Annotation) -> None:
        told = ann.post(f"annotations/{mine.pk}", {"reasons": ["incomplete"]})
        assert told.status_code == 200
        assert (told.json()["reason"], told.json()["comment"]) == ("incomplete", "Which one?")
        told = ann.post(f"annotations/{mine.pk}", {"comment": "This one?", "reasons": []}).json()
        assert (told["reason"], told["comment"]) == (None, "This one?")
        assert told["edited_at"] is not None

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"comment": " "}, "comment"),
            ({"comment": "a\x00"}, "comment"),
            ({"reasons": ["none-such"]}, "reasons"),
            ({"replacement": "x"}, "replacement"),
            ({"more": 1}, "more"),
        ],
    )
    def test_names_the_field_that_cannot_be(
        self, ann: Caller, mine: Annotation, body: dict[str, Any], path: str
    ) -> None:
        told = ann.post(f"annotations/{mine.pk}", body)
        assert (told.status_code, told.json()["errors"][0]["path"]) == (422, path)

    def test_is_for_the_author_and_removing_also_for_moderators(
        self, ben: Caller, moderator: Caller, ann: Caller, mine: Annotation
    ) -> None:
        for other in (ben, moderator):
            assert other.post(f"annotations/{mine.pk}", {"comment": "No."}).status_code == 403
        assert ben.post(f"annotations/{mine.pk}/delete").status_code == 403
        assert moderator.post(f"annotations/{mine.pk}/delete").status_code == 204
        assert not Annotation.objects.exists()
        assert ann.get(f"annotations/{mine.pk}").status_code == 404

    def test_says_that_it_was_removed_with_its_replies_left(
        self, ann: Caller, ben: Caller, mine: Annotation
    ) -> None:
        ben.post(f"annotations/{mine.pk}/replies", {"text": "Yes."})
        assert ann.post(f"annotations/{mine.pk}/delete").status_code == 204
        told = ann.post(f"annotations/{mine.pk}", {"comment": "Again."})
        assert (told.status_code, told.json()["message"]) == (409, "This comment was removed.")
        told = ben.get(f"annotations/{mine.pk}").json()
        assert (told["comment"], told["replies"][0]["text"]) == (None, "Yes.")


class TestThreads:
    def test_take_replies_once_each(self, ben: Caller, mine: Annotation) -> None:
        path = f"annotations/{mine.pk}/replies"
        made = ben.post(path, {"text": "2018, I think."}, **{"Idempotency-Key": "one"})
        assert (made.status_code, made.json()["author"]) == (201, "ben")
        again = ben.post(path, {"text": "2018, I think."}, **{"Idempotency-Key": "one"})
        assert again.json() == made.json()
        assert Comment.objects.count() == 1
        assert ben.post(path, {"text": " "}).json()["errors"][0]["path"] == "text"

    def test_let_authors_change_and_remove_their_replies(
        self, ann: Caller, ben: Caller, moderator: Caller, mine: Annotation
    ) -> None:
        reply = ben.post(f"annotations/{mine.pk}/replies", {"text": "2018?"}).json()["id"]
        assert ann.post(f"replies/{reply}", {"text": "No."}).status_code == 403
        assert ann.post(f"replies/{reply}/delete").status_code == 403
        told = ben.post(f"replies/{reply}", {"text": "2018!"}).json()
        assert (told["text"], told["edited_at"] is None) == ("2018!", False)
        assert ben.post(f"replies/{reply}", {"text": ""}).json()["errors"][0]["path"] == "text"
        assert moderator.post(f"replies/{reply}/delete").status_code == 204
        assert ben.post(f"replies/{reply}", {"text": "Again."}).status_code == 409
        assert ann.get(f"annotations/{mine.pk}").json()["replies"][0]["text"] is None

    def test_are_resolved_once_and_taken_up_again(
        self, ann: Caller, ben: Caller, mine: Annotation
    ) -> None:
        for _ in range(2):
            told = ann.post(f"annotations/{mine.pk}/resolve")
            assert (told.status_code, told.json()["resolved_by"]) == (200, "ann")
        told = ben.post(f"annotations/{mine.pk}/resolve")
        assert (told.status_code, told.json()["message"]) == (409, "ann resolved this before you.")
        assert ben.post(f"annotations/{mine.pk}/reopen").json()["resolved_by"] is None
        assert [one.verb for one in Event.objects.order_by("pk")] == ["resolved", "reopened"]


class TestPlaces:
    def test_are_chosen_anew_by_code_points_of_the_answer_as_sent(
        self, ann: Caller, ben: Caller, mine: Annotation
    ) -> None:
        text = "It was *Blossom* \N{ROCKET}."
        become(mine.output, text)
        path = f"annotations/{mine.pk}"
        assert ann.get(path).json()["place"]["state"] == "detached"
        assert ben.post(f"{path}/confirm", {"version": 2}).status_code == 409
        told = ben.post(f"{path}/reattach", places("*Blossom*", text))
        assert told.status_code == 200
        assert told.json()["place"] == {
            "version": 2,
            "state": "changed",
            "exact": "Blossom",
            "span": {"start": 8, "end": 15, "unit": "codepoint"},
            "is_confirmed": True,
        }
        assert told.json()["exact"] == "Bloom"

    def test_are_confirmed(self, ann: Caller, output: Output) -> None:
        made = make_annotation(output, ann.user, "31 August 2017")
        become(output, TEXT.replace("2017", "2018"))
        path = f"annotations/{made.pk}"
        told = ann.get(path).json()["place"]
        assert (told["state"], told["exact"]) == ("changed", "31 August 2018")
        assert ann.post(f"{path}/confirm", {"version": 1}).status_code == 409
        assert ann.post(f"{path}/confirm", {"version": 2}).json()["place"]["is_confirmed"]

    def test_must_have_the_words_in_the_current_version(
        self, ann: Caller, mine: Annotation
    ) -> None:
        path = f"annotations/{mine.pk}/reattach"
        assert ann.post(path, places("Bloom")).status_code == 409
        become(mine.output, "It was Blossom.")
        told = ann.post(path, {"start": 7, "end": 14, "exact": "Bloom"})
        assert (told.status_code, told.json()["errors"][0]["path"]) == (422, "exact")
        told = ann.post(path, {"start": 7, "end": 14, "exact": "Blossom", "version": 1})
        assert (told.status_code, told.json()["message"]) == (
            409,
            "The answer is at version 2 now.",
        )


class TestEvidence:
    def test_is_added_once_and_taken_off_by_who_added_it(
        self, ann: Caller, ben: Caller, moderator: Caller, mine: Annotation
    ) -> None:
        words = {"document": "kb-2", **places("31 August 2018", DOCUMENTS[1]["text"])}
        for _ in range(2):
            told = ben.post(f"annotations/{mine.pk}/evidence", words)
            assert told.status_code == 201
        [rests] = told.json()["evidence"]
        assert (rests["document"], rests["exact"]) == ("kb-2", "31 August 2018")
        assert ann.post(f"evidence/{rests['id']}/delete").status_code == 403
        assert ben.post(f"evidence/{rests['id']}/delete").status_code == 204
        assert not Evidence.objects.exists()
        assert ben.post(f"evidence/{rests['id']}/delete").status_code == 404
        other = ben.post(f"annotations/{mine.pk}/evidence", words).json()["evidence"][0]["id"]
        assert moderator.post(f"evidence/{other}/delete").status_code == 204

    def test_names_the_field_that_cannot_be(self, ann: Caller, mine: Annotation) -> None:
        words = {"document": "kb-2", "start": 0, "end": 2, "exact": "It"}
        for wrong, path in (
            ({"document": "kb-3"}, "document"),
            ({"exact": "No"}, "exact"),
            ({"end": -1}, "end"),
        ):
            told = ann.post(f"annotations/{mine.pk}/evidence", words | wrong)
            assert (told.status_code, told.json()["errors"][0]["path"]) == (422, path)

    def test_is_refused_for_a_comment_that_was_removed(
        self, ann: Caller, ben: Caller, mine: Annotation
    ) -> None:
        ben.post(f"annotations/{mine.pk}/replies", {"text": "Yes."})
        ann.post(f"annotations/{mine.pk}/delete")
        words = {"document": "kb-2", "start": 0, "end": 2, "exact": "It"}
        assert ann.post(f"annotations/{mine.pk}/evidence", words).status_code == 409


class TestWhoMay:
    def test_hides_others_from_who_is_to_judge_without_them(
        self, ann: Caller, ben: Caller, output: Output, mine: Annotation
    ) -> None:
        """Complaint 24."""
        item = make_item(make_queue(output.project, reviewers_per_item=2), output)
        theirs = make_annotation(output, ben.user, "came")
        reply = threads.reply(annotation=mine, by=ben.user, text="Bens reply.", now=NOW)
        rests = rest(mine, ben.user)
        listed = ann.get("annotations", output="o/1").json()["annotations"]
        assert [one["id"] for one in listed] == [mine.pk]
        told = ann.get(f"annotations/{mine.pk}").json()
        assert (told["replies"], told["evidence"]) == ([], [])
        assert ann.post(f"annotations/{mine.pk}/resolve").json()["replies"] == []
        words = {"start": 0, "end": 2, "exact": "It"}
        for path, body in (
            (f"annotations/{theirs.pk}/resolve", {}),
            (f"annotations/{theirs.pk}/reopen", {}),
            (f"annotations/{theirs.pk}/delete", {}),
            (f"annotations/{theirs.pk}/confirm", {"version": 1}),
            (f"annotations/{theirs.pk}/reattach", words),
            (f"annotations/{theirs.pk}/replies", {"text": "x"}),
            (f"annotations/{theirs.pk}/evidence", {"document": "kb-2", **words}),
            (f"annotations/{theirs.pk}", {"comment": "x"}),
            (f"replies/{reply.pk}", {"text": "x"}),
            (f"replies/{reply.pk}/delete", {}),
            (f"evidence/{rests.pk}/delete", {}),
        ):
            assert ann.post(path, body).status_code == 404, path
        assert ann.get(f"annotations/{theirs.pk}").status_code == 404
        make_review(output, ann.user, item=item)
        listed = ann.get("annotations", output="o/1").json()["annotations"]
        assert [one["id"] for one in listed] == [mine.pk, theirs.pk]
        assert listed[0]["replies"][0]["text"] == "Bens reply."

    def test_hides_them_also_from_a_comment_sent_again(
        self, ann: Caller, ben: Caller, output: Output
    ) -> None:
        make_item(make_queue(output.project, reviewers_per_item=2), output)
        body = {"output": "o/1", **places("Bloom"), "comment": "Which?"}
        made = ann.post("annotations", body, **{"Idempotency-Key": "one"}).json()["id"]
        threads.reply(
            annotation=Annotation.objects.get(pk=made), by=ben.user, text="Bens reply.", now=NOW
        )
        again = ann.post("annotations", body, **{"Idempotency-Key": "one"}).json()
        assert (again["id"], again["replies"]) == (made, [])

    def test_keeps_out_viewers_products_and_other_projects(
        self, client: Client, project: Project, output: Output, mine: Annotation
    ) -> None:
        viewer = Caller(client, project, make_user(project, "viewer"))
        other = make_project()
        stranger = Caller(client, other, make_user(other, "admin"))
        product = {"authorization": f"Bearer {make_key(project)}"}
        path = f"annotations/{mine.pk}"
        for act in ("resolve", "reopen", "delete"):
            assert viewer.post(f"{path}/{act}").status_code == 403
            assert stranger.post(f"{path}/{act}").status_code == 404
            assert client.post(f"/api/v1/{path}/{act}", headers=product).status_code == 403
        assert viewer.get(path).status_code == 200
        assert stranger.get("annotations", output="o/1").status_code == 404
        assert client.get(f"/api/v1/{path}", headers=product).status_code == 403
