"""Candidates are decided on with the keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from curation.models import Candidate, ContextEntry
from feedback.models import Project, User
from tests.browser.conftest import Pages
from tests.factories import (
    NOW,
    make_candidate,
    make_library,
    make_output,
    make_project,
    make_review,
    make_user,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def _three(project: Project, curator: User) -> None:
    for number in range(3):
        output = make_output(project, query=f"Question {number}?")
        make_candidate(project, review=make_review(output, curator))


def test_candidates_are_accepted_rejected_edited_and_undone_by_keys(page_for: Pages) -> None:
    project = make_project()
    curator = make_user(project)
    make_library(project)
    found = []
    for number in range(4):
        output = make_output(project, query=f"Question {number}?")
        review = make_review(output, curator, correction="Better.")
        found.append(make_candidate(project, review=review))
    page = page_for(curator)
    page.goto(f"/p/{project.slug}/candidates/")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Question 0?", exact=True)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("a")
    expect(page.locator(".cands__done")).to_contain_text("into the draft of")
    # What comes next has moved up and is current.
    expect(page.get_by_role("link", name="Question 1?", exact=True)).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_role("button", name="Said already")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Question 1?", exact=True)).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("2")
    expect(page.locator(".cands__done")).to_contain_text("Rejected: not right")
    page.keyboard.press("u")
    expect(page.locator(".cands__done")).to_contain_text("It waits again")
    expect(page.get_by_role("link", name="Question 1?", exact=True)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("e")
    page.wait_for_url(f"**/candidates/{found[2].pk}/")
    states = [Candidate.objects.get(pk=one.pk).status for one in found]
    assert states == ["accepted", "waiting", "waiting", "waiting"]
    assert ContextEntry.objects.get().review_id == found[0].review_id


def test_a_key_before_a_reply_has_settled_keeps_the_place(page_for: Pages) -> None:
    project = make_project()
    curator = make_user(project)
    make_library(project)
    _three(project, curator)
    page = page_for(curator)
    page.goto(f"/p/{project.slug}/candidates/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.evaluate(
        """() => document.addEventListener("htmx:afterSwap", () => document.body.dispatchEvent(
            new KeyboardEvent("keydown", { key: "u", bubbles: true })), { once: true })"""
    )
    page.keyboard.press("x")
    page.keyboard.press("2")
    expect(page.locator(".cands__done")).to_contain_text("It waits again")
    expect(page.get_by_role("link", name="Question 1?", exact=True)).to_be_focused()


def test_a_decision_without_a_place_says_so_and_keeps_the_row(page_for: Pages) -> None:
    project = make_project()
    curator = make_user(project)
    make_library(project, name="One")
    make_library(project, name="Two")
    make_candidate(project)
    page = page_for(curator)
    page.goto(f"/p/{project.slug}/candidates/")
    page.keyboard.press("a")
    expect(page.get_by_text("Choose at least one library or training set.")).to_be_visible()
    page.get_by_label("Two").check()
    page.keyboard.press("a")
    expect(page.locator(".cands__done")).to_contain_text("Two")


def test_one_candidate_is_the_current_one_and_its_button_alone_is_filled(page_for: Pages) -> None:
    project = make_project()
    curator = make_user(project)
    make_library(project)
    _three(project, curator)
    page = page_for(curator)
    page.goto(f"/p/{project.slug}/candidates/")
    accepts = page.get_by_role("button", name="Accept: ")

    def filled() -> list[int]:
        page.mouse.move(0, 0)
        grounds = accepts.evaluate_all("all => all.map((one) => getComputedStyle(one).color)")
        return [at for at, ground in enumerate(grounds) if grounds.count(ground) == 1]

    assert filled() == [0]
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert filled() == [1]
    page.get_by_role("link", name="Edit: Question 2?").focus()
    assert filled() == [2]
    rejects = page.locator("summary[data-act=reject]")
    assert accepts.first.bounding_box()["height"] == rejects.first.bounding_box()["height"]  # type: ignore[index]


def test_who_decided_is_one_sentence(page_for: Pages) -> None:
    project = make_project()
    curator = make_user(project, username="ada")
    make_candidate(project, status="rejected", reason="said", decided_by=curator, decided_at=NOW)
    page = page_for(curator)
    page.goto(f"/p/{project.slug}/candidates/?show=decided")
    expect(page.locator(".cand__why")).to_contain_text("Rejected by ada,")
    name, said = page.locator(".cand__why bdi"), page.locator(".cand__why time")
    boxes = name.bounding_box(), said.bounding_box()
    assert boxes[0]
    assert boxes[1]
    # A comma and a space lie between them.
    assert boxes[1]["x"] - boxes[0]["x"] - boxes[0]["width"] < 9
