"""Deciding in Chromium: nothing that was typed is lost, and nothing is decided twice."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from feedback.models import User
from review import queues
from review.models import Claim, Draft, Queue, QueueItem, Review, Skip
from tests.browser.conftest import Pages
from tests.browser.selecting import drag
from tests.factories import make_item, make_output, make_project, make_queue, make_rule, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OFFLINE = ("ERR_INTERNET_DISCONNECTED",)


def url(item: QueueItem) -> str:
    return reverse("item", args=[item.queue.project.slug, item.pk])


def make_desk(**queue: Any) -> tuple[QueueItem, User]:
    project = make_project()
    return make_item(make_queue(project, **queue), make_output(project)), make_user(
        project, "expert"
    )


def hold(item: QueueItem, by: User) -> int:
    return queues.claim(item=item, by=by, now=timezone.now()).fence


def lose(item: QueueItem, to: User | None = None) -> None:
    """Let the lease run out, and somebody else take the item."""
    long_ago = timezone.now() - timedelta(hours=2)
    Claim.objects.filter(item=item).update(claimed_at=long_ago, lease_until=long_ago)
    if to:
        hold(item, to)


def comment(page: Page) -> Any:
    return page.locator("#decide-comment")


def write(page: Page, words: str) -> None:
    """Type into the comment, letter by letter."""
    if not page.evaluate("document.activeElement?.id === 'decide-comment'"):
        page.keyboard.press("c")
    page.keyboard.press("End")
    page.keyboard.type(words)


def in_two_tabs(page_for: Pages) -> tuple[Page, Page]:
    """One item that its reviewer has open twice."""
    item, expert = make_desk()
    hold(item, expert)
    first = page_for(expert)
    second = first.context.new_page()
    for page in (first, second):
        page.goto(url(item))
    return first, second


def expect_saved(page: Page) -> None:
    expect(page.locator("#draft")).to_contain_text("Draft saved")


class TestDraft:
    def test_all_that_was_entered_is_there_after_a_reload(self, page_for: Pages) -> None:
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert)
        page.goto(url(item))
        page.keyboard.press("x")
        page.keyboard.press("3")
        page.get_by_text("Major", exact=True).click()
        page.get_by_text("Product issue", exact=True).click()
        page.get_by_label("How sure are you?").select_option("Sure")
        write(page, "Half a thought")
        expect_saved(page)
        page.reload()
        expect(comment(page)).to_have_value("Half a thought")
        for name in ("Reject", "Major"):
            expect(page.get_by_role("radio", name=name)).to_be_checked()
        for name in ("Too vague", "Product issue"):
            expect(page.get_by_role("checkbox", name=name)).to_be_checked()
        expect(page.get_by_role("checkbox", name="No action")).not_to_be_checked()
        expect(page.get_by_label("How sure are you?")).to_have_value("0.75")
        assert Draft.objects.get().fields["comment"] == "Half a thought"

    def test_a_page_closed_with_the_last_letter_loses_none(self, page_for: Pages) -> None:
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert)
        page.goto(url(item))
        write(page, "To the last letter")
        page.goto("/patterns/")
        page.goto(url(item))
        expect(comment(page)).to_have_value("To the last letter")
        expect_saved(page)

    def test_typing_goes_on_without_a_network(self, page_for: Pages) -> None:
        """Complaint 5."""
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert, expected=OFFLINE)
        page.goto(url(item))
        page.context.set_offline(True)
        write(page, "Typed in a tunnel")
        expect(page.locator("#draft")).to_have_text("Not saved: offline, kept in this browser")
        assert not Draft.objects.exists()
        page.context.set_offline(False)
        expect_saved(page)
        assert Draft.objects.get().fields["comment"] == "Typed in a tunnel"

    def test_a_tab_that_closes_without_a_network_loses_nothing(self, page_for: Pages) -> None:
        """Complaint 5."""
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert, expected=OFFLINE)
        page.goto(url(item))
        page.context.set_offline(True)
        write(page, "Typed in a tunnel")
        page.close()
        page.context.set_offline(False)
        later = page.context.new_page()
        later.goto(url(item))
        expect(comment(later)).to_have_value("Typed in a tunnel")
        expect_saved(later)
        assert Draft.objects.get().fields["comment"] == "Typed in a tunnel"

    def test_two_tabs_show_one_draft(self, page_for: Pages) -> None:
        first, second = in_two_tabs(page_for)
        write(first, "From the first")
        expect(comment(second)).to_have_value("From the first")
        write(second, ", then the second")
        expect(comment(first)).to_have_value("From the first, then the second")
        expect_saved(second)
        write(first, ".")
        expect(comment(second)).to_have_value("From the first, then the second.")
        expect_saved(first)
        expect(first.locator(".conflict")).to_have_count(0)
        assert Draft.objects.get().fields["comment"] == "From the first, then the second."

    def test_the_late_word_of_another_tab_takes_no_letters_back(self, page_for: Pages) -> None:
        """What the one kept before it heard of the other arrives after the other has typed."""
        first, second = in_two_tabs(page_for)
        write(first, "From the first")
        expect_saved(first)
        expect(comment(second)).to_have_value("From the first")
        kept = "Object.entries(localStorage).find(([key]) => key.startsWith('draft '))"
        early = first.evaluate(kept)
        write(second, ", then the second")
        first.evaluate("([key, value]) => localStorage.setItem(key, value)", early)
        expect(second.locator("#draft")).to_contain_text("Draft saved")
        expect(comment(second)).to_have_value("From the first, then the second")
        expect(comment(first)).to_have_value("From the first, then the second")
        second.reload()
        expect(comment(second)).to_have_value("From the first, then the second")
        expect(first.locator(".conflict")).to_have_count(0)
        assert Draft.objects.get().fields["comment"] == "From the first, then the second"

    @pytest.mark.parametrize(
        ("button", "left"), [("Keep mine", "On the desk"), ("Take the other", "On the train")]
    )
    def test_what_two_browsers_wrote_is_shown_side_by_side(
        self, page_for: Pages, button: str, left: str
    ) -> None:
        item, expert = make_desk()
        hold(item, expert)
        desk, train = page_for(expert), page_for(expert)
        for page in (desk, train):
            page.goto(url(item))
        write(train, "On the train")
        train.keyboard.press("Escape")
        expect_saved(train)
        write(desk, "On the desk")
        panel = desk.locator(".conflict")
        expect(panel).to_contain_text("On the desk")
        expect(panel).to_contain_text("On the train")
        assert Draft.objects.get().fields["comment"] == "On the train"
        panel.get_by_role("button", name=button).click()
        expect(panel).to_have_count(0)
        expect(comment(desk)).to_have_value(left)
        write(desk, "!")
        expect_saved(desk)
        assert Draft.objects.get().fields["comment"] == f"{left}!"

    def test_an_ended_sign_in_keeps_what_was_typed(self, page_for: Pages) -> None:
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert)
        page.goto(url(item))
        Session.objects.all().delete()
        write(page, "Typed by nobody")
        status = page.locator("#draft")
        expect(status).to_contain_text("Not saved: your sign-in has ended, kept in this browser")
        expect(comment(page)).to_have_value("Typed by nobody")
        status.get_by_role("link", name="Sign in").click()
        page.get_by_label("User name").fill(expert.username)
        page.get_by_label("Password").fill("secret")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"**{url(item)}")
        expect(comment(page)).to_have_value("Typed by nobody")
        expect_saved(page)
        assert Draft.objects.get().fields["comment"] == "Typed by nobody"

    def test_what_the_page_asks_by_itself_leads_nobody_away_who_types(
        self, page_for: Pages
    ) -> None:
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert)
        page.goto(url(item), wait_until="networkidle")
        write(page, "Half a")
        Session.objects.all().delete()
        with page.expect_response("**/sign-in/**"):
            page.evaluate("document.body.dispatchEvent(new CustomEvent('news'))")
        page.keyboard.type(" thought")
        expect(comment(page)).to_have_value("Half a thought")
        assert page.url.endswith(url(item))

    def test_a_submit_after_the_sign_in_has_ended_keeps_what_was_typed(
        self, page_for: Pages
    ) -> None:
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert)
        page.goto(url(item))
        page.keyboard.press("x")
        Session.objects.all().delete()
        write(page, "Typed by nobody")
        page.keyboard.press("Control+Enter")
        page.wait_for_url("**/sign-in/**")
        page.get_by_label("User name").fill(expert.username)
        page.get_by_label("Password").fill("secret")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"**{url(item)}")
        expect(comment(page)).to_have_value("Typed by nobody")
        page.keyboard.press("Control+Enter")
        page.wait_for_url("**/queues/**")
        assert Review.objects.get().comment == "Typed by nobody"

    def test_the_next_person_at_this_browser_does_not_see_it(self, page_for: Pages) -> None:
        item, expert = make_desk(reviewers_per_item=2)
        other = make_user(item.queue.project, "expert")
        hold(item, expert)
        page = page_for(expert, expected=OFFLINE)
        page.goto(url(item))
        page.context.set_offline(True)
        write(page, "Mine alone")
        page.context.set_offline(False)
        page.goto("/")
        Session.objects.all().delete()
        page.goto(f"/sign-in/?next={url(item)}")
        page.get_by_label("User name").fill(other.username)
        page.get_by_label("Password").fill("secret")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Review it").click()
        expect(comment(page)).to_have_value("")
        assert not Draft.objects.filter(reviewer=other).exists()

    def test_a_reason_given_on_words_is_ticked_in_the_decision(self, page_for: Pages) -> None:
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert)
        page.goto(url(item))
        drag(page, "Bloom")
        page.keyboard.press("3")
        expect(page.locator("#margin .note")).to_have_count(1)
        reason = page.locator("#decide-form [name=reasons][value=too-vague]")
        expect(reason).to_be_checked()
        expect(page.locator("[data-given]")).to_have_text("1 reason")
        expect_saved(page)
        page.reload()
        expect(reason).to_be_checked()

    def test_a_reason_unticked_by_hand_stays_unticked(self, page_for: Pages) -> None:
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert)
        page.goto(url(item))
        reason = page.locator("#decide-form [name=reasons][value=too-vague]")
        for number in (1, 2):
            drag(page, "Bloom")
            page.keyboard.press("3")
            expect(page.locator("#margin .note")).to_have_count(number)
            if number == 1:
                expect(reason).to_be_checked()
                page.keyboard.press("3")
            expect(reason).not_to_be_checked()
        expect_saved(page)
        page.reload()
        expect(reason).not_to_be_checked()


class TestLease:
    def test_one_lost_to_another_reviewer_keeps_what_was_typed(self, page_for: Pages) -> None:
        item, expert = make_desk()
        mira = make_user(item.queue.project, "expert", username="mira")
        hold(item, expert)
        page = page_for(expert)
        page.clock.install()
        page.goto(url(item))
        lose(item, mira)
        write(page, "Long words.")
        page.clock.run_for(61_000)
        dialog = page.get_by_role("dialog", name="Your lease on this item ran out")
        expect(dialog).to_contain_text("mira has it now")
        dialog.get_by_role("button", name="Stay here").click()
        expect(comment(page)).to_have_value("Long words.")
        page.clock.run_for(1_000)
        expect_saved(page)
        Claim.objects.update(reviewer=None, claimed_at=None, lease_until=None)
        page.reload()
        expect(page.locator("#decide")).to_contain_text("What you entered is kept")
        page.get_by_role("button", name="Review it").click()
        expect(comment(page)).to_have_value("Long words.")

    def test_one_that_nobody_took_is_taken_again_in_place(self, page_for: Pages) -> None:
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert)
        page.clock.install()
        page.goto(url(item))
        Claim.objects.update(reviewer=None, claimed_at=None, lease_until=None)
        page.keyboard.press("f")
        write(page, "Long words.")
        page.clock.run_for(61_000)
        dialog = page.get_by_role("dialog", name="Your lease on this item ran out")
        dialog.get_by_role("button", name="Take again").click()
        expect(dialog).to_have_count(0)
        expect(page.locator("#lease-time")).to_be_visible()
        expect(comment(page)).to_have_value("Long words.")
        page.get_by_role("button", name="Submit and next").click()
        page.wait_for_url("**/queues/**")
        assert Review.objects.get().comment == "Long words."

    def test_the_last_minute_is_told_and_kept_with_a_click(self, page_for: Pages) -> None:
        item, expert = make_desk(lease_seconds=120)
        hold(item, expert)
        page = page_for(expert)
        page.clock.install()
        page.goto(url(item))
        before = Claim.objects.get().lease_until
        page.clock.run_for(65_000)
        expect(page.locator("#lease")).to_have_class("lease is-short")
        with page.expect_response("**/renew/"):
            page.get_by_role("button", name="Keep it").click()
        expect(page.get_by_role("button", name="Keep it")).to_have_count(0)
        expect(page.locator("#lease")).to_have_class("lease")
        after = Claim.objects.get().lease_until
        assert before
        assert after
        assert after > before

    def test_it_counts_on_without_a_network_and_is_renewed_on_return(self, page_for: Pages) -> None:
        item, expert = make_desk(lease_seconds=600)
        hold(item, expert)
        page = page_for(expert, expected=OFFLINE)
        page.clock.install()
        page.goto(url(item))
        page.context.set_offline(True)
        page.clock.run_for(125_000)
        expect(page.locator("#lease-time")).to_contain_text("7:")
        with page.expect_response("**/renew/"):
            page.context.set_offline(False)
        expect(page.locator("#lease-time")).to_contain_text("10:")

    def test_a_second_tab_hears_of_the_renewal(self, page_for: Pages) -> None:
        item, expert = make_desk(lease_seconds=100)
        hold(item, expert)
        first = page_for(expert)
        second = first.context.new_page()
        for page in (first, second):
            page.goto(url(item))
            expect(page.locator("#lease-time")).to_contain_text("1:")
        Queue.objects.update(lease_seconds=5_000)
        first.evaluate("document.getElementById('renew').dispatchEvent(new Event('renew'))")
        for page in (first, second):
            expect(page.locator("#lease-time")).to_have_text(re.compile("^8[23]:"))


class TestSubmitting:
    def test_keys_alone_go_through_three_items(self, page_for: Pages) -> None:
        """Complaint 16."""
        item, expert = make_desk()
        others = [make_item(item.queue, priority=-number) for number in (1, 2)]
        page = page_for(expert)
        page.goto(url(item))
        page.keyboard.press("r")
        expect(page.locator("#decide-form")).to_be_visible()
        for one, key in zip([item, *others], "yfx", strict=True):
            page.wait_for_url(f"**{url(one)}")
            expect(page.locator("#lease-time")).to_contain_text(":")
            page.keyboard.press(key)
            if key != "y":
                page.keyboard.press("4")
            page.keyboard.press("Control+Enter")
        page.wait_for_url("**/queues/**")
        assert list(Review.objects.order_by("pk").values_list("verdict", flat=True)) == [
            "accept",
            "fix",
            "reject",
        ]
        assert page.evaluate("localStorage.length") == 0
        assert not Draft.objects.exists()

    def test_twice_at_once_is_one_review(self, page_for: Pages) -> None:
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert)
        page.goto(url(item))
        page.keyboard.press("y")
        page.evaluate(
            """() => { const form = document.getElementById("decide-form");
                       form.requestSubmit(); form.requestSubmit(); }"""
        )
        page.wait_for_url("**/queues/**")
        assert Review.objects.count() == 1

    def test_z_takes_it_back_with_all_that_was_entered(self, page_for: Pages) -> None:
        """Complaint 17."""
        item, expert = make_desk()
        following = make_item(item.queue, priority=-1)
        hold(item, expert)
        page = page_for(expert)
        page.goto(url(item))
        page.keyboard.press("x")
        page.keyboard.press("3")
        write(page, "Too harsh?")
        page.keyboard.press("Control+Enter")
        page.wait_for_url(f"**{url(following)}")
        expect(page.locator("#toasts")).to_contain_text("Submitted: Reject.")
        page.keyboard.press("z")
        page.wait_for_url(f"**{url(item)}")
        assert not Review.objects.exists()
        expect(comment(page)).to_have_value("Too harsh?")
        expect(page.get_by_role("radio", name="Reject")).to_be_checked()
        expect(page.get_by_role("checkbox", name="Too vague")).to_be_checked()
        page.keyboard.press("f")
        page.keyboard.press("Control+Enter")
        page.wait_for_url(f"**{url(following)}")
        assert Review.objects.get().verdict == "fix"

    def test_an_undo_is_offered_for_ten_seconds_and_on_the_finished_item_longer(
        self, page_for: Pages
    ) -> None:
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert)
        page.clock.install()
        page.goto(url(item))
        page.keyboard.press("y")
        page.keyboard.press("Control+Enter")
        page.wait_for_url("**/queues/**")
        undo = page.locator("#toasts").get_by_role("button", name="Undo")
        page.clock.run_for(8_000)
        expect(undo).to_be_visible()
        page.clock.run_for(20_000)
        expect(undo).to_have_count(0)
        page.goto(url(item))
        page.get_by_role("button", name="Undo and edit").click()
        expect(page.get_by_role("radio", name="Good")).to_be_checked()

    def test_a_common_reason_skips_with_a_key_and_a_click(self, page_for: Pages) -> None:
        item, expert = make_desk()
        following = make_item(item.queue, priority=-1)
        hold(item, expert)
        page = page_for(expert)
        page.goto(url(item))
        page.keyboard.press("Shift+S")
        expect(page.get_by_role("button", name="Not my field")).to_be_focused()
        page.get_by_role("button", name="Not my language").click()
        page.wait_for_url(f"**{url(following)}")
        assert Skip.objects.get().reason == "Not my language"
        toast = page.locator("#toasts")
        expect(toast).to_contain_text("Skipped.")
        toast.get_by_role("button", name="Undo").click()
        page.wait_for_url(f"**{url(item)}")
        assert not Skip.objects.exists()
        expect(page.get_by_role("button", name="Submit and next")).to_be_visible()

    def test_shift_j_and_shift_k_go_to_the_items_beside_it(self, page_for: Pages) -> None:
        """Complaint 16."""
        item, expert = make_desk()
        following = make_item(item.queue, priority=-1)
        page = page_for(expert)
        page.goto(url(item))
        page.keyboard.press("Shift+J")
        page.wait_for_url(f"**{url(following)}")
        page.keyboard.press("Shift+K")
        page.wait_for_url(f"**{url(item)}")
        first = page.get_by_role("link", name="Previous item")
        expect(first).to_have_attribute("aria-disabled", "true")

    def test_what_is_missing_has_the_focus(self, page_for: Pages) -> None:
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert)
        page.goto(url(item))
        page.get_by_role("button", name="Submit and next").click()
        expect(page.get_by_role("alert")).to_contain_text("Choose a verdict.")
        expect(page.get_by_role("radio", name="Good")).to_be_focused()
        group = page.get_by_role("radiogroup", name="Verdict")
        expect(group).to_have_accessible_description("Verdict: Choose a verdict.")
        page.keyboard.press("f")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_role("alert")).to_contain_text("Give at least one reason")
        expect(page.locator("#decide-form [name=reasons]").first).to_be_focused()

    def test_no_action_is_that_no_route_is_ticked(self, page_for: Pages) -> None:
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert)
        page.goto(url(item))
        none = page.get_by_role("checkbox", name="No action")
        expect(none).to_be_checked()
        page.get_by_text("Library", exact=True).click()
        expect(none).not_to_be_checked()
        none.check()
        expect(page.get_by_role("checkbox", name="Library")).not_to_be_checked()

    def test_routes_follow_the_rules_until_the_reviewer_chooses(self, page_for: Pages) -> None:
        item, expert = make_desk()
        make_rule(item.queue.project, name="Severe", severities=["critical"], routes=["escalate"])
        make_rule(item.queue.project, name="Faulty", verdicts=["fix"], routes=["library"])
        hold(item, expert)
        page = page_for(expert)
        page.goto(url(item))
        library = page.get_by_role("checkbox", name="Library")
        escalate = page.get_by_role("checkbox", name="Escalate")
        group = page.get_by_role("group", name="Route to")
        page.keyboard.press("f")
        expect(library).to_be_checked()
        expect(group).to_contain_text("by rule Faulty")
        page.get_by_text("Critical", exact=True).click()
        expect(escalate).to_be_checked()
        expect(library).not_to_be_checked()
        library.check()
        expect(group).to_contain_text("rule Severe says Escalate")
        page.get_by_text("Minor", exact=True).click()
        expect(group).to_contain_text("rule Faulty says Library")
        expect(escalate).to_be_checked()
        write(page, "Wrong year")
        expect_saved(page)
        page.reload()
        expect(group).to_contain_text("rule Faulty says Library")
        expect(escalate).to_be_checked()
        page.get_by_role("button", name="Use it").click()
        expect(group).to_contain_text("by rule Faulty")
        expect(escalate).not_to_be_checked()
        page.keyboard.press("Control+Enter")
        page.wait_for_url("**/queues/**")
        review = Review.objects.get()
        assert (review.routes, review.proposed_routes) == (["library"], ["library"])

    def test_without_a_script_the_draft_is_there_and_the_decision_is_sent(
        self, page_for: Pages
    ) -> None:
        """Complaint 7."""
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert)
        page.goto(url(item))
        write(page, "Begun with a script")
        expect_saved(page)
        plain = page_for(expert, java_script_enabled=False)
        plain.goto(url(item))
        expect(comment(plain)).to_have_value("Begun with a script")
        plain.get_by_label("Reject").check()
        plain.get_by_role("button", name="Submit and next").click()
        plain.wait_for_url("**/queues/**")
        assert Review.objects.get().comment == "Begun with a script"
        plain.get_by_role("button", name="Undo").click()
        expect(comment(plain)).to_have_value("Begun with a script")

    def test_scripts_that_break_lose_no_decision(self, page_for: Pages) -> None:
        """Complaint 7."""
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert)
        page.route(
            re.compile(r"\.js(\?|$)"),
            lambda route: route.fulfill(
                content_type="text/javascript", body="throw new Error('broken')"
            ),
        )
        page.goto(url(item))
        page.get_by_label("Reject").check()
        page.get_by_text("Reasons and comment").click()
        comment(page).fill("Wrong year")
        page.get_by_role("button", name="Submit and next").click()
        page.wait_for_url("**/queues/**")
        assert Review.objects.get().comment == "Wrong year"
        assert page_for.complaints
        assert all("broken" in one for one in page_for.complaints)
        page_for.complaints.clear()

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_on_a_phone_verdict_and_submit_stay_and_the_rest_unfolds(
        self, page_for: Pages, theme: str
    ) -> None:
        item, expert = make_desk()
        hold(item, expert)
        page = page_for(expert, width=390, height=844, theme=theme)
        page.goto(url(item))
        submit = page.get_by_role("button", name="Submit and next")
        expect(submit).to_be_in_viewport(ratio=1)
        expect(page.get_by_label("Minor")).to_be_hidden()
        page.locator("#dmore").check()
        page.get_by_text("Major", exact=True).click()
        page.get_by_text("Library", exact=True).click()
        expect(page.locator("[data-more]")).to_have_text("Major, 1 route")
        expect(submit).to_be_in_viewport(ratio=1)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


class TestSubmittingAfterMarking:
    def test_waits_for_the_reason_of_a_mark_that_is_on_its_way(self, page_for: Pages) -> None:
        project = make_project()
        item = make_item(make_queue(project), make_output(project, text="The first words."))
        expert = make_user(project, "expert")
        hold(item, expert)
        page = page_for(expert)
        page.goto(url(item))
        late: list[Route] = []

        def hold_up(route: Route) -> None:
            late.append(route)

        page.route("**/annotations/", hold_up)
        drag(page, "first")
        page.keyboard.press("1")
        page.keyboard.press("x")
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(100)
        assert not Review.objects.exists()
        [mark] = late
        mark.continue_()
        page.wait_for_url(re.compile(r"/queues/"))
        assert Review.objects.get().reasons.count() == 1
