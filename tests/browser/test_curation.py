"""From a review to what products fetch, as a curator goes through it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from curation import promotion, releasing
from curation.models import ContextLibrary, Exposure, TrainingSet
from feedback.models import Project, User
from review.models import Review
from tests.browser.conftest import Pages
from tests.factories import (
    make_entry,
    make_feedback,
    make_issue,
    make_library,
    make_output,
    make_project,
    make_review,
    make_training_set,
    make_user,
)

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=document.title='owned'>"


@pytest.fixture
def project(transactional_db: None) -> Project:
    return make_project(name="Almanac")


@pytest.fixture
def curator(project: Project) -> User:
    return make_user(project)


@pytest.fixture
def review(project: Project, curator: User) -> Review:
    output = make_output(
        project, query=f"When did Bloom come out? {HOSTILE}", text=f"In 2015. {HOSTILE}"
    )
    make_feedback(output, comment=HOSTILE)
    return make_review(output, curator, correction=f"On 31 August 2018. {HOSTILE}")


def promote(page: Page, project: Project) -> None:
    page.goto(f"/p/{project.slug}/reviews/")
    page.get_by_role("link", name="Promote: ").click()
    expect(page.get_by_role("heading", name="What will be kept")).to_be_visible()


class TestLibrary:
    def test_goes_from_a_review_to_a_version_and_a_trial(
        self, page_for: Pages, project: Project, curator: User, review: Review
    ) -> None:
        library = make_library(project, name="Facts", slug="facts")
        page = page_for(curator)
        promote(page, project)
        page.get_by_text("Clarification").click()
        page.get_by_role("button", name="Add to the draft").click()
        # What says that it was added links there too, while it is shown.
        page.get_by_role("link", name="Facts").first.click()
        page.get_by_role("link", name="Edit").click()
        page.get_by_label("Text").fill("Bloom came out on 31 August 2018.")
        page.get_by_role("button", name="Save entry").click()
        page.get_by_role("link", name="Compare and publish").click()
        expect(page.get_by_text("has an image, script or link that acts by itself")).to_be_visible()
        page.get_by_label("I have looked at what the checks found").check()
        page.get_by_role("button", name="Publish v1").click()
        expect(page.get_by_text("Version 1 is live.")).to_be_visible()
        assert library.versions.get().entries.get().kind == "clarification"

        page.get_by_label("Question").fill("When was Bloom released?")
        page.get_by_label("Of", exact=True).select_option("live")
        page.get_by_role("button", name="Retrieve").click()
        tried = page.get_by_role("region", name="Try it")
        expect(tried.get_by_text("Answer: Bloom came out on 31 August 2018.")).to_be_visible()
        expect(page.get_by_label("Question")).to_have_value("When was Bloom released?")
        page.get_by_label("Question").fill("")
        page.get_by_role("button", name="Retrieve").click()
        expect(tried.get_by_text("This field is required.")).to_be_visible()
        assert not Exposure.objects.exists()
        assert page.title() != "owned"

    def test_works_without_javascript(
        self, page_for: Pages, project: Project, curator: User
    ) -> None:
        make_entry(make_library(project, slug="facts"))
        page = page_for(curator, java_script_enabled=False)
        page.goto(f"/p/{project.slug}/libraries/facts/")
        page.get_by_label("Question").fill("When did Bloom come out?")
        page.get_by_role("button", name="Retrieve").click()
        expect(page.get_by_text("tokens added")).to_be_visible()
        page.get_by_role("button", name="Remove").click()
        expect(page.get_by_text("No entries yet")).to_be_visible()


class TestTrainingSet:
    def test_goes_from_a_review_to_a_file(
        self, page_for: Pages, project: Project, curator: User, review: Review
    ) -> None:
        make_training_set(project, name="Answers", slug="answers")
        page = page_for(curator)
        promote(page, project)
        page.get_by_role("button", name="Add example").click()
        # What says that it was added links there too, while it is shown.
        page.get_by_role("link", name="Answers").first.click()
        page.get_by_role("button", name="Release").click()
        expect(page.locator("#building")).to_contain_text("Freezing r1")
        while releasing.work_off(now=timezone.now()):
            pass
        expect(page.locator("#building")).to_contain_text("r1 is whole")
        page.reload()
        with page.expect_download() as downloading:
            page.get_by_role("link", name="openai/dpo-train.jsonl").click()
        download = downloading.value
        assert download.suggested_filename.endswith("-openai-dpo-train.jsonl")
        [line] = Path(download.path()).read_text().splitlines()
        assert json.loads(line)["preferred_output"][0]["content"] == review.correction
        assert TrainingSet.objects.get().releases.get().released_by == curator
        assert page.title() != "owned"


class TestPages:
    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_fit_their_window(
        self, page_for: Pages, project: Project, curator: User, review: Review, theme: str
    ) -> None:
        word = "w" * 400
        library: ContextLibrary = make_library(project, slug="facts", name="x" * 120)
        make_entry(library, query=f"{word}?", answer=word, roles=["r" * 60], why=word)
        answers = make_training_set(project, slug="answers")
        promotion.promote_to_training_set(
            review=review, training_set=answers, by=curator, now=timezone.now()
        )
        releasing.release(training_set=answers, by=curator, now=timezone.now())
        page = page_for(curator, theme=theme)
        base = f"/p/{project.slug}"
        for path in (
            "reviews/",
            f"reviews/{review.pk}/promote/",
            "libraries/",
            "libraries/facts/",
            "libraries/facts/draft/",
            f"libraries/facts/entries/{library.entries.get().pk}/",
            "training-sets/",
            "training-sets/answers/",
            "training-sets/answers/releases/1/",
            "new-training-set/",
            "check-training-file/",
        ):
            page.goto(f"{base}/{path}")
            for width in (1440, 1000, 390):
                page.set_viewport_size({"width": width, "height": 900})
                over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert over <= 0, f"{path} at {width}"


class TestNarrowPages:
    """What a phone shows of tables is read without turning words into columns."""

    ABOUT = "How the product answers from documents, by what reviewers corrected of it."

    @pytest.fixture
    def phone(self, page_for: Pages, curator: User) -> Page:
        return page_for(curator, width=390, height=844)

    def assert_whole(self, phone: Page) -> None:
        """Nothing of a table lies behind its edge."""
        over = "all => all.map((one) => one.scrollWidth - one.clientWidth)"
        assert max(phone.locator("main .scroll-x, main .panel").evaluate_all(over)) <= 0

    def test_lists_say_what_each_is_for_below_its_name(
        self, phone: Page, project: Project, curator: User
    ) -> None:
        make_library(project, name="House style", description=self.ABOUT)
        make_training_set(project, name="First corrections", description=self.ABOUT)
        for path in ("libraries", "training-sets"):
            phone.goto(f"/p/{project.slug}/{path}/")
            about = phone.get_by_text(self.ABOUT).locator("visible=true")
            box = about.bounding_box()
            assert box
            assert box["width"] >= 140
            self.assert_whole(phone)

    def test_choices_of_notifications_fit(self, phone: Page) -> None:
        phone.goto("/account/notifications/")
        self.assert_whole(phone)


def test_the_figures_of_an_issue_have_headings_of_one_line(
    page_for: Pages, project: Project, curator: User
) -> None:
    names = [["Unsupported by the documents", 30], ["Factually incorrect", 12]]
    issue = make_issue(project, evidence={"roles": names, "models": names, "reasons": names})
    page = page_for(curator)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"/p/{project.slug}/issues/{issue.number}/")
    headings = page.locator(".issue__names thead th.n")
    assert headings.count() == 6
    for box in [one.bounding_box() for one in headings.all()]:
        assert box
        assert box["height"] < 40
