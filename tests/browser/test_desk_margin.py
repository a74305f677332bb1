"""Comments beside their words: where they stand, and how words and comments find each other."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from review.models import Annotation
from tests.browser.conftest import Pages
from tests.factories import (
    make_annotation,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_user,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LINE = "Some{0} plain{0} words{0} that stand on a line{0} of their own."
TEXT = "\n\n".join(LINE.format(number) for number in range(60))


def opened(
    page_for: Pages, *words: str, text: str = TEXT, **options: Any
) -> tuple[Page, list[Annotation]]:
    """The desk on a text with a comment on each of these words."""
    project = make_project()
    output = make_output(project, text=text)
    expert = make_user(project, "expert")
    item = make_item(make_queue(project), output)
    made = [make_annotation(output, expert, one, comment=f"On {one}") for one in words]
    page: Page = page_for(expert, **options)
    page.emulate_media(reduced_motion="reduce")
    page.goto(reverse("item", args=[project.slug, item.pk]))
    return page, made


def top_of_card(page: Page, note: Annotation) -> float:
    box = page.locator(f"#a{note.pk}").bounding_box()
    assert box
    return box["y"]


def top_of_words(page: Page, note: Annotation) -> float:
    top: float = page.evaluate(
        """(id) => document.querySelector(`#answer mark[data-a~="${id}"]`)
                   .getClientRects()[0].top""",
        f"a{note.pk}",
    )
    return top


def lines(page: Page) -> list[tuple[float, float]]:
    boxes = [note.bounding_box() for note in page.locator("#margin > .note:not(.is-beyond)").all()]
    return [(box["y"], box["y"] + box["height"]) for box in boxes if box]


class TestLayout:
    def test_the_active_card_stands_at_its_line_and_others_yield(self, page_for: Pages) -> None:
        page, notes = opened(page_for, "plain4", "plain5", "plain6", "words6")
        for note in notes:
            page.locator(f'mark[data-a~="a{note.pk}"]').first.click()
            expect(page.locator(f"#a{note.pk}.is-active")).to_be_visible()
            page.wait_for_timeout(60)
            assert abs(top_of_card(page, note) - top_of_words(page, note)) <= 1
            assert all(above[1] <= below[0] for above, below in pairwise(lines(page)))
        order = page.locator("#margin > .note").evaluate_all("(all) => all.map((one) => one.id)")
        assert order == [f"a{note.pk}" for note in notes]

    def test_crowded_cards_fold_to_a_line_but_for_the_active_one(self, page_for: Pages) -> None:
        page, notes = opened(page_for, "Some1", "plain1", "words1", "line1")
        expect(page.locator("#margin > .is-folded")).to_have_count(4)
        page.locator(f'mark[data-a~="a{notes[2].pk}"]').click()
        expect(page.locator("#margin > .is-folded")).to_have_count(3)
        expect(page.locator(f"#a{notes[2].pk}.is-folded")).to_have_count(0)

    def test_cards_out_of_view_are_counted_on_buttons_that_lead_there(
        self, page_for: Pages
    ) -> None:
        page, notes = opened(page_for, "plain1", "plain40", "plain45", "plain50")
        page.get_by_role("button", name="3 below").click()
        expect(page.locator(f"#a{notes[1].pk}")).to_be_focused()
        expect(page.locator(f"#a{notes[1].pk}")).to_be_in_viewport()
        expect(page.get_by_role("button", name="1 above")).to_be_visible()

    def test_cards_follow_when_the_text_above_grows(self, page_for: Pages) -> None:
        page, [note] = opened(page_for, "plain5")
        page.locator(f'mark[data-a~="a{note.pk}"]').click()
        page.evaluate("document.querySelector('#answer p').style.height = '120px'")
        page.wait_for_timeout(120)
        assert abs(top_of_card(page, note) - top_of_words(page, note)) <= 1
        page.set_viewport_size({"width": 1280, "height": 700})
        page.wait_for_timeout(120)
        assert abs(top_of_card(page, note) - top_of_words(page, note)) <= 1

    def test_the_active_card_stays_while_one_writes_in_it(self, page_for: Pages) -> None:
        page, [note] = opened(page_for, "plain5")
        page.locator(f'mark[data-a~="a{note.pk}"]').click()
        page.evaluate(
            """(id) => {
              const area = document.createElement("textarea");
              document.getElementById(id).append(area);
              area.focus();
            }""",
            f"a{note.pk}",
        )
        before = top_of_card(page, note)
        page.evaluate("document.querySelector('#answer p').style.height = '120px'")
        page.wait_for_timeout(120)
        assert abs(top_of_card(page, note) - before) <= 1

    def test_two_hundred_cards_are_laid_out_within_a_frame(self, page_for: Pages) -> None:
        spans = [f"{word}{n}" for n in range(50) for word in ("Some", "plain", "words", "line")]
        page, _ = opened(page_for, *spans, text="\n\n".join(LINE.format(n) for n in range(320)))
        expect(page.locator("#margin > .note")).to_have_count(200)
        took = page.evaluate(
            """async () => {
              const { activate, lay } = await import(
                document.querySelector("script[src*='js/desk']").src
                  .replace(/desk[^/]*\\.js$/, "desk/margin.js"));
              const times = [];
              for (let time = 0; time < 25; time += 1) {
                const before = performance.now();
                lay();
                times.push(performance.now() - before);
              }
              // What else the machine does meanwhile is no part of it.
              return Math.min(...times);
            }"""
        )
        assert took < 16


class TestBothWays:
    def test_pointing_lights_words_and_card_without_moving_anything(self, page_for: Pages) -> None:
        page, [one, two] = opened(page_for, "plain2", "words8 that")
        before = lines(page)
        page.locator(f'mark[data-a~="a{two.pk}"]').hover()
        expect(page.locator(f"#a{two.pk}.is-on")).to_be_visible()
        page.locator(f"#a{one.pk}").hover()
        expect(page.locator(f'mark.is-on[data-a~="a{one.pk}"]')).to_be_visible()
        expect(page.locator(f"#a{two.pk}.is-on")).to_have_count(0)
        assert lines(page) == before
        took = page.evaluate(
            """(id) => {
              const mark = document.querySelector(`#answer mark[data-a~="${id}"]`);
              const before = performance.now();
              mark.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
              document.body.offsetHeight;
              return performance.now() - before;
            }""",
            f"a{two.pk}",
        )
        assert took < 50

    def test_a_click_on_a_card_scrolls_only_to_words_out_of_view(self, page_for: Pages) -> None:
        page, [near, far] = opened(page_for, "plain2", "plain50")
        page.locator(f"#a{near.pk}").click(position={"x": 10, "y": 10})
        assert page.evaluate("document.querySelector('.folio').scrollTop") == 0
        page.locator(f"#a{far.pk}").evaluate("(card) => card.click()")
        page.wait_for_timeout(100)
        box = page.locator(".folio").bounding_box()
        assert box
        share = (top_of_words(page, far) - box["y"]) / box["height"]
        assert 1 / 3 <= share <= 2 / 3

    def test_words_under_several_comments_offer_them_all(self, page_for: Pages) -> None:
        page, [one, two] = opened(page_for, "plain3 words3 that", "words3")
        both = page.locator("#answer mark[data-a*=' ']")
        both.click()
        chooser = page.get_by_role("menu", name="2 comments on these words")
        expect(chooser.get_by_role("menuitem")).to_have_count(2)
        expect(page.locator(f"#a{two.pk}.is-active")).to_be_visible()
        both.click()
        expect(page.locator(f"#a{one.pk}.is-active")).to_be_visible()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(chooser).to_have_count(0)
        expect(page.locator(f"#a{two.pk}")).to_be_focused()
        both.click()
        page.keyboard.press("Escape")
        expect(chooser).to_have_count(0)
        expect(both).to_be_focused()

    def test_a_link_under_a_comment_opens_only_when_asked_to(self, page_for: Pages) -> None:
        text = "See [the page](https://example.org/) for more."
        project = make_project()
        output = make_output(project, text=text)
        expert = make_user(project, "expert")
        note = make_annotation(output, expert, "the page", comment="Which?")
        item = make_item(make_queue(project), output)
        page = page_for(expert)
        page.goto(reverse("item", args=[project.slug, item.pk]))
        page.locator("#answer a mark, #answer mark a").first.click()
        expect(page.locator(f"#a{note.pk}.is-active")).to_be_visible()
        assert len(page.context.pages) == 1

    def test_the_line_to_the_card_crosses_no_words(self, page_for: Pages) -> None:
        page, [note] = opened(page_for, "plain5")
        page.locator(f'mark[data-a~="a{note.pk}"]').click()
        line = page.locator("#leader").bounding_box()
        answer = page.locator("#answer").bounding_box()
        assert line
        assert answer
        assert line["x"] >= answer["x"] + answer["width"]
