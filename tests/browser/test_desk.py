"""The reviewer's desk in Chromium: words are marked exactly, keys work, nothing runs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from feedback.models import Reason, User
from review import queues
from review.anchoring import Mark
from review.models import Annotation, Claim, QueueItem, Review
from review.rendering import render
from tests.browser.conftest import Pages
from tests.browser.selecting import drag, place, popover
from tests.factories import (
    make_feedback,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_user,
)
from tests.review.test_anchoring import demo_spans

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ANSWER = (
    "Bloom is **an album** by Troye 👩🏽\u200d🌾 Sivan &amp; others.\r\n"
    "It came out on 31 August\r\n\r\n"
    "- first *point* here\r\n- second\r\n\r\n"
    "| Song | Year |\r\n|---|---|\r\n| Plum | 2018 |\r\n\r\n"
    "```\r\nx = 1\r\n\ty = 2\r\n```\r\n"
)
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "[x](javascript:document.title='owned') </mark></p><svg onload=document.title='owned'>"
)


def url(item: QueueItem) -> str:
    return reverse("item", args=[item.queue.project.slug, item.pk])


def make_desk(text: str = ANSWER, **fields: Any) -> tuple[QueueItem, User]:
    project = make_project()
    item = make_item(make_queue(project), make_output(project, text=text, **fields))
    return item, make_user(project, "expert")


def painted(page: Page, mark: str) -> str:
    """The text under the marks of one note."""
    text: str = page.evaluate(
        """(id) => [...document.querySelectorAll(`#answer mark[data-a~="${id}"]`)]
                   .map((mark) => mark.textContent).join("")""",
        mark,
    )
    return text


class TestCommentingOnWords:
    @pytest.mark.parametrize(
        "words",
        [
            "Troye",
            "an album",
            "is an album by",
            "Troye 👩🏽\u200d🌾 Sivan",
            "Sivan & others.\nIt came",
            "point",
            "first point here",
            "Plum",
            "x = 1\n\ty = 2",
        ],
    )
    def test_marks_exactly_the_words_that_the_mouse_selected(
        self, page_for: Pages, words: str
    ) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(url(item))
        page.get_by_role("button", name="Review it").click()
        expect(page.get_by_role("button", name="Submit and next")).to_be_visible()
        drag(page, words)
        expect(popover(page).locator("[data-quote]")).to_have_text(words)
        page.keyboard.press("c")
        page.keyboard.type("What about it?")
        popover(page).get_by_role("button", name="Incomplete").click()
        popover(page).get_by_role("button", name="Comment Ctrl").click()
        expect(page.locator("#margin .note")).to_have_count(1)
        expect(popover(page)).to_be_hidden()
        written = Annotation.objects.get()
        assert written.exact == words
        assert written.reason is not None
        assert written.reason.slug == "incomplete"
        assert written.comment == "What about it?"
        assert painted(page, f"a{written.pk}") == words
        expect(page.locator(f"#a{written.pk}")).to_be_focused()
        page.reload()
        assert painted(page, f"a{written.pk}") == words

    def test_across_blocks_only_text_is_marked(self, page_for: Pages) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(url(item))
        drag(page, "August\nfirst")
        page.keyboard.press("1")
        expect(page.locator("#margin .note")).to_have_count(1)
        written = Annotation.objects.get()
        assert written.exact == "August\nfirst"
        assert painted(page, f"a{written.pk}") == "Augustfirst"
        assert ANSWER[written.source_start : written.source_end] == "August\r\n\r\n- first"

    def test_a_double_click_takes_the_word(self, page_for: Pages) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(url(item))
        at = place(page, "album")
        page.mouse.dblclick((at["x1"] + at["x2"]) / 2, at["y1"])
        expect(popover(page)).to_be_visible()
        page.keyboard.press("3")
        expect(page.locator("#margin .note")).to_have_count(1)
        assert Annotation.objects.get().exact == "album"

    def test_other_words_are_suggested_from_the_selected_ones(self, page_for: Pages) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(url(item))
        drag(page, "31 August")
        page.keyboard.press("e")
        expect(page.get_by_role("textbox", name="Other words")).to_be_focused()
        expect(page.get_by_role("textbox", name="Other words")).to_have_value("31 August")
        page.get_by_role("textbox", name="Other words").fill("17 August")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#margin ins")).to_have_text("17")
        assert Annotation.objects.get().replacement == "17 August"

    def test_overlapping_comments_share_flat_marks(self, page_for: Pages) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(url(item))
        for words in ("is an album by", "album by Troye"):
            drag(page, words)
            page.keyboard.press("1")
            expect(popover(page)).to_be_hidden()
        expect(page.locator("#margin .note")).to_have_count(2)
        for written in Annotation.objects.all():
            assert painted(page, f"a{written.pk}") == written.exact
        expect(page.locator("mark mark")).to_have_count(0)

    def test_escape_closes_and_stores_nothing(self, page_for: Pages) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(url(item))
        drag(page, "Bloom")
        page.keyboard.press("Escape")
        expect(popover(page)).to_be_hidden()
        assert not Annotation.objects.exists()

    def test_an_answer_that_changed_meanwhile_is_refused_and_the_comment_kept(
        self, page_for: Pages
    ) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(url(item))
        drag(page, "Bloom")
        type(item.output).objects.update(version=2, text="Another answer.")
        page.keyboard.press("c")
        page.keyboard.type("Kept.")
        page.keyboard.press("Control+Enter")
        expect(popover(page).get_by_role("alert")).to_contain_text("The answer has changed")
        expect(page.get_by_label("Comment", exact=True).first).to_have_value("Kept.")
        assert not Annotation.objects.exists()


class TestMargin:
    def test_notes_stand_beside_their_words_and_never_over_each_other(
        self, page_for: Pages
    ) -> None:
        item, expert = make_desk("Some **words** to judge. " * 160)
        for number in range(7):
            make_feedback(
                item.output,
                comment="Why? " * 12,
                span_start=number * 500,
                span_end=number * 500 + 9,
                output_version=1,
            )
        page = page_for(expert)
        page.goto(url(item))
        for _ in range(4):
            page.keyboard.press("j")
        expect(page.locator("#margin .note").nth(3)).to_be_focused()
        page.wait_for_timeout(300)
        boxes = [note.bounding_box() for note in page.locator("#margin .note").all()]
        tops = [(box["y"], box["y"] + box["height"]) for box in boxes if box]
        assert all(above[1] <= below[0] for above, below in pairwise(tops))
        note = page.locator("#margin .note").nth(3)
        mark = page.locator(f'mark[data-a~="{note.get_attribute("id")}"]').first
        beside, words = note.bounding_box(), mark.bounding_box()
        assert beside
        assert words
        assert abs(beside["y"] - words["y"]) < 12
        assert "is-on" in (mark.get_attribute("class") or "")

    def test_pointing_at_words_lights_their_note(self, page_for: Pages) -> None:
        item, expert = make_desk()
        said = make_feedback(item.output, comment="x", span_start=0, span_end=5, output_version=1)
        page = page_for(expert)
        page.goto(url(item))
        page.locator(f'mark[data-a~="f{said.pk}"]').hover()
        expect(page.locator(f"#f{said.pk}.is-on")).to_be_visible()


class TestSpansOfTheDemo:
    def test_every_one_is_painted_over_the_words_that_were_marked(self, page_for: Pages) -> None:
        page = page_for()
        page.goto("/sign-in/")
        wanted: list[dict[str, Any]] = []
        for answer, spans in demo_spans():
            rendered = render(answer)
            places = [rendered.source_to_canonical(span["start"], span["end"]) for span in spans]
            marks = [_mark(number, at) for number, at in enumerate(places)]
            wanted.append(
                {
                    "html": rendered.painted(marks),
                    "canonical": rendered.canonical,
                    "texts": {
                        mark.id: rendered.marked_text(mark.start, mark.end) for mark in marks
                    },
                }
            )
        wrong = page.evaluate(
            """(answers) => answers.flatMap(({ html, canonical, texts }) => {
              const answer = document.createElement("div");
              answer.innerHTML = html;
              document.body.append(answer);
              const text = answer.textContent;
              const wrong = text === canonical ? [] : [[text, canonical]];
              for (const [id, text] of Object.entries(texts)) {
                const marks = [...answer.querySelectorAll(`mark[data-a~="${id}"]`)];
                const found = marks.map((mark) => mark.textContent).join("");
                if (found !== text) wrong.push([found, text]);
              }
              answer.remove();
              return wrong;
            })""",
            wanted,
        )
        assert wrong == []
        assert sum(len(one["texts"]) for one in wanted) > 900


def _mark(number: int, at: tuple[int, int] | None) -> Mark:
    assert at is not None
    return Mark(f"f{number}", *at, category=1 + number % 8)


class TestDeciding:
    def test_keys_alone_take_the_item_and_submit_it(self, page_for: Pages) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(url(item))
        page.keyboard.press("r")
        expect(page.get_by_role("button", name="Submit and next")).to_be_visible()
        page.keyboard.press("f")
        page.keyboard.press("1")
        page.keyboard.press("c")
        page.keyboard.type("Wrong day.")
        page.keyboard.press("Control+Enter")
        page.wait_for_url("**/queues/**")
        review = Review.objects.get()
        assert (review.verdict, review.comment) == ("fix", "Wrong day.")
        assert [reason.slug for reason in review.reasons.all()] == ["factually-incorrect"]
        assert page.evaluate("localStorage.length") == 0

    def test_what_cannot_stand_is_said_and_what_was_typed_stays(self, page_for: Pages) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(url(item))
        page.keyboard.press("r")
        page.get_by_label("Fix").check()
        page.locator("#applied-more").click()
        page.get_by_role("link", name="Edit whole answer").click()
        page.get_by_label("The corrected answer, as Markdown").fill("Better words.")
        page.get_by_role("button", name="Save as suggestions").click()
        expect(page.locator("#shown")).to_contain_text("Better words.")
        page.get_by_role("button", name="Submit and next").click()
        expect(page.get_by_role("alert")).to_contain_text("Give at least one reason")
        expect(page.get_by_role("radio", name="Fix")).to_be_checked()
        page.keyboard.press("Escape")
        page.get_by_role("checkbox", name="Too vague").check()
        page.get_by_role("button", name="Submit and next").click()
        page.wait_for_url("**/queues/**")
        assert Review.objects.get().correction == "Better words."

    def test_a_lost_lease_keeps_what_was_typed_and_offers_the_item_again(
        self, page_for: Pages
    ) -> None:
        item, expert = make_desk()
        page = page_for(expert)
        page.goto(url(item))
        page.keyboard.press("r")
        page.get_by_label("Good").check()
        page.keyboard.press("c")
        page.keyboard.type("Long words.")
        Claim.objects.update(reviewer=None, claimed_at=None, lease_until=None)
        page.keyboard.press("Control+Enter")
        expect(page.get_by_role("alert")).to_contain_text("Nothing was stored.")
        expect(page.locator("#decide-comment")).to_have_value("Long words.")
        page.get_by_role("button", name="Take again").first.click()
        expect(page.get_by_role("alert")).to_have_count(0)
        expect(page.locator("#decide-comment")).to_have_value("Long words.")
        page.get_by_role("button", name="Submit and next").click()
        page.wait_for_url("**/queues/**")
        assert Review.objects.get().comment == "Long words."

    def test_a_second_reviewer_sees_who_holds_it(self, page_for: Pages) -> None:
        item, expert = make_desk()
        other = make_user(item.queue.project, "expert", username="mira")
        first = page_for(other)
        first.goto(url(item))
        first.get_by_role("button", name="Review it").click()
        expect(first.get_by_role("button", name="Submit and next")).to_be_visible()
        second = page_for(expert)
        second.goto(url(item))
        expect(second.locator("#decide")).to_contain_text("mira is reviewing this until")
        expect(second.get_by_role("button", name="Submit and next")).to_have_count(0)
        expect(second.get_by_role("button", name="Review it")).to_have_count(0)

    def test_the_lease_is_renewed_while_somebody_works(self, page_for: Pages) -> None:
        item, expert = make_desk()
        queues.claim(item=item, by=expert, now=timezone.now())
        before = Claim.objects.get().lease_until
        page = page_for(expert)
        page.clock.install()
        page.goto(url(item))
        page.keyboard.press("j")
        with page.expect_response("**/renew/"):
            page.clock.run_for(61_000)
        after = Claim.objects.get().lease_until
        assert before
        assert after
        assert after > before


class TestHostileAnswers:
    def test_nothing_of_it_runs(self, page_for: Pages) -> None:
        item, expert = make_desk(HOSTILE, query=HOSTILE, system=HOSTILE)
        said = make_feedback(
            item.output,
            comment=HOSTILE,
            correction=HOSTILE,
            label="<b>x</b>",
            span_start=0,
            span_end=len(HOSTILE),
            output_version=1,
        )
        said.reasons.add(Reason.objects.filter(taxonomy__project=item.queue.project)[0])
        page = page_for(expert)
        page.goto(url(item))
        assert painted(page, f"f{said.pk}") == render(HOSTILE).canonical
        expect(page.locator("#answer script, #answer img, #answer svg")).to_have_count(0)
        expect(page.locator("#answer")).to_contain_text("<script>document.title")
        assert "owned" not in page.title().split("·")[-1]
        drag(page, "javascript")
        page.keyboard.press("c")
        page.keyboard.type("</textarea><script>document.title='owned'</script>")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#margin .note")).to_have_count(2)
        assert page.evaluate("document.title") != "owned"


class TestSmallScreens:
    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_panes_fit_a_phone(self, page_for: Pages, theme: str) -> None:
        item, expert = make_desk()
        make_feedback(item.output, comment="A long word: " + "x" * 300)
        page = page_for(expert, width=390, height=844, theme=theme)
        page.goto(url(item))
        page.get_by_role("button", name="Review it").click()
        for pane in ("Session", "Comments", "Answer"):
            page.locator(".review__tabs").get_by_text(pane).click()
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert over <= 0
        expect(page.get_by_role("button", name="Submit and next")).to_be_in_viewport()

    def test_the_comment_on_a_selection_is_a_sheet_at_the_bottom(self, page_for: Pages) -> None:
        item, expert = make_desk()
        page = page_for(expert, width=390, height=844)
        page.goto(url(item))
        drag(page, "an album")
        expect(popover(page)).to_be_in_viewport(ratio=1)
        popover(page).get_by_text("Incomplete").click()
        expect(popover(page)).to_be_hidden()
        assert Annotation.objects.get().exact == "an album"


class TestWithoutAScript:
    def test_words_are_chosen_commented_and_the_decision_sent(self, page_for: Pages) -> None:
        item, expert = make_desk()
        page = page_for(expert, java_script_enabled=False)
        page.goto(url(item))
        page.get_by_label("Words of the answer to comment on").fill("an album")
        page.get_by_role("button", name="Choose").click()
        page.locator("#pop-comment").fill("Is it?")
        page.locator("#pop").get_by_role("button", name="Comment").click()
        assert Annotation.objects.get().exact == "an album"
        page.get_by_role("button", name="Review it").click()
        page.get_by_label("Good").check()
        page.get_by_role("button", name="Submit and next").click()
        page.wait_for_url("**/queues/**")
        assert Review.objects.get().verdict == "accept"
