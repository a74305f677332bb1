"""Selecting words of an answer: what is taken, and what is offered for it."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from feedback.models import User
from review.models import Annotation, QueueItem
from review.rendering import render
from tests.browser.conftest import Pages
from tests.browser.selecting import drag, place, popover
from tests.factories import make_item, make_output, make_project, make_queue, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ANSWER = (
    "The first paragraph has two sentences. This is the second one, with some more words.\n\n"
    "The next paragraph\nruns over two lines. It ends here.\n\n"
    "- outer item\n  - inner item\n- another\n\n"
    "Lost: a \U0001f469\U0001f3fd\u200d\U0001f33e b and e\u0301tat and "
    "\U0001f1eb\U0001f1f7\U0001f1e9\U0001f1ea x.\n"
)


def make_desk(text: str = ANSWER) -> tuple[QueueItem, User]:
    project = make_project()
    item = make_item(make_queue(project), make_output(project, text=text))
    return item, make_user(project, "expert")


def opened(page_for: Pages, text: str = ANSWER, **options: Any) -> Page:
    item, expert = make_desk(text)
    page: Page = page_for(expert, **options)
    page.goto(reverse("item", args=[item.queue.project.slug, item.pk]))
    return page


def choose(page: Page, start: int, end: int, text: str = ANSWER) -> None:
    """Select code points of the canonical text by a script, as a drag would, and let go."""
    page.evaluate(
        """async ([start, end]) => {
          const answer = document.getElementById("answer");
          const walker = document.createTreeWalker(answer, NodeFilter.SHOW_TEXT);
          const point = (units) => {
            walker.currentNode = answer;
            let rest = units;
            for (let node = walker.nextNode(); node; node = walker.nextNode()) {
              if (rest <= node.length) return [node, rest];
              rest -= node.length;
            }
          };
          getSelection().setBaseAndExtent(...point(start), ...point(end));
          document.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
          // The page answers in the next turn, and nobody is faster.
          await new Promise((resolve) => setTimeout(resolve));
        }""",
        [len(render(text).canonical[:at].encode("utf-16-le")) // 2 for at in (start, end)],
    )


def quote(page: Page) -> str:
    return page.locator("#pop [name=exact]").input_value()


class TestWhatIsTaken:
    def test_an_end_within_an_emoji_takes_the_whole_of_it(self, page_for: Pages) -> None:
        page = opened(page_for)
        at = render(ANSWER).canonical.index("\U0001f469")
        choose(page, at + 1, at + 3)
        expect(popover(page)).to_be_visible()
        assert quote(page) == "\U0001f469\U0001f3fd\u200d\U0001f33e"
        page.keyboard.press("1")
        expect(page.locator("#margin .note")).to_have_count(1)
        written = Annotation.objects.get()
        assert (written.start, written.end) == (at, at + 4)
        assert written.exact == "\U0001f469\U0001f3fd\u200d\U0001f33e"

    def test_an_end_within_a_flag_takes_that_flag_alone(self, page_for: Pages) -> None:
        page = opened(page_for)
        at = render(ANSWER).canonical.index("\U0001f1e9")
        choose(page, at + 1, at + 2)
        expect(popover(page)).to_be_visible()
        page.keyboard.press("1")
        expect(page.locator("#margin .note")).to_have_count(1)
        written = Annotation.objects.get()
        assert (written.start, written.end, written.exact) == (at, at + 2, "\U0001f1e9\U0001f1ea")

    def test_a_letter_keeps_its_combining_accent(self, page_for: Pages) -> None:
        page = opened(page_for)
        at = render(ANSWER).canonical.index("e\u0301")
        choose(page, at, at + 1)
        expect(popover(page)).to_be_visible()
        assert quote(page) == "e\u0301"

    def test_a_drag_across_both_scripts_keeps_the_logical_order(self, page_for: Pages) -> None:
        text = "\u05e9\u05dc\u05d5\u05dd **\u05e2\u05d5\u05dc\u05dd** abc"
        page = opened(page_for, text)
        choose(page, 0, 13, text)
        expect(popover(page)).to_be_visible()
        assert quote(page) == "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd abc"
        page.keyboard.press("1")
        expect(page.locator("#answer strong mark")).to_have_text("\u05e2\u05d5\u05dc\u05dd")
        expect(page.locator("#margin .note")).to_have_count(1)

    def test_two_paragraphs_are_one_range_without_marked_space(self, page_for: Pages) -> None:
        page = opened(page_for)
        drag(page, "more words.\nThe next")
        page.keyboard.press("1")
        expect(page.locator("#margin .note")).to_have_count(1)
        expect(page.locator("#answer mark")).to_have_text(["more words.", "The next"])
        assert Annotation.objects.get().exact == "more words.\nThe next"

    @pytest.mark.parametrize(
        ("words", "block"),
        [
            ("second one", ANSWER.split("\n\n", maxsplit=1)[0]),
            ("inner", "inner item"),
            ("x.", ANSWER.splitlines()[-1]),
        ],
    )
    def test_a_triple_click_takes_exactly_one_block(
        self, page_for: Pages, words: str, block: str
    ) -> None:
        """The browser's selection ends at the start of the next block."""
        page = opened(page_for)
        at = place(page, words)
        page.mouse.click(at["x1"] + 3, at["y1"], click_count=3)
        expect(popover(page)).to_be_visible()
        assert quote(page) == block
        expect(popover(page).locator("[data-said]")).to_have_text("")

    def test_markers_of_a_list_are_no_text(self, page_for: Pages) -> None:
        page = opened(page_for)
        drag(page, "outer item\ninner")
        assert quote(page) == "outer item\ninner"

    def test_what_leaves_the_answer_is_trimmed_to_it_and_that_is_said(
        self, page_for: Pages
    ) -> None:
        page = opened(page_for)
        asked = page.locator(".asked").bounding_box()
        at = place(page, "first paragraph")
        assert asked
        page.mouse.move(asked["x"] + 80, asked["y"] + 10)
        page.mouse.down()
        page.mouse.move(at["x2"], at["y2"], steps=5)
        page.mouse.up()
        expect(popover(page)).to_contain_text("Trimmed to the answer")
        assert quote(page) == "The first paragraph"

    def test_white_space_and_what_is_elsewhere_offer_nothing(self, page_for: Pages) -> None:
        page = opened(page_for)
        at = render(ANSWER).canonical.index(" paragraph")
        choose(page, at, at + 1)
        page.locator(".asked").click(click_count=3)
        page.wait_for_timeout(200)
        expect(popover(page)).to_be_hidden()

    def test_several_stretches_are_refused_in_words(self, page_for: Pages) -> None:
        """Firefox selects several ranges with Ctrl."""
        page = opened(page_for)
        page.evaluate(
            """() => Object.defineProperty(Selection.prototype, "rangeCount", { get: () => 2 })"""
        )
        choose(page, 4, 9)
        expect(page.locator("#toasts")).to_contain_text("Select one stretch of words at a time.")
        expect(popover(page)).to_be_hidden()

    def test_what_is_no_text_of_the_answer_is_not_counted(self, page_for: Pages) -> None:
        page = opened(page_for)
        page.evaluate(
            """() => {
              const chrome = document.createElement("ins");
              chrome.dataset.noText = "";
              chrome.textContent = "inserted words";
              document.querySelector("#answer p").prepend(chrome);
            }"""
        )
        found = page.evaluate(
            """async () => {
              const { place } = await import(document.querySelector("script[src*='js/desk']").src
                .replace(/desk[^/]*\\.js$/, "desk/places.js"));
              return place(document.getElementById("answer"), 4, 9).range.toString();
            }"""
        )
        assert found == "first"

    def test_twenty_thousand_characters_are_read_within_a_frame(self, page_for: Pages) -> None:
        text = "\n\n".join(
            f"Paragraph **{n}** with some words \U0001f600 in it." for n in range(500)
        )
        page = opened(page_for, text)
        took = page.evaluate(
            """async () => {
              const { selected } = await import(document.querySelector("script[src*='js/desk']").src
                .replace(/desk[^/]*\\.js$/, "desk/places.js"));
              const answer = document.getElementById("answer");
              const last = answer.querySelector("p:last-of-type").lastChild;
              getSelection().setBaseAndExtent(last, 2, last, 9);
              selected(answer);
              const before = performance.now();
              for (let time = 0; time < 20; time += 1) selected(answer);
              return (performance.now() - before) / 20;
            }"""
        )
        assert len(render(text).canonical) > 18_000
        assert took < 16


class TestTheBar:
    @pytest.mark.parametrize("words", ["first paragraph", "two sentences", "It ends here"])
    def test_it_stands_clear_of_the_words_and_within_the_view(
        self, page_for: Pages, words: str
    ) -> None:
        page = opened(page_for)
        drag(page, words)
        bar = popover(page).bounding_box()
        lines = page.evaluate(
            "[...getSelection().getRangeAt(0).getClientRects()].map((r) => [r.top, r.bottom])"
        )
        assert bar
        top, bottom = min(line[0] for line in lines), max(line[1] for line in lines)
        is_below = abs(bar["y"] - bottom - 8) <= 1
        assert is_below or abs(bar["y"] + bar["height"] + 8 - top) <= 1
        expect(popover(page)).to_be_in_viewport(ratio=1)

    def test_it_comes_within_150_ms(self, page_for: Pages) -> None:
        page = opened(page_for)
        took = page.evaluate(
            """() => new Promise((done) => {
              const text = document.querySelector("#answer p").firstChild;
              getSelection().setBaseAndExtent(text, 4, text, 9);
              const before = performance.now();
              const shown = () => requestAnimationFrame(() => done(performance.now() - before));
              new MutationObserver(shown)
                .observe(document.getElementById("pop"), { attributeFilter: ["class"] });
              document.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
            })"""
        )
        assert took < 150

    def test_it_takes_neither_the_focus_nor_the_selection(self, page_for: Pages) -> None:
        page = opened(page_for)
        drag(page, "first paragraph")
        assert page.evaluate("document.activeElement.closest('#pop') === null")
        button = popover(page).get_by_role("button", name="Sentence").bounding_box()
        assert button
        page.mouse.move(button["x"] + 5, button["y"] + 5)
        page.mouse.down()
        assert page.evaluate("getSelection().toString()") == "first paragraph"
        assert page.evaluate("document.activeElement.closest('#pop') === null")

    def test_words_are_not_widened_unasked_but_by_button_and_key(self, page_for: Pages) -> None:
        page = opened(page_for)
        drag(page, "econd on")
        assert quote(page) == "econd on"
        page.keyboard.press("w")
        assert quote(page) == "second one"
        page.keyboard.press("s")
        assert quote(page) == "This is the second one, with some more words."
        popover(page).get_by_role("button", name="Paragraph").click()
        assert quote(page) == ANSWER.split("\n\n", maxsplit=1)[0]
        page.keyboard.press("Escape")
        drag(page, "runs over")
        page.keyboard.press("s")
        assert quote(page) == "The next paragraph\nruns over two lines."

    def test_the_reason_used_last_stands_first(self, page_for: Pages) -> None:
        page = opened(page_for)
        drag(page, "first")
        chips = popover(page).locator("[data-reason]")
        expect(chips.first).to_contain_text("1")
        expect(popover(page).get_by_role("button", name="Comment C")).to_be_visible()
        expect(popover(page).get_by_role("button", name="Suggest E")).to_be_visible()
        page.keyboard.press("4")
        expect(page.locator("#margin .note")).to_have_count(1)
        page.reload()
        drag(page, "second")
        expect(chips.first).to_contain_text("Incomplete")

    def test_a_reason_marks_at_once_with_undo_and_focuses_nothing(self, page_for: Pages) -> None:
        page = opened(page_for)
        drag(page, "first paragraph")
        popover(page).get_by_role("button", name="Too vague").click()
        expect(page.locator("#margin .note")).to_have_count(1)
        expect(popover(page)).to_be_hidden()
        assert page.evaluate("document.activeElement.closest('#margin, #pop') === null")
        expect(page.locator("#live")).to_contain_text("Marked.")
        page.get_by_role("button", name="Undo").click()
        expect(page.locator("#margin .note")).to_have_count(0)
        expect(page.locator("#answer mark")).to_have_count(0)

    def test_undo_is_offered_for_eight_seconds(self, page_for: Pages) -> None:
        page = opened(page_for)
        page.clock.install()
        page.reload()
        drag(page, "first paragraph")
        page.clock.run_for(100)
        page.keyboard.press("1")
        expect(page.locator("#margin .note")).to_have_count(1)
        page.clock.run_for(7_500)
        expect(page.get_by_role("button", name="Undo")).to_be_visible()
        page.clock.run_for(1_000)
        expect(page.get_by_role("button", name="Undo")).to_have_count(0)


class TestTheForm:
    def test_the_words_stay_painted_while_one_types(self, page_for: Pages) -> None:
        page = opened(page_for)
        drag(page, "first paragraph")
        page.keyboard.press("c")
        expect(page.locator("#pop-comment")).to_be_focused()
        painted = "[...CSS.highlights.get('pending')].map((range) => range.toString()).join()"
        assert page.evaluate(painted) == "first paragraph"

    def test_escape_goes_one_level_at_a_time_and_gives_the_focus_back(
        self, page_for: Pages
    ) -> None:
        page = opened(page_for)
        page.get_by_role("button", name="Review it").focus()
        choose(page, 4, 9)
        page.keyboard.press("c")
        page.keyboard.press("Escape")
        expect(popover(page)).to_be_hidden()
        expect(page.get_by_role("button", name="Review it")).to_be_focused()
        choose(page, 4, 9)
        page.keyboard.press("c")
        page.keyboard.type("Half a thought")
        page.keyboard.press("Escape")
        expect(popover(page)).to_contain_text("Discard what you typed?")
        page.keyboard.press("Escape")
        expect(popover(page)).to_be_hidden()
        choose(page, 4, 9)
        page.keyboard.press("c")
        expect(page.locator("#pop-comment")).to_have_value("Half a thought")

    def test_what_was_discarded_is_gone(self, page_for: Pages) -> None:
        page = opened(page_for)
        choose(page, 4, 9)
        page.keyboard.press("c")
        page.keyboard.type("Half a thought")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Discard").click()
        expect(popover(page)).to_be_hidden()
        page.reload()
        expect(popover(page)).to_be_hidden()
        assert (
            page.evaluate("Object.keys(sessionStorage).filter((k) => k.startsWith('note:'))") == []
        )

    def test_a_draft_survives_a_reload_and_a_visit_elsewhere_until_it_is_sent(
        self, page_for: Pages
    ) -> None:
        page = opened(page_for)
        drag(page, "second one")
        page.keyboard.press("c")
        page.keyboard.type("Half a thought")
        page.reload()
        expect(page.locator("#pop-comment")).to_have_value("Half a thought")
        assert quote(page) == "second one"
        here = page.url
        page.goto("/")
        page.goto(here)
        expect(page.locator("#pop-comment")).to_have_value("Half a thought")
        popover(page).get_by_role("button", name="Comment Ctrl").click()
        expect(page.locator("#margin .note")).to_have_count(1)
        written = Annotation.objects.get()
        assert (written.exact, written.comment) == ("second one", "Half a thought")
        page.reload()
        expect(popover(page)).to_be_hidden()

    def test_drafts_of_several_places_are_counted_and_opened_in_turn(self, page_for: Pages) -> None:
        page = opened(page_for)
        for words in ("second one", "two lines"):
            drag(page, words)
            page.keyboard.press("c")
            page.keyboard.type(f"About {words}")
            page.keyboard.press("Escape")
            page.get_by_role("button", name="Keep as a draft").click()
        button = page.get_by_role("button", name="2 comments not sent")
        button.click()
        expect(page.locator("#pop-comment")).to_have_value("About two lines")
        button.click()
        expect(page.locator("#pop-comment")).to_have_value("About second one")

    def test_without_a_network_nothing_typed_is_lost_and_one_click_sends_it(
        self, page_for: Pages
    ) -> None:
        """Complaint 5."""
        page = opened(page_for, expected=("ERR_FAILED", "htmx:"))
        drag(page, "second one")
        page.keyboard.press("c")
        page.keyboard.type("Kept.")
        page.route("**/annotations/", lambda route: route.abort())
        page.keyboard.press("Control+Enter")
        expect(popover(page).get_by_role("alert")).to_contain_text("Postil cannot be reached")
        expect(page.locator("#pop-comment")).to_have_value("Kept.")
        page.unroute("**/annotations/")
        popover(page).get_by_role("button", name="Send again").click()
        expect(page.locator("#margin .note")).to_have_count(1)
        assert Annotation.objects.get().comment == "Kept."

    def test_a_draft_on_an_answer_that_changed_is_put_to_the_same_words(
        self, page_for: Pages
    ) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(reverse("item", args=[item.queue.project.slug, item.pk]))
        drag(page, "second one")
        page.keyboard.press("c")
        page.keyboard.type("Kept.")
        type(item.output).objects.update(version=2, text="New here. " + ANSWER)
        page.keyboard.press("Control+Enter")
        expect(popover(page).get_by_role("alert")).to_contain_text("The answer has changed")
        expect(page.locator("#pop-comment")).to_have_value("Kept.")
        page.reload()
        expect(popover(page)).to_contain_text("The answer changed. Check that")
        assert quote(page) == "second one"
        popover(page).get_by_role("button", name="Comment Ctrl").click()
        expect(page.locator("#margin .note")).to_have_count(1)
        written = Annotation.objects.get()
        assert (written.output_version, written.comment) == (2, "Kept.")
        assert written.exact == "second one"

    def test_other_words_selected_to_be_copied_leave_the_form_alone(self, page_for: Pages) -> None:
        page = opened(page_for)
        drag(page, "second one")
        page.keyboard.press("c")
        page.keyboard.type("Compare")
        at = place(page, "two lines")
        page.mouse.dblclick(at["x1"] + 4, at["y1"])
        page.wait_for_timeout(200)
        expect(page.locator("#pop-comment")).to_have_value("Compare")
        assert quote(page) == "second one"


class TestSuggesting:
    def test_starts_from_the_markdown_and_shows_what_comes_of_it(self, page_for: Pages) -> None:
        page = opened(page_for, "A **bold word** here.")
        drag(page, "A bold")
        page.keyboard.press("e")
        expect(page.locator("#pop-replacement")).to_have_value("A **bold word**")
        page.locator("#pop-replacement").fill("A **brave word**")
        expect(page.locator("#pop-preview .preview__page strong")).to_have_text("brave word")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#margin .note")).to_have_count(1)
        assert Annotation.objects.get().replacement == "A **brave word**"
