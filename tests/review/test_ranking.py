"""Answers to one question side by side, and people's ranks of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from curation import promotion
from feedback.embedding import model_id
from feedback.models import Feedback, Output, Project, User
from review.gathering import sheet
from review.models import QueueItem
from review.ranking import (
    BlindRankingError,
    RankingError,
    StaleRankingError,
    compared,
    own_places,
    rank_answers,
)
from review.resemblance import MOST_BESIDE, related
from tests.calling import Caller
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_key,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_session,
    make_training_set,
    make_user,
)

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=2)


@pytest.fixture
def answers(project: Project) -> list[Output]:
    return make_answers(project, "the first", "the second", "the third")


@pytest.fixture
def expert(project: Project) -> User:
    return make_user(project, "expert")


def make_answers(project: Project, *texts: str) -> list[Output]:
    session = make_session(project)
    return [
        make_output(session.project, session, text=text, at=NOW + timedelta(minutes=at))
        for at, text in enumerate(texts)
    ]


def ranked(answers: list[Output], by: User, *places: int, **more: Any) -> None:
    fields: dict[str, Any] = {
        "places": {one.pk: place for one, place in zip(answers, places, strict=True)},
        "versions": {one.pk: one.version for one in answers},
        "now": LATER,
    }
    rank_answers(output=answers[0], by=by, **fields | more)


def places(answers: list[Output], by: User) -> list[int | None]:
    given = own_places(outputs=answers, by=by)
    return [given.get(one.pk) for one in answers]


def ranks() -> list[tuple[int | None, object]]:
    found = Feedback.objects.filter(name="rank").order_by("output")
    return list(found.values_list("output", "value"))


def words(given: Iterable[Feedback]) -> list[str]:
    return sorted(one.rank_in_words for one in given)


def form(answers: list[Output], *places: object) -> dict[str, object]:
    return {
        **{f"place-{one.pk}": place for one, place in zip(answers, places, strict=True)},
        **{f"version-{one.pk}": one.version for one in answers},
    }


def at(name: str, output: Output) -> str:
    return reverse(name, args=[output.project.slug, output.pk])


class TestRankAnswers:
    def test_stores_a_place_of_each_as_feedback(self, answers: list[Output], expert: User) -> None:
        ranked(answers, expert, 2, 1, 2)
        assert ranks() == [(answers[0].pk, 2), (answers[1].pk, 1), (answers[2].pk, 2)]
        assert all(one.is_rank for one in Feedback.objects.all())
        assert places(answers, expert) == [2, 1, 2]
        found = related(output=answers[0], to=expert, model=model_id())
        assert [one.rank_in_words for one in found.own_ranks] == ["ranked 2"]

    def test_again_it_changes_what_was_ranked_and_nobody_elses(
        self, project: Project, answers: list[Output], expert: User
    ) -> None:
        other = make_user(project, "expert")
        ranked(answers, other, 3, 2, 1)
        ranked(answers, expert, 1, 2, 3)
        ranked(answers, expert, 2, 2, 1, now=LATER + timedelta(hours=1))
        assert places(answers, expert) == [2, 2, 1]
        assert places(answers, other) == [3, 2, 1]
        changed = Feedback.objects.exclude(changed_at=None)
        assert set(changed.values_list("output", flat=True)) == {answers[0].pk, answers[2].pk}

    def test_a_new_version_is_ranked_anew(self, answers: list[Output], expert: User) -> None:
        ranked(answers, expert, 1, 2, 3)
        Output.objects.filter(pk=answers[0].pk).update(version=2)
        answers[0].refresh_from_db()
        assert places(answers, expert) == [None, 2, 3]
        ranked(answers, expert, 1, 2, 3)
        assert places(answers, expert) == [1, 2, 3]

    def test_makes_the_pairs_that_sent_ranks_make(
        self, project: Project, answers: list[Output], expert: User
    ) -> None:
        ranked(answers, expert, 2, 1, 2)
        curator = make_user(project, "admin")
        training_set = make_training_set(project)
        review = make_review(answers[1], curator, verdict="accept", is_authoritative=True)
        promotion.promote_to_training_set(
            review=review, training_set=training_set, by=curator, now=LATER
        )
        pairs = training_set.examples.filter(is_pair=True).order_by("rejected_output")
        assert list(pairs.values_list("chosen", "rejected")) == [
            ("the second", "the first"),
            ("the second", "the third"),
        ]

    def test_what_changed_meanwhile_stores_nothing(
        self, project: Project, answers: list[Output], expert: User
    ) -> None:
        seen = {one.pk: one.version for one in answers}
        Output.objects.filter(pk=answers[2].pk).update(version=2)
        with pytest.raises(StaleRankingError):
            ranked(answers, expert, 1, 2, 3, versions=seen)
        Output.objects.filter(pk=answers[2].pk).update(version=1)
        make_output(project, answers[0].session, text="the fourth", at=LATER)
        with pytest.raises(StaleRankingError):
            ranked(answers, expert, 1, 2, 3)
        assert ranks() == []

    @pytest.mark.parametrize("places", [(1, 2, 0), (1, 2, 4), (1, 2, -1)])
    def test_each_has_a_place_that_exists(
        self, answers: list[Output], expert: User, places: tuple[int, ...]
    ) -> None:
        with pytest.raises(RankingError, match="from 1 to 3"):
            ranked(answers, expert, *places)
        assert ranks() == []

    def test_one_answer_is_not_ranked(self, project: Project, expert: User) -> None:
        with pytest.raises(RankingError, match="no other answer"):
            ranked(make_answers(project, "alone"), expert, 1)

    def test_nobody_ranks_what_is_judged_blindly(
        self, project: Project, answers: list[Output], expert: User
    ) -> None:
        item = make_item(make_queue(project, reviewers_per_item=2), answers[2])
        with pytest.raises(BlindRankingError):
            ranked(answers, expert, 1, 2, 3)
        QueueItem.objects.filter(pk=item.pk).update(status="done", closed_at=NOW)
        ranked(answers, expert, 1, 2, 3)
        assert len(ranks()) == 3

    def test_the_first_answers_are_compared(self, project: Project) -> None:
        answers = make_answers(project, *map(str, range(MOST_BESIDE + 3)))
        assert compared(output=answers[-1]) == [*answers[:MOST_BESIDE], answers[-1]]


class TestBlind:
    """Ranks that were given before an answer came into a queue of several reviewers."""

    @pytest.fixture
    def item(self, project: Project, answers: list[Output], expert: User) -> QueueItem:
        """The first answer, for two to judge unaware; the expert and an end user ranked it."""
        ranked(answers, expert, 1, 2, 3)
        make_feedback(answers[0], name="rank", value=3, label="by a user")
        return make_item(make_queue(project, reviewers_per_item=2), answers[0])

    def seen(self, output: Output, to: User) -> tuple[list[str], list[str], list[str]]:
        """The ranks on an answer's own sheet, of it in the panel, and of the others there."""
        found = related(output=output, to=to, model=model_id())
        said = [card.feedback for card in sheet(output=output, to=to).cards]
        return (
            words(one for one in said if one is not None and one.is_rank),
            words(found.own_ranks),
            words(rank for one in found.beside for rank in one.ranks),
        )

    def test_peers_see_them_once_their_own_review_is_in(
        self, project: Project, answers: list[Output], item: QueueItem
    ) -> None:
        peer = make_user(project, "expert")
        assert self.seen(answers[0], peer) == (["by a user"], ["by a user"], [])
        # What others were given tells what is left for this one.
        assert self.seen(answers[1], peer) == ([], [], ["by a user"])
        make_review(answers[0], peer, item=item, is_authoritative=False)
        both = ["by a user", "ranked 1"]
        assert self.seen(answers[0], peer) == (both, both, ["ranked 2", "ranked 3"])
        assert self.seen(answers[1], peer)[0] == ["ranked 2"]

    def test_who_gave_them_sees_ones_own(
        self, answers: list[Output], expert: User, item: QueueItem
    ) -> None:
        both = ["by a user", "ranked 1"]
        assert self.seen(answers[0], expert) == (both, both, ["ranked 2", "ranked 3"])

    def test_the_api_tells_them_to_nobody_who_may_not_know(
        self, client: Client, project: Project, answers: list[Output], item: QueueItem, expert: User
    ) -> None:
        peer = make_user(project, "expert")
        url = f"/api/v1/sessions/{answers[0].session.external_id}"

        product = {"authorization": f"Bearer {make_key(project)}"}

        def own(person: User) -> dict[str, str]:
            return Caller(client, project, person).headers

        def told(headers: dict[str, str]) -> list[str]:
            reply = client.get(url, headers=headers).json()
            said = [one for one in reply["trail"] if one["type"] == "feedback"]
            return [one["author"]["id"] for one in said if one.get("author")]

        theirs = [f"reviewer:{expert.pk}"] * 3
        assert told(own(peer)) == []
        assert told(product) == []
        assert told(own(expert)) == theirs
        make_review(answers[0], peer, item=item, is_authoritative=False)
        assert told(own(peer)) == theirs
        assert told(product) == []
        QueueItem.objects.update(status="done", closed_at=LATER)
        assert told(product) == theirs


class TestPage:
    def test_shows_the_answers_as_text_and_the_question_once(
        self, client: Client, project: Project, expert: User
    ) -> None:
        answers = make_answers(project, "<script>alert(1)</script>", "**good**")
        client.force_login(expert)
        page = client.get(at("compare", answers[1])).content.decode()
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page
        assert "<strong>good</strong>" in page
        assert page.count("When did Bloom come out?") == 1

    def test_stores_and_shows_ones_own_places_and_nobody_elses(
        self, client: Client, project: Project, answers: list[Output], expert: User
    ) -> None:
        make_feedback(answers[0], name="rank", value=3, label="worst of all")
        ranked(answers, make_user(project, "expert"), 3, 3, 3)
        client.force_login(expert)
        assert "selected" not in client.get(at("compare", answers[0])).content.decode()
        sent = client.post(at("compare_rank", answers[0]), form(answers, 1, 2, 2), follow=True)
        page = sent.content.decode()
        assert page.count('<option value="2" selected>') == 2
        assert page.count('<option value="1" selected>') == 1
        assert "worst of all" not in page
        assert places(answers, expert) == [1, 2, 2]

    def test_names_no_model(self, client: Client, project: Project, expert: User) -> None:
        session = make_session(project)
        outputs = [make_output(project, session, model="secret-model") for _ in range(2)]
        client.force_login(expert)
        assert "secret-model" not in client.get(at("compare", outputs[0])).content.decode()

    def test_keeps_what_was_entered_when_an_answer_changed(
        self, client: Client, answers: list[Output], expert: User
    ) -> None:
        client.force_login(expert)
        sent = form(answers, 3, 3, 1)
        Output.objects.filter(pk=answers[0].pk).update(version=2)
        response = client.post(at("compare_rank", answers[0]), sent)
        page = response.content.decode()
        assert response.status_code == 409
        assert "The answers have changed" in page
        assert page.count('<option value="3" selected>') == 2
        assert f'name="version-{answers[0].pk}" value="2"' in page
        assert ranks() == []

    def test_keeps_what_was_entered_when_a_place_is_missing(
        self, client: Client, answers: list[Output], expert: User
    ) -> None:
        client.force_login(expert)
        response = client.post(at("compare_rank", answers[0]), form(answers, 3, "x", 1))
        assert response.status_code == 422
        assert '<option value="3" selected>' in response.content.decode()
        assert ranks() == []

    def test_takes_no_ranks_while_several_judge_blindly(
        self, client: Client, project: Project, answers: list[Output], expert: User
    ) -> None:
        client.force_login(expert)
        make_item(make_queue(project, reviewers_per_item=2), answers[2])
        page = client.get(at("compare", answers[0])).content.decode()
        assert "Several people still judge" in page
        assert "Save ranks" not in page
        response = client.post(at("compare_rank", answers[0]), form(answers, 3, 2, 1))
        assert response.status_code == 409
        assert '<option value="3" selected>' in response.content.decode()
        assert ranks() == []

    def test_viewers_look_and_do_not_rank(
        self, client: Client, project: Project, answers: list[Output]
    ) -> None:
        client.force_login(make_user(project, "viewer"))
        page = client.get(at("compare", answers[0])).content.decode()
        assert "the third" in page
        assert "Save ranks" not in page
        sent = client.post(at("compare_rank", answers[0]), form(answers, 1, 2, 3))
        assert sent.status_code == 403
        assert ranks() == []

    def test_other_projects_answers_are_not_there(
        self, client: Client, answers: list[Output], project: Project
    ) -> None:
        other = make_project()
        client.force_login(make_user(other, "admin"))
        for slug in (project.slug, other.slug):
            where = [slug, answers[0].pk]
            assert client.get(reverse("compare", args=where)).status_code == 404
            sent = client.post(reverse("compare_rank", args=where), form(answers, 1, 2, 3))
            assert sent.status_code == 404
        assert ranks() == []

    def test_is_linked_beside_an_answer_and_empty_where_there_is_one(
        self, client: Client, project: Project, answers: list[Output], expert: User
    ) -> None:
        client.force_login(expert)
        panel = client.get(at("related", answers[0]), headers={"HX-Request": "true"})
        assert at("compare", answers[0]) in panel.content.decode()
        alone = make_output(project)
        assert "no other answer" in client.get(at("compare", alone)).content.decode()

    def test_asks_as_often_for_many_answers_as_for_two(
        self,
        client: Client,
        project: Project,
        expert: User,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        client.force_login(expert)
        for answers in (make_answers(project, "a", "b"), make_answers(project, *"abcdefghij")):
            client.get(at("compare", answers[0]))
            with django_assert_num_queries(8):
                client.get(at("compare", answers[0]))
