"""Accessibility findings of a page, by axe-core (https://github.com/dequelabs/axe-core)."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

# Several elements may give details on one (https://www.w3.org/TR/wai-aria-1.3/#aria-details),
# which axe does not know yet.
STANDARDS = {"ariaAttrs": {"aria-details": {"type": "idrefs", "allowEmpty": True, "global": True}}}
GRAVE = {"serious", "critical"}
# What these rules find is never grave; among them is one that looks at each element for a landmark.
WITHOUT_MILD = """() => {
  for (const rule of axe._audit.rules) {
    if (["minor", "moderate"].includes(rule.impact)) rule.enabled = false;
  }
}"""
# More than half of the time goes into them.
COLOURS = ("color-contrast", "link-in-text-block")


def findings(page: Page, *rules: str, but: tuple[str, ...] = ()) -> list[str]:
    """Serious and critical findings, one line for each element; of these rules alone, if any.

    Those of the rules in `but` are not looked for.

    The script is run through the browser's debugger, so the page's policy stays as it is.
    """
    settle(page)
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(AXE_SCRIPT)
        page.evaluate("(standards) => axe.configure({ standards })", STANDARDS)
        page.evaluate(WITHOUT_MILD)
    options: dict[str, Any] = {
        "resultTypes": ["violations"],
        "rules": {rule: {"enabled": False} for rule in but},
    }
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    found = page.evaluate("(options) => axe.run(document, options)", options)
    return _dangling(page) + [
        f"{one['id']} ({one['impact']}): {node['target']} {node['html'][:160]} "
        f"{' '.join(check['message'] for check in node['any'] + node['all'] + node['none'])}"
        for one in found["violations"]
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


def _dangling(page: Page) -> list[str]:
    """Elements whose details are told to be where nothing is: axe asks for one of them only."""
    gone: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("[aria-details]")].flatMap((one) =>
          one.getAttribute("aria-details").split(" ")
            .filter((id) => !document.getElementById(id))
            .map((id) => `aria-details names ${id}: ${one.outerHTML.slice(0, 160)}`))"""
    )
    return gone


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
