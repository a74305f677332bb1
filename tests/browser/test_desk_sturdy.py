"""The desk in rough hands: forged forms, double clicks, news while one types, small targets."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from feedback.models import User
from review.annotations import annotate
from review.models import Annotation, QueueItem
from review.rendering import render
from tests.browser import states
from tests.browser.conftest import Pages
from tests.browser.selecting import drag, popover
from tests.factories import (
    make_annotation,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_user,
)
from tests.scenes import make_scene

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TEXT = (
    "The first sentence has words. See [the page](https://example.org/) for "
    "\u202emore\u202c of them.\n\n"
    + ("\n\n".join(f"Paragraph {number} says little." for number in range(40)))
)
# Targets of less than 24 by 24 px whose circle of 24 px touches another one; those in a sentence
# are excepted (WCAG 2.2, 2.5.8).
SMALL = """() => {
  const seen = (one) => one.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    && one.getBoundingClientRect().width > 1
    && !one.closest("[popover]:not(:popover-open), .vh, .skip, dialog, #answer, .note__text");
  const wanted = ":is(main, .top) :is(a[href], button, input, select, summary, textarea)";
  const all = [...document.querySelectorAll(wanted)]
    .map((one) => (one.matches("label input") ? one.closest("label") : one)).filter(seen);
  const boxes = [...new Set(all)].map((one) => [one, one.getBoundingClientRect()]);
  const isSmall = (box) => box.width < 23.5 || box.height < 23.5;
  const touches = (box, near) => {
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    if (isSmall(near)) {
      return Math.hypot(x - near.x - near.width / 2, y - near.y - near.height / 2) < 23.5;
    }
    const across = Math.max(near.left - x, 0, x - near.right);
    return Math.hypot(across, Math.max(near.top - y, 0, y - near.bottom)) < 11.5;
  };
  return boxes
    .filter(([one, box]) => isSmall(box) && boxes.some(([other, near]) =>
      !other.contains(one) && !one.contains(other) && touches(box, near)))
    .map(([one, box]) => `${box.width} x ${box.height} ${one.outerHTML.slice(0, 160)}`);
}"""


def make_desk() -> tuple[QueueItem, User]:
    project = make_project()
    item = make_item(make_queue(project), make_output(project, text=TEXT))
    return item, make_user(project, "expert")


def opened(page_for: Pages, item: QueueItem, by: User, **options: Any) -> Page:
    page: Page = page_for(by, **options)
    page.goto(reverse("item", args=[item.queue.project.slug, item.pk]))
    return page


class TestForms:
    def test_other_words_than_those_at_the_place_are_never_stored(self, page_for: Pages) -> None:
        """R2."""
        item, expert = make_desk()
        page = opened(page_for, item, expert)
        drag(page, "first sentence")
        page.locator("#pop [name=exact]").evaluate("(field) => (field.value = 'other words')")
        page.keyboard.press("1")
        expect(popover(page).get_by_role("alert")).to_contain_text("not at this place")
        assert not Annotation.objects.exists()

    def test_sent_twice_at_once_is_one_comment(self, page_for: Pages) -> None:
        """R3."""
        item, expert = make_desk()
        page = opened(page_for, item, expert)
        drag(page, "first sentence")
        page.keyboard.press("c")
        page.keyboard.type("Once.")
        page.locator("#pop").evaluate("(pop) => { pop.requestSubmit(); pop.requestSubmit(); }")
        expect(page.locator("#margin > .note")).to_have_count(1)
        again = page.evaluate(
            """async (form) => (await fetch(document.getElementById("pop").action, {
                 method: "POST", body: new URLSearchParams(form) })).status""",
            {
                "csrfmiddlewaretoken": page.locator(
                    "#pop [name=csrfmiddlewaretoken]"
                ).input_value(),
                "request_key": str(Annotation.objects.get().request_key),
                "version": "1",
                "start": "4",
                "end": "9",
                "exact": "first",
                "comment": "Once.",
            },
        )
        assert again == 200
        assert Annotation.objects.count() == 1


class TestPolicy:
    def test_a_strict_policy_breaks_nothing(self, page_for: Pages) -> None:
        """R7."""
        item, expert = make_desk()
        page: Page = page_for(expert)
        page.add_init_script(
            "window.refused = [];"
            "document.addEventListener('securitypolicyviolation', (one) =>"
            " window.refused.push(one.violatedDirective + ' ' + one.blockedURI));"
        )
        answer = page.goto(reverse("item", args=[item.queue.project.slug, item.pk]))
        assert answer
        policy = answer.headers["content-security-policy"]
        [scripts] = [one for one in policy.split(";") if one.strip().startswith("script-src ")]
        assert "unsafe" not in scripts
        drag(page, "first sentence")
        page.keyboard.press("e")
        page.locator("#pop-replacement").fill("other **words**")
        expect(page.locator("#pop-preview strong")).to_have_text("words")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#margin > .note")).to_have_count(1)
        page.get_by_role("link", name="Changes").click()
        page.keyboard.press("Control+k")
        expect(page.get_by_role("combobox", name="Find a command")).to_be_focused()
        assert page.evaluate("window.refused") == []


class TestLinks:
    def test_a_marked_link_opens_with_ctrl_alone(self, page_for: Pages) -> None:
        """R8."""
        item, expert = make_desk()
        note = make_annotation(item.output, expert, "the page")
        page = opened(page_for, item, expert)
        page.context.route("https://example.org/**", lambda route: route.fulfill(body="There."))
        # What the browser then does with the link is its own: some without windows open none.
        page.evaluate(
            """() => {
              window.taken = [];
              addEventListener("click", (event) => window.taken.push(event.defaultPrevented));
            }"""
        )
        before = page.url
        page.locator("#answer a mark").click()
        expect(page.locator(f"#a{note.pk}.is-active")).to_be_visible()
        page.locator("#answer a mark").click(modifiers=["Control"])
        assert page.evaluate("window.taken") == [True, False]
        assert page.url == before


class TestNewsWhileOneWrites:
    def test_nothing_is_lost_of_text_caret_composition_and_scroll(self, page_for: Pages) -> None:
        """Case 30: with an input method that is in the middle of a word."""
        item, expert = make_desk()
        other = make_user(item.queue.project, "expert")
        page = opened(page_for, item, expert)
        drag(page, "first sentence")
        page.keyboard.press("c")
        box = page.locator("#pop-comment")
        expect(box).to_be_focused()
        page.keyboard.type("before after")
        box.evaluate("(box) => box.setSelectionRange(7, 7)")
        box.evaluate(
            """(box) => {
              window.ended = 0;
              box.addEventListener("compositionend", () => (window.ended += 1));
            }"""
        )
        session = page.context.new_cdp_session(page)
        session.send(
            "Input.imeSetComposition",
            {"text": "\u306b\u307b", "selectionStart": 2, "selectionEnd": 2},
        )
        page.locator(".folio").evaluate("(folio) => folio.scrollBy(0, 12)")
        scroll = page.locator(".folio").evaluate("(folio) => folio.scrollTop")
        words = "sentence has"
        start = render(TEXT).canonical.index(words)
        note = annotate(
            output=item.output,
            version=1,
            by=other,
            start=start,
            end=start + len(words),
            exact=words,
            comment="Meanwhile.",
            now=timezone.now(),
        )
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.locator(f"#a{note.pk}")).to_be_visible()
        expect(box).to_be_focused()
        expect(box).to_have_value("before \u306b\u307bafter")
        assert box.evaluate("(box) => [box.selectionStart, box.selectionEnd]") == [9, 9]
        assert page.evaluate("window.ended") == 0
        assert page.locator(".folio").evaluate("(folio) => folio.scrollTop") == scroll
        session.send("Input.insertText", {"text": "\u65e5\u672c "})
        expect(box).to_have_value("before \u65e5\u672c after")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#margin > .note")).to_have_count(2)
        assert Annotation.objects.get(author=expert).exact == "first sentence"
        marks = page.locator(f'#answer mark[data-a~="a{note.pk}"]')
        assert "".join(marks.all_text_contents()) == words

    def test_marks_of_direction_stay_within_the_quote(self, page_for: Pages) -> None:
        """Case 30."""
        item, expert = make_desk()
        note = make_annotation(item.output, expert, "for \u202emore")
        page = opened(page_for, item, expert)
        quoted = page.locator(f"#a{note.pk} .note__quote bdi")
        assert quoted.evaluate("(bdi) => bdi.textContent") == "for \u202emore"
        assert quoted.evaluate("(bdi) => getComputedStyle(bdi).unicodeBidi") == "isolate"


class TestTargets:
    @pytest.mark.parametrize("width", [1440, 390])
    def test_are_24_pixels_or_stand_alone(self, page_for: Pages, width: int) -> None:
        """M3."""
        scene = make_scene()
        page = page_for(scene.expert, width=width, height=900)
        states.replying(page, scene)
        assert page.evaluate(SMALL) == []

    def test_what_has_the_focus_is_never_under_the_bar(self, page_for: Pages) -> None:
        """A5."""
        item, expert = make_desk()
        notes = [
            make_annotation(item.output, expert, f"Paragraph {number} says")
            for number in range(0, 40, 3)
        ]
        page = opened(page_for, item, expert, height=600)
        expect(page.locator("#margin > .note")).to_have_count(len(notes))
        hidden = page.evaluate(
            """() => {
              const folio = document.querySelector(".folio");
              const bar = document.querySelector(".folio__bar");
              const found = [];
              for (const mark of document.querySelectorAll("#answer mark[tabindex]")) {
                folio.scrollTo({ top: folio.scrollHeight, behavior: "instant" });
                mark.focus();
                const box = mark.getBoundingClientRect();
                if (box.top < bar.getBoundingClientRect().bottom - 1) found.push(mark.outerHTML);
              }
              return found;
            }"""
        )
        assert hidden == []
