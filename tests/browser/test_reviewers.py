"""Saying who reviews a queue, by keyboard."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.axe import findings
from tests.browser.conftest import Pages
from tests.browser.test_frame import width_over
from tests.factories import make_project, make_queue, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def test_are_named_by_keyboard_with_their_addresses_proposed(page_for: Pages) -> None:
    project = make_project()
    for name in ("ann", "bob", "cleo"):
        make_user(project, "expert", username=name, email=f"{name}@example.org")
    queue = make_queue(project)
    page = page_for(make_user(project, "moderator"))
    page.goto(reverse("queue_edit", args=[project.slug, queue.slug]))
    field, proposed = page.get_by_label("E-mail addresses"), page.locator("#members option")
    expect(field).to_be_hidden()
    page.get_by_label("Everybody who may review").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Only these people")).to_be_checked()
    page.keyboard.press("Tab")
    expect(field).to_be_focused()
    field.press_sequentially("ann@example.org, b")
    expect(proposed).to_have_count(3)
    expect(proposed.first).to_have_attribute("value", "ann@example.org, bob@example.org")
    field.fill("ann@example.org, eve@example.org")
    page.keyboard.press("Enter")
    said = page.get_by_text("eve@example.org is no member of this project.")
    expect(said).to_be_visible()
    expect(field).to_have_attribute("aria-invalid", "true")
    assert findings(page) == []
    field.fill("ann@example.org, cleo@example.org")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Rules")).to_be_visible()
    assert set(queue.named.values_list("user__username", flat=True)) == {"ann", "cleo"}
    assert findings(page) == []


def test_are_shown_within_the_width_of_a_phone(page_for: Pages) -> None:
    project = make_project()
    for name in ("ann", "bob", "cleo", "dan"):
        make_user(project, "expert", username=name)
    queue = make_queue(project, name="A queue with a long name for some people", is_restricted=True)
    for membership in project.memberships.all():
        queue.named.create(project=project, user=membership.user)
    page = page_for(make_user(project, "moderator"), width=390, height=844)
    page.goto(reverse("queue_list", args=[project.slug]))
    expect(page.get_by_text("Reviewed by ann, bob, cleo, dan")).to_be_attached()
    assert width_over(page) == 0
    page.goto(reverse("queue_edit", args=[project.slug, queue.slug]))
    expect(page.get_by_label("E-mail addresses")).to_have_value("ann, bob, cleo, dan")
    assert width_over(page) == 0
