"""Fixtures that drive Chromium against a running server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from pytest_django.live_server_helper import LiveServer

from feedback.models import User

# News is asked for every five seconds; a busy machine is slower.
expect.set_options(timeout=15_000)

# Answers that belong to the contract with htmx; Chromium logs each as an error.
EXPECTED_STATUSES = ("status of 409", "status of 422")


@dataclass
class Pages:
    """Opens pages, and remembers what their consoles complained about."""

    browser: Browser
    server: LiveServer
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

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
        context = self.browser.new_context(
            base_url=self.server.url, viewport={"width": width, "height": height}, **options
        )
        self.contexts.append(context)
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

        def note(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"} and not any(
                part in message.text for part in (*EXPECTED_STATUSES, *expected)
            ):
                self.complaints.append(f"{page.url}: {message.text}")

        page.on("console", note)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        return page


@pytest.fixture
def page_for(browser: Browser, live_server: LiveServer) -> Iterator[Pages]:
    """`page_for(user)` opens a signed-in page. Errors of its console fail the test.

    That takes in whatever the Content-Security-Policy refused.
    """
    pages = Pages(browser=browser, server=live_server)
    yield pages
    for context in pages.contexts:
        context.close()
    _wait_until_quiet()
    assert pages.complaints == []


def _wait_until_quiet() -> None:
    """Wait until the server is through with what pages sent as they closed.

    The database is emptied next, and would get into the way of a request that still writes.
    """
    quiet = 0
    until = monotonic() + 10
    while quiet < 3 and monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND state <> 'idle'"
            )
            [busy] = cursor.fetchone() or [0]
        quiet = 0 if busy else quiet + 1
        sleep(0.02)
