"""Answers side by side, in Chromium: ranked by keyboard alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from feedback.models import Feedback
from tests.browser.conftest import Pages
from tests.browser.test_alike import grave, look
from tests.factories import NOW, make_output, make_project, make_session, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TEXTS = [
    "Bloom came out on **31 August 2018**, by Capitol Records.\n\n- ten songs\n- 36 minutes",
    "In 2018.\n\n<img src=x onerror=alert(1)>\n\n" + "wide" * 60,
    "| Album | Year |\n|---|---|\n| Blue Neighbourhood | 2015 |\n| Bloom | 2018 |\n\n"
    + "So. " * 90,
]


def test_answers_stand_side_by_side_and_are_ranked_by_keyboard(page_for: Pages) -> None:
    project = make_project(slug="music", name="Music")
    session = make_session(project)
    outputs = [
        make_output(project, session, text=text, at=NOW + timedelta(minutes=at))
        for at, text in enumerate(TEXTS)
    ]
    page = page_for(make_user(project, "expert", username="ann"))
    page.goto(reverse("compare", args=["music", outputs[0].pk]))
    places = page.get_by_role("combobox", name="Place of answer")
    expect(places).to_have_count(3)
    tops = places.evaluate_all("all => all.map(one => one.getBoundingClientRect().top)")
    assert len(set(tops)) == 1
    places.first.focus()
    for number, place in enumerate("213"):
        expect(places.nth(number)).to_be_focused()
        page.keyboard.press(place)
        page.keyboard.press("Tab")
        if number < 2:
            page.keyboard.press("Tab")
    look(page, "compare")
    assert grave(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    tops = places.evaluate_all("all => all.map(one => one.getBoundingClientRect().top)")
    assert len(set(tops)) == 3
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="Save ranks").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your ranks are stored.")).to_be_visible()
    stored = Feedback.objects.filter(name=Feedback.RANK).order_by("output")
    assert list(stored.values_list("value", flat=True)) == [2, 1, 3]
