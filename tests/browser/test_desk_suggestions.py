"""Suggestions in Chromium: shown in the text, decided beside it, and what the views show."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Locator, Page, Route, expect

from feedback.models import User
from review import queues, suggestions
from review.models import Annotation, QueueItem, Review
from tests.browser.conftest import Pages
from tests.browser.selecting import drag, popover
from tests.factories import (
    NOW,
    make_annotation,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_user,
)
from tests.review.test_suggestions import suggest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

APPLIED = re.compile("/applied/")
TEXT = (
    "Robin knows that Robin covers six sessions a year.\n\n"
    '**bo**ld [link](http://u.example "t") here.\n\n```\n\tx = 1\n```\n'
)


def make_desk(text: str = TEXT, **queue: Any) -> tuple[QueueItem, User]:
    project = make_project()
    item = make_item(make_queue(project, **queue), make_output(project, text=text))
    return item, make_user(project, "expert")


def url(item: QueueItem, query: str = "") -> str:
    return reverse("item", args=[item.queue.project.slug, item.pk]) + query


def card(page: Page, suggestion: Annotation) -> Locator:
    return page.locator(f"#a{suggestion.pk}")


def decide(page: Page, suggestion: Annotation, name: str) -> None:
    card(page, suggestion).click(position={"x": 20, "y": 8})
    card(page, suggestion).get_by_role("button", name=name, exact=True).click()


def canonical(page: Page) -> str:
    """The text of the answer as anchors count it: without what suggestions put in."""
    text: str = page.evaluate(
        """() => {
          const copy = document.getElementById("answer").cloneNode(true);
          for (const chrome of copy.querySelectorAll("[data-no-text]")) chrome.remove();
          return copy.textContent;
        }"""
    )
    return text


def anchors(page: Page) -> list[list[str]]:
    """What is marked in the answer, for which notes."""
    found: list[list[str]] = page.evaluate(
        """() => [...document.querySelectorAll("#answer mark")]
                 .map((mark) => [mark.dataset.a, mark.textContent])"""
    )
    return found


class TestInTheText:
    def test_stand_as_deletion_then_insertion_named_to_a_screen_reader(
        self, page_for: Pages
    ) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(url(item))
        before = canonical(page)
        made = suggest(item.output, expert, "six", "</mark><b>twelve")
        page.reload()
        proposal = page.locator("#answer [role=suggestion]")
        expect(proposal).to_have_attribute("aria-details", f"a{made.pk}")
        expect(proposal.locator("mark > del")).to_have_text("six")
        expect(proposal.locator("ins")).to_have_text("</mark><b>twelve")
        expect(page.locator("#answer b")).to_have_count(0)
        assert canonical(page) == before

    def test_are_decided_in_place_and_undone(self, page_for: Pages) -> None:
        item, expert = make_desk()
        queues.claim(item=item, by=expert, now=NOW.replace(year=2099))
        made = suggest(item.output, expert, "six", "twelve")
        page = page_for(expert)
        page.goto(url(item))
        expect(page.locator("#applied")).to_contain_text("0 of 1 edit")
        decide(page, made, "Accept")
        expect(card(page, made)).to_have_attribute("data-decision", "accepted")
        expect(page.locator("#applied")).to_contain_text("1 of 1 edit")
        expect(page.locator("#num-applied")).to_have_text("1")
        decide(page, made, "Undo")
        expect(card(page, made)).to_have_attribute("data-decision", "")
        decide(page, made, "Reject")
        expect(card(page, made)).to_have_attribute("data-decision", "rejected")
        expect(page.locator("#answer [role=suggestion]")).to_have_count(0)
        assert canonical(page).startswith("Robin knows that Robin covers six sessions")

    def test_in_conflict_name_each_other_until_one_is_rebased(self, page_for: Pages) -> None:
        item, expert = make_desk()
        first = suggest(item.output, expert, "covers six", "pays for six")
        second = suggest(item.output, expert, "covers six sessions", "covers six visits")
        page = page_for(expert)
        page.goto(url(item))
        decide(page, first, "Accept")
        expect(card(page, second)).to_contain_text(f"Conflicts with #{first.pk}")
        decide(page, second, "Re-base")
        expect(card(page, second)).not_to_contain_text("Conflicts with")
        decide(page, second, "Accept")
        expect(card(page, second)).to_have_attribute("data-decision", "accepted")
        page.get_by_role("link", name="Corrected", exact=True).click()
        expect(page.locator("#shown")).to_contain_text("Robin pays for six visits a year.")


class TestViews:
    def test_never_change_the_anchors(self, page_for: Pages) -> None:
        """The accepted words are marked, and no lookalike of the old ones."""
        item, expert = make_desk()
        named = suggest(item.output, expert, "Robin covers", "Elisa covers")
        noted = suggest(item.output, expert, "a year", "each year")
        page = page_for(expert)
        page.goto(url(item))
        before = anchors(page)
        decide(page, named, "Accept")
        page.get_by_role("link", name="Corrected", exact=True).click()
        view = page.locator("#shown")
        expect(view).to_contain_text("Robin knows that Elisa covers six sessions a year.")
        expect(view.locator(f"mark[data-a='a{named.pk}']")).to_have_text("Elisa covers")
        expect(view.locator(f"mark[data-a='a{noted.pk}']")).to_have_text("a year")
        expect(page.locator("#answer")).to_be_hidden()
        page.get_by_role("link", name="Changes").click()
        expect(view.locator("del")).to_have_text("Robin")
        expect(view.locator("ins")).to_have_text("Elisa")
        page.get_by_role("link", name="Markdown", exact=True).click()
        expect(view.locator("pre")).to_contain_text("**bo**ld [link]")
        page.get_by_role("link", name="Answer", exact=True).click()
        expect(page.locator("#answer")).to_be_visible()
        decide(page, named, "Undo")
        expect(card(page, named)).to_have_attribute("data-decision", "")
        assert anchors(page) == before

    def test_are_pages_without_a_script(self, page_for: Pages) -> None:
        item, expert = make_desk()
        made = suggest(item.output, expert, "six", "twelve")
        page = page_for(expert, java_script_enabled=False)
        page.goto(url(item))
        card(page, made).get_by_role("button", name="Accept", exact=True).click()
        page.goto(url(item, "?show=corrected"))
        expect(page.locator("#shown")).to_contain_text("covers twelve sessions")
        expect(page.locator("#answer")).to_be_hidden()
        page.get_by_role("link", name="Changes").click()
        expect(page.locator("#shown ins")).to_have_text("twelve")


class TestWholeAnswer:
    def test_is_edited_in_its_place_and_submitted(self, page_for: Pages) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(url(item))
        page.keyboard.press("r")
        page.locator("#applied-more").click()
        page.get_by_role("link", name="Edit whole answer").click()
        box = page.get_by_label("The corrected answer, as Markdown")
        expect(box).to_have_value(TEXT)
        better = TEXT.replace("six", "twelve").replace("\tx = 1", "\tx = 1\n\t\ty = 2 ")
        box.fill(better)
        page.get_by_role("button", name="Save as suggestions").click()
        expect(page.locator("#shown")).to_contain_text("covers twelve sessions")
        expect(page.locator("#applied")).to_contain_text("2 of 2 edits")
        expect(page.locator("#margin .note[data-suggestion]")).to_have_count(2)
        page.get_by_label("Fix").check()
        page.get_by_role("checkbox", name="Too vague").check()
        page.get_by_role("button", name="Submit and next").click()
        page.wait_for_url("**/queues/**")
        review = Review.objects.get()
        assert review.correction == better
        assert len(review.edits) == 2
        assert review.edit_distance

    def test_all_are_accepted_at_once_and_taken_back(self, page_for: Pages) -> None:
        item, expert = make_desk()
        made = [suggest(item.output, expert, *words) for words in (("six", "6"), ("here", "there"))]
        page = page_for(expert)
        page.goto(url(item))
        page.keyboard.press("r")
        page.locator("#applied-more").click()
        page.get_by_role("button", name="Accept all").click()
        expect(page.locator("#applied")).to_contain_text("2 of 2 edits")
        for one in made:
            expect(card(page, one)).to_have_attribute("data-decision", "accepted")
        page.locator("#applied-more").click()
        page.get_by_role("button", name="Undo the last 2").click()
        expect(page.locator("#applied")).to_contain_text("0 of 2 edits")
        for one in made:
            expect(card(page, one)).to_have_attribute("data-decision", "")

    def test_news_do_not_close_its_menu(self, page_for: Pages) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(url(item))
        page.keyboard.press("r")
        page.locator("#applied-more").click()
        made = suggest(item.output, expert, "six", "6")
        suggestions.accept(annotation=made, by=expert, now=NOW)
        page.evaluate("document.body.dispatchEvent(new CustomEvent('news'))")
        page.wait_for_timeout(300)
        expect(page.locator("#applied-menu")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#applied")).to_contain_text("1 of 1 edit")

    def test_what_was_asked_for_before_does_not_close_its_menu(self, page_for: Pages) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(url(item))
        page.keyboard.press("r")
        expect(page.locator("#applied-more")).to_be_visible()
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        page.route(APPLIED, hold, times=1)
        made = suggest(item.output, expert, "six", "6")
        suggestions.accept(annotation=made, by=expert, now=NOW)
        with page.expect_request(APPLIED):
            page.evaluate("document.body.dispatchEvent(new CustomEvent('news'))")
        page.locator("#applied-more").click()
        with page.expect_response(APPLIED):
            held[0].continue_()
        page.wait_for_timeout(300)
        expect(page.locator("#applied-menu")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#applied")).to_contain_text("1 of 1 edit")


class TestTwoBrowsers:
    def test_what_another_accepts_is_applied_on_every_view(self, page_for: Pages) -> None:
        """T4, G2."""
        item, expert = make_desk()
        other = make_user(item.queue.project, "expert")
        noted = make_annotation(item.output, expert, "six sessions", comment="Which plan?")
        made = suggest(item.output, expert, "six", "twelve")
        queues.claim(item=item, by=expert, now=NOW.replace(year=2099))
        page = page_for(expert)
        page.goto(url(item))
        page.get_by_role("link", name="Corrected", exact=True).click()
        expect(page.locator("#shown")).to_contain_text("covers six sessions")
        expect(page.locator("#shown mark.is-changed")).to_have_count(0)
        expect(page.locator("#applied")).to_contain_text("0 of 1 edit")
        suggestions.accept(annotation=made, by=other, now=NOW)
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.locator("#shown")).to_contain_text("covers twelve sessions")
        expect(page.locator("#applied")).to_contain_text("1 of 1 edit")
        expect(card(page, made)).to_have_attribute("data-decision", "accepted")
        changed = page.locator(f"#shown mark.is-changed[data-last~='a{noted.pk}']")
        expect(changed).to_have_count(1)
        badge = changed.evaluate("(mark) => getComputedStyle(mark, '::after').content")
        assert badge == '"changed"'

    def test_the_second_to_decide_is_told_and_sees_what_was_decided(self, page_for: Pages) -> None:
        """No version of the answer comes of an accepted suggestion."""
        item, expert = make_desk()
        other = make_user(item.queue.project, "expert")
        made = suggest(item.output, expert, "six", "twelve")
        noted = suggest(item.output, expert, "a year", "each year")
        mine, theirs = page_for(expert), page_for(other)
        for page in (mine, theirs):
            page.goto(url(item))
        statuses: list[int] = []
        theirs.on("response", lambda got: statuses.append(got.status))
        suggestions.reject(annotation=noted, by=expert, now=NOW)
        decide(mine, made, "Accept")
        expect(card(mine, made)).to_have_attribute("data-decision", "accepted")
        theirs.locator(f"#a{made.pk} [data-act=reject]").dispatch_event("click")
        expect(card(theirs, made)).to_contain_text(f"Accepted by {expert.username}")
        assert 409 in statuses
        made.refresh_from_db()
        assert (made.decision, made.decided_by) == ("accepted", expert)
        item.output.refresh_from_db()
        assert (item.output.version, item.output.text) == (1, TEXT)


class TestComposer:
    def test_refuses_what_changes_nothing_and_asks_before_a_paragraph_goes(
        self, page_for: Pages
    ) -> None:
        """G4."""
        item, expert = make_desk("A first paragraph.\n\nA **second** one.")
        page = page_for(expert)
        page.goto(url(item))
        drag(page, "A second one.")
        page.keyboard.press("e")
        box = page.locator("#pop-replacement")
        expect(box).to_have_value("A **second** one.")
        page.keyboard.press("Control+Enter")
        expect(popover(page).get_by_role("alert")).to_contain_text("This changes nothing.")
        box.fill("")
        page.keyboard.press("Control+Enter")
        expect(popover(page).get_by_role("alert")).to_contain_text("Nothing would be left")
        assert not Annotation.objects.exists()
        popover(page).get_by_role("button", name="Suggest to delete it").click()
        expect(page.locator("#margin > .note[data-suggestion]")).to_have_count(1)
        assert Annotation.objects.get().replacement == ""

    def test_offers_balanced_markdown(self, page_for: Pages) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(url(item))
        start = canonical(page).index("old li")
        offered = page.evaluate(
            """async ([address, sent]) => {
              const got = await fetch(`${address}?${new URLSearchParams(sent)}`);
              const page = new DOMParser().parseFromString(await got.text(), "text/html");
              return page.querySelector("[data-offered]").textContent;
            }""",
            [
                reverse("suggestion_preview", args=[item.queue.project.slug, item.output_id]),
                {"version": 1, "start": start, "end": start + 6, "exact": "old li"},
            ],
        )
        assert offered == '**bo**ld [link](http://u.example "t")'
