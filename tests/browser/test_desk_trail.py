"""The trail beside the answer in Chromium: search, what loads later, and evidence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Locator, Page, Route, expect

from feedback.embedding import Encoder, embed_pending
from feedback.models import User
from review.annotations import annotate
from review.evidencing import add_evidence
from review.models import Annotation, Evidence, QueueItem
from tests.browser.conftest import Pages
from tests.factories import (
    NOW,
    make_feedback,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_session,
    make_user,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TABLE = (
    "Benefit table 👩🏽\u200d🌾 2026.\r\n\r\n"
    "Basic pays for 6 sessions,\r\nFamily Plus for 12 sessions a year."
)
HOSTILE = (
    "</mark></div><script>document.title='owned'</script>"
    "<img src=x onerror=\"document.title='owned'\"> hostile words"
)


def document(text: str, name: str = "KB-1") -> dict[str, Any]:
    return {"id": name, "title": f"{name} table", "text": text}


def make_desk(*texts: str, **fields: Any) -> tuple[QueueItem, User]:
    """An item in the middle of a session, whose answer has these documents and one comment."""
    project = make_project()
    session = make_session(project)
    for minute in (0, 2):
        make_output(
            project,
            session,
            query=f"Turn {minute} about invoices",
            system="Be kind.",
            at=NOW + timedelta(minutes=minute),
            documents=[document("An old table.")],
        )
    output = make_output(
        project,
        session,
        at=NOW + timedelta(minutes=1),
        documents=[document(text, f"KB-{n}") for n, text in enumerate(texts)],
        **fields,
    )
    expert = make_user(project, "expert")
    comment(make_item(make_queue(project), output), expert, "Bloom")
    return output.queue_items.get(), expert


def comment(item: QueueItem, by: User, words: str) -> Annotation:
    start = item.output.text.index(words)
    return annotate(
        output=item.output,
        version=1,
        by=by,
        start=start,
        end=start + len(words),
        exact=words,
        reason="factually-incorrect",
        now=NOW,
    )


def url(item: QueueItem) -> str:
    return reverse("item", args=[item.queue.project.slug, item.pk])


def opened(page: Page, number: int = 0) -> Locator:
    """The text of a document, unfolded."""
    current = page.locator(".turn.is-current")
    current.locator("summary", has_text="Retrieved documents").click()
    current.locator(".doc > summary").nth(number).click()
    text = current.locator(f"[data-document='{number}']")
    expect(text).to_be_visible()
    return text


def drag(page: Page, text: Locator, words: str) -> None:
    """Select words of a document with the mouse."""
    at = text.evaluate(
        """(text, words) => {
          const all = text.textContent, from = all.indexOf(words);
          const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
          const point = (units) => {
            let rest = units;
            walker.currentNode = text;
            for (let node = walker.nextNode(); node; node = walker.nextNode()) {
              if (rest <= node.length) return [node, rest];
              rest -= node.length;
            }
          };
          const range = document.createRange();
          range.setStart(...point(from));
          range.setEnd(...point(from + words.length));
          text.scrollIntoView({ block: "center" });
          const lines = [...range.getClientRects()].filter((line) => line.width > 0);
          const first = lines[0], last = lines.at(-1);
          return [first.left, first.top + first.height / 2, last.right, last.top + last.height / 2];
        }""",
        words,
    )
    page.mouse.move(at[0] + 0.5, at[1])
    page.mouse.down()
    page.mouse.move((at[0] + at[2]) / 2, at[3], steps=4)
    page.mouse.move(at[2] - 0.5, at[3], steps=4)
    page.mouse.up()


def form(page: Page) -> Locator:
    return page.get_by_role("form", name="Mark as evidence")


class TestSearch:
    def test_keeps_turns_with_the_words_and_marks_them(self, page_for: Pages) -> None:
        item, expert = make_desk(TABLE, query="Which plan?")
        page = page_for(expert)
        page.goto(url(item))
        expect(page.locator(".turn")).to_have_count(3)
        page.get_by_label("Search this session").fill("INVOICES")
        expect(page.locator("#turns [role=status]")).to_have_text("Found in 2 turns.")
        expect(page.locator("#turns mark.hit")).to_have_text(["invoices", "invoices"])
        page.get_by_label("Search this session").fill("12 sessions")
        expect(page.locator("#turns [role=status]")).to_have_text("Found in 1 turn.")
        expect(page.locator("[data-document='0'] mark.hit")).to_be_visible()
        page.get_by_label("Search this session").fill("")
        expect(page.locator(".turn")).to_have_count(3)
        expect(page.get_by_label("Search this session")).to_be_focused()

    def test_marks_at_once_what_is_on_the_page(self, page_for: Pages) -> None:
        item, expert = make_desk(TABLE)
        page = page_for(expert)
        page.goto(url(item))
        page.route("**/turns/**", lambda route: None)
        page.get_by_label("Search this session").fill("invoices")
        assert page.evaluate("CSS.highlights.get('find')?.size") == 2


class TestWhatLoadsLater:
    def test_another_turn_opens_with_its_texts(self, page_for: Pages) -> None:
        item, expert = make_desk(TABLE)
        page = page_for(expert)
        page.goto(url(item))
        first = page.locator(".turn").first
        first.locator(".turn__fold > summary").click()
        expect(first.locator(".turn__out")).to_contain_text("Bloom came out")
        first.locator("summary", has_text="System context").click()
        expect(first.locator(".doc__text", has_text="Be kind.")).to_be_visible()

    def test_a_long_document_comes_when_it_is_opened(self, page_for: Pages) -> None:
        item, expert = make_desk("x" * 30_000 + " the end")
        page = page_for(expert)
        page.goto(url(item))
        expect(page.locator("[data-document]")).to_have_count(0)
        expect(opened(page)).to_contain_text("the end")

    def test_similar_feedback_follows_the_page(self, page_for: Pages, encoder: Encoder) -> None:
        item, expert = make_desk(TABLE)
        make_feedback(item.output, comment="The release date is wrong.")
        other = make_output(item.queue.project, external_id="other")
        make_feedback(other, comment="It gives the wrong release date.")
        embed_pending(encoder=encoder)
        page = page_for(expert)
        page.goto(url(item))
        found = page.locator("#related .similar a", has_text="wrong release date")
        expect(found).to_be_visible()
        found.click()
        page.wait_for_url("**/outputs/other**")

    def test_what_failed_can_be_tried_again(self, page_for: Pages, encoder: Encoder) -> None:
        item, expert = make_desk(TABLE)
        embed_pending(encoder=encoder)
        page = page_for(expert, expected=("status of 500", "Response Status Error Code 500"))

        def fail(route: Route) -> None:
            route.fulfill(status=500, body="")

        page.route("**/related/", fail)
        page.goto(url(item))
        again = page.locator("#related").get_by_role("button", name="Try again")
        expect(again).to_be_visible()
        page.unroute("**/related/", fail)
        again.click()
        expect(page.locator("#related")).to_contain_text("Nobody said anything like it")


class TestEvidence:
    @pytest.mark.parametrize("words", ["12 sessions", "👩🏽\u200d🌾 2026.\r\n\r\nBasic", "Family"])
    def test_is_marked_with_the_mouse(self, page_for: Pages, words: str) -> None:
        item, expert = make_desk(TABLE)
        page = page_for(expert)
        page.goto(url(item))
        text = opened(page)
        assert text.evaluate("text => text.textContent") == TABLE
        drag(page, text, words)
        expect(form(page)).to_be_visible()
        form(page).get_by_role("button", name="Mark as evidence").click()
        expect(form(page)).to_be_hidden()
        added = Evidence.objects.get()
        assert (added.exact, TABLE[added.start : added.end]) == (words, words)
        expect(page.locator("#margin .rests__one")).to_have_count(1)
        assert text.evaluate("text => text.textContent") == TABLE
        marked = "text => [...text.querySelectorAll('mark')].map(one => one.textContent).join('')"
        assert text.evaluate(marked) == words

    def test_is_marked_with_the_keyboard(self, page_for: Pages) -> None:
        item, expert = make_desk("Family Plus pays for twelve.")
        page = page_for(expert)
        page.goto(url(item))
        opened(page).focus()
        page.keyboard.press("Control+ArrowRight")
        for _ in range(2):
            page.keyboard.press("Shift+Control+ArrowRight")
        expect(form(page)).to_be_visible()
        page.keyboard.press("Enter")
        expect(form(page).get_by_label("Evidence for")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(form(page)).to_be_hidden()
        expect(page.locator("mark.evidence")).to_be_focused()
        assert Evidence.objects.get().exact == "Plus pays"

    def test_is_for_the_comment_that_is_chosen(self, page_for: Pages) -> None:
        item, expert = make_desk(TABLE)
        second = comment(item, expert, "2018")
        page = page_for(expert)
        page.goto(url(item))
        page.locator(f"#a{second.pk}").click()
        drag(page, opened(page), "12 sessions")
        expect(form(page).get_by_label("Evidence for")).to_have_value(str(second.pk))
        form(page).get_by_role("button", name="Mark as evidence").click()
        expect(page.locator(f"#a{second.pk} .rests__one")).to_have_count(1)

    def test_and_its_card_lead_to_each_other(self, page_for: Pages) -> None:
        item, expert = make_desk(TABLE)
        annotation = Annotation.objects.get()
        self.rest(annotation, expert)
        page = page_for(expert)
        page.goto(url(item))
        card = page.locator(f"#a{annotation.pk}")
        card.locator("a[data-evidence]").click()
        words = page.locator("mark.evidence")
        expect(words).to_be_focused()
        expect(words).to_be_in_viewport()
        expect(card).to_contain_class("is-on")
        page.mouse.move(700, 800)
        words.hover()
        expect(words).to_contain_class("is-on")
        expect(card).to_contain_class("is-on")
        page.keyboard.press("Enter")
        expect(card).to_be_focused()

    def test_can_be_removed_by_who_added_it(self, page_for: Pages) -> None:
        item, expert = make_desk(TABLE)
        self.rest(Annotation.objects.get(), expert)
        page = page_for(expert)
        page.goto(url(item))
        expect(page.locator(".rests__one")).to_have_count(1)
        page.get_by_role("button", name="Remove this evidence").click()
        expect(page.locator(".rests__one")).to_have_count(0)
        expect(page.locator("mark.evidence")).to_have_count(0)
        assert not Evidence.objects.exists()

    def test_leaves_hostile_documents_inert(self, page_for: Pages) -> None:
        item, expert = make_desk(HOSTILE, system=HOSTILE)
        page = page_for(expert)
        page.goto(url(item))
        text = opened(page)
        assert text.evaluate("text => text.textContent") == HOSTILE
        drag(page, text, "hostile words")
        form(page).get_by_role("button", name="Mark as evidence").click()
        expect(page.locator("mark.evidence")).to_have_text("hostile words")
        page.get_by_label("Search this session").fill("<script>")
        expect(page.locator("#turns mark.hit").first).to_have_text("<script>")
        expect(page.locator(".trail img, .trail script")).to_have_count(0)
        assert page.title() != "owned"

    def test_is_marked_without_a_script(self, page_for: Pages) -> None:
        item, expert = make_desk(TABLE)
        page = page_for(expert, java_script_enabled=False)
        page.goto(url(item))
        page.get_by_label("Words that are evidence").fill("12 sessions")
        page.get_by_role("form", name="Choose words of a document").get_by_role("button").click()
        form(page).get_by_role("button", name="Mark as evidence").click()
        assert Evidence.objects.get().exact == "12 sessions"
        expect(page.locator("a[data-evidence]")).to_have_count(1)

    def rest(self, annotation: Annotation, by: User) -> None:
        start = TABLE.index("12 sessions")
        add_evidence(
            annotation=annotation,
            document=0,
            start=start,
            end=start + len("12 sessions"),
            exact="12 sessions",
            by=by,
            now=NOW,
        )
