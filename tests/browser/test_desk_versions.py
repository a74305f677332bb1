"""What a reviewer sees of their comment after the answer has changed."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

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
from tests.review.test_places import become

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ALPHA = "Team Alpha grew by some twelve percent."
BETA = "Team Beta grew by some twelve percent."
THREE = [
    "The apple harvest begins in May and ends in June.",
    "Pears are picked later in the year.",
    "Plums are dried in the sun.",
]


def changed(page_for: Pages, text: str, at: str, words: str, later: str) -> tuple[Page, Annotation]:
    """The desk after words, the first ones after `at`, were commented on and the answer changed."""
    project = make_project()
    expert = make_user(project, "expert")
    output = make_output(project, text=text)
    note = make_annotation(output, expert, f"{at}{words}")
    if at:
        note.start += len(at)
        note.exact, note.prefix = words, text[: note.start]
        note.source_start = (note.source_start or 0) + len(at)
        note.save()
    item = make_item(make_queue(project), become(output, later))
    page: Page = page_for(expert)
    page.goto(reverse("item", args=[project.slug, item.pk]))
    return page, note


def before(mark: Locator) -> str:
    """The text of the block before a mark."""
    found: str = mark.evaluate(
        """(mark) => {
          const range = document.createRange();
          range.setStart(mark.closest("[data-start]"), 0);
          range.setEndBefore(mark);
          return range.toString();
        }"""
    )
    return found


class TestNastyCases:
    def test_a_letter_composed_otherwise_is_found_and_said_to_have_changed(
        self, page_for: Pages
    ) -> None:
        """Case 2."""
        page, note = changed(
            page_for, "Un e\u0301tat ancien.", "", "e\u0301tat", "Un \u00e9tat ancien."
        )
        expect(page.locator(f"#a{note.pk}")).to_have_attribute("data-anchor", "changed")
        expect(page.locator("#answer mark")).to_have_text("\u00e9tat")

    def test_the_second_of_three_alike_stays_the_second(self, page_for: Pages) -> None:
        """Case 22."""
        page, note = changed(
            page_for, "the the the cat", "the ", "the", "Now the end. the the the cat"
        )
        expect(page.locator(f"#a{note.pk}")).to_have_attribute("data-anchor", "exact")
        expect(page.locator("#answer mark")).to_have_text("the")
        assert before(page.locator("#answer mark")) == "Now the end. the "

    @pytest.mark.parametrize(
        ("text", "words", "later"),
        [
            (f"{ALPHA}\n\n{BETA}", "grew by some twelve percent", BETA),
            ("Linus wrote it. Many chines are here.", "Linus", "Many chines are here."),
        ],
        ids=["case 23", "case 24"],
    )
    def test_a_lookalike_is_never_marked(
        self, page_for: Pages, text: str, words: str, later: str
    ) -> None:
        """Cases 23 and 24."""
        page, note = changed(page_for, text, "", words, later)
        expect(page.locator(f"#a{note.pk}")).to_have_attribute("data-anchor", "detached")
        expect(page.locator(f"#a{note.pk}")).to_contain_text(words)
        expect(page.locator("#answer mark")).to_have_count(0)

    def test_what_moved_is_marked_once_somebody_says_so(self, page_for: Pages) -> None:
        """Case 26, H9."""
        text, later = "\n\n".join(THREE), "\n\n".join([*THREE[1:], THREE[0]])
        page, note = changed(page_for, text, "", "apple harvest begins", later)
        card = page.locator(f"#a{note.pk}")
        expect(card).to_have_attribute("data-anchor", "moved")
        expect(page.locator("#answer mark")).to_have_count(0)
        card.click(position={"x": 12, "y": 10})
        card.get_by_role("button", name="Confirm").click()
        expect(page.locator("#answer p:last-of-type mark")).to_have_text("apple harvest begins")

    def test_of_two_copies_the_one_that_was_kept_is_marked(self, page_for: Pages) -> None:
        """Case 26."""
        text, later = "\n\n".join(THREE), "\n\n".join([*THREE, THREE[0]])
        page, note = changed(page_for, text, "", "apple harvest begins", later)
        expect(page.locator(f"#a{note.pk}")).to_have_attribute("data-anchor", "exact")
        expect(page.locator("#answer mark")).to_have_count(1)
        expect(page.locator("#answer p:first-of-type mark")).to_have_text("apple harvest begins")
