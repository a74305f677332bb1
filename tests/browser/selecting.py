"""Selects words of an answer as a reviewer does."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect


def place(page: Page, words: str) -> dict[str, float]:
    """Where words of the answer begin and end on the screen, whatever elements they cross."""
    found: dict[str, float] | None = page.evaluate(
        """(words) => {
          const answer = document.getElementById("answer");
          const at = answer.textContent.indexOf(words);
          if (at < 0) return null;
          const walker = document.createTreeWalker(answer, NodeFilter.SHOW_TEXT);
          const point = (units) => {
            let rest = units;
            walker.currentNode = answer;
            for (let node = walker.nextNode(); node; node = walker.nextNode()) {
              if (rest < node.length || (rest === node.length && units > at)) return [node, rest];
              rest -= node.length;
            }
          };
          const range = document.createRange();
          range.setStart(...point(at));
          range.setEnd(...point(at + words.length));
          range.startContainer.parentElement.scrollIntoView({ block: "center" });
          const lines = [...range.getClientRects()].filter((line) => line.width > 0);
          const first = lines[0], last = lines.at(-1);
          return { x1: first.left, y1: first.top + first.height / 2,
                   x2: last.right, y2: last.top + last.height / 2 };
        }""",
        words,
    )
    assert found, f"{words!r} is not in the answer"
    return found


def drag(page: Page, words: str) -> None:
    """Select words of the answer with the mouse."""
    at = place(page, words)
    page.mouse.move(at["x1"] + 0.5, at["y1"])
    page.mouse.down()
    page.mouse.move((at["x1"] + at["x2"]) / 2, at["y2"], steps=4)
    page.mouse.move(at["x2"] - 0.5, at["y2"], steps=4)
    page.mouse.up()
    expect(popover(page)).to_be_visible()


def popover(page: Page) -> Locator:
    return page.get_by_role("form", name="Comment on the selected words")
