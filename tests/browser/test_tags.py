"""Tags beside an answer, by keyboard, while it is being decided on."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from feedback.models import Project
from review import queues
from review.tags import tag_sessions
from tests.browser.conftest import Pages
from tests.factories import (
    NOW,
    make_item,
    make_output,
    make_project,
    make_queue,
    make_session,
    make_user,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_are_put_on_and_taken_off_by_keyboard_while_a_decision_is_written(
    page_for: Pages,
) -> None:
    """Complaint 15."""
    project: Project = make_project()
    expert = make_user(project, "expert")
    item = make_item(make_queue(project), make_output(project))
    tag_sessions(
        project=project, sessions=[make_session(project)], add=["billing"], by=expert, now=NOW
    )
    queues.claim(item=item, by=expert, now=timezone.now())
    page = page_for(expert)
    page.goto(reverse("item", args=[project.slug, item.pk]))
    verdict = page.locator("[name=verdict][value=reject]")
    expect(verdict).to_be_attached()
    page.keyboard.press("x")
    expect(verdict).to_be_checked()
    tags, field = page.locator("#tags"), page.locator("#tag-add")
    page.keyboard.press("l")
    expect(field).to_be_focused()
    field.press_sequentially("bil")
    expect(page.locator("#tag-names option")).to_have_attribute("value", "billing")
    field.fill("billing, new one")
    page.keyboard.press("Enter")
    expect(tags.get_by_role("link", name="billing")).to_be_visible()
    expect(tags.get_by_role("link", name="new one")).to_be_visible()
    expect(field).to_be_focused()
    expect(field).to_have_value("")
    page.keyboard.press("Backspace")
    expect(tags.get_by_role("link", name="new one")).to_have_count(0)
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(field).not_to_be_focused()
    assert page.url.endswith(f"/items/{item.pk}/")
    assert list(item.output.session.tags.values_list("name", flat=True)) == ["billing"]
    expect(verdict).to_be_checked()


def test_take_a_key_that_comes_before_htmx_has_settled_what_it_put_in(page_for: Pages) -> None:
    """A form that htmx has not taken up would be sent by the browser, and load the page anew."""
    project: Project = make_project()
    expert = make_user(project, "expert")
    item = make_item(make_queue(project), make_output(project))
    tag_sessions(
        project=project, sessions=[make_session(project)], add=["billing"], by=expert, now=NOW
    )
    queues.claim(item=item, by=expert, now=timezone.now())
    page = page_for(expert)
    page.goto(reverse("item", args=[project.slug, item.pk]))
    expect(page.locator("[name=verdict][value=reject]")).to_be_attached()
    page.evaluate("htmx.config.defaultSettleDelay = 600_000; window.isSamePage = true")
    tags, field = page.locator("#tags"), page.locator("#tag-add")
    page.keyboard.press("l")
    field.fill("new one")
    page.keyboard.press("Enter")
    expect(tags.get_by_role("link", name="new one")).to_be_visible()
    page.keyboard.press("Backspace")
    expect(tags.get_by_role("link", name="new one")).to_have_count(0)
    assert page.evaluate("window.isSamePage")
    expect(field).to_be_focused()
