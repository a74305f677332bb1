"""Threads in Chromium: replies, settling, what others do meanwhile, the list, and no script."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from feedback.models import AnswerVersion, Output, User
from review import threads
from review.annotations import annotate
from review.models import Annotation, Comment, QueueItem
from review.rendering import render
from tests.browser.conftest import Pages
from tests.browser.selecting import drag
from tests.factories import NOW, make_item, make_output, make_project, make_queue, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ANSWER = (
    "Bloom is **an album** by Troye Sivan. It came out on 31 August 2018.\n\n"
    "| Song | Year |\n|---|---|\n| Plum | 2018 |\n\n- first point\n- second point\n"
)
HOSTILE = (
    "</mark><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
)


class Desk:
    """An item with two experts, ann and ben."""

    def __init__(self, *, reviewers: int = 1) -> None:
        self.project = make_project()
        self.output = make_output(self.project, text=ANSWER)
        queue = make_queue(self.project, reviewers_per_item=reviewers)
        self.item: QueueItem = make_item(queue, self.output)
        self.ann = make_user(self.project, "expert", username="ann")
        self.ben = make_user(self.project, "expert", username="ben")

    def url(self, more: str = "") -> str:
        return reverse("item", args=[self.project.slug, self.item.pk]) + more

    def answer(self, more: str = "") -> str:
        return reverse("output", args=[self.project.slug, self.output.external_id]) + more

    def note(self, by: User, words: str, **fields: Any) -> Annotation:
        start = render(ANSWER).canonical.index(words)
        return annotate(
            output=self.output,
            version=1,
            by=by,
            start=start,
            end=start + len(words),
            exact=words,
            now=NOW,
            **({"comment": f"About {words}."} | fields),
        )

    def reply(self, on: Annotation, by: User, text: str) -> Comment:
        return threads.reply(annotation=on, by=by, text=text, now=timezone.now())


def card(page: Page, note: Annotation) -> Locator:
    return page.locator(f"#margin > #a{note.pk}")


def activate(page: Page, note: Annotation) -> Locator:
    found = card(page, note)
    if "is-beyond" in (found.get_attribute("class") or ""):
        page.keyboard.press("Escape")  # The active card has pushed it out of view.
    found.click(position={"x": 14, "y": 12})
    expect(found).to_have_class(re.compile(r"\bis-active\b"))
    return found


def look(page: Page) -> None:
    """Ask for news now, as the page does every few seconds."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


class TestReplying:
    def test_enter_adds_a_line_and_ctrl_enter_sends(self, page_for: Pages) -> None:
        desk = Desk()
        note = desk.note(desk.ann, "an album")
        page = page_for(desk.ben)
        page.goto(desk.url())
        box = activate(page, note).get_by_role("textbox", name="Reply")
        box.fill("One.")
        box.press("Enter")
        box.press_sequentially("Two.")
        box.press("Control+Enter")
        said = card(page, note).locator(".note__reply")
        expect(said.locator(".note__text")).to_have_text("One.\nTwo.")
        expect(page.locator("#live")).to_have_text("Reply added")
        box = card(page, note).get_by_role("textbox", name="Reply")
        expect(box).to_be_focused()
        expect(box).to_have_value("")
        expect(card(page, note)).to_have_class(re.compile(r"\bis-active\b"))
        assert Comment.objects.get().text == "One.\nTwo."

    def test_pressed_twice_it_is_sent_once(self, page_for: Pages) -> None:
        desk = Desk()
        note = desk.note(desk.ann, "an album")
        page = page_for(desk.ben)
        page.goto(desk.url())
        activate(page, note).get_by_role("textbox", name="Reply").fill("One.")
        card(page, note).get_by_role("button", name="Reply").dblclick()
        expect(card(page, note).locator(".note__reply")).to_have_count(1)
        assert Comment.objects.count() == 1

    def test_what_is_sent_offline_stays_and_is_sent_again_on_a_click(self, page_for: Pages) -> None:
        desk = Desk()
        note = desk.note(desk.ann, "an album")
        page = page_for(
            desk.ben, expected=("ERR_INTERNET_DISCONNECTED", "htmx:sendError", "htmx:afterRequest")
        )
        page.goto(desk.url())
        box = activate(page, note).get_by_role("textbox", name="Reply")
        box.fill("Typed without a network.")
        page.context.set_offline(True)
        box.press("Control+Enter")
        expect(page.get_by_text("Postil cannot be reached.").first).to_be_visible()
        expect(box).to_have_value("Typed without a network.")
        page.context.set_offline(False)
        card(page, note).get_by_role("button", name="Reply").click()
        expect(card(page, note).locator(".note__reply")).to_have_count(1)
        assert Comment.objects.get().text == "Typed without a network."

    def test_words_are_changed_and_taken_back_by_their_author(self, page_for: Pages) -> None:
        desk = Desk()
        mine, theirs = desk.note(desk.ann, "an album"), desk.note(desk.ben, "Plum")
        desk.reply(mine, desk.ben, "Yes.")
        page = page_for(desk.ann)
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(desk.url())
        expect(activate(page, theirs).get_by_text("Edit")).to_have_count(0)
        expect(card(page, theirs).get_by_role("button", name="Remove this comment")).to_have_count(
            0
        )
        activate(page, mine).get_by_text("Edit", exact=True).click()
        words = card(page, mine).get_by_role("textbox", name="Your comment")
        words.fill("Rather a single.")
        card(page, mine).get_by_role("button", name="Save").click()
        expect(card(page, mine).locator("> .note__text")).to_have_text("Rather a single.")
        expect(card(page, mine).locator("> .note__by")).to_contain_text("edited")
        card(page, mine).get_by_role("button", name="Remove this comment").click()
        expect(card(page, mine)).to_have_attribute("data-state", "deleted")
        expect(card(page, mine).locator(".note__reply")).to_contain_text("Yes.")
        expect(card(page, mine)).not_to_contain_text("Rather a single.")


class TestSettling:
    def test_a_settled_thread_goes_and_is_shown_and_taken_up_on_demand(
        self, page_for: Pages
    ) -> None:
        desk = Desk()
        note = desk.note(desk.ann, "an album", reason="too-vague")
        page = page_for(desk.ben)
        page.goto(desk.url())
        activate(page, note).get_by_role("button", name="Resolve").click()
        expect(card(page, note)).to_have_attribute("data-state", "resolved")
        page.keyboard.press("Escape")
        page.reload()
        expect(card(page, note)).to_be_hidden()
        mark = page.locator("#answer mark").first
        line = "(mark) => getComputedStyle(mark).borderBottomColor"
        assert mark.evaluate(line) == "rgba(0, 0, 0, 0)"
        page.get_by_role("checkbox", name="Show 1 resolved").check()
        expect(card(page, note)).to_be_visible()
        expect(card(page, note)).to_contain_text("resolved by you")
        assert mark.evaluate("(mark) => getComputedStyle(mark).borderBottomStyle") == "dotted"
        assert mark.evaluate(line) != "rgba(0, 0, 0, 0)"
        card(page, note).get_by_role("button", name="Re-open").click()
        expect(card(page, note)).to_have_attribute("data-state", "open")

    def test_who_resolves_second_sees_who_was_first_and_keeps_what_was_typed(
        self, page_for: Pages
    ) -> None:
        """Two browsers at once."""
        desk = Desk()
        note = desk.note(desk.ann, "an album")
        first, second = page_for(desk.ann), page_for(desk.ben)
        for page in (first, second):
            page.goto(desk.url())
        activate(second, note).get_by_role("textbox", name="Reply").fill("Half a thought")
        activate(first, note).get_by_role("button", name="Resolve").click()
        expect(card(first, note)).to_have_attribute("data-state", "resolved")
        with second.expect_response(lambda answer: answer.url.endswith("/resolve/")) as late:
            card(second, note).get_by_role("button", name="Resolve").click()
        assert late.value.status == 409
        told = second.locator("#toasts").get_by_text("ann resolved this before you.")
        expect(told).to_be_visible()
        expect(card(second, note)).to_have_attribute("data-state", "resolved")
        expect(card(second, note).get_by_role("textbox", name="Reply")).to_have_value(
            "Half a thought"
        )


class TestNews:
    def test_replies_of_others_come_without_moving_anything(self, page_for: Pages) -> None:
        """Two browsers at once."""
        desk = Desk()
        upper, lower = desk.note(desk.ann, "an album"), desk.note(desk.ann, "Plum")
        ann, ben = page_for(desk.ann), page_for(desk.ben)
        for page in (ann, ben):
            page.goto(desk.url())
        activate(ann, upper)
        card(ann, upper).focus()
        scroll = ann.evaluate("document.querySelector('.folio').scrollTop")
        box = activate(ben, lower).get_by_role("textbox", name="Reply")
        box.fill("Is it?")
        box.press("Control+Enter")
        expect(card(ben, lower).locator(".note__reply")).to_have_count(1)
        look(ann)
        expect(card(ann, lower).locator(".note__reply")).to_contain_text("Is it?")
        expect(card(ann, upper)).to_be_focused()
        expect(card(ann, upper)).to_have_class(re.compile(r"\bis-active\b"))
        assert ann.evaluate("document.querySelector('.folio').scrollTop") == scroll

    def test_a_new_comment_is_painted_and_put_in_its_place(self, page_for: Pages) -> None:
        desk = Desk()
        last = desk.note(desk.ann, "second point")
        page = page_for(desk.ann)
        page.goto(desk.url())
        new = desk.note(desk.ben, "Plum", reason="unsafe")
        look(page)
        expect(page.locator(f'#answer td mark[data-a="a{new.pk}"]')).to_have_text("Plum")
        assert [note.get_attribute("id") for note in page.locator("#margin > .note").all()] == [
            f"a{new.pk}",
            f"a{last.pk}",
        ]
        expect(card(page, last)).to_have_attribute("aria-label", re.compile("^Comment 2 of 2"))
        expect(page.locator("#num-cards")).to_have_text("2 open")

    def test_who_types_gets_a_pill_and_keeps_the_words(self, page_for: Pages) -> None:
        desk = Desk()
        note = desk.note(desk.ann, "an album")
        page = page_for(desk.ann)
        page.goto(desk.url())
        box = activate(page, note).get_by_role("textbox", name="Reply")
        box.fill("I was about to")
        box.evaluate("(box) => box.setSelectionRange(2, 5)")
        for text in ("One.", "Two."):
            desk.reply(note, desk.ben, text)
        look(page)
        pill = card(page, note).get_by_role("button", name="2 new")
        expect(pill).to_be_visible()
        expect(box).to_be_focused()
        expect(box).to_have_value("I was about to")
        assert box.evaluate("(box) => [box.selectionStart, box.selectionEnd]") == [2, 5]
        expect(card(page, note).locator(".note__reply")).to_have_count(0)
        pill.click()
        expect(card(page, note).locator(".note__reply")).to_have_count(2)
        expect(card(page, note).get_by_role("textbox", name="Reply")).to_have_value(
            "I was about to"
        )

    def test_selected_words_stay_selected(self, page_for: Pages) -> None:
        desk = Desk()
        page = page_for(desk.ann)
        page.goto(desk.url())
        page.evaluate(
            """() => {
              const words = document.querySelector("#answer strong").firstChild;
              getSelection().setBaseAndExtent(words, 0, words, words.length);
            }"""
        )
        new = desk.note(desk.ben, "came out")
        look(page)
        expect(card(page, new)).to_be_visible()
        assert page.evaluate("getSelection().toString()") == "an album"
        page.evaluate("getSelection().removeAllRanges()")
        look(page)
        expect(page.locator(f'#answer mark[data-a="a{new.pk}"]')).to_have_text("came out")

    def test_a_new_version_is_announced(self, page_for: Pages) -> None:
        desk = Desk()
        page = page_for(desk.ann)
        page.goto(desk.url())
        Output.objects.update(version=2, text="Another answer.")
        look(page)
        expect(page.locator("#outdated")).to_contain_text("The answer has changed.")
        page.get_by_role("link", name="Load the new version").click()
        expect(page.locator("#answer")).to_have_text("Another answer.")


class TestFinding:
    def test_a_permalink_opens_the_card(self, page_for: Pages) -> None:
        desk = Desk()
        for words in ("Bloom", "Plum"):
            note = desk.note(desk.ann, words)
        page = page_for(desk.ben)
        page.goto(reverse("annotation", args=[desk.project.slug, note.pk]))
        assert page.url.endswith(desk.url(f"#a{note.pk}"))
        expect(card(page, note)).to_have_class(re.compile(r"\bis-active\b"))
        expect(card(page, note)).to_be_focused()

    def test_a_permalink_to_lost_words_opens_the_version_that_had_them(
        self, page_for: Pages
    ) -> None:
        desk = Desk()
        note = desk.note(desk.ann, "Troye Sivan")
        AnswerVersion.objects.create(output=desk.output, number=1, text=ANSWER, superseded_at=NOW)
        Output.objects.update(version=2, text="Nothing of that.")
        page = page_for(desk.ben)
        page.goto(desk.url())
        expect(page.locator("#num-detached")).to_have_text("1 lost its words")
        expect(card(page, note)).to_contain_text("The words of version 1 are gone.")
        expect(card(page, note)).to_contain_text("Troye Sivan")
        expect(page.locator("#answer mark")).to_have_count(0)
        page.goto(reverse("annotation", args=[desk.project.slug, note.pk]))
        expect(page.get_by_text("This is version 1 of the answer.")).to_be_visible()
        expect(page.locator("#answer mark")).to_have_text("Troye Sivan")
        expect(card(page, note)).to_have_class(re.compile(r"\bis-active\b"))
        expect(page.get_by_role("textbox", name="Reply")).to_have_count(0)

    def test_what_was_found_again_is_confirmed_attached_elsewhere_or_dismissed(
        self, page_for: Pages
    ) -> None:
        desk = Desk()
        moved, gone = desk.note(desk.ann, "came out on 31 August"), desk.note(desk.ann, "Plum")
        AnswerVersion.objects.create(output=desk.output, number=1, text=ANSWER, superseded_at=NOW)
        text = "Bloom is **an album** by Troye Sivan. It first came out on a 31 August 2018."
        Output.objects.update(version=2, text=text)
        page = page_for(desk.ben)
        page.goto(desk.url())
        expect(card(page, moved)).to_have_attribute("data-anchor", "changed")
        expect(card(page, moved).locator(".note__found")).to_have_text("came out on a 31 August")
        card(page, moved).get_by_role("button", name="Confirm").click()
        expect(card(page, moved).locator(".note__moved")).to_have_count(0)
        card(page, gone).get_by_role("button", name="Re-attach to selection").click()
        expect(page.locator("#toasts")).to_contain_text("Select the words in the answer first.")
        drag(page, "Troye Sivan")
        card(page, gone).get_by_role("button", name="Re-attach to selection").click()
        expect(page.locator(f'#answer mark[data-a="a{gone.pk}"]')).to_have_text("Troye Sivan")
        expect(page.locator("#num-detached")).to_be_empty()

    def test_cards_and_replies_are_comments_by_name(self, page_for: Pages) -> None:
        desk = Desk()
        note = desk.note(desk.ann, "an album", reason="factually-incorrect")
        desk.reply(note, desk.ben, "Yes.")
        page = page_for(desk.ben)
        page.goto(desk.url())
        expect(card(page, note)).to_be_visible()
        tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
        found = [
            node["name"]["value"]
            for node in tree["nodes"]
            if node.get("role", {}).get("value") == "comment"
        ]
        assert found == [
            "Comment 1 of 1, Factually incorrect, open, by ann, on “an album”",
            "Reply by ben",
        ]

    def test_of_one_author_only_these_comments_are_shown(self, page_for: Pages) -> None:
        desk = Desk()
        mine, theirs = desk.note(desk.ann, "an album"), desk.note(desk.ben, "Plum")
        page = page_for(desk.ann)
        page.goto(desk.url())
        page.get_by_label("Comments by").select_option("ben")
        expect(card(page, mine)).to_be_hidden()
        expect(card(page, theirs)).to_be_visible()
        page.get_by_label("Comments by").select_option("")
        expect(card(page, mine)).to_be_visible()

    def test_the_list_does_everything_without_a_script(self, page_for: Pages) -> None:
        desk = Desk()
        first, second = desk.note(desk.ann, "Plum"), desk.note(desk.ben, "an album")
        page = page_for(desk.ann, java_script_enabled=False)
        page.goto(desk.answer("?view=list"))
        rows = page.locator(".listed__table tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.first).to_have_attribute("id", f"a{second.pk}")
        page.get_by_role("link", name="Author").click()
        expect(rows.first).to_have_attribute("id", f"a{first.pk}")
        row = page.locator(f"tr#a{second.pk}")
        row.get_by_role("textbox", name="Reply").fill("By hand.")
        row.get_by_role("button", name="Reply").click()
        expect(page.locator(f"tr#a{second.pk}")).to_contain_text("By hand.")
        page.locator(f"tr#a{second.pk}").get_by_role("button", name="Resolve").click()
        expect(page.locator(f"tr#a{second.pk}")).to_contain_text("Resolved")
        page.get_by_role("link", name=f"Permalink of comment {2}").click()
        expect(page.locator(f"#margin > #a{first.pk}")).to_be_visible()


class TestNastyCases:
    def test_hostile_words_are_only_words(self, page_for: Pages) -> None:
        desk = Desk()
        note = desk.note(desk.ann, "an album", comment=HOSTILE, replacement=HOSTILE)
        desk.reply(note, desk.ben, HOSTILE)
        page = page_for(desk.ann)
        for at in (desk.url(), desk.answer("?view=list")):
            page.goto(at)
            expect(page.get_by_text("onerror").first).to_be_visible()
            assert page.title() != "owned"
        page.goto(desk.url())
        activate(page, note).get_by_role("textbox", name="Reply").fill(HOSTILE)
        card(page, note).get_by_role("button", name="Reply").click()
        expect(card(page, note).locator(".note__reply")).to_have_count(2)
        assert page.title() != "owned"

    def test_of_three_overlapping_one_goes_and_two_stay_as_they_are(self, page_for: Pages) -> None:
        desk = Desk()
        a, b, c = (desk.note(desk.ann, words) for words in ("album by", "by Troye Sivan", "Troye"))
        page = page_for(desk.ann)
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(desk.url())
        activate(page, b).get_by_role("button", name="Remove this comment").click()
        expect(card(page, b)).to_have_count(0)
        pieces = page.locator("#answer p mark").evaluate_all(
            "(marks) => marks.map((mark) => [mark.dataset.a, mark.textContent])"
        )
        assert [piece for piece in pieces if piece[0] == f"a{a.pk}"][-1][1] == " by"
        assert "".join(text for who, text in pieces if who == f"a{a.pk}") == "album by"
        assert [piece for piece in pieces if piece[0] != f"a{a.pk}"] == [[f"a{c.pk}", "Troye"]]
        activate(page, a).get_by_role("button", name="Resolve").click()
        expect(page.locator(f'#answer mark[data-a="a{c.pk}"]')).not_to_have_class(
            re.compile("is-resolved")
        )

    def test_two_blind_reviewers_see_their_own_and_then_both(self, page_for: Pages) -> None:
        desk = Desk(reviewers=2)
        desk.note(desk.ann, "an album", reason="too-vague")
        desk.note(desk.ben, "an album", reason="unsafe")
        ann = page_for(desk.ann)
        ann.goto(desk.url())
        expect(ann.locator("#margin > .note")).to_have_count(1)
        ann.get_by_role("button", name="Review it").click()
        ann.locator("#decide-form .seg label").get_by_text("Good").first.click()
        ann.get_by_role("button", name="Submit and next").click()
        ann.wait_for_url(lambda at: not at.endswith(desk.url()))
        ann.goto(desk.url())
        expect(ann.locator("#margin > .note")).to_have_count(2)
        mark = ann.locator("#answer mark").first
        expect(mark).to_have_attribute("data-cat2", re.compile(r"\d"))
        ben = page_for(desk.ben)
        ben.goto(desk.url())
        expect(ben.locator("#margin > .note")).to_have_count(1)
