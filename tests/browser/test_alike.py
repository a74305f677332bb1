"""What is alike, in Chromium: unfolded by mouse and by key, and decided as one."""

from __future__ import annotations

import os

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from feedback.models import Project, User
from review import bulk, queues, triage
from review.models import ItemGroup, Provisional
from review.spot_checks import draw_sample
from tests.browser.axe import findings
from tests.browser.conftest import Pages
from tests.factories import (
    NOW,
    make_feedback,
    make_group,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_theme,
    make_user,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SHOTS = os.environ.get("POSTIL_SHOTS")
ASKED = [
    "I lost my card, how do I get a new one?",
    "My card is lost. How can I get a new one?",
    "How do I get a new card? I lost mine.",
    "Lost my card, need a new one",
]


@pytest.fixture
def moderator(db: None) -> User:
    return make_user(make_project(slug="bank", name="Bank"), "moderator", username="mo")


@pytest.fixture
def group(moderator: User) -> ItemGroup:
    project = Project.objects.get()
    queue, theme = make_queue(project, slug="all", name="Rated down"), make_theme(project)
    items = []
    for number in range(24):
        output = make_output(
            project,
            query=ASKED[number % len(ASKED)],
            text="Freeze the card in the app, then order a new one under **Cards**.",
            model="teller",
            model_version="1.4",
        )
        make_feedback(output, score=-1)
        items.append(make_item(queue, output, priority=50 - number, theme=theme))
    other = make_output(project, query="Why was my transfer declined?", text="Try again later.")
    make_item(queue, other, priority=44, theme=theme)
    return make_group(*items)


def look(page: Page, name: str) -> None:
    """Take a picture where POSTIL_SHOTS names a folder."""
    if SHOTS:
        for width, theme in ((1440, "light"), (1440, "dark"), (390, "light")):
            page.set_viewport_size({"width": width, "height": 900 if width > 390 else 844})
            page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            page.wait_for_timeout(200)
            page.screenshot(path=f"{SHOTS}/{name}-{width}-{theme}.png")
        page.set_viewport_size({"width": 1440, "height": 900})


def grave(page: Page) -> list[str]:
    """What axe finds in the light and in the dark theme."""
    found = []
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        found += findings(page)
    return found


def address(group: ItemGroup, name: str = "alike") -> str:
    return reverse(name, args=["bank", group.queue.slug, group.pk])


def review_sample(group: ItemGroup, moderator: User, *, odd: bool = False) -> None:
    check = draw_sample(group=group, by=moderator, now=NOW)
    expert = make_user(group.queue.project, "expert", username="ann")
    for number, one in enumerate(check.drawn.filter(is_sampled=True).select_related("item__queue")):
        place = queues.claim(item=one.item, by=expert, now=NOW)
        triage.submit_review(
            item=one.item,
            by=expert,
            fence=place.fence,
            verdict="fix" if odd and not number else "accept",
            comment="So.",
            now=NOW,
        )


class TestQueue:
    def test_unfolds_by_key_and_folds_again(
        self, page_for: Pages, moderator: User, group: ItemGroup
    ) -> None:
        page = page_for(moderator)
        page.goto(reverse("queue", args=["bank", "all"]))
        rows = page.locator("[data-row]:visible")
        expect(rows).to_have_count(2)
        page.keyboard.press("j")
        page.keyboard.press("k")
        page.keyboard.press("a")
        expect(rows).to_have_count(22)
        expect(page.get_by_role("link", name="All that are alike")).to_be_visible()
        look(page, "queue-unfolded")
        assert grave(page) == []
        page.keyboard.press("j")
        expect(rows.nth(1).locator("[data-open]")).to_be_focused()
        page.keyboard.press("a")
        expect(rows).to_have_count(2)
        expect(rows.first.locator("[data-open]")).to_be_focused()
        look(page, "queue-folded")

    def test_unfolds_by_mouse_and_by_enter(
        self, page_for: Pages, moderator: User, group: ItemGroup
    ) -> None:
        page = page_for(moderator)
        page.goto(reverse("queue", args=["bank", "all"]) + "?group=flat")
        count = page.locator("[data-unfold]")
        expect(count).to_contain_text("24 alike")
        count.click()
        rows = page.locator("[data-row]:visible")
        expect(rows).to_have_count(22)
        count.focus()
        page.keyboard.press("Enter")
        expect(rows).to_have_count(2)
        assert count.evaluate("node => node.getBoundingClientRect().height") >= 24

    def test_leads_to_the_group_without_a_script(
        self, page_for: Pages, moderator: User, group: ItemGroup
    ) -> None:
        page = page_for(moderator, java_script_enabled=False)
        page.goto(reverse("queue", args=["bank", "all"]))
        page.locator("[data-unfold]").click()
        page.get_by_role("link", name="The 24 that are alike").click()
        expect(page.get_by_role("heading", name="24 alike")).to_be_visible()


class TestDeciding:
    def test_goes_by_keyboard_from_the_draw_to_the_undo(
        self, page_for: Pages, moderator: User, group: ItemGroup
    ) -> None:
        page = page_for(moderator)
        page.goto(address(group))
        look(page, "alike-before")
        assert grave(page) == []
        page.get_by_role("button", name="Draw 17").press("Enter")
        expect(page.get_by_role("list", name="Sample").get_by_role("listitem")).to_have_count(17)
        look(page, "alike-drawn")
        assert grave(page) == []
        page.get_by_role("list", name="Sample").get_by_role("link", name="Review").first.press(
            "Enter"
        )
        expect(page.get_by_role("link", name="23 more alike")).to_be_visible()
        look(page, "desk-alike")

    def test_decides_and_undoes_as_one(
        self, page_for: Pages, moderator: User, group: ItemGroup
    ) -> None:
        review_sample(group, moderator)
        page = page_for(moderator)
        page.goto(address(group))
        expect(page.get_by_role("status").first).to_contain_text("17 of 17 agree: Good.")
        look(page, "alike-ready")
        assert grave(page) == []
        page.get_by_role("button", name="Decide the other 7 as Good").press("Enter")
        expect(page.get_by_role("heading", name="Decide as one")).to_be_visible()
        bulk.work_off(now=NOW)
        expect(page.get_by_role("button", name="Undo all 7")).to_be_visible()
        look(page, "job")
        assert grave(page) == []
        page.goto(address(group))
        look(page, "alike-decided")
        assert grave(page) == []
        item = Provisional.objects.order_by("pk")[0].item_id
        page.goto(reverse("item", args=["bank", item]))
        expect(page.get_by_role("region", name="Decided as one")).to_be_visible()
        look(page, "desk-provisional")
        assert grave(page) == []
        page.go_back()
        page.get_by_role("link", name="What was changed, and undo").press("Enter")
        page.get_by_role("button", name="Undo all 7").press("Enter")
        expect(page.get_by_text("Being undone")).to_be_visible()
        bulk.work_off(now=NOW)
        expect(page.get_by_text("7 undone")).to_be_visible()
        assert not Provisional.objects.exists()

    def test_says_that_one_disagrees(
        self, page_for: Pages, moderator: User, group: ItemGroup
    ) -> None:
        review_sample(group, moderator, odd=True)
        page = page_for(moderator)
        page.goto(address(group))
        expect(page.get_by_text("Not all of the sample got the same verdict")).to_be_visible()
        look(page, "alike-disagrees")
        assert grave(page) == []
