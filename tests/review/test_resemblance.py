"""Similar feedback, and decisions on answers just like one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from feedback.embedding import Encoder, embed_pending, model_id
from feedback.models import Project, Reason
from review.resemblance import SAME, related
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_session,
    make_user,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


class TestRelated:
    def test_similar_feedback_is_that_on_other_outputs_nearest_in_meaning(
        self, project: Project, encoder: Encoder
    ) -> None:
        output = make_output(project)
        own = make_feedback(output, comment="The release date is wrong.")
        other = make_output(project)
        near = make_feedback(other, comment="It gives the wrong release date.")
        make_feedback(other, comment="The songs and their dates are missing.")
        make_feedback(make_output(project), comment="Far too polite and long-winded.")
        make_feedback(make_output(make_project()), comment="The release date is wrong.")
        embed_pending(encoder=encoder)
        found = related(output=output, to=make_user(), model=model_id())
        assert [hit.feedback for hit in found.similar] == [near]
        assert own not in [hit.feedback for hit in found.similar]
        assert 0.5 < found.similar[0].score < 1

    def test_without_words_of_its_own_it_goes_by_question_and_answer(
        self, project: Project, encoder: Encoder
    ) -> None:
        output = make_output(project)
        said = make_feedback(
            make_output(project), comment="Bloom was not released on 31 August 2018."
        )
        embed_pending(encoder=encoder)
        [hit] = related(output=output, to=make_user(), model=model_id()).similar
        assert hit.feedback == said

    def test_nothing_is_found_before_it_is_embedded(self, project: Project) -> None:
        found = related(output=make_output(project), to=make_user(), model=model_id())
        assert (found.is_embedded, found.similar, found.precedents) == (False, [], [])

    def test_precedents_share_question_and_answer(self, project: Project, encoder: Encoder) -> None:
        output = make_output(project)
        twin = make_output(project, query="When did Bloom come out ?")
        other_answer = make_output(project, text="I cannot say.")
        other_question = make_output(project, query="Who sings Bloom?")
        reviewer = make_user(project)
        for one in (output, twin, other_answer, other_question):
            make_review(one, reviewer, is_authoritative=True)
        make_review(twin, make_user(project), is_authoritative=False)
        embed_pending(encoder=encoder)
        [found] = related(output=output, to=make_user(), model=model_id()).precedents
        assert found.review.output == twin
        assert SAME <= found.score <= 1

    def test_what_others_still_judge_blindly_is_left_out(
        self, project: Project, encoder: Encoder
    ) -> None:
        output, twin = make_output(project), make_output(project)
        make_review(twin, make_user(project), is_authoritative=True)
        make_item(make_queue(project, reviewers_per_item=2), twin)
        embed_pending(encoder=encoder)
        assert related(output=output, to=make_user(), model=model_id()).precedents == []

    def test_asks_the_database_a_fixed_number_of_times(
        self,
        project: Project,
        encoder: Encoder,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        output = make_output(project)
        make_feedback(output, comment="The date is wrong.")
        reason = Reason.objects.filter(taxonomy__project=project)[0]
        for number in range(8):
            twin = make_output(project, at=NOW + timedelta(days=number))
            make_feedback(twin, comment="The date is wrong.").reasons.add(reason)
            review = make_review(twin, make_user(project), is_authoritative=True)
            review.reasons.add(reason)
        embed_pending(encoder=encoder)
        reader = make_user()
        with django_assert_max_num_queries(24):
            found = related(output=output, to=reader, model=model_id())
        assert (len(found.similar), len(found.precedents)) == (8, 5)


class TestPanel:
    def test_lists_both_with_links(
        self, client: Client, project: Project, encoder: Encoder
    ) -> None:
        output = make_output(project)
        twin = make_output(project, external_id="twin")
        said = make_feedback(twin, comment="<b>The</b> release date of Bloom is wrong.")
        reason = Reason.objects.get(slug="factually-incorrect", taxonomy__project=project)
        said.reasons.add(reason)
        make_review(twin, make_user(project, username="ann"), is_authoritative=True)
        embed_pending(encoder=encoder)
        client.force_login(make_user(project, "viewer"))
        address = reverse("related", args=[project.slug, output.pk])
        panel = client.get(address, headers=HTMX).content.decode()
        there = reverse("output", args=[project.slug, "twin"])
        assert f'href="{there}#f{said.pk}"' in panel
        assert "&lt;b&gt;The" in panel
        assert 'data-cat="1"' in panel
        assert "ann" in panel
        page = client.get(address, follow=True).content.decode()
        assert f'href="{there}#f{said.pk}"' in page

    def test_says_when_there_is_nothing(
        self, client: Client, project: Project, encoder: Encoder
    ) -> None:
        output = make_output(project)
        client.force_login(make_user(project))
        address = reverse("related", args=[project.slug, output.pk])
        assert "Not compared yet." in client.get(address, headers=HTMX).content.decode()
        embed_pending(encoder=encoder)
        assert "Nobody said anything like it" in client.get(address, headers=HTMX).content.decode()


class TestBeside:
    def test_other_answers_come_with_their_decisions_and_ranks(
        self, project: Project, client: Client
    ) -> None:
        by = make_user(project, "expert")
        session = make_session(project)
        output, good, ranked, unseen = (
            make_output(project, session, text=text, at=NOW + timedelta(minutes=at))
            for at, text in enumerate(("this one", "good one", "ranked one", "unseen one"))
        )
        make_output(project, text="elsewhere")
        make_output(project, session, query="What else?", text="another", at=NOW)
        review = make_review(good, by, verdict="accept")
        make_item(make_queue(project, reviewers_per_item=2), unseen)
        make_review(unseen, by, verdict="reject")
        own = make_feedback(output, name="rank", value=2, label="second")
        rank = make_feedback(ranked, name="rank", value=1, label="<i>first</i>")
        make_feedback(ranked, name="rank", value=1, annotator_kind="LLM")
        found = related(output=output, to=make_user(), model=model_id())
        assert [(one.output, one.review, list(one.ranks)) for one in found.beside] == [
            (good, review, []),
            (ranked, None, [rank]),
            (unseen, None, []),
        ]
        assert list(found.own_ranks) == [own]
        client.force_login(make_user(project, "viewer"))
        address = reverse("related", args=[project.slug, output.pk])
        page = client.get(address, headers=HTMX).content.decode()
        assert "Other answers to this question" in page
        assert "This one: <bdi>second</bdi>" in page
        assert "&lt;i&gt;first&lt;/i&gt;" in page

    def test_nothing_is_said_where_there_is_one_answer(
        self, project: Project, client: Client
    ) -> None:
        output = make_output(project)
        client.force_login(make_user(project, "viewer"))
        address = reverse("related", args=[project.slug, output.pk])
        page = client.get(address, headers=HTMX).content.decode()
        assert "Other answers" not in page
