"""Accessibility findings of a page, by axe-core (https://github.com/dequelabs/axe-core)."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

GRAVE = {"serious", "critical"}


def findings(page: Page, *rules: str) -> list[str]:
    """Serious and critical findings, one line for each element; of these rules alone, if any.

    The script is run through the browser's debugger, so the page's policy stays as it is.
    """
    settle(page)
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(AXE_SCRIPT)
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    found = page.evaluate("(options) => axe.run(document, options)", options)
    return [
        f"{one['id']} ({one['impact']}): {node['target']} {node['html'][:160]} "
        f"{' '.join(check['message'] for check in node['any'] + node['all'] + node['none'])}"
        for one in found["violations"]
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


def settle(page: Page) -> None:
    """End what moves or fades, so that colours are those that stay."""
    page.evaluate(
        """async () => {
          for (const one of document.getAnimations()) {
            try { one.finish(); } catch { one.cancel(); }
          }
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        }"""
    )
