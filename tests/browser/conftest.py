"""Fixtures that drive Chromium against a running server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import wraps
from time import monotonic, sleep
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from pytest_django.live_server_helper import LiveServer

from feedback.models import User

# News is asked for every five seconds; a busy machine is slower.
expect.set_options(timeout=15_000)

# Answers that belong to the contract with htmx; Chromium logs each as an error.
EXPECTED_STATUSES = ("status of 409", "status of 422")


# What is done to a context, or to the clock of its pages, outlasts them.
LASTING = {
    "add_init_script",
    "expose_binding",
    "expose_function",
    "grant_permissions",
    "on",
    "once",
    "route",
    "set_extra_http_headers",
    "set_geolocation",
    "set_offline",
}
LASTING_CLOCK = {"install", "pause_at", "set_fixed_time", "set_system_time"}


@dataclass
class Contexts:
    """Contexts of earlier tests by their options, for the next: scripts are in their cache.

    A context that something was done to that outlasts its pages is not kept.
    """

    browser: Browser
    kept: dict[str, list[BrowserContext]] = field(default_factory=dict)
    is_altered: bool = False

    def take(self, options: dict[str, Any]) -> BrowserContext:
        kept = self.kept.get(repr(options))
        return kept.pop() if kept else self.browser.new_context(**options)

    def give_back(self, used: list[tuple[dict[str, Any], BrowserContext]]) -> None:
        """Take contexts that a test is through with; their pages are closed."""
        for options, context in used:
            if self.is_altered:
                context.close()
                continue
            for page in context.pages:
                page.close()
            context.clear_cookies()
            self.kept.setdefault(repr(options), []).append(context)
        self.is_altered = False


@pytest.fixture(scope="session")
def contexts(browser: Browser) -> Iterator[Contexts]:
    contexts = Contexts(browser)

    def noting(method: Any) -> Any:
        @wraps(method)
        def noted(*args: Any, **kwargs: Any) -> Any:
            contexts.is_altered = True
            return method(*args, **kwargs)

        return noted

    with browser.new_context() as context, pytest.MonkeyPatch.context() as patch:
        for owner, names in ((type(context), LASTING), (type(context.clock), LASTING_CLOCK)):
            for name in names:
                patch.setattr(owner, name, noting(getattr(owner, name)))
        yield contexts


@dataclass
class Pages:
    """Opens pages, and remembers what their consoles complained about."""

    contexts: Contexts
    server: LiveServer
    complaints: list[str] = field(default_factory=list)
    used: list[tuple[dict[str, Any], BrowserContext]] = field(default_factory=list)

    def __call__(
        self,
        user: User | None = None,
        *,
        width: int = 1440,
        height: int = 900,
        theme: str | None = None,
        expected: tuple[str, ...] = (),
        **options: Any,
    ) -> Page:
        """Open a page in a context of its own, signed in when a user is given.

        Parts of console messages in `expected` do not fail the test.
        """
        options |= {"base_url": self.server.url, "viewport": {"width": width, "height": height}}
        context = self.contexts.take(options)
        self.used.append((options, context))
        client = Client()
        if user is not None:
            client.force_login(user)
        if theme is not None:
            client.cookies["theme"] = theme
        context.add_cookies(
            [
                {"name": name, "value": cookie.value, "url": self.server.url}
                for name, cookie in client.cookies.items()
            ]
        )
        page = context.new_page()
        page.set_default_timeout(10_000)
        self._forget(page)

        def note(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"} and not any(
                part in message.text for part in (*EXPECTED_STATUSES, *expected)
            ):
                self.complaints.append(f"{page.url}: {message.text}")

        page.on("console", note)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        return page

    def _forget(self, page: Page) -> None:
        """Empty what an earlier test has left in the browser's storage."""
        session = page.context.new_cdp_session(page)
        what = {"origin": self.server.url, "storageTypes": "local_storage,indexeddb"}
        session.send("Storage.clearDataForOrigin", what)
        session.detach()


@pytest.fixture
def page_for(contexts: Contexts, live_server: LiveServer) -> Iterator[Pages]:
    """`page_for(user)` opens a signed-in page. Errors of its console fail the test.

    That takes in whatever the Content-Security-Policy refused.
    """
    pages = Pages(contexts=contexts, server=live_server)
    yield pages
    contexts.give_back(pages.used)
    _wait_until_quiet()
    assert pages.complaints == []


# Threads of the server that are at a request.
_serving: set[int] = set()


def _begin(**_: object) -> None:
    if threading.current_thread() is not threading.main_thread():
        _serving.add(threading.get_ident())


def _end(**_: object) -> None:
    _serving.discard(threading.get_ident())


request_started.connect(_begin)
request_finished.connect(_end)


def _wait_until_quiet() -> None:
    """Wait until the server is through with what pages sent as they closed.

    The database is emptied next, and would get into the way of a request that still writes.
    """
    since = monotonic()
    until = since + 10
    while monotonic() < min(since + 0.03, until):
        sleep(0.005)
        if _serving:
            since = monotonic()
