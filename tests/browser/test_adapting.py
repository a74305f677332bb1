"""The desk with own colours, large text, on a phone, without motion, without a script."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.browser import states
from tests.browser.conftest import Pages
from tests.browser.test_frame import width_over
from tests.scenes import make_scene

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# What WCAG 2.2, 1.4.12, wants a reader to be able to set.
SPACING = """const sheet = new CSSStyleSheet();
  sheet.replaceSync(`* { line-height: 1.5 !important; letter-spacing: .12em !important;
    word-spacing: .16em !important } p { margin-bottom: 2em !important }`);
  document.adoptedStyleSheets.push(sheet);"""
# Controls whose middle is covered by something else, wherever they are scrolled to.
COVERED = """() => [...document.querySelectorAll(
    "main :is(a, button, input, select, textarea, summary), .top :is(a, button)")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    && !one.closest("[popover]:not(:popover-open), .vh, .skip, dialog:not([open])")
    && one.getClientRects().length && !one.matches(":disabled"))
  .filter((one) => {
    one.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
    const line = one.getClientRects()[0];
    const x = line.left + line.width / 2, y = line.top + line.height / 2;
    if (x < 0 || y < 0 || x > innerWidth || y > innerHeight) return true;
    const hit = document.elementFromPoint(x, y);
    const isIts = hit && (one.contains(hit) || hit.contains(one));
    return !isIts && (!hit || one.closest("label") !== hit.closest("label"));
  })
  .map((one) => one.outerHTML.slice(0, 200))"""


def styles(page: Page, selector: str, *names: str) -> list[str]:
    """Computed properties of the first element that matches."""
    found: list[str] = page.locator(selector).first.evaluate(
        "(one, names) => names.map((name) => getComputedStyle(one)[name])", list(names)
    )
    return found


class TestForcedColours:
    def test_reasons_differ_by_their_underline(self, page_for: Pages) -> None:
        scene = make_scene()
        page = page_for(scene.expert, forced_colors="active")
        page.goto(reverse("patterns"))
        lines = [
            tuple(
                styles(
                    page, f"#colour mark[data-cat='{n}']", "borderBottomStyle", "borderBottomWidth"
                )
            )
            for n in range(1, 9)
        ]
        assert len(set(lines)) == 8

    def test_states_of_marks_are_told_apart(self, page_for: Pages) -> None:
        scene = make_scene()
        page = page_for(scene.expert, forced_colors="active")
        states.open_desk(page, scene)
        states.card(page, scene, "replied")
        lit = f"#answer mark[data-a~='a{scene.notes['replied'].pk}']"
        other = f"#answer mark[data-a~='a{scene.notes['edited'].pk}']"
        expect(page.locator(lit).first).to_have_class(re.compile(r"\bis-on\b"))
        assert styles(page, lit, "backgroundColor") != styles(page, other, "backgroundColor")
        two = f"#answer mark[data-a~='a{scene.notes['overlapping'].pk}'][data-cat2]"
        line = ("textDecorationLine", "textDecorationStyle")
        assert styles(page, two, *line) != styles(page, other, *line)

    def test_what_is_chosen_differs_from_what_is_not(self, page_for: Pages) -> None:
        scene = make_scene()
        page = page_for(scene.expert, forced_colors="active")
        states.open_desk(page, scene)
        states.verdict(page, "Fix")
        chosen = styles(page, ".seg label:has(input[value=fix])", "backgroundColor")
        assert chosen != styles(page, ".seg label:has(input[value=accept])", "backgroundColor")

    def test_what_floats_has_an_edge(self, page_for: Pages) -> None:
        scene = make_scene()
        page = page_for(scene.expert, forced_colors="active")
        states.popover_open(page, scene)
        [style, width] = styles(page, "#pop", "outlineStyle", "outlineWidth")
        assert (style, width) == ("solid", "1px")

    def test_focus_is_seen(self, page_for: Pages) -> None:
        scene = make_scene()
        page = page_for(scene.expert, forced_colors="active")
        states.open_desk(page, scene)
        for _ in range(12):
            page.keyboard.press("Tab")
            ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert ring in {"solid", "auto"}


class TestLargeText:
    def test_twice_as_large_everything_is_there_and_nothing_is_covered(
        self, page_for: Pages
    ) -> None:
        """WCAG 2.2, 1.4.4 and 1.4.10."""
        scene = make_scene()
        page = page_for(scene.expert, width=720, height=450, device_scale_factor=2)
        states.open_desk(page, scene)
        for name in ("Session", "Answer", "Comments"):
            states.pane(page, name)
            assert width_over(page) <= 0
            assert page.evaluate(COVERED) == []

    @pytest.mark.parametrize("width", [1440, 390])
    def test_with_wider_spacing_the_page_stays_within_its_window(
        self, page_for: Pages, width: int
    ) -> None:
        """WCAG 2.2, 1.4.12."""
        scene = make_scene()
        page = page_for(scene.expert, width=width)
        states.open_desk(page, scene)
        page.evaluate(SPACING)
        assert width_over(page) <= 0
        assert page.evaluate(COVERED) == []


class TestPhone:
    def test_no_control_is_covered_in_any_pane(self, page_for: Pages) -> None:
        scene = make_scene()
        page = page_for(scene.expert, width=390, height=844)
        states.open_desk(page, scene)
        for name in ("Session", "Answer", "Comments"):
            states.pane(page, name)
            assert width_over(page) <= 0
            assert page.evaluate(COVERED) == []


class TestMotion:
    def test_nothing_moves_for_whoever_asked_for_that(self, page_for: Pages) -> None:
        scene = make_scene()
        page = page_for(scene.expert, reduced_motion="reduce")
        states.active_card(page, scene)
        longest = page.evaluate(
            """Math.max(0, ...document.getAnimations()
               .map((one) => Number(one.effect.getComputedTiming().activeDuration)))"""
        )
        assert longest < 1


SHIFTS = """() => {
  window.shifted = [];
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) {
      if (!one.hadRecentInput) window.shifted.push([one.value, one.sources.map((source) =>
        source.node?.id || source.node?.className || source.node?.nodeName)]);
    }
  }).observe({ type: "layout-shift", buffered: true });
}"""


class TestLayoutShift:
    def test_nothing_jumps_while_the_desk_loads_or_is_pointed_at(self, page_for: Pages) -> None:
        """Scores of the Layout Instability API; 0.1 and less counts as good."""
        scene = make_scene()
        page = page_for(scene.expert)
        page.context.add_init_script(f"({SHIFTS})()")
        states.open_desk(page, scene)
        page.wait_for_load_state("networkidle")
        for mark in page.locator("#answer mark").all()[:8]:
            mark.hover()
        for note in page.locator("#margin > .note").all()[:4]:
            note.hover()
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.wait_for_timeout(400)
        shifted = page.evaluate("window.shifted")
        assert sum(value for value, _ in shifted) < 0.02, shifted


class TestWithoutAScript:
    @pytest.mark.parametrize("address", ["item", "output"])
    def test_the_answer_and_all_that_was_said_can_be_read(
        self, page_for: Pages, address: str
    ) -> None:
        scene = make_scene()
        page = page_for(scene.expert, java_script_enabled=False)
        part = scene.item.pk if address == "item" else scene.output.external_id
        page.goto(reverse(address, args=[scene.project.slug, part]))
        expect(page.locator("#answer")).to_contain_text("Family Plus reimburses 80 %")
        expect(page.locator("#answer mark").first).to_be_visible()
        cards = page.locator("#margin > .note")
        boxes = [box for card in cards.all() if (box := card.bounding_box())]
        assert len(boxes) >= 12
        for one, other in pairwise(boxes):
            assert one["y"] + one["height"] <= other["y"] + 1
