"""The feedback widget on a product's page: another origin, with a strict policy of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from time import monotonic, sleep
from typing import Any, Protocol

import pytest
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from feedback import tokens
from feedback.models import Feedback, Output, Project
from tests.browser.conftest import Pages
from tests.browser.host import DOWN, Host, serving
from tests.factories import make_output, make_project

pytestmark = pytest.mark.browser

ANSWER = "Bloom came out on 31 August 2018. \N{ROCKET}"
LABELS = '{"down": "Schlecht", "reasons": {"incomplete": "Unvollständig"}}'


@pytest.fixture
def host(live_server: LiveServer) -> Iterator[Host]:
    with serving(live_server.url) as host:
        yield host


@pytest.fixture
def output(host: Host) -> Output:
    cache.clear()
    return make_output(make_project(allowed_origins=[host.origin]), text=ANSWER)


def token_for(output: Output) -> str:
    expires_at = timezone.now() + timedelta(hours=1)
    return tokens.sign(project=output.project, output=output.external_id, expires_at=expires_at)


def widget(output: Output, host: Host, *, more: str = "") -> str:
    return (
        f"<p>{output.text}</p><div data-postil data-token='{token_for(output)}' "
        f"data-endpoint='{host.postil}' {more}></div>"
    )


class Opener(Protocol):
    def __call__(self, body: str, *, expected: tuple[str, ...] = ()) -> Page: ...


@pytest.fixture
def open_page(host: Host, page_for: Pages) -> Opener:
    """Open a product's page with that body; `expected` are complaints that do not fail the test."""

    def open_(body: str, *, expected: tuple[str, ...] = ()) -> Page:
        head = f'<!doctype html><html lang="en"><title>Shop</title><script src="{host.postil}'
        script = '/static/embed.js" defer></script>'
        host.pages["/"] = ("text/html", f"{head}{script}{body}")
        page = page_for(expected=expected)
        page.goto(host.origin)
        return page

    return open_


def wait_for(condition: Callable[[], Any]) -> Any:
    """What the condition returns as soon as it is true; fails after five seconds."""
    until = monotonic() + 5
    while not (found := condition()):
        assert monotonic() < until, "did not come"
        sleep(0.05)
    return found


def signals() -> dict[str, Any]:
    return dict(Feedback.objects.signals().values_list("name", "value"))


class TestRating:
    def test_a_thumb_its_reasons_and_words_are_one_feedback(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        page = open_page(widget(output, host))
        page.get_by_role("button", name="Bad answer").click()
        thumb = wait_for(Feedback.objects.explicit().first)
        assert (thumb.output, thumb.score, thumb.name) == (output, -1, "rating")
        page.get_by_label("Incomplete").check()
        page.get_by_label("Anything else?").fill("Nothing about the tour.")
        page.get_by_label("A better answer").fill("It came out in August 2018. \\u0000 \N{ROCKET}")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("status")).to_have_text("Thank you.")
        expect(page.get_by_label("Anything else?")).to_be_hidden()
        stored = Feedback.objects.get()
        assert stored.pk == thumb.pk
        assert (stored.score, stored.comment) == (-1, "Nothing about the tour.")
        assert stored.correction == "It came out in August 2018. \\u0000 \N{ROCKET}"
        assert [reason.slug for reason in stored.reasons.all()] == ["incomplete"]

    def test_can_be_taken_back(self, open_page: Opener, output: Output, host: Host) -> None:
        page = open_page(widget(output, host))
        good = page.get_by_role("button", name="Good answer")
        good.click()
        expect(good).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_role("status")).to_have_text("Thank you.")
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("status")).to_have_text("Taken back.")
        expect(good).to_have_attribute("aria-pressed", "false")
        stored = Feedback.objects.get()
        assert (stored.score, stored.label) == (0, "withdrawn")
        page.get_by_role("button", name="Bad answer").click()
        expect(page.get_by_role("status")).to_have_text("Thank you.")
        stored.refresh_from_db()
        assert (stored.score, stored.label, Feedback.objects.count()) == (-1, "", 1)

    def test_needs_no_mouse(self, open_page: Opener, output: Output, host: Host) -> None:
        page = open_page(widget(output, host))
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Bad answer")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("form", name="What was wrong?")).to_be_focused()
        expect(page.get_by_label("Factually incorrect")).to_be_visible()
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        expect(page.get_by_label("Factually incorrect")).to_be_checked()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Bad answer")).to_be_focused()
        wait_for(Feedback.objects.filter(reasons__slug="factually-incorrect").exists)

    def test_is_told_apart_from_that_of_another_answer(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        other = make_output(output.project)
        page = open_page(widget(output, host) + widget(other, host))
        page.get_by_role("button", name="Good answer").first.click()
        page.get_by_role("button", name="Bad answer").last.click()
        wait_for(lambda: Feedback.objects.explicit().count() == 2)
        assert dict(Feedback.objects.explicit().values_list("output", "score")) == {
            output.pk: 1,
            other.pk: -1,
        }

    def test_speaks_the_languages_of_the_page(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        page = open_page(widget(output, host, more=f"data-labels='{LABELS}'"))
        page.get_by_role("button", name="Schlecht").click()
        expect(page.get_by_label("Unvollständig")).to_be_visible()
        expect(page.get_by_label("Too vague")).to_be_visible()


class TestSignals:
    def test_copying_the_answer_tells_how_much(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        page = open_page(f"<h1>Shop</h1>{widget(output, host)}<p id=after>Imprint</p>")
        page.evaluate("getSelection().selectAllChildren(document.querySelector('#after'))")
        page.keyboard.press("Control+c")
        page.keyboard.press("Control+a")
        page.keyboard.press("Control+c")
        assert wait_for(signals) == {"copy": len(ANSWER)}

    def test_following_up_is_told_by_an_event(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        page = open_page(widget(output, host))
        page.locator("[data-postil]").dispatch_event("postil:follow-up")
        assert wait_for(signals) == {"follow_up": None}

    def test_leaving_without_a_word_is_told_once(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        page = open_page(widget(output, host))
        page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
        page.goto("about:blank")
        wait_for(signals)
        page.close()
        assert signals() == {"abandon": 0}
        assert Feedback.objects.count() == 1

    def test_leaving_after_a_word_tells_the_seconds_read(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        page = open_page(widget(output, host))
        page.get_by_role("button", name="Good answer").click()
        page.wait_for_timeout(1_200)
        page.goto("about:blank")
        seconds = wait_for(signals)["dwell"]
        assert 1 <= seconds <= 20

    def test_what_is_on_its_way_goes_along_when_the_page_is_left(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        page = open_page(widget(output, host), expected=("net::ERR_FAILED",))
        page.route("**/api/v1/collect", lambda route: route.abort())
        page.get_by_role("button", name="Bad answer").click()
        expect(page.get_by_role("status")).to_contain_text("Not sent yet")
        page.unroute("**/api/v1/collect")
        page.goto("about:blank")
        assert wait_for(Feedback.objects.explicit().first).score == -1


class TestFailure:
    def test_an_endpoint_that_is_down_leaves_the_page_alone(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        closed = widget(output, host).replace(host.postil, DOWN)
        page = open_page(closed, expected=("net::ERR_UNSAFE_PORT", "net::ERR_CONNECTION_REFUSED"))
        page.clock.install()
        page.get_by_role("button", name="Bad answer").click()
        page.get_by_label("Anything else?").fill("I typed this.")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("status")).to_contain_text("Not sent yet")
        for _ in range(5):
            page.clock.run_for(30_000)
            page.wait_for_timeout(50)
        expect(page.get_by_role("status")).to_have_text("Not sent.")
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
        expect(page.get_by_label("Anything else?")).to_have_value("I typed this.")
        assert page.evaluate("1 + 1") == 2

    def test_what_was_said_offline_arrives_later(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        page = open_page(widget(output, host), expected=("net::ERR_INTERNET_DISCONNECTED",))
        page.context.set_offline(True)
        page.get_by_role("button", name="Bad answer").click()
        page.get_by_label("Anything else?").fill("I typed this.")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("status")).to_contain_text("Not sent yet")
        page.context.set_offline(False)
        expect(page.get_by_role("status")).to_have_text("Thank you.")
        assert Feedback.objects.get().comment == "I typed this."

    def test_a_token_that_ran_out_is_said(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        wrong = widget(output, host).replace("data-token='", "data-token='x")
        page = open_page(wrong, expected=("status of 401",))
        page.get_by_role("button", name="Good answer").click()
        expect(page.get_by_role("status")).to_have_text("This can no longer be sent.")
        assert not Feedback.objects.exists()

    def test_a_page_that_is_not_listed_gets_nothing_in(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        Project.objects.update(allowed_origins=["https://else.example"])
        page = open_page(widget(output, host), expected=("CORS policy", "net::ERR_FAILED"))
        page.get_by_role("button", name="Good answer").click()
        expect(page.get_by_role("status")).to_contain_text("Not sent yet")
        page.close()
        assert not Feedback.objects.exists()

    @pytest.mark.parametrize(
        "body",
        [
            "<div data-postil></div>",
            "<div data-postil data-token='' data-endpoint='http://['></div>",
            "<div data-postil data-token=x data-endpoint='http://[' data-labels='{'></div>",
            "<div data-postil data-token=x data-answer='[['></div>",
            "<br data-postil data-token=x>",
        ],
    )
    def test_a_tag_that_is_wrong_breaks_nothing(
        self, open_page: Opener, output: Output, host: Host, body: str
    ) -> None:
        page = open_page(body + widget(output, host))
        expect(page.get_by_role("button", name="Good answer").last).to_be_visible()


class TestAttach:
    def test_is_the_only_name_in_the_page(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        names = "Object.getOwnPropertyNames(window).sort()"
        without = open_page("<p>").evaluate(names)
        host.pages["/bare"] = ("text/html", "<!doctype html><p>")
        page = open_page(widget(output, host))
        page.goto(f"{host.origin}/bare")
        assert set(without) - set(page.evaluate(names)) == {"Postil"}

    def test_takes_an_element_that_came_later(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        page = open_page("<main><p>An answer</p></main>")
        page.evaluate(
            """([token, endpoint]) => {
              const place = document.createElement("div");
              document.querySelector("main").append(place);
              const options = { token, endpoint, answer: document.querySelector("p") };
              const handle = Postil.attach(place, options);
              if (Postil.attach(place, options) !== handle) throw new Error("attached twice");
              handle.signal("edit", { from: 1 });
              handle.signal("edit", place);
              handle.signal("edit", 1n);
              handle.signal("no such kind");
            }""",
            [token_for(output), host.postil],
        )
        page.get_by_role("button", name="Good answer").click()
        expect(page.get_by_role("status")).to_have_text("Thank you.")
        assert {"from": 1} in Feedback.objects.signals().values_list("value", flat=True)

    def test_detaches_and_attaches_again(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        page = open_page(widget(output, host))
        page.evaluate(
            """() => {
              const place = document.querySelector("[data-postil]");
              const handle = Postil.attach(place);
              handle.detach();
              if (Postil.attach(place) === handle) throw new Error("still attached");
            }"""
        )
        page.get_by_role("button", name="Good answer").click()
        wait_for(Feedback.objects.explicit().exists)
        assert wait_for(signals) == {"abandon": 0}

    def test_looks_like_the_page_under_its_strict_policy(
        self, open_page: Opener, output: Output, host: Host
    ) -> None:
        page = open_page(widget(output, host))
        button = page.get_by_role("button", name="Good answer")
        assert button.evaluate("one => getComputedStyle(one).borderRadius") == "6px"
