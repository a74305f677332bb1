"""The demo product, as somebody who tries Postil uses it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from playwright.sync_api import expect

from feedback.models import Feedback, Output, Project
from review.demo import SLUG
from review.intake import feed
from review.models import QueueItem
from tests.browser.conftest import Pages
from tests.factories import NOW, make_output, make_project, make_queue, make_session, make_user

pytestmark = pytest.mark.browser


@pytest.fixture
def almanac(transactional_db: None) -> Project:
    cache.clear()
    return make_project(SLUG)


@pytest.fixture
def outputs(almanac: Project) -> list[Output]:
    """A question, a follow-up, and that one answered again."""
    session = make_session(almanac)
    turns = [("When?", "In **2018**."), ("Who?", "Somebody."), ("Who?", "Beach House.")]
    return [
        make_output(almanac, session, query=query, text=text, at=NOW + timedelta(minutes=number))
        for number, (query, text) in enumerate(turns)
    ]


class TestDemo:
    def test_what_is_clicked_arrives_in_the_queue(
        self, page_for: Pages, almanac: Project, outputs: list[Output]
    ) -> None:
        user = make_user(almanac)
        queue = make_queue(almanac, filter={"score": "negative"})
        page = page_for(user)
        page.goto("/demo/")
        page.get_by_role("button", name="Bad answer").click()
        page.get_by_label("Too vague").check()
        page.get_by_label("Anything else?").fill("Which month?")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_label("Anything else?")).to_be_hidden()
        feed(queue=queue, now=NOW)
        assert QueueItem.objects.get().output == outputs[0]
        said = Feedback.objects.explicit().get()
        assert said.comment == "Which month?"
        assert [reason.slug for reason in said.reasons.all()] == ["too-vague"]

    def test_plays_the_next_turn_and_tells_what_its_user_did(
        self, page_for: Pages, almanac: Project, outputs: list[Output]
    ) -> None:
        page = page_for(make_user(almanac))
        page.goto("/demo/")
        expect(page.get_by_role("button", name="Bad answer")).to_have_count(1)
        page.get_by_role("button", name="Ask").click()
        expect(page.get_by_text("Somebody.")).to_be_visible()
        page.get_by_role("button", name="Answer again").click()
        expect(page.get_by_text("Beach House.")).to_be_visible()
        expect(page.get_by_role("button", name="Bad answer")).to_have_count(3)
        expect(page.locator("#ask")).to_be_hidden()
        page.reload()
        expect(page.get_by_text("Beach House.")).to_be_visible()
        page.goto("about:blank")
        page.wait_for_timeout(500)
        told = Feedback.objects.signals().values_list("output__text", "name").distinct()
        assert set(told) >= {("In **2018**.", "follow_up"), ("Somebody.", "regenerate")}

    @pytest.mark.parametrize("width", [1440, 390])
    def test_fits_its_window(
        self, page_for: Pages, almanac: Project, outputs: list[Output], width: int
    ) -> None:
        page = page_for(make_user(almanac), width=width, theme="dark")
        page.goto("/demo/")
        page.get_by_role("button", name="Bad answer").click()
        expect(page.get_by_label("Too vague")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0

    def test_works_without_a_script(
        self, page_for: Pages, almanac: Project, outputs: list[Output]
    ) -> None:
        page = page_for(make_user(almanac), java_script_enabled=False)
        page.goto("/demo/")
        page.get_by_role("button", name="Ask").click()
        expect(page.get_by_text("Somebody.")).to_be_visible()
