"""How one gets to a promotion from an answer and from a theme, and what comes of it."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from curation import promotion_jobs
from curation.models import ContextEntry, Example, PromotionJob
from feedback.models import Project, User
from review import handovers
from review.models import Annotation, Event, Review, Theme, ThemeMembership, ThemeRun
from tests.factories import (
    NOW,
    make_annotation,
    make_feedback,
    make_issue,
    make_item,
    make_library,
    make_output,
    make_queue,
    make_review,
    make_theme,
    make_training_set,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def review(project: Project) -> Review:
    """A decision that counts, of an answer with feedback and a comment on its words."""
    output = make_output(project, query="When?", text="It came out in 2015.")
    make_feedback(output, comment="Wrong year")
    reviewer = make_user(project, role="expert")
    make_annotation(output, reviewer, "2015", comment="2018 it was.")
    return make_review(
        output, reviewer, item=make_item(make_queue(project), output), correction="In 2018."
    )


def pages(review: Review) -> list[str]:
    """The desk of the answer and its page."""
    slug = review.project.slug
    return [
        reverse("item", args=[slug, review.item_id]),
        reverse("output", args=[slug, review.output.external_id]),
    ]


def put_in_theme(theme: Theme, review: Review) -> None:
    run = ThemeRun.objects.create(
        project=review.project,
        model="m",
        num_feedback=1,
        num_themes=1,
        started_at=NOW,
        finished_at=NOW,
    )
    ThemeMembership.objects.create(
        theme=theme, feedback=review.output.feedback.get(), run=run, similarity=0.9
    )


class TestFromTheDesk:
    def test_a_curator_is_led_to_the_promotion_of_this_answer(
        self, client: Client, project: Project, curator: User, review: Review
    ) -> None:
        make_review(make_output(project), curator, correction="Of another answer.")
        client.force_login(curator)
        for address in pages(review):
            page = client.get(address).content.decode()
            links = re.findall(r'href="([^"]+/promote/)"', page)
            assert links == [reverse("promote", args=[project.slug, review.pk])]

    @pytest.mark.parametrize("role", ["viewer", "expert", "moderator"])
    def test_nobody_else_is(
        self, client: Client, project: Project, review: Review, role: str
    ) -> None:
        client.force_login(make_user(project, role=role))
        for address in pages(review):
            assert "/promote/" not in client.get(address).content.decode()
        assert client.get(reverse("promote", args=[project.slug, review.pk])).status_code == 403

    def test_not_before_somebody_decided(
        self, client: Client, project: Project, curator: User, review: Review
    ) -> None:
        Review.objects.update(is_authoritative=False)
        client.force_login(curator)
        for address in pages(review):
            assert "/promote/" not in client.get(address).content.decode()

    def test_not_before_others_have_judged_it_unaware_of_the_decision(
        self, client: Client, project: Project, curator: User
    ) -> None:
        item = make_item(make_queue(project, reviewers_per_item=2))
        review = make_review(item.output, make_user(project, role="expert"), item=item)
        client.force_login(curator)
        for address in pages(review):
            assert "/promote/" not in client.get(address).content.decode()

    def test_it_is_promoted_into_each_place_with_its_way_back(
        self, client: Client, project: Project, curator: User, review: Review
    ) -> None:
        review.routes = ["issue"]
        review.save()
        handovers.hand_over(review=review)
        library, training_set = make_library(project), make_training_set(project)
        client.force_login(curator)
        [form] = re.findall(
            r'href="([^"]+/promote/)"', client.get(pages(review)[0]).content.decode()
        )
        client.post(
            form,
            {
                "into": "library",
                "library-library": library.slug,
                "library-kind": "example",
                "library-why": "",
            },
        )
        client.post(form, {"into": "training", "training-training_set": training_set.slug})
        [as_issue] = re.findall(
            r'href="([^"]+/new-issue/[^"]+)"', client.get(form).content.decode()
        )
        made = client.post(as_issue, {"title": "Say when it came out"})
        assert made.status_code == 302

        issue, comment = project.issues.get(), Annotation.objects.get()
        for kept in (ContextEntry.objects.get(), Example.objects.get()):
            assert kept.output is not None
            assert (kept.review, kept.output.session) == (review, review.output.session)
            assert list(kept.feedback.all()) == [review.output.feedback.get()]
            assert list(kept.output.annotations.all()) == [comment]
            assert (kept.created_by, kept.created_at.tzinfo is not None) == (curator, True)
        assert issue.sources.get().handover.review == review
        assert issue.opened_by == curator
        told = Event.objects.filter(actor=curator).values_list("verb", flat=True)
        assert {"promoted"} <= set(told)
        page = client.get(form).content.decode()
        already = page[page.index("Where it is already") :]
        for place in (library.name, training_set.name, str(issue)):
            assert place in already
        assert "Make an issue" not in page

    def test_an_issue_is_made_of_the_theme_or_is_there_already(
        self, client: Client, project: Project, curator: User, review: Review
    ) -> None:
        form = reverse("promote", args=[project.slug, review.pk])
        client.force_login(curator)
        assert "does not ask for one" in client.get(form).content.decode()
        theme = make_theme(project, size=1)
        put_in_theme(theme, review)
        link = f"{reverse('issue_create', args=[project.slug])}?theme={theme.number}"
        assert link in client.get(form).content.decode()
        issue = make_issue(project, theme=theme)
        page = client.get(form).content.decode()
        assert reverse("issue", args=[project.slug, issue.number]) in page
        assert "Make an issue" not in page


class TestFromATheme:
    def test_what_was_reviewed_of_the_theme_is_promoted_and_nothing_else(
        self, client: Client, project: Project, curator: User, review: Review
    ) -> None:
        theme, other = make_theme(project, size=1), make_theme(project, size=1)
        put_in_theme(theme, review)
        for of in (other, None):
            output = make_output(project)
            make_feedback(output)
            elsewhere = make_review(output, curator, correction="Elsewhere.")
            if of:
                put_in_theme(of, elsewhere)
        library = make_library(project)
        client.force_login(curator)
        page = client.get(reverse("theme", args=[project.slug, theme.number])).content.decode()
        [link] = re.findall(r'href="([^"]+/new-promotion/[^"]*)"', page)
        form = client.get(link)
        assert form.context["counts"]["all"] == 1
        client.post(
            reverse("promotion_create", args=[project.slug]),
            {
                "start": "on",
                "all": "on",
                "filter": form.context["filter"],
                "into": f"library:{library.slug}",
                "kind": "example",
            },
        )
        job = PromotionJob.objects.get()
        assert (job.num_matching, job.created_by) == (1, curator)
        assert list(promotion_jobs.meant(job=job)) == [review]

    def test_the_theme_leads_nobody_else_there(
        self, client: Client, project: Project, review: Review
    ) -> None:
        theme = make_theme(project, size=1)
        put_in_theme(theme, review)
        client.force_login(make_user(project, role="moderator"))
        page = client.get(reverse("theme", args=[project.slug, theme.number])).content.decode()
        assert "/new-promotion/" not in page
