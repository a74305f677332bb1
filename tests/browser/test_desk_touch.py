"""The desk under a finger: the bar at the foot, and comments as a sheet."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from review.models import Annotation
from tests.browser.conftest import Pages
from tests.browser.selecting import popover
from tests.factories import (
    make_annotation,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_user,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TEXT = "\n\n".join(f"Paragraph{n} with words{n} in it. A second sentence." for n in range(24))


def opened(page_for: Pages, *words: str, **options: Any) -> tuple[Page, list[Annotation]]:
    project = make_project()
    output = make_output(project, text=TEXT)
    expert = make_user(project, "expert")
    made = [make_annotation(output, expert, one, comment=f"On {one}") for one in words]
    item = make_item(make_queue(project), output)
    page: Page = page_for(expert, width=390, height=844, has_touch=True, is_mobile=True, **options)
    page.goto(reverse("item", args=[project.slug, item.pk]))
    return page, made


def choose(page: Page) -> None:
    page.evaluate(
        """() => {
          const words = document.querySelector("#answer p").firstChild;
          getSelection().setBaseAndExtent(words, 0, words, 10);
        }"""
    )


class TestSelecting:
    def test_a_bar_at_the_foot_waits_until_the_handles_rest(self, page_for: Pages) -> None:
        page, _ = opened(page_for)
        seen = page.evaluate(
            """async () => {
              const words = document.querySelector("#answer p").firstChild;
              const isOpen = () => document.getElementById("pop").classList.contains("is-open");
              const seen = [];
              for (let end = 6; end <= 10; end += 1) {
                getSelection().setBaseAndExtent(words, 0, words, end);
                await new Promise((rest) => setTimeout(rest, 60));
                seen.push(isOpen());
              }
              return seen;
            }"""
        )
        assert seen == [False] * 5
        expect(popover(page)).to_be_visible()
        assert not Annotation.objects.exists()
        bar = popover(page).bounding_box()
        assert bar
        assert abs(bar["y"] + bar["height"] - 844) <= 1
        sizes = (
            popover(page)
            .locator("button:visible")
            .evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().height)")
        )
        assert min(sizes) >= 44
        popover(page).get_by_role("button", name="Sentence").tap()
        popover(page).get_by_role("button", name="Too vague").tap()
        expect(page.locator("#margin > .note")).to_have_count(1)
        assert Annotation.objects.get().exact == "Paragraph0 with words0 in it."

    def test_a_long_press_offers_sentence_and_paragraph(self, page_for: Pages) -> None:
        page, _ = opened(page_for)
        box = page.locator("#answer p").nth(1).bounding_box()
        assert box
        page.locator("#answer p").nth(1).evaluate(
            """(block, [clientX, clientY]) => block.dispatchEvent(
                 new MouseEvent("contextmenu", { clientX, clientY, bubbles: true }))""",
            [box["x"] + 20, box["y"] + 10],
        )
        popover(page).get_by_role("button", name="Paragraph").tap()
        expect(popover(page).locator("[name=exact]")).to_have_value(
            "Paragraph1 with words1 in it. A second sentence."
        )

    def test_the_keyboard_of_the_screen_lifts_the_form(self, page_for: Pages) -> None:
        page, _ = opened(page_for)
        choose(page)
        popover(page).locator("[data-pop=comment]").tap()
        page.evaluate(
            """() => {
              Object.defineProperty(visualViewport, "height", { get: () => innerHeight - 300 });
              visualViewport.dispatchEvent(new Event("resize"));
            }"""
        )
        form = popover(page).bounding_box()
        assert form
        assert abs(form["y"] + form["height"] - 544) <= 1


class TestSheet:
    def test_opens_with_the_words_above_it_and_every_wipe_has_a_button(
        self, page_for: Pages
    ) -> None:
        page, [one, two] = opened(page_for, "words1", "words20")
        expect(page.locator("#notes[data-sheet=peek]")).to_be_visible()
        expect(page.locator(f"#a{one.pk}")).to_be_hidden()
        page.locator(f'mark[data-a~="a{one.pk}"]').tap()
        expect(page.locator("#notes[data-sheet=half]")).to_be_visible()
        expect(page.locator(f"#a{one.pk}")).to_be_visible()
        page.get_by_role("button", name="Next comment").tap()
        expect(page.locator(f"#a{two.pk}")).to_be_visible()
        page.wait_for_timeout(600)
        words = page.locator(f'mark[data-a~="a{two.pk}"]').bounding_box()
        sheet = page.locator("#notes").bounding_box()
        assert words
        assert sheet
        assert words["y"] + words["height"] <= sheet["y"]
        page.locator("#notes").evaluate(
            """(sheet) => {
              const at = (clientX) =>
                new Touch({ identifier: 1, target: sheet, clientX, clientY: 600 });
              const send = (name, touch) => sheet.dispatchEvent(new TouchEvent(name,
                { touches: name === "touchend" ? [] : [touch], changedTouches: [touch] }));
              send("touchstart", at(100));
              send("touchend", at(220));
            }"""
        )
        expect(page.locator(f"#a{one.pk}")).to_be_visible()
        page.get_by_role("button", name="Show more of the comments").tap()
        expect(page.locator("#notes[data-sheet=full]")).to_be_visible()
        page.get_by_role("button", name="Show less of the comments").tap()
        page.get_by_role("button", name="Show less of the comments").tap()
        expect(page.locator("#notes[data-sheet=peek]")).to_be_visible()
