"""The frame around every page, as a browser shows it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Pages
from tests.factories import make_project, make_user

pytestmark = pytest.mark.browser


def width_over(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    over: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return over


def lightness(page: Page) -> float:
    """Lightness of the page's ground, 0 to 1."""
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    found = re.search(r"oklch\(([\d.]+)", ground)
    assert found
    return float(found[1])


class TestFrame:
    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_a_page_fits_its_window(self, page_for: Pages, theme: str) -> None:
        page = page_for(make_user(make_project()), theme=theme)
        for path in ("/patterns/", "/"):
            page.goto(path)
            assert (lightness(page) > 0.5) == (theme == "light")
            for width in (1440, 820, 390):
                page.set_viewport_size({"width": width, "height": 900})
                assert width_over(page) <= 0, f"{path} at {width}"

    def test_the_skip_link_leads_to_the_content(self, page_for: Pages) -> None:
        page = page_for(make_user())
        page.goto("/")
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to content")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()

    def test_the_focused_element_has_a_ring(self, page_for: Pages) -> None:
        page = page_for(make_user())
        page.goto("/patterns/")
        for _ in range(4):
            page.keyboard.press("Tab")
            ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert ring == "solid"

    def test_every_icon_is_in_the_sprite(self, page_for: Pages) -> None:
        page = page_for(make_user(make_project()))
        page.goto("/patterns/")
        empty = page.evaluate(
            """[...document.querySelectorAll("svg.i")].filter((icon) => icon.checkVisibility()
               && !icon.getBBox().width && !icon.getBBox().height)
               .map((icon) => icon.querySelector("use").getAttribute("href"))"""
        )
        assert empty == []

    def test_a_phone_has_the_menus_behind_more(self, page_for: Pages) -> None:
        page = page_for(make_user(make_project(name="Almanac")), width=390)
        page.goto("/")
        page.get_by_role("button", name="More").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        expect(page.locator("#menu-more").get_by_text("Almanac").first).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Sign out")).to_be_hidden()


class TestTheme:
    def test_a_chosen_theme_holds_on_the_next_page(self, page_for: Pages) -> None:
        page = page_for(make_user(), color_scheme="light")
        page.goto("/")
        assert lightness(page) > 0.5
        page.get_by_role("button", name="Your account").click()
        with page.expect_response("**/appearance/"):
            page.get_by_role("button", name="Dark").click()
        expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
        assert lightness(page) < 0.5
        page.goto("/patterns/")
        assert lightness(page) < 0.5

    def test_without_a_choice_the_system_decides(self, page_for: Pages) -> None:
        page = page_for(make_user(), color_scheme="dark")
        page.goto("/")
        assert lightness(page) < 0.5

    def test_the_switch_works_without_javascript(self, page_for: Pages) -> None:
        page = page_for(make_user(), java_script_enabled=False)
        page.goto("/patterns/")
        page.get_by_role("button", name="Your account").click()
        page.get_by_role("button", name="Dark").click()
        expect(page).to_have_url(re.compile("/patterns/$"))
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    def test_the_folded_navigation_stays_folded(self, page_for: Pages) -> None:
        page = page_for(make_user())
        page.goto("/")
        with page.expect_response("**/appearance/"):
            page.get_by_role("button", name="Fold or unfold the navigation").click()
        page.goto("/patterns/")
        box = page.get_by_role("navigation", name="Main").bounding_box()
        assert box is not None
        assert box["width"] == 52


class TestKeys:
    def test_the_cheat_sheet_opens_with_a_question_mark_and_closes_with_escape(
        self, page_for: Pages
    ) -> None:
        page = page_for(make_user(make_project()))
        page.goto("/patterns/")
        page.keyboard.press("?")
        sheet = page.get_by_role("dialog", name="Keyboard keys")
        expect(sheet).to_be_visible()
        expect(sheet).to_contain_text("Go to queues")
        page.keyboard.press("Escape")
        expect(sheet).to_be_hidden()

    def test_g_then_q_goes_to_the_queues(self, page_for: Pages) -> None:
        project = make_project()
        page = page_for(make_user(project))
        page.goto("/patterns/")
        page.keyboard.press("g")
        page.keyboard.press("q")
        expect(page).to_have_url(re.compile(f"/p/{project.slug}/queues/"))

    def test_a_slash_goes_to_the_search_box(self, page_for: Pages) -> None:
        page = page_for(make_user(make_project()))
        page.goto("/patterns/")
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox", name="Search this project")).to_be_focused()

    def test_keys_are_text_while_a_field_has_focus(self, page_for: Pages) -> None:
        page = page_for(make_user(make_project()))
        page.goto("/patterns/")
        field = page.get_by_label("Theme name").first
        field.fill("")
        field.press_sequentially("gq?/")
        expect(field).to_have_value("gq?/")
        expect(page).to_have_url(re.compile("/patterns/"))
        expect(page.get_by_role("dialog")).to_be_hidden()

    def test_single_letter_keys_can_be_turned_off(self, page_for: Pages) -> None:
        page = page_for(make_user(make_project()))
        page.goto("/patterns/")
        page.keyboard.press("?")
        page.get_by_role("switch", name="Single-letter keys").uncheck()
        page.keyboard.press("Escape")
        page.reload()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_hidden()
        page.get_by_role("button", name="Your account").click()
        page.get_by_role("button", name="Keyboard keys").click()
        expect(page.get_by_role("switch", name="Single-letter keys")).not_to_be_checked()


class TestRequests:
    def test_a_request_after_the_session_ended_leads_to_the_sign_in_page(
        self, page_for: Pages
    ) -> None:
        page = page_for(make_user())
        page.goto("/patterns/")
        page.context.clear_cookies()
        page.evaluate(
            """() => {
              const button = document.createElement("button");
              button.textContent = "Ask";
              button.setAttribute("hx-get", "/patterns/");
              document.getElementById("main").prepend(button);
              htmx.process(button);
            }"""
        )
        page.get_by_role("button", name="Ask").click()
        expect(page).to_have_url(re.compile(r"/sign-in/\?next=%2Fpatterns%2F$"))

    def test_a_failed_request_says_so_and_keeps_the_page(self, page_for: Pages) -> None:
        page = page_for(make_user(), expected=("404",))
        page.goto("/patterns/")
        page.evaluate("void htmx.ajax('GET', '/nothing-here/', '#main')")
        toast = page.locator("#toasts .toast")
        expect(toast).to_contain_text("This is gone, or not yours any more. Nothing was saved.")
        expect(page.get_by_role("heading", name="Colour")).to_be_visible()
        toast.get_by_role("button", name="Close").click()
        expect(toast).to_have_count(0)


class TestSignIn:
    def test_a_stranger_signs_in_and_comes_back_to_the_page(self, page_for: Pages) -> None:
        user = make_user(make_project())
        page = page_for()
        page.goto("/patterns/")
        expect(page).to_have_url(re.compile("/sign-in/"))
        page.get_by_label("User name").fill(user.username)
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("User name or password is wrong.")
        page.get_by_label("Password").fill("secret")
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(re.compile("/patterns/"))

    def test_signing_out_leads_to_the_sign_in_page(self, page_for: Pages) -> None:
        page = page_for(make_user())
        page.goto("/")
        page.get_by_role("button", name="Your account").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(re.compile("/sign-in/"))


class TestContentSecurityPolicy:
    def test_foreign_and_inline_scripts_are_refused(self, page_for: Pages) -> None:
        page = page_for(make_user(), expected=("Content Security Policy",))
        response = page.goto("/")
        assert response is not None
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        page.evaluate(
            """const script = document.createElement("script");
               script.textContent = "window.ran = true";
               document.body.append(script)"""
        )
        assert page.evaluate("window.ran") is None
