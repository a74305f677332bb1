"""The desk without a mouse: keys, text cursor, palette, and where the focus goes."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, Response, expect

from config.shipping import bare
from review.models import Annotation
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
from tests.review.test_places import become

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TEXT = (
    "The first sentence. The second one.\n\n"
    "Another paragraph with \U0001f469\U0001f3fd\u200d\U0001f33e in it.\n\nThe end."
)


def opened(page_for: Pages, *words: str, **options: Any) -> tuple[Page, list[Annotation]]:
    project = make_project()
    output = make_output(project, text=TEXT)
    expert = make_user(project, "expert")
    made = [make_annotation(output, expert, one, comment=f"On {one}") for one in words]
    item = make_item(make_queue(project), output)
    page: Page = page_for(expert, **options)
    page.goto(reverse("item", args=[project.slug, item.pk]))
    return page, made


def quote(page: Page) -> str:
    return page.locator("#pop [name=exact]").input_value()


class TestComments:
    def test_are_gone_through_in_a_circle_and_announced(self, page_for: Pages) -> None:
        page, [one, two] = opened(page_for, "first", "second")
        page.keyboard.press("j")
        expect(page.locator(f"#a{one.pk}")).to_be_focused()
        expect(page.locator("#live")).to_have_text("Comment 1 of 2")
        page.keyboard.press("j")
        expect(page.locator(f"#a{two.pk}")).to_be_focused()
        page.keyboard.press("j")
        expect(page.locator(f"#a{one.pk}")).to_be_focused()
        expect(page.locator("#live")).to_have_text("From the first again: Comment 1 of 2")
        page.keyboard.press("k")
        expect(page.locator(f"#a{two.pk}")).to_be_focused()

    def test_brackets_stop_at_resolved_ones_and_u_at_ones_own(self, page_for: Pages) -> None:
        """K1."""
        page, [one, two, three] = opened(page_for, "first", "second", "paragraph")
        other = make_user(one.project, "expert")
        Annotation.objects.filter(pk=two.pk).update(resolved_at=NOW, resolved_by=other)
        Annotation.objects.filter(pk=one.pk).update(author=other)
        page.reload()
        for key, note in (("j", one), ("j", three), ("k", one), ("]", two), ("]", three)):
            page.keyboard.press(key)
            expect(page.locator(f"#a{note.pk}")).to_be_focused()
        for key, note in (("[", two), ("[", one), ("u", three), ("u", three)):
            page.keyboard.press(key)
            expect(page.locator(f"#a{note.pk}")).to_be_focused()

    def test_the_keys_of_google_docs_work_too(self, page_for: Pages) -> None:
        """K1: Ctrl+Alt+N, then C or P."""
        page, [one, two] = opened(page_for, "first", "second")
        for then, note in (("c", one), ("Control+Alt+c", two), ("p", one)):
            page.keyboard.press("Control+Alt+n")
            page.keyboard.press(then)
            expect(page.locator(f"#a{note.pk}")).to_be_focused()
        page.keyboard.press("p")
        expect(page.locator(f"#a{one.pk}")).to_be_focused()

    def test_r_replies_and_shift_r_resolves_and_reopens(self, page_for: Pages) -> None:
        """K2."""
        page, [one] = opened(page_for, "first")
        page.keyboard.press("j")
        page.keyboard.press("r")
        reply = page.locator(f"#a{one.pk}").get_by_role("textbox", name="Reply")
        expect(reply).to_be_focused()
        page.keyboard.type("So it is.")
        page.keyboard.press("Control+Enter")
        expect(page.locator(f"#a{one.pk} .note__reply")).to_contain_text("So it is.")
        page.locator(f"#a{one.pk}").focus()
        page.keyboard.press("Shift+R")
        expect(page.locator(f"#a{one.pk}")).to_have_attribute("data-state", "resolved")
        page.locator(f"#a{one.pk}").focus()
        page.keyboard.press("Shift+R")
        expect(page.locator(f"#a{one.pk}")).to_have_attribute("data-state", "open")

    def test_a_accepts_and_z_rejects_the_active_suggestion(self, page_for: Pages) -> None:
        """K2."""
        page, [one, two] = opened(page_for, "first", "second")
        for note in (one, two):
            Annotation.objects.filter(pk=note.pk).update(
                replacement="other", edit_start=note.source_start, edit_end=note.source_end
            )
        page.reload()
        for key, note, decision in (("a", one, "accepted"), ("z", two, "rejected")):
            page.keyboard.press("j")
            expect(page.locator(f"#a{note.pk}")).to_be_focused()
            page.keyboard.press(key)
            expect(page.locator(f"#a{note.pk}")).to_have_attribute("data-decision", decision)

    def test_e_edits_words_reason_and_suggestion(self, page_for: Pages) -> None:
        """K2, T2."""
        page, [one] = opened(page_for, "first")
        Annotation.objects.filter(pk=one.pk).update(
            replacement="1st", edit_start=one.source_start, edit_end=one.source_end
        )
        page.reload()
        page.keyboard.press("j")
        page.keyboard.press("e")
        card = page.locator(f"#a{one.pk}")
        expect(card.get_by_role("textbox", name="Your comment")).to_be_focused()
        card.get_by_role("textbox", name="The words you suggest").fill("very first")
        card.get_by_role("combobox", name="Reason").select_option("too-vague")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#answer ins")).to_have_text("very ")
        expect(card).to_have_attribute("data-cat", "3")
        expect(card).to_contain_text("edited")

    def test_enter_after_marking_adds_a_note_and_ctrl_z_takes_it_back(
        self, page_for: Pages
    ) -> None:
        """S8."""
        page, _ = opened(page_for)
        drag(page, "first sentence")
        page.keyboard.press("1")
        expect(page.locator("#margin > .note")).to_have_count(1)
        expect(page.locator("#live")).to_contain_text("Marked.")
        page.keyboard.press("Enter")
        expect(page.get_by_role("textbox", name="Your comment")).to_be_focused()
        page.keyboard.type("Which?")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#margin .note__text")).to_have_text("Which?")
        drag(page, "second one")
        page.keyboard.press("1")
        expect(page.locator("#margin > .note")).to_have_count(2)
        page.keyboard.press("Control+z")
        expect(page.locator("#margin > .note")).to_have_count(1)

    def test_lost_words_are_attached_again_without_a_mouse(self, page_for: Pages) -> None:
        """H9."""
        page, [one] = opened(page_for, "second")
        become(one.output, "The first sentence. Nothing else is left.")
        page.reload()
        expect(page.locator(f"#a{one.pk}")).to_have_attribute("data-anchor", "detached")
        page.keyboard.press("j")
        page.keyboard.press("t")
        page.keyboard.press("Control+ArrowRight")
        page.keyboard.press("Control+Shift+ArrowRight")
        assert quote(page) == "first"
        page.keyboard.press("Shift+A")
        expect(page.locator(f'#answer mark[data-a="a{one.pk}"]')).to_have_text("first")

    def test_enter_leads_to_the_words_and_back(self, page_for: Pages) -> None:
        page, [one] = opened(page_for, "first")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.locator(f'mark[data-a~="a{one.pk}"]')).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator(f"#a{one.pk}")).to_be_focused()

    def test_delete_asks_and_the_focus_goes_to_the_next(self, page_for: Pages) -> None:
        page, [one, two, three] = opened(page_for, "first", "second", "end")
        asked: list[str] = []

        def agree(dialog: Any) -> None:
            asked.append(dialog.message)
            dialog.accept()

        page.on("dialog", agree)
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("Delete")
        expect(page.locator(f"#a{two.pk}")).to_have_count(0)
        expect(page.locator(f"#a{three.pk}")).to_be_focused()
        page.keyboard.press("Delete")
        expect(page.locator(f"#a{one.pk}")).to_be_focused()
        page.keyboard.press("Delete")
        expect(page.locator("#margin > .note")).to_have_count(0)
        expect(page.locator("#answer")).to_be_focused()
        assert len(asked) == 3

    def test_the_shortcut_for_a_comment_leaves_letters_of_alt_gr_alone(
        self, page_for: Pages
    ) -> None:
        page, _ = opened(page_for)
        page.keyboard.press("t")
        page.keyboard.press("s")
        page.evaluate(
            """() => document.body.dispatchEvent(new KeyboardEvent("keydown", {
                 key: "µ", code: "KeyM", ctrlKey: true, altKey: true, modifierAltGraph: true,
                 bubbles: true, cancelable: true }))"""
        )
        expect(page.locator("#pop-comment")).to_be_hidden()
        page.keyboard.press("Control+Alt+m")
        expect(page.locator("#pop-comment")).to_be_focused()


class TestTabs:
    def test_the_answer_is_one_stop_and_so_is_each_other_card(self, page_for: Pages) -> None:
        page, [one, two] = opened(page_for, "first", "second")
        page.locator(f'mark[data-a~="a{one.pk}"]').focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator(f'mark[data-a~="a{two.pk}"]')).to_be_focused()
        expect(page.locator("#answer [tabindex='0']")).to_have_count(1)
        page.keyboard.press("Tab")
        expect(page.locator(f"#a{one.pk}")).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.locator(f"#a{two.pk}")).to_be_focused()

    def test_f6_goes_round(self, page_for: Pages) -> None:
        page, [one] = opened(page_for, "first")
        page.keyboard.press("F6")
        expect(page.locator(f'mark[data-a~="a{one.pk}"]')).to_be_focused()
        page.keyboard.press("F6")
        expect(page.locator(f"#a{one.pk}")).to_be_focused()
        page.keyboard.press("F6")
        assert page.evaluate("document.activeElement.closest('#decide') !== null")
        page.keyboard.press("Shift+F6")
        expect(page.locator(f"#a{one.pk}")).to_be_focused()

    def test_landmarks_and_ways_past_them(self, page_for: Pages) -> None:
        page, _ = opened(page_for, "first")
        expect(page.get_by_role("complementary", name="Comments")).to_be_visible()
        for name in ("Skip to the answer", "Skip to the comments", "Skip to the decision"):
            way = page.get_by_role("link", name=name)
            way.focus()
            expect(way).to_be_in_viewport()
        page.get_by_role("link", name="Skip to the answer").press("Enter")
        expect(page.locator("#answer")).to_be_focused()


class TestTextCursor:
    def test_moves_selects_and_marks(self, page_for: Pages) -> None:
        page, _ = opened(page_for)
        page.keyboard.press("t")
        expect(page.locator(".caret")).to_be_visible()
        page.keyboard.press("Control+ArrowRight")
        page.keyboard.press("Control+Shift+ArrowRight")
        expect(popover(page)).to_be_visible()
        assert quote(page) == "first"
        page.keyboard.press("s")
        assert quote(page) == "The first sentence."
        page.keyboard.press("s")
        assert quote(page) == "The first sentence. The second one."
        page.keyboard.press("4")
        expect(page.locator("#margin > .note")).to_have_count(1)
        written = Annotation.objects.get()
        assert written.exact == "The first sentence. The second one."
        expect(page.locator(".caret")).to_be_visible()

    def test_takes_an_emoji_as_one_and_stays_in_the_answer(self, page_for: Pages) -> None:
        page, _ = opened(page_for)
        page.keyboard.press("t")
        for key in ["ArrowDown", "Home", *["Control+ArrowRight"] * 3]:
            page.keyboard.press(key)
        for _ in range(3):
            page.keyboard.press("Shift+ArrowRight")
        assert "\U0001f469\U0001f3fd\u200d\U0001f33e" in quote(page)
        page.keyboard.press("Control+End")
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        assert page.evaluate("document.getElementById('answer').contains(getSelection().focusNode)")
        page.keyboard.press("Control+a")
        assert quote(page).startswith("The first")
        assert quote(page).endswith("The end.")

    def test_escape_leaves_and_gives_the_focus_back(self, page_for: Pages) -> None:
        page, _ = opened(page_for)
        page.get_by_role("button", name="Review it").focus()
        page.keyboard.press("t")
        page.keyboard.press("p")
        page.keyboard.press("g")
        expect(page.locator("#pop-replacement")).to_be_focused()
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        expect(page.locator(".caret")).to_have_count(0)
        expect(page.get_by_role("button", name="Review it")).to_be_focused()


class TestPalette:
    def test_finds_by_a_few_letters_and_does_it(self, page_for: Pages) -> None:
        page, [one] = opened(page_for, "first")
        page.keyboard.press("Control+k")
        find = page.get_by_role("combobox", name="Find a command")
        expect(find).to_be_focused()
        page.keyboard.type("nxt op")
        options = page.get_by_role("option")
        expect(options.first).to_contain_text("Next open comment")
        assert find.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.locator(f"#a{one.pk}")).to_be_focused()

    def test_lists_only_what_can_be_done_now(self, page_for: Pages) -> None:
        page, [one] = opened(page_for, "first")
        for is_active in (False, True):
            page.keyboard.press("Control+k")
            labels = page.locator("#palette [role=option] span:first-child").all_text_contents()
            assert "Next open comment" in labels
            assert "Accept the active suggestion" not in labels
            assert "Widen to whole words" not in labels
            assert ("Reply to the active comment" in labels) == is_active
            page.keyboard.press("Escape")
            page.keyboard.press("j")
            expect(page.locator(f"#a{one.pk}")).to_be_focused()

    def test_keeps_the_selected_words_and_leads_to_other_pages(self, page_for: Pages) -> None:
        page, _ = opened(page_for)
        page.keyboard.press("t")
        page.keyboard.press("s")
        page.keyboard.press("Control+k")
        page.keyboard.type("comment on the selected")
        page.keyboard.press("Enter")
        expect(page.locator("#pop-comment")).to_be_focused()
        page.keyboard.press("Escape")
        page.keyboard.press("Control+k")
        page.keyboard.type("zzz")
        expect(page.locator("#palette")).to_contain_text("Nothing fits.")
        page.locator("#palette input").fill("themes")
        page.keyboard.press("Enter")
        page.wait_for_url("**/themes/")


class TestChangedKeys:
    def test_a_key_is_changed_conflicts_are_named_and_all_can_be_reset(
        self, page_for: Pages
    ) -> None:
        """WCAG 2.1.4."""
        page, [one] = opened(page_for, "first")
        page.keyboard.press("?")
        sheet = page.get_by_role("dialog", name="Keyboard keys")
        sheet.get_by_role("button", name="Next open comment: J").click()
        page.keyboard.press("c")
        expect(sheet).to_contain_text("C already stands for")
        page.keyboard.press("n")
        expect(sheet.get_by_role("button", name="Next open comment: N")).to_be_focused()
        sheet.get_by_role("button", name="Select words with the keyboard: T").click()
        page.keyboard.press("Delete")
        sheet.get_by_role("button", name="Close").click()
        page.keyboard.press("j")
        page.keyboard.press("t")
        expect(page.locator(".caret")).to_have_count(0)
        page.keyboard.press("n")
        expect(page.locator(f"#a{one.pk}")).to_be_focused()
        page.reload()
        page.keyboard.press("n")
        expect(page.locator(f"#a{one.pk}")).to_be_focused()
        page.keyboard.press("?")
        sheet.get_by_role("button", name="Reset all keys").click()
        expect(sheet.get_by_role("button", name="Next open comment: J")).to_be_visible()


class TestScreenReaders:
    def test_ends_of_comments_are_told_unless_switched_off(self, page_for: Pages) -> None:
        page, [one] = opened(page_for, "first")
        content = (
            "getComputedStyle(document.querySelector('#answer mark[data-last]'), '::after').content"
        )
        assert page.evaluate(content) == '" comment end "'
        assert "comment" not in page.locator("#answer").inner_text()
        page.keyboard.press("?")
        page.get_by_role("switch", name="Tell screen readers").uncheck()
        assert page.evaluate(content) in {"none", "normal"}
        assert one.pk

    def test_one_polite_region_speaks(self, page_for: Pages) -> None:
        page, _ = opened(page_for, "first")
        live = page.locator("body > [aria-live], .app [aria-live=polite]:not(dialog *)")
        assert live.evaluate_all("(all) => all.map((one) => one.id)") == ["live"]


class TestBudget:
    def test_all_scripts_of_the_desk_weigh_at_most_60_kb(self, page_for: Pages) -> None:
        project = make_project()
        item = make_item(make_queue(project), make_output(project, text=TEXT))
        page = page_for(make_user(project, "expert"))
        scripts: dict[str, bytes] = {}

        def weigh(response: Response) -> None:
            if response.request.resource_type == "script":
                text = response.text()
                shipped = bare(text) if "/static/js/" in response.url else text
                scripts[response.url] = gzip.compress(shipped.encode(), 9)

        page.on("response", weigh)
        page.goto(reverse("item", args=[project.slug, item.pk]))
        page.wait_for_load_state("networkidle")
        assert len(scripts) > 10
        total = sum(map(len, scripts.values()))
        assert total <= 60_000, {url: len(body) for url, body in scripts.items()}
