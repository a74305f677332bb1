"""The gates of a training set, as a curator goes through them by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from curation import promotion
from curation.models import GatePass
from feedback.models import Project
from tests.browser.conftest import Pages
from tests.factories import (
    NOW,
    make_output,
    make_project,
    make_review,
    make_training_set,
    make_user,
)

pytestmark = pytest.mark.browser


@pytest.fixture
def project(transactional_db: None) -> Project:
    return make_project(name="Almanac")


def test_a_row_is_found_and_let_pass_with_a_reason(page_for: Pages, project: Project) -> None:
    curator = make_user(project)
    training_set = make_training_set(project, slug="answers", is_gated=True)
    for _ in range(2):
        review = make_review(make_output(project), curator, verdict="accept")
        promotion.promote_to_training_set(
            review=review, training_set=training_set, by=curator, now=NOW
        )
    page = page_for(curator)
    page.goto(f"/p/{project.slug}/training-sets/answers/gates/")
    page.get_by_role("button", name="Check now").press("Enter")
    expect(page.get_by_text("1 hold it up")).to_be_visible()
    page.locator(".failing__row summary").press("Enter")
    page.get_by_label("Why X-").press_sequentially("Asked so often.")
    page.keyboard.press("Enter")
    expect(page.get_by_text("nothing holds it up")).to_be_visible()
    expect(page.get_by_text("let it pass")).to_contain_text("Asked so often.")
    assert GatePass.objects.get().reason == "Asked so often."
