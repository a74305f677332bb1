"""Reads rendered answers back from a browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from playwright.sync_api import Page

# Text that is not the answer's would carry data-no-text.
_READ = """(canonicals) => {
  const own = (element) => {
    const copy = element.cloneNode(true);
    for (const chrome of copy.querySelectorAll("[data-no-text]")) chrome.remove();
    return copy.textContent;
  };
  const answers = [...document.querySelectorAll("article")];
  return canonicals.map((canonical, number) => {
    const answer = answers[number];
    const points = [...canonical];
    const blocks = [...answer.querySelectorAll("[data-start]")];
    const wrong = blocks.filter((block) => {
      const text = own(block);
      const start = Number(block.dataset.start);
      return points.slice(start, start + [...text].length).join("") !== text;
    });
    const marked = {};
    for (const mark of answer.querySelectorAll("mark"))
      for (const id of mark.dataset.a.split(" ")) marked[id] = (marked[id] ?? "") + own(mark);
    return {
      blocks: blocks.length,
      wrong: wrong
        .map((block) => block.dataset.start)
        .concat(own(answer) === canonical ? [] : ["all"]),
      marked,
    };
  });
}"""


@dataclass(frozen=True, slots=True)
class Read:
    """What a browser has of one answer: how many blocks, the starts of those whose text is not
    the canonical text there ("all" for the whole), and the text under each mark by its id."""

    num_blocks: int
    wrong: list[str]
    marked: dict[str, str]


def read(page: Page, answers: Sequence[tuple[str, str]]) -> list[Read]:
    """Load answers, each its HTML and canonical text, as one page, and read them back."""
    body = "".join(f'<article data-start="0">{html}</article>' for html, _ in answers)
    page.set_content(f'<!doctype html><meta charset="utf-8">{body}', wait_until="commit")
    found = page.evaluate(_READ, [canonical for _, canonical in answers])
    return [Read(one["blocks"], one["wrong"], one["marked"]) for one in found]
