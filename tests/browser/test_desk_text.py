"""What Chromium has of a rendered answer is its canonical text, and marks lie on their words."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from feedback.models import User
from review.anchoring import Mark
from review.models import Annotation, QueueItem
from review.rendering import render
from tests.bench.texts import spans, texts
from tests.browser.conftest import Pages
from tests.browser.reading import Read, read
from tests.browser.selecting import drag, popover
from tests.browser.test_desk_selection import choose
from tests.factories import make_item, make_output, make_project, make_queue, make_user
from tests.review.test_anchoring import demo_spans
from tests.review.test_places import become

pytestmark = pytest.mark.browser

NAMED = os.environ.get("POSTIL_DATA", "")
with_data = pytest.mark.skipif(not NAMED, reason="POSTIL_DATA names no folder with data sets")

# Source, words to mark, what of them is painted.
NASTY = {
    "1 emoji": ("a 👩🏽\u200d🌾 b", "👩🏽\u200d🌾", "👩🏽\u200d🌾"),
    "2 decomposed": ("e\u0301tat", "e\u0301", "e\u0301"),
    "3 flags": ("🇫🇷🇩🇪 x", "🇩🇪", "🇩🇪"),
    "4 two directions": ("שלום **עולם** abc", "לום עולם ab", "לום עולם ab"),
    "5 line ends": ("x\r\ny", "y", "y"),
    "6 hard break": ("foo\\\nbar", "foo\nbar", "foo\nbar"),
    "7 paragraphs": ("One two.\n\nThree.", "two.\nThree", "two.Three"),
    "9 cells": ("| a | b | c |\n|---|---|---|\n| 1\\|2 | | z |", "1|2\t\tz", "1|2z"),
    "11 nested list": ("- outer\n  1. first\n- last", "outer\nfirst\nlast", "outerfirstlast"),
    "12 blank lines": ("```py\n\n\n\tx = 1\n```", "\n\n\tx = 1", "\n\n\tx = 1"),
    "13 info string": ("```python\npython\n```", "python", "python"),
    "14 code": ("```py\ndef f(x):\n```", "f(x)", "f(x)"),
    "15 whole code": ("```sh\nls\ncd\n```", "ls\ncd", "ls\ncd"),
    "16 entities": ("AT&amp;T &lt;b&gt;", "T <b", "T <b"),
    "17 tex": (r"\*not bold\* \(x_1\)", r"\(x_1\)", r"\(x_1\)"),
    "18 link": ('**bo**ld [link](http://u.example "t")', "old li", "old li"),
    "19 image": ("![alt](http://u.example) text", "alt text", "alt text"),
    "20 script": ("<script>alert(1)</script>", "alert(1)", "alert(1)"),
    "30 override": ("a \u202eb c", "\u202eb", "\u202eb"),
    "30 zero width": ("a\u200bb\u00adc", "\u200bb\u00ad", "\u200bb\u00ad"),
    "30 nul": ("a\x00b", "\ufffdb", "\ufffdb"),
    "30 line separator": ("a\u2028b", "a\u2028b", "a\u2028b"),
    "task": ("- [x] done\n- [ ] not", "☑ done", "☑ done"),
}


@pytest.fixture
def blank(browser: Browser) -> Any:
    page = browser.new_page()
    page.set_default_timeout(60_000)
    yield page
    page.close()


def shown(page: Page, sources: list[str]) -> list[Read]:
    rendered = [render(source) for source in sources]
    return read(page, [(one.html, one.canonical) for one in rendered])


class TestTextOfTheBrowser:
    def test_is_the_canonical_text_of_every_answer_of_the_demo(self, blank: Page) -> None:
        """Complaint 19."""
        answers = [answer for answer, _ in demo_spans()]
        found = shown(blank, answers)
        assert [one.wrong for one in found if one.wrong] == []
        assert sum(one.num_blocks for one in found) >= len(answers) > 100

    @with_data
    def test_is_the_canonical_text_of_a_sample_of_all_real_texts(self, blank: Page) -> None:
        sample = [text for _, text in islice(texts(Path(NAMED)), 0, None, 50)]
        found = shown(blank, sample)
        assert [one.wrong for one in found if one.wrong] == []
        assert len(found) > 500

    def test_tells_a_text_that_is_another(self, blank: Page) -> None:
        [one] = read(blank, [('<p data-start="0">Bloom</p>', "Gloom")])
        assert one.wrong == ["0", "all"]

    @pytest.mark.parametrize("case", NASTY)
    def test_case(self, blank: Page, case: str) -> None:
        source, words, painted = NASTY[case]
        rendered = render(source)
        start = rendered.canonical.index(words)
        mark = Mark("a1", start, start + len(words), 1)
        [one] = read(blank, [(rendered.painted([mark]), rendered.canonical)])
        assert one.wrong == []
        assert one.marked == {"a1": painted}

    def test_nothing_of_an_answer_is_run_or_loaded(self, blank: Page) -> None:
        asked: list[str] = []
        blank.on("request", lambda request: asked.append(request.url))
        hostile = "<script>document.title='x'</script> ![i](http://u.example/i.png)"
        [one] = shown(blank, [hostile])
        assert one.wrong == []
        assert blank.title() == ""
        assert asked == []


class TestSpans:
    def test_of_the_demo_are_read_back_as_they_were_marked(self, blank: Page) -> None:
        answers, wanted = [], []
        for answer, marked in demo_spans():
            rendered = render(answer)
            places = [rendered.source_to_canonical(one["start"], one["end"]) for one in marked]
            marks = [Mark(f"f{number}", *place) for number, place in enumerate(places) if place]
            answers.append((rendered.painted(marks), rendered.canonical))
            wanted.append({mark.id: rendered.marked_text(mark.start, mark.end) for mark in marks})
        assert [one.marked for one in read(blank, answers)] == wanted

    @with_data
    def test_of_right_to_left_and_unspaced_scripts_are_their_quotes(self, blank: Page) -> None:
        answers, wanted = [], []
        for span in islice(spans(Path(NAMED)), 0, None, 20):
            if not span.row.startswith(("val-ar", "val-hi", "val-zh")):
                continue
            rendered = render(span.text)
            place = rendered.source_to_canonical(span.start, span.end)
            if span.start < span.end and place and rendered.canonical == span.text:
                answers.append((rendered.painted([Mark("f", *place)]), rendered.canonical))
                wanted.append(span.text[span.start : span.end])
        assert [one.marked["f"] for one in read(blank, answers)] == wanted
        assert len(wanted) > 20


TEXT = "Bloom came out on 31 August 2018.\n\nIt was well received by everybody who heard it."


@pytest.mark.django_db(transaction=True)
class TestOnTheDesk:
    def opened(self, page_for: Pages, text: str = TEXT) -> tuple[Page, QueueItem]:
        project = make_project()
        item = make_item(make_queue(project), make_output(project, text=text))
        expert: User = make_user(project, "expert")
        page = page_for(expert)
        page.goto(reverse("item", args=[project.slug, item.pk]))
        return page, item

    def test_a_range_of_two_directions_is_kept_in_logical_order(self, page_for: Pages) -> None:
        source = "שלום **עולם** abc"
        page, _ = self.opened(page_for, source)
        choose(page, 1, 11, source)
        expect(popover(page)).to_be_visible()
        page.keyboard.press("1")
        expect(page.locator("#margin .note")).to_have_count(1)
        written = Annotation.objects.get()
        assert (written.start, written.end, written.exact) == (1, 11, "לום עולם a")
        assert page.locator("#answer mark").count() == 3

    def test_r1_words_selected_in_a_former_version_are_offered_where_they_are_now(
        self, page_for: Pages
    ) -> None:
        page, item = self.opened(page_for)
        drag(page, "31 August")
        page.keyboard.press("c")
        page.keyboard.type("Which year?")
        become(item.output, "The album " + TEXT.replace("31 August", "1 August"))
        page.keyboard.press("Control+Enter")
        expect(popover(page).get_by_role("alert")).to_contain_text("was re-attached")
        expect(popover(page).locator("[data-quote]")).to_have_text("1 August")
        expect(page.locator("#pop-comment")).to_have_value("Which year?")
        page.locator("#pop-comment").press("Control+Enter")
        expect(popover(page)).to_be_hidden()
        written = Annotation.objects.get()
        assert (written.output_version, written.exact) == (2, "1 August")
        assert written.comment == "Which year?"

    def test_h9_what_changed_is_marked_as_a_guess_and_what_is_gone_is_listed(
        self, page_for: Pages
    ) -> None:
        page, item = self.opened(page_for)
        for words in ("came out on 31 August", "well received"):
            drag(page, words)
            page.keyboard.press("1")
            expect(page.locator(f"#answer mark:text('{words}')")).to_be_visible()
        become(item.output, TEXT.replace("31", "1").replace("well received", "hated"))
        page.reload()
        changed, gone = page.locator("#margin > .note").all()
        expect(changed).to_have_attribute("data-anchor", "changed")
        expect(changed).to_contain_text("The words have changed since version 1")
        expect(changed).to_contain_text("came out on 31 August")
        expect(page.locator("#answer mark")).to_have_text(["came out on 1 August"])
        expect(gone).to_have_attribute("data-anchor", "detached")
        expect(gone).to_contain_text("well received")
