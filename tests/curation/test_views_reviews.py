from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from curation import promotion
from curation.models import ContextEntry, Example
from feedback.models import Project, Reason, User
from review import handovers
from review.models import QueueItem, Review
from tests.factories import (
    NOW,
    make_feedback,
    make_handover,
    make_item,
    make_library,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_training_set,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def address(project: Project) -> str:
    return f"/p/{project.slug}/reviews/"


def questions(response: Any) -> list[str]:
    return [review.question for review in response.context["reviews"].rows]


def make(project: Project, by: User, query: str, **fields: Any) -> Review:
    return make_review(make_output(project, query=query, external_id=query), by, **fields)


class TestReviewList:
    def test_lists_what_counts_newest_first(
        self, client: Client, project: Project, address: str, curator: User
    ) -> None:
        make(project, curator, "old", created_at=NOW)
        make(project, curator, "<b>new</b>", verdict="accept")
        make(project, curator, "does not count", is_authoritative=False)
        make(make_project(), curator, "of another project")
        client.force_login(make_user(project, role="viewer"))
        response = client.get(address)
        assert questions(response) == ["<b>new</b>", "old"]
        page = response.content.decode()
        assert "&lt;b&gt;new&lt;/b&gt;" in page
        assert "Promote:" not in page

    def test_hides_what_another_is_still_to_judge_blindly(
        self, client: Client, project: Project, address: str, curator: User
    ) -> None:
        review = make(project, curator, "blind")
        item = make_item(make_queue(project, reviewers_per_item=2), review.output)
        client.force_login(curator)
        assert questions(client.get(address)) == []
        QueueItem.objects.filter(pk=item.pk).update(status="done", closed_at=NOW)
        assert questions(client.get(address)) == ["blind"]

    def test_narrows_by_verdict_and_to_what_is_not_promoted(
        self, client: Client, project: Project, address: str, curator: User
    ) -> None:
        good = make(project, curator, "good", verdict="accept")
        make(project, curator, "other good", verdict="accept")
        fix = make(project, curator, "fix", correction="Better.")
        removed = make(project, curator, "removed", correction="Better.")
        library, training_set = make_library(project), make_training_set(project)
        for review in (good, removed):
            promotion.promote_to_library(
                review=review, library=library, kind="example", why="", by=curator, now=NOW
            )
        promotion.promote_to_training_set(
            review=fix, training_set=training_set, by=curator, now=NOW
        )
        ContextEntry.objects.filter(review=removed).update(removed_at=NOW)
        client.force_login(curator)
        assert set(questions(client.get(address, {"verdict": "accept"}))) == {"good", "other good"}
        assert set(questions(client.get(address, {"promoted": "no"}))) == {"other good", "removed"}
        assert questions(client.get(address, {"verdict": "fix", "promoted": "no"})) == ["removed"]
        assert len(questions(client.get(address, {"verdict": "nonsense"}))) == 4
        page = client.get(address).content.decode()
        assert library.name in page
        assert training_set.name in page

    def test_pages_by_keys_and_costs_the_same_for_many(
        self,
        client: Client,
        project: Project,
        address: str,
        curator: User,
        django_assert_max_num_queries: Any,
    ) -> None:
        reasons = list(Reason.objects.filter(taxonomy__project=project)[:3])
        library = make_library(project)
        for number in range(60):
            review = make(project, curator, f"q{number}", verdict="accept")
            review.reasons.set(reasons)
            if number % 2:
                promotion.promote_to_library(
                    review=review, library=library, kind="example", why="", by=curator, now=NOW
                )
        client.force_login(curator)
        with django_assert_max_num_queries(10):
            first = client.get(address)
        second = client.get(address, {"cursor": first.context["reviews"].next_cursor})
        assert (len(questions(first)), len(questions(second))) == (50, 10)
        assert not set(questions(first)) & set(questions(second))
        assert client.get(address, {"cursor": "nonsense"}).status_code == 400

    def test_offers_promotion_of_what_settles_something(
        self, client: Client, project: Project, address: str, curator: User
    ) -> None:
        promotable = make(project, curator, "a", verdict="reject", correction="Better.")
        hopeless = make(project, curator, "b", verdict="reject")
        client.force_login(curator)
        page = client.get(address).content.decode()
        assert f"{address}{promotable.pk}/promote/" in page
        assert f"{address}{hopeless.pk}/promote/" not in page

    def test_says_what_the_reviewer_meant_it_for_until_it_is_there(
        self, client: Client, project: Project, address: str, curator: User
    ) -> None:
        review = make(project, curator, "a", verdict="accept", routes=["library", "training"])
        handovers.hand_over(review=review)
        client.force_login(curator)
        page = client.get(address).content.decode()
        assert "meant for a library" in page
        assert "meant for a training set" in page
        promotion.promote_to_library(
            review=review,
            library=make_library(project),
            kind="example",
            why="",
            by=curator,
            now=NOW,
        )
        page = client.get(address).content.decode()
        assert "meant for a library" not in page
        assert "meant for a training set" in page

    def test_is_empty_with_a_next_step(self, client: Client, address: str, curator: User) -> None:
        client.force_login(curator)
        assert "Nothing reviewed yet" in client.get(address).content.decode()
        assert "No review matches" in client.get(address, {"promoted": "no"}).content.decode()


class TestPromote:
    @pytest.fixture
    def review(self, project: Project, curator: User) -> Review:
        output = make_output(project, query="When?", text="In <i>2015</i>.", system="Be brief.")
        make_feedback(output, comment="Wrong")
        return make_review(output, curator, correction="In <i>2018</i>.")

    @pytest.fixture
    def form(self, address: str, review: Review) -> str:
        return f"{address}{review.pk}/promote/"

    def test_shows_what_will_be_kept(
        self, client: Client, project: Project, curator: User, form: str
    ) -> None:
        make_library(project, name="Facts")
        make_training_set(project, name="Answers")
        client.force_login(curator)
        page = client.get(form).content.decode()
        for shown in ("When?", "In &lt;i&gt;2018&lt;/i&gt;.", "<b>2015</b>", "Facts", "Answers"):
            assert shown in page
        assert not ContextEntry.objects.exists()

    def test_leads_on_where_there_is_nowhere_to_promote(
        self, client: Client, curator: User, form: str
    ) -> None:
        client.force_login(curator)
        page = client.get(form).content.decode()
        assert "New library" in page
        assert "New training set" in page

    def test_promotes_into_a_library(
        self, client: Client, project: Project, curator: User, review: Review, form: str
    ) -> None:
        library = make_library(project)
        client.force_login(curator)
        data = {
            "into": "library",
            "library-library": library.slug,
            "library-kind": "clarification",
            "library-why": "asked\r\noften",
        }
        response = client.post(form, data)
        assert (response.status_code, response["Location"]) == (302, form)
        entry = library.entries.get()
        assert (entry.review, entry.kind, entry.why) == (review, "clarification", "asked\noften")
        page = client.get(form).content.decode()
        assert "Where it is already" in page
        assert "Add to the draft" not in page
        again = client.post(form, data)
        assert again.status_code == 409
        assert "has this answer already" in again.content.decode()

    def test_promotes_into_a_training_set(
        self, client: Client, project: Project, curator: User, review: Review, form: str
    ) -> None:
        training_set = make_training_set(project)
        client.force_login(curator)
        data = {"into": "training", "training-training_set": training_set.slug}
        assert client.post(form, data).status_code == 302
        assert training_set.examples.get().review == review
        assert client.post(form, data).status_code == 409
        assert Example.objects.count() == 1

    def test_says_why_nothing_can_be_promoted(
        self, client: Client, project: Project, address: str, curator: User
    ) -> None:
        library = make_library(project)
        review = make(project, curator, "q", verdict="reject")
        client.force_login(curator)
        form = f"{address}{review.pk}/promote/"
        assert "rejected and not corrected" in client.get(form).content.decode()
        data = {"into": "library", "library-library": library.slug, "library-kind": "example"}
        response = client.post(form, data)
        assert response.status_code == 409
        assert "rejected and not corrected" in response.content.decode()

    def test_says_why_no_trainer_could_read_it(
        self, client: Client, project: Project, address: str, curator: User
    ) -> None:
        output = make_output(project, messages=[{"role": "tool", "content": "42"}])
        make_training_set(project)
        client.force_login(curator)
        form = f"{address}{make_review(output, curator, verdict='accept').pk}/promote/"
        page = client.get(form).content.decode()
        assert "answers no call" in page
        assert "Add example" not in page

    @pytest.mark.parametrize(
        "data",
        [
            {},
            {"into": "nowhere"},
            {"into": "library"},
            {"into": "library", "library-library": "facts", "library-kind": "memory"},
            {"into": "library", "library-library": "other", "library-kind": "example"},
            {"into": "library", "library-library": "\x00", "library-kind": "example"},
            {
                "into": "library",
                "library-library": "facts",
                "library-kind": "example",
                "library-why": "\x00",
            },
            {
                "into": "library",
                "library-library": "facts",
                "library-kind": "example",
                "library-why": "x" * 2_001,
            },
            {"into": "training", "training-training_set": "other"},
        ],
    )
    def test_refuses_what_it_does_not_understand(
        self, client: Client, project: Project, curator: User, form: str, data: dict[str, str]
    ) -> None:
        make_library(project, slug="facts")
        make_library(make_project(), slug="other")
        make_training_set(make_project(), slug="other")
        client.force_login(curator)
        assert client.post(form, data).status_code == 422
        assert not ContextEntry.objects.exists()

    def test_is_for_curators_of_the_project(
        self, client: Client, project: Project, form: str
    ) -> None:
        client.force_login(make_user(project, role="moderator"))
        assert client.get(form).status_code == 403
        assert client.post(form, {"into": "library"}).status_code == 403
        client.force_login(make_user(make_project(), role="admin"))
        assert client.get(form).status_code == 404
        assert client.put(form).status_code == 405

    def test_is_hidden_from_who_is_to_judge_the_answer_without_it(
        self, client: Client, project: Project, review: Review, form: str
    ) -> None:
        item = make_item(make_queue(project, reviewers_per_item=2), review.output)
        reader = make_user(project)
        make_handover(project, review=review)
        make_handover(project, review=review, route="issue")
        client.force_login(reader)
        issue = reverse("issue_create", args=[project.slug])
        issue += f"?handover={review.handovers.get(route='issue').pk}"
        assert [client.get(one).status_code for one in (form, issue)] == [404, 404]
        assert client.post(form, {"into": "library"}).status_code == 404
        for route, offered in (("library", "Promote:"), ("issue", "Make an issue:")):
            board = reverse("handover_list", args=[project.slug, route])
            page = client.get(board).content.decode()
            assert "When?" in page
            assert offered not in page
        make_review(review.output, reader, item=item, verdict="accept", is_authoritative=False)
        assert [client.get(one).status_code for one in (form, issue)] == [200, 200]
        board = reverse("handover_list", args=[project.slug, "library"])
        assert "Promote:" in client.get(board).content.decode()

    def test_does_not_find_reviews_of_other_projects(
        self, client: Client, address: str, curator: User
    ) -> None:
        other = make(make_project(), curator, "x", verdict="accept")
        client.force_login(curator)
        assert client.get(f"{address}{other.pk}/promote/").status_code == 404
        assert client.get(f"{address}{10**30}/promote/").status_code == 404
