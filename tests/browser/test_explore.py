from __future__ import annotations

import pytest
from playwright.sync_api import expect

from feedback.models import Project, Tag
from review import bulk
from tests.browser.axe import findings
from tests.browser.conftest import Pages
from tests.factories import NOW, make_output, make_user, make_view

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def address(project: Project) -> str:
    make_output(project, external_id="first", text="Bread <mark>needs</mark> yeast.", model="a")
    make_output(project, external_id="second", text="Sugar.", model="b")
    return f"/p/{project.slug}/search/"


def test_a_filter_is_proposed_taken_and_dropped(
    page_for: Pages, project: Project, address: str
) -> None:
    page = page_for(make_user(project, role="viewer"))
    page.goto(address)
    page.get_by_role("searchbox", name="Search questions").press_sequentially("mod")
    page.get_by_role("link", name="model:b").click()
    results = page.get_by_role("list", name="Results").get_by_role("listitem")
    expect(results).to_have_count(1)
    expect(results).to_contain_text("Sugar.")
    page.get_by_role("link", name="Drop the filter model").click()
    expect(results).to_have_count(2)


def test_works_without_scripts(page_for: Pages, project: Project, address: str) -> None:
    page = page_for(make_user(project, role="viewer"), java_script_enabled=False)
    page.goto(address)
    page.get_by_role("searchbox", name="Search questions").fill("yeast -model:b")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Words", exact=True).click()
    results = page.get_by_role("list", name="Results").get_by_role("listitem")
    expect(results).to_have_count(1)
    expect(results.locator("mark")).to_have_text("yeast")


def test_the_facets_are_folded_on_a_phone(page_for: Pages, project: Project, address: str) -> None:
    user = make_user(project, role="viewer")
    wide, narrow = page_for(user), page_for(user, width=390)
    for page in (wide, narrow):
        page.goto(address)
    expect(wide.get_by_role("link", name="a 1", exact=True)).to_be_visible()
    facet = narrow.get_by_role("link", name="a 1", exact=True)
    expect(facet).to_be_hidden()
    narrow.get_by_text("Filter by").click()
    expect(facet).to_be_visible()
    width = narrow.evaluate("document.documentElement.scrollWidth")
    assert width <= 390


def test_what_is_picked_is_tagged_and_untagged_again(
    page_for: Pages, project: Project, address: str
) -> None:
    page = page_for(make_user(project, role="moderator"))
    page.goto(f"{address}?filter=model:a")
    bar = page.get_by_role("form", name="Act on what is picked")
    expect(bar).to_be_hidden()
    page.get_by_label("Pick the page").check()
    expect(bar).to_contain_text("1 picked")
    assert findings(page) == []
    page.get_by_label("Tags, with commas").fill("bread")
    bar.get_by_role("button", name="Add").click()
    expect(page.locator("#job [role=status]")).to_contain_text("Waiting")
    bulk.work_off(now=NOW)
    expect(page.locator("#job [role=status]")).to_contain_text("Done")
    assert [tag.name for tag in Tag.objects.filter(sessions__outputs__model="a")] == ["bread"]
    page.get_by_role("button", name="Undo all 1").click()
    expect(page.locator("#job [role=status]")).to_contain_text("Being undone")
    bulk.work_off(now=NOW)
    expect(page.locator("#job [role=status]")).to_contain_text("Undone")
    assert findings(page) == []
    assert not Tag.objects.exists()


def test_a_view_is_kept_under_a_name_that_is_free(
    page_for: Pages, project: Project, address: str
) -> None:
    user = make_user(project, role="viewer")
    make_view(project, user, name="Only a")
    page = page_for(user, expected=("422",))
    page.goto(f"{address}?filter=model:a")
    page.get_by_role("button", name="Save view").click()
    form = page.get_by_role("form", name="Save this view")
    form.get_by_label("Name of the view").fill("only A")
    form.get_by_role("button", name="Save view").click()
    expect(form.get_by_role("alert")).to_have_text("There is a view of that name.")
    form.get_by_label("Name of the view").fill("All of a")
    form.get_by_role("button", name="Save view").click()
    expect(page.get_by_role("link", name="All of a")).to_have_attribute("aria-current", "true")
    assert findings(page) == []
