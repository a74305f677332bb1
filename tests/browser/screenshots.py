"""Takes every state of the desk into docs/screens: `python -m tests.browser.screenshots [state]`.

Wide in light and dark, and on a phone, from the real server; docs/screens/README.md lists them.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from config.up import HOST
from tests.bench.server import ROOT, Web, services
from tests.browser import chromium

SCREENS = ROOT / "docs" / "screens"
# Name, width, height, theme.
VIEWS = [("wide", 1440, 900, "light"), ("dark", 1440, 900, "dark"), ("phone", 390, 844, "light")]
QUALITY = 55


def main(wanted: list[str]) -> int:
    # The synchronous API of playwright runs an event loop in this thread.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with services():
        import django

        django.setup()
        from tests.browser.states import STATES

        SCREENS.mkdir(exist_ok=True)
        with Web() as web, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium.find(), args=chromium.FLAGS
            )
            for name in wanted or STATES:
                _take(browser, web, name)
            browser.close()
        _list(STATES)
    return 0


def _take(browser: Browser, web: Web, name: str) -> None:
    from tests.browser.states import STATES
    from tests.scenes import make_scene

    for view, width, height, theme in VIEWS:
        scene = make_scene()
        with _page(browser, web, scene.expert, width, height, theme) as page:
            STATES[name](page, scene)
            page.wait_for_timeout(400)
            _save(page, SCREENS / f"{name.replace('_', '-')}-{view}.webp")


@contextmanager
def _page(
    browser: Browser, web: Web, user: object, width: int, height: int, theme: str
) -> Iterator[Page]:
    from django.test import Client

    client = Client(headers={"host": "localhost"})
    client.force_login(user)  # type: ignore[arg-type]
    client.cookies["theme"] = theme
    origin = f"http://{HOST}:{web.port}"
    context = browser.new_context(base_url=origin, viewport={"width": width, "height": height})
    context.add_cookies(
        [
            {"name": key, "value": cookie.value, "url": origin}
            for key, cookie in client.cookies.items()
        ]
    )
    page = context.new_page()
    # Fonts are used from the second page on.
    page.goto("/patterns/", wait_until="networkidle")
    yield page
    context.close()


def _save(page: Page, path: Path) -> None:
    """Take a picture as WebP, which playwright cannot write itself."""
    taken = page.context.new_cdp_session(page).send(
        "Page.captureScreenshot", {"format": "webp", "quality": QUALITY}
    )
    path.write_bytes(base64.b64decode(taken["data"]))


def _list(states: Mapping[str, object]) -> None:
    lines = [
        "# Screens of the desk",
        "",
        "Taken by `make shots`: 1440 × 900 in light and dark, and a phone of 390 × 844.",
        "",
    ]
    for name, show in states.items():
        about = (show.__doc__ or "").strip().splitlines()[0]
        stem = name.replace("_", "-")
        views = ", ".join(
            f"[{view}]({stem}-{view}.webp)"
            for view, *_ in VIEWS
            if (SCREENS / f"{stem}-{view}.webp").exists()
        )
        if views:
            lines.append(f"- {about} {views}")
    (SCREENS / "README.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
