"""Erasing a user, without a script as with one."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from feedback.models import Erasure, Project
from tests.browser.conftest import Pages
from tests.browser.test_axe import in_both_themes
from tests.factories import make_output, make_project, make_session, make_user

pytestmark = pytest.mark.browser


def test_is_looked_at_and_confirmed(page_for: Pages) -> None:
    project: Project = make_project()
    for number in range(3):
        make_output(project, make_session(project, user_external_id=f"u-{number // 2}"))
    page = page_for(make_user(project, "admin"), theme="light", expected=("422",))
    page.goto(f"/p/{project.slug}/erasures/")
    page.get_by_label("Id").fill("u-0")
    page.get_by_role("button", name="Look at what would go").click()
    expect(page.get_by_role("heading", name="Erase a user")).to_be_visible()
    assert in_both_themes(page) == []
    page.get_by_label("Type the id once more").fill("u-1")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_text("exactly as above")).to_be_visible()
    assert in_both_themes(page) == []
    page.get_by_label("Type the id once more").fill("u-0")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("status").filter(has_text="A worker is at it")).to_be_visible()
    assert in_both_themes(page) == []
    assert Erasure.objects.get().subject == "u-0"
