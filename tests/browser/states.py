"""Every state of the reviewer's desk, and how a reviewer gets there."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from review import drafts, queues, triage
from review.models import Claim
from tests.browser.selecting import drag, popover
from tests.scenes import Scene

State = Callable[[Page, Scene], None]
S = TypeVar("S", bound=State)
STATES: dict[str, State] = {}


def state(show: S) -> S:
    """Know a state by its function's name."""
    STATES[show.__name__] = show
    return show


def open_desk(page: Page, scene: Scene, *, is_claimed: bool = True, more: str = "") -> None:
    if is_claimed:
        queues.claim(item=scene.item, by=scene.expert, now=timezone.now())
    page.goto(reverse("item", args=[scene.project.slug, scene.item.pk]) + more)
    expect(page.locator("#answer")).to_be_visible()


def pane(page: Page, name: str) -> None:
    """On a phone, show one pane of the desk."""
    tabs = page.locator(".review__tabs")
    if tabs.is_visible():
        tabs.get_by_text(name).click()


def card(page: Page, scene: Scene, note: str) -> None:
    """Activate the card of one annotation."""
    pane(page, "Comments")
    page.locator(f"#a{scene.notes[note].pk}").click(position={"x": 12, "y": 12})
    expect(page.locator(f"#a{scene.notes[note].pk}")).to_have_class(_word("is-active"))


def verdict(page: Page, name: str) -> None:
    page.locator("#decide-form .seg label").get_by_text(name).first.click()
    expect(page.get_by_role("radio", name=name)).to_be_checked()


@state
def free(page: Page, scene: Scene) -> None:
    """Nobody has claimed the item."""
    open_desk(page, scene, is_claimed=False)


@state
def plain(page: Page, scene: Scene) -> None:
    """Claimed; nothing chosen."""
    open_desk(page, scene)


@state
def session(page: Page, scene: Scene) -> None:
    """The trail with everything unfolded."""
    open_desk(page, scene)
    pane(page, "Session")
    for summary in page.locator(".trail details:not([open]) > summary").all():
        if summary.is_visible():
            summary.click()


@state
def active_card(page: Page, scene: Scene) -> None:
    """A thread with replies, active."""
    open_desk(page, scene)
    card(page, scene, "replied")


@state
def replying(page: Page, scene: Scene) -> None:
    """A reply being written."""
    open_desk(page, scene)
    card(page, scene, "replied")
    box = page.locator(f"#a{scene.notes['replied'].pk}").get_by_role("textbox", name="Reply")
    box.fill("Both tables say so.")
    expect(box).to_be_focused()


@state
def resolved_shown(page: Page, scene: Scene) -> None:
    """Resolved threads among the open ones."""
    open_desk(page, scene)
    page.locator("#show-resolved").dispatch_event("click")
    expect(page.locator("#show-resolved")).to_be_checked()


@state
def undecided_suggestion(page: Page, scene: Scene) -> None:
    """A suggestion, active."""
    open_desk(page, scene)
    card(page, scene, "suggested")


@state
def accepted_suggestion(page: Page, scene: Scene) -> None:
    """A suggestion after it was accepted."""
    open_desk(page, scene)
    card(page, scene, "suggested")
    note = page.locator(f"#a{scene.notes['suggested'].pk}")
    note.locator("[data-act=accept]").click()
    expect(note).to_have_attribute("data-decision", "accepted")


@state
def detached(page: Page, scene: Scene) -> None:
    """A comment whose words are gone in this version."""
    open_desk(page, scene)
    pane(page, "Comments")
    page.locator(f"#a{scene.notes['detached'].pk}").scroll_into_view_if_needed()


def _view(page: Page, scene: Scene, name: str) -> None:
    queues.claim(item=scene.item, by=scene.expert, now=timezone.now())
    page.goto(reverse("item", args=[scene.project.slug, scene.item.pk]) + f"?show={name}")
    pane(page, "Answer")
    expect(page.locator(f"#view-{name}")).to_have_attribute("aria-current", "true")


@state
def corrected(page: Page, scene: Scene) -> None:
    """The answer with the accepted suggestions."""
    _view(page, scene, "corrected")


@state
def changes(page: Page, scene: Scene) -> None:
    """What the accepted suggestions change."""
    _view(page, scene, "changes")


@state
def markdown(page: Page, scene: Scene) -> None:
    """The answer as it was sent."""
    _view(page, scene, "markdown")


@state
def comments_as_list(page: Page, scene: Scene) -> None:
    """Every comment in a plain list."""
    page.goto(reverse("output", args=[scene.project.slug, scene.output.external_id]) + "?view=list")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


@state
def one_answer(page: Page, scene: Scene) -> None:
    """The page of one answer."""
    page.goto(reverse("output", args=[scene.project.slug, scene.output.external_id]))
    expect(page.locator("#answer")).to_be_visible()


@state
def popover_open(page: Page, scene: Scene) -> None:
    """Words selected."""
    open_desk(page, scene)
    drag(page, "directly to your account")


@state
def composer(page: Page, scene: Scene) -> None:
    """A suggestion being written on selected words."""
    open_desk(page, scene)
    drag(page, "directly to your account")
    page.keyboard.press("e")
    page.locator("#pop-replacement").fill("directly to your **bank account**")


@state
def refused(page: Page, scene: Scene) -> None:
    """A comment that cannot stand: 422."""
    open_desk(page, scene)
    drag(page, "directly to your account")
    page.keyboard.press("c")
    page.keyboard.press("Control+Enter")
    expect(popover(page).get_by_role("alert")).not_to_be_empty()


@state
def stale(page: Page, scene: Scene) -> None:
    """A comment on an answer that has changed meanwhile: 409."""
    open_desk(page, scene)
    drag(page, "directly to your account")
    type(scene.output).objects.filter(pk=scene.output.pk).update(version=3, text="Another answer.")
    page.keyboard.press("c")
    page.keyboard.type("Kept.")
    page.keyboard.press("Control+Enter")
    expect(popover(page).get_by_role("alert")).not_to_be_empty()


@state
def deciding(page: Page, scene: Scene) -> None:
    """A verdict chosen, with everything that goes with it unfolded."""
    open_desk(page, scene)
    verdict(page, "Fix")
    more = page.locator(".decide__more")
    (more if more.is_visible() else page.locator("#drawer > summary")).click()


@state
def undecided(page: Page, scene: Scene) -> None:
    """A decision that cannot stand: 422."""
    open_desk(page, scene)
    page.get_by_role("button", name="Submit and next").click()
    expect(page.locator("#decide").get_by_role("alert").first).to_be_visible()


@state
def lease_lost(page: Page, scene: Scene) -> None:
    """The item went to somebody else while a decision was written: 409."""
    open_desk(page, scene)
    verdict(page, "Good")
    long_ago = timezone.now() - timedelta(hours=2)
    Claim.objects.filter(item=scene.item).update(claimed_at=long_ago, lease_until=long_ago)
    queues.claim(item=scene.item, by=scene.other, now=timezone.now())
    page.get_by_role("button", name="Submit and next").click()
    expect(page.locator("#decide").get_by_role("alert").first).to_be_visible()


@state
def lease_out(page: Page, scene: Scene) -> None:
    """The lease could not be renewed: a dialog says who has the item."""
    open_desk(page, scene)
    verdict(page, "Good")
    long_ago = timezone.now() - timedelta(hours=2)
    Claim.objects.filter(item=scene.item).update(claimed_at=long_ago, lease_until=long_ago)
    queues.claim(item=scene.item, by=scene.other, now=timezone.now())
    page.evaluate("document.getElementById('renew').dispatchEvent(new Event('renew'))")
    expect(page.get_by_role("dialog", name="Your lease on this item ran out")).to_be_visible()


@state
def two_drafts(page: Page, scene: Scene) -> None:
    """Another browser has saved another draft: 409."""
    open_desk(page, scene)
    drafts.save(
        item=scene.item,
        by=scene.expert,
        revision=0,
        fields={"verdict": "reject", "comment": "From another browser."},
        version=scene.output.version,
        now=timezone.now(),
    )
    verdict(page, "Fix")
    expect(page.locator(".conflict")).to_be_visible()


@state
def finished(page: Page, scene: Scene) -> None:
    """The reviewer has decided, and may take it back."""
    fence = queues.claim(item=scene.item, by=scene.expert, now=timezone.now()).fence
    triage.submit_review(
        item=scene.item,
        by=scene.expert,
        fence=fence,
        verdict="fix",
        comment="The table says twelve.",
        now=timezone.now(),
    )
    open_desk(page, scene, is_claimed=False)
    expect(page.get_by_role("button", name="Undo and edit")).to_be_visible()


@state
def held(page: Page, scene: Scene) -> None:
    """Somebody else holds the item."""
    queues.claim(item=scene.item, by=scene.other, now=timezone.now())
    open_desk(page, scene, is_claimed=False)


@state
def skipping(page: Page, scene: Scene) -> None:
    """The item is skipped; the reason is asked for."""
    open_desk(page, scene)
    page.keyboard.press("Shift+S")
    expect(page.locator("#skip")).to_be_visible()


@state
def cheat_sheet(page: Page, scene: Scene) -> None:
    """The keys of the page."""
    open_desk(page, scene)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard keys")).to_be_visible()


def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(^|\s){name}(\s|$)")
