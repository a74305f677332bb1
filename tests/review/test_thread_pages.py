"""Threads over HTTP: pieces of the page, conflicts, blind review, and what happened meanwhile."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from feedback.models import AnswerVersion, Feedback, Output, Project, User
from review import anchors, threads
from review.models import Annotation, Comment, QueueItem
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_output,
    make_queue,
    make_review,
    make_user,
)
from tests.review.test_desk_pages import HOSTILE, HTMX, comment, put, signed_in, url
from tests.review.test_places import become

pytestmark = pytest.mark.django_db

TEXT = "Bloom came out.\n\nOn 31 August 2018.\n\n- one\n- two"


@pytest.fixture
def item(project: Project) -> QueueItem:
    return make_item(make_queue(project), make_output(project, text=TEXT))


@pytest.fixture
def ann(project: Project) -> User:
    return make_user(project, "expert", username="ann")


@pytest.fixture
def ben(project: Project) -> User:
    return make_user(project, "expert", username="ben")


def page(client: Client, item: QueueItem) -> str:
    return client.get(url("item", item)).content.decode()


def stamp(client: Client, item: QueueItem) -> str:
    found = re.search(r'name="since" value="([^"]+)"', page(client, item))
    assert found
    return found[1]


def news(client: Client, item: QueueItem, since: str) -> Any:
    at = reverse("changes", args=[item.queue.project.slug, item.output_id])
    return client.get(at, {"since": since})


def act(client: Client, name: str, on: Annotation | Comment, **sent: str) -> Any:
    project = on.project if isinstance(on, Annotation) else on.annotation.project
    return client.post(reverse(name, args=[project.slug, on.pk]), sent, headers=HTMX)


class TestPieces:
    def test_a_reply_brings_its_card_and_the_block_alone(
        self, item: QueueItem, ann: User, ben: User
    ) -> None:
        root, other = (
            comment(item, ann, "Bloom"),
            put(signed_in(ann), item, start=19, end=28, exact="31 August"),
        )
        client = signed_in(ben)
        sent = act(client, "reply_create", root, text="The album.", since=stamp(client, item))
        body = sent.content.decode()
        assert f'id="a{root.pk}"' in body
        assert "The album." in body
        assert body.count('class="note"') == 1
        assert re.findall(r"innerHTML:#answer \[data-start='(\d+)'\]", body) == ["0"]
        assert '"did": "replied"' in sent["HX-Trigger-After-Settle"]
        assert other.status_code == 302

    def test_each_act_answers_with_the_card_as_it_is_now(self, item: QueueItem, ann: User) -> None:
        root = comment(item, ann, "Bloom")
        client = signed_in(ann)
        said = threads.reply(annotation=root, by=ann, text="One.", now=NOW)
        acts: list[tuple[str, Annotation | Comment, dict[str, str], str]] = [
            ("annotation_edit", root, {"comment": "This one."}, "This one."),
            ("reply_edit", said, {"text": "Two."}, "Two."),
            ("annotation_resolve", root, {}, 'data-state="resolved"'),
            ("annotation_reopen", root, {}, 'data-state="open"'),
            ("reply_delete", said, {}, "A reply was removed."),
        ]
        for name, on, sent, shown in acts:
            since = stamp(client, item)
            answer = act(client, name, on, since=since, **sent)
            assert answer.status_code == 200
            assert shown in answer.content.decode()
        gone = act(client, "annotation_delete", root, since=stamp(client, item)).content.decode()
        assert f'<li id="a{root.pk}" hx-swap-oob="delete">' in gone
        assert "<mark" not in gone
        assert "innerHTML:#answer [data-start='0']" in gone

    def test_an_act_brings_what_others_did_meanwhile(
        self, item: QueueItem, ann: User, ben: User
    ) -> None:
        mine = comment(item, ann, "Bloom")
        client = signed_in(ann)
        since = stamp(client, item)
        theirs = comment(item, ben, "came out")
        body = act(client, "annotation_resolve", mine, since=since).content.decode()
        assert f'<ol hx-swap-oob="afterend:#a{mine.pk}">' in body
        assert f'id="a{theirs.pk}"' in body

    def test_refused_words_are_told_at_the_card(self, item: QueueItem, ann: User) -> None:
        root = comment(item, ann, "Bloom")
        answer = act(signed_in(ann), "reply_create", root, text=" ")
        assert answer.status_code == 422
        assert answer["HX-Retarget"] == f"#a{root.pk}-errors"
        assert "Write a reply." in answer.content.decode()

    def test_who_is_late_gets_the_present_card(self, item: QueueItem, ann: User, ben: User) -> None:
        root = comment(item, ann, "Bloom")
        client = signed_in(ann)
        since = stamp(client, item)
        threads.resolve(annotation=root, by=ben, now=NOW)
        answer = act(client, "annotation_resolve", root, since=since)
        assert answer.status_code == 409
        assert "resolved by ben" in answer.content.decode()
        assert "ben resolved this before you." in answer["HX-Trigger-After-Settle"]

    def test_without_a_script_an_act_leads_back_to_the_card(
        self, item: QueueItem, ann: User
    ) -> None:
        root = comment(item, ann, "Bloom")
        client = signed_in(ann)
        at = reverse("reply_create", args=[item.queue.project.slug, root.pk])
        answer = client.post(at, {"text": "One."}, follow=True)
        assert answer.redirect_chain[-1][0] == f"{url('item', item)}#a{root.pk}"
        assert "One." in answer.content.decode()

    def test_only_authors_change_and_only_they_and_moderators_remove(
        self, item: QueueItem, ann: User, ben: User
    ) -> None:
        root = comment(item, ann, "Bloom")
        said = threads.reply(annotation=root, by=ann, text="One.", now=NOW)
        client = signed_in(ben)
        acts: list[tuple[str, Annotation | Comment]] = [
            ("annotation_edit", root),
            ("annotation_delete", root),
            ("reply_edit", said),
            ("reply_delete", said),
        ]
        for name, on in acts:
            assert act(client, name, on, text="x", comment="x").status_code == 403

    def test_hostile_words_stay_words(self, item: QueueItem, ann: User) -> None:
        root = comment(item, ann, "Bloom", comment=HOSTILE, replacement=HOSTILE)
        threads.reply(annotation=root, by=ann, text=HOSTILE + "\ue000pk", now=NOW)
        body = page(signed_in(ann), item)
        assert "<script>alert" not in body
        assert "<img src=x" not in body
        assert body.count("&lt;script&gt;alert") >= 4

    def test_the_card_says_what_it_is(self, item: QueueItem, ann: User) -> None:
        comment(item, ann, "Bloom", reason="factually-incorrect")
        body = page(signed_in(ann), item)
        name = "Comment 1 of 1, Factually incorrect, open, by ann, on “Bloom”"
        assert f'role="comment" tabindex="0" aria-label="{name}"' in body


class TestChanges:
    def test_nothing_is_told_as_nothing(self, item: QueueItem, ann: User) -> None:
        client = signed_in(ann)
        assert news(client, item, stamp(client, item)).status_code == 204
        assert news(client, item, "nonsense").status_code == 204

    def test_new_cards_replies_and_feedback_come_in_order_of_the_text(
        self, item: QueueItem, ann: User, ben: User
    ) -> None:
        client = signed_in(ann)
        first = comment(item, ann, "Bloom")
        since = stamp(client, item)
        threads.reply(annotation=first, by=ben, text="One.", now=NOW)
        second = comment(item, ben, "came")
        said = make_feedback(
            item.output, comment="No.", span_start=17, span_end=19, output_version=1
        )
        body = news(client, item, since).content.decode()
        assert body.index("One.") < body.index(f"afterend:#a{first.pk}")
        assert body.index(f'id="a{second.pk}"') < body.index(f"afterend:#a{second.pk}")
        assert f'id="f{said.pk}"' in body
        assert re.findall(r"data-start='(\d+)'", body) == ["0", "16"]
        again = re.search(r'name="since" value="([^"]+)"', body)
        assert again
        assert news(client, item, again[1]).status_code == 204

    def test_what_came_and_went_is_not_told(self, item: QueueItem, ann: User, ben: User) -> None:
        client = signed_in(ann)
        since = stamp(client, item)
        root = comment(item, ben, "Bloom")
        act(signed_in(ben), "annotation_delete", root)
        assert "delete" not in news(client, item, since).content.decode()

    def test_another_version_is_only_announced(self, item: QueueItem, ann: User) -> None:
        client = signed_in(ann)
        comment(item, ann, "Bloom")
        since = stamp(client, item)
        Output.objects.update(version=2, text="Another answer.")
        body = news(client, item, since).content.decode()
        assert "The answer has changed." in body
        assert "innerHTML" not in body
        assert "since" not in body

    def test_costs_as_much_for_many_as_for_one(
        self,
        item: QueueItem,
        ann: User,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        client = signed_in(ann)
        since = stamp(client, item)
        for number in range(12):
            root = comment(item, make_user(item.queue.project), "Bloom")
            for _ in range(3):
                threads.reply(annotation=root, by=ann, text=f"{number}", now=NOW)
        with django_assert_max_num_queries(14):
            body = news(client, item, since).content.decode()
        assert body.count('class="note"') == 12
        assert body.count('class="note__reply"') == 36


class TestBlindReview:
    @pytest.fixture
    def blind(self, project: Project) -> QueueItem:
        output = make_output(project, text=TEXT)
        return make_item(make_queue(project, reviewers_per_item=2), output)

    def test_hides_others_everywhere_until_mine_is_in(
        self, blind: QueueItem, ann: User, ben: User
    ) -> None:
        """Complaint 24."""
        theirs = comment(blind, ben, "Bloom", comment="Bens words.", reason="unsafe")
        mine = comment(blind, ann, "Bloom", comment="Anns words.", reason="too-vague")
        threads.reply(annotation=mine, by=ben, text="Bens reply.", now=NOW)
        client = signed_in(ann)
        project = blind.queue.project
        answer = reverse("output", args=[project.slug, blind.output.external_id])
        since = stamp(client, blind)
        secret = comment(blind, ben, "came", comment="Bens secret.")
        hidden = [url("item", blind), answer, f"{answer}?view=list"]
        for at in hidden:
            body = client.get(at).content.decode()
            assert "Anns words." in body
            assert "Bens" not in body
            assert not re.search(rf"\ba{theirs.pk}\b", body)
            assert ("1 of 1 comment" if "view=list" in at else "1 open") in body
        assert news(client, blind, since).status_code == 204
        for name in ("annotation", "annotation_resolve", "reply_create"):
            at = reverse(name, args=[project.slug, theirs.pk])
            assert client.get(at).status_code in {404, 405}
            assert client.post(at).status_code in {404, 405}
        act(signed_in(ben), "annotation_delete", secret)
        assert news(client, blind, since).status_code == 204
        make_review(blind.output, ann, item=blind)
        for at in hidden:
            body = client.get(at).content.decode()
            assert "Bens words." in body
            assert "Bens reply." in body
            assert f'data-a="a{mine.pk} a{theirs.pk}"' in body
        everything = news(client, blind, since).content.decode()
        assert "Bens words." in everything
        assert 'id="margin"' in everything

    def test_says_nothing_of_others_words_found_anew(
        self, blind: QueueItem, ann: User, ben: User
    ) -> None:
        theirs = comment(blind, ben, "Bloom")
        become(blind.output, f"{TEXT} Bloom.")
        since = stamp(signed_in(ann), blind)
        anchors.reattach(
            annotation=theirs, version=2, start=0, end=5, exact="Bloom", by=ben, now=NOW
        )
        assert news(signed_in(ann), blind, since).status_code == 204


class TestPermalink:
    def test_leads_reviewers_to_the_item_and_others_to_the_answer(
        self, item: QueueItem, ann: User, project: Project
    ) -> None:
        root = comment(item, ann, "Bloom")
        at = reverse("annotation", args=[project.slug, root.pk])
        assert signed_in(ann).get(at)["Location"] == f"{url('item', item)}#a{root.pk}"
        answer = reverse("output", args=[project.slug, item.output.external_id])
        viewer = signed_in(make_user(project, "viewer"))
        assert viewer.get(at)["Location"] == f"{answer}#a{root.pk}"
        assert viewer.get(f"{at}?view=list")["Location"] == f"{answer}?view=list#a{root.pk}"

    def test_leads_to_the_version_that_has_the_words(
        self, item: QueueItem, ann: User, project: Project
    ) -> None:
        root = comment(item, ann, "Bloom")
        AnswerVersion.objects.create(output=item.output, number=1, text=TEXT, superseded_at=NOW)
        Output.objects.update(version=2, text="Nothing is left of it.")
        at = reverse("annotation", args=[project.slug, root.pk])
        client = signed_in(ann)
        answer = reverse("output", args=[project.slug, item.output.external_id])
        assert client.get(at)["Location"] == f"{answer}?v=1#a{root.pk}"
        body = client.get(f"{answer}?v=1").content.decode()
        assert f'data-a="a{root.pk}"' in body
        assert "This is version 1 of the answer." in body
        assert 'data-act="' not in body
        assert client.get(f"{answer}?v=7").status_code == 404
        assert client.get(f"{answer}?v=x").status_code == 404


class TestList:
    def test_has_every_comment_and_what_can_be_done(
        self, item: QueueItem, ann: User, ben: User, project: Project
    ) -> None:
        root = comment(item, ann, "Bloom", reason="too-vague")
        settled = comment(item, ben, "came")
        threads.resolve(annotation=settled, by=ben, now=NOW)
        make_feedback(item.output, comment="On the whole.", author_external_id="cleo")
        answer = reverse("output", args=[project.slug, item.output.external_id])
        client = signed_in(ann)
        body = client.get(f"{answer}?view=list").content.decode()
        assert re.findall(r'<tr id="(\w+)"', body)[:2] == [f"a{root.pk}", f"a{settled.pk}"]
        assert "cleo" in body
        by_author = client.get(f"{answer}?view=list&sort=author&author=").content.decode()
        assert by_author.index(">ann<") < by_author.index(">ben<") < by_author.index(">cleo<")
        Annotation.objects.filter(pk=settled.pk).update(created_at=NOW + timedelta(hours=1))
        newest = client.get(f"{answer}?view=list&sort=-at").content.decode()
        assert newest.index(f'id="a{settled.pk}"') < newest.index(f'id="a{root.pk}"')
        of_ben = client.get(f"{answer}?view=list&author=ben").content.decode()
        assert f'id="a{root.pk}"' not in of_ben
        at = reverse("annotation_resolve", args=[project.slug, root.pk])
        done = client.post(at, {"back": "list"}, follow=True)
        assert done.redirect_chain[-1][0] == f"{answer}?view=list#a{root.pk}"
        root.refresh_from_db()
        assert root.resolved_by == ann
        assert Feedback.objects.count() == 1
