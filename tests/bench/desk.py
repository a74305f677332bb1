"""The reviewer's desk with 200 annotations on one long answer, as Chromium and the server feel it.

The browser's own clock takes the browser's times (User Timing and Resource Timing, W3C); the
server's are taken over HTTP, beside the bare SQL of the page.
"""

from __future__ import annotations

import gzip
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Browser, Page, sync_playwright

from config.up import HOST
from tests.bench.requesting import measure
from tests.bench.server import ROOT, Web, services

if TYPE_CHECKING:
    from feedback.models import User
    from review.models import QueueItem

LENGTH = 20_000
NUM_ANNOTATIONS = 200
REPEATS = 60
MOST_QUERIES = 40
# Bytes of JavaScript that one visit of the desk loads, as they come over the wire.
MOST_SCRIPT = 60_000


@dataclass(frozen=True)
class Time:
    """Milliseconds of many repetitions of one thing, and the bar of the 95th percentile."""

    name: str
    times: Sequence[float]
    bar: float

    def at(self, share: float) -> float:
        """A percentile, by the nearest rank."""
        return sorted(self.times)[math.ceil(len(self.times) * share) - 1]

    @property
    def is_met(self) -> bool:
        return self.at(0.95) < self.bar


def run() -> tuple[str, bool]:
    with services() as urls:
        import django

        django.setup()
        item, user = seed()
        address = f"/p/{item.queue.project.slug}/items/{item.pk}/"
        with Web() as web:
            page = measure(web, urls.database, user, "desk", address, MOST_QUERIES)
            times, num_bytes, first_paint = _in_chromium(web, _session(user), address)
    server = Time("server, over HTTP", page.times, 60)
    rows = [*times, server]
    print(f"{'':<34}{'p50 ms':>9}{'p95 ms':>9}{'bar ms':>9}")
    for one in rows:
        print(f"{one.name:<34}{one.at(0.5):>9.1f}{one.at(0.95):>9.1f}{one.bar:>9.0f}")
    print(f"{'its bare SQL':<34}{'':>9}{page.sql:>9.1f}   {page.num_queries} queries")
    print(f"JavaScript {num_bytes:,} bytes of at most {MOST_SCRIPT:,}; none of it before the first")
    print(f"paint, after {first_paint:.0f} ms")
    figure = ", ".join(f"{one.name.split(',')[0]} {one.at(0.95):.0f} ms" for one in rows)
    is_met = (
        all(one.is_met for one in rows)
        and num_bytes <= MOST_SCRIPT
        and page.num_queries <= MOST_QUERIES
    )
    return f"p95 {figure}; {num_bytes / 1000:.0f} kB of JavaScript", is_met


# ------------------------------------------------------------------ rows


def long_answer() -> str:
    """Real Markdown answers of the demo's conversations, one after the other."""
    lines = gzip.decompress((ROOT / "feedback/demo/oasst-trees.ndjson.gz").read_bytes())
    records: list[dict[str, Any]] = [json.loads(line) for line in lines.splitlines()]
    answers = [record["text"] for record in records if record.get("type") == "output"]
    text = ""
    for answer in sorted(set(answers), key=len, reverse=True):
        if len(text) + len(answer) + 2 <= LENGTH:
            text += answer + "\n\n"
    return text


def seed() -> tuple[QueueItem, User]:
    """An item on a reviewer's desk, with annotations, replies, suggestions and resolved threads."""
    from django.utils import timezone

    from review import queues
    from review.models import Comment
    from tests.factories import (
        make_annotation,
        make_item,
        make_output,
        make_project,
        make_queue,
        make_user,
    )

    project = make_project("bench")
    user = make_user(project, "moderator")
    others = [make_user(project, "expert") for _ in range(3)]
    output = make_output(project, text=long_answer(), documents=[])
    now = timezone.now()
    chance = random.Random(4)  # noqa: S311
    slugs = list(project.taxonomies.get().reasons.values_list("slug", flat=True))
    replies: list[Comment] = []
    for number, words in enumerate(_spans(output.text, chance)):
        fields: dict[str, Any] = {"comment": "Is this so? " * chance.randint(1, 12)}
        if number % 3:
            fields["reason"] = chance.choice(slugs)
        if number % 4 == 0:
            fields["replacement"] = f"{words.upper()} indeed"
        if number % 10 == 3:
            fields |= {"resolved_by": user, "resolved_at": now}
        note = make_annotation(
            output, others[number % 3], words, created_at=now - timedelta(minutes=number), **fields
        )
        replies += [
            Comment(
                project=project,
                annotation=note,
                author=chance.choice([user, *others]),
                text="It says so in the second paragraph. " * chance.randint(1, 4),
                created_at=now,
            )
            for _ in range(number % 4)
        ]
    Comment.objects.bulk_create(replies)
    item = make_item(make_queue(project), output)
    queues.claim(item=item, by=user, now=now)
    return item, user


def _spans(text: str, chance: random.Random) -> list[str]:
    """Stretches of 1 to 12 words, each once in the answer, some over each other."""
    from review.rendering import render

    canonical = render(text).canonical
    lines = [line.split(" ") for line in canonical.split("\n") if line.count(" ") > 3]
    found: dict[str, None] = {}
    while len(found) < NUM_ANNOTATIONS:
        line = chance.choice(lines)
        start = chance.randrange(len(line))
        words = " ".join(line[start : start + chance.randint(1, 12)]).strip()
        if len(words) > 5 and canonical.count(words) == 1:
            found[words] = None
    return list(found)


# ------------------------------------------------------------------ Chromium


def _session(user: User) -> str:
    """The cookie of somebody signed in."""
    from django.test import Client

    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return client.cookies["sessionid"].value


def _in_chromium(web: Web, session: str, address: str) -> tuple[list[Time], int, float]:
    """The browser's times, bytes of JavaScript, and milliseconds until the first paint."""
    from tests.browser import chromium

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.FLAGS)
        page = _signed_in(browser, web, session)
        page.goto(address, wait_until="networkidle")
        page.evaluate(_CLOCK)
        scripts = page.evaluate(_SCRIPTS)
        if any(one["blocks"] for one in scripts["loaded"]):
            raise RuntimeError(f"The first paint waits for a script: {scripts}")
        times = [
            Time("card layout, 200 cards", _layouts(page), 16),
            Time("hover, until both are lit", _hovers(page), 50),
            Time("new highlight, from the click", _highlights(page), 150),
        ]
        browser.close()
    return times, sum(one["bytes"] for one in scripts["loaded"]), scripts["paint"]


def _signed_in(browser: Browser, web: Web, session: str) -> Page:
    origin = f"http://{HOST}:{web.port}"
    context = browser.new_context(base_url=origin, viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": "sessionid", "value": session, "url": origin}])
    return context.new_page()


# `painted` waits for the frame that shows what was just changed, `measure` counts from an event.
_CLOCK = """() => {
  window.painted = (then) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = then;
    port2.postMessage(null);
  });
  window.measure = (name, { timeStamp: start }) =>
    performance.measure(name, { start, end: performance.now() });
}"""

_SCRIPTS = """() => ({
  paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  loaded: performance.getEntriesByType("resource")
    .filter((one) => new URL(one.name).pathname.endsWith(".js"))
    .map((one) => ({ name: one.name, bytes: one.encodedBodySize,
                     blocks: one.renderBlockingStatus === "blocking" })),
})"""


def _measures(page: Page, name: str) -> list[float]:
    """Durations of all User Timing measures of a name, without the first five."""
    found: list[float] = page.evaluate(
        "(name) => performance.getEntriesByName(name).map((one) => one.duration)", name
    )
    if len(found) < REPEATS:
        raise RuntimeError(f"Only {len(found)} of {REPEATS} times of {name!r} were taken.")
    return found[5:]


def _layouts(page: Page) -> list[float]:
    """Activate one card after the other: all are placed anew, styles and layout included."""
    page.evaluate(
        """async (repeats) => {
          const margin = await import("/static/js/desk/margin.js");
          const cards = [...document.querySelectorAll("#margin > .note")];
          for (let number = 0; number < repeats + 5; number += 1) {
            const card = cards[(number * 37) % cards.length];
            await new Promise(painted);
            const start = performance.now();
            margin.activate(card.id);
            document.body.offsetHeight;
            performance.measure("layout", { start, end: performance.now() });
          }
        }""",
        REPEATS,
    )
    return _measures(page, "layout")


def _hovers(page: Page) -> list[float]:
    """Point at words with the mouse, until their card is painted as lit."""
    page.evaluate(
        """() => document.addEventListener("mouseover", (event) => {
          const mark = event.target.closest("#answer mark");
          if (!mark || mark !== window.wanted) return;
          window.wanted = null;
          painted(() => {
            const id = mark.dataset.a.split(" ")[0];
            const isLit = mark.classList.contains("is-on")
              && document.getElementById(id).classList.contains("is-on");
            if (isLit) measure("hover", event);
          });
        }, { capture: true })"""
    )
    for number in range(REPEATS + 5):
        page.mouse.move(2, 2)
        place = page.evaluate(
            """async (number) => {
              const marks = [...document.querySelectorAll("#answer mark")];
              const mark = marks[(number * 53) % marks.length];
              mark.scrollIntoView({ block: "center" });
              await new Promise(painted);
              window.wanted = mark;
              const line = mark.getClientRects()[0];
              return { x: line.left + line.width / 2, y: line.top + line.height / 2 };
            }""",
            number,
        )
        page.mouse.move(place["x"], place["y"])
        page.wait_for_timeout(60)
    return _measures(page, "hover")


def _highlights(page: Page) -> list[float]:
    """Select words nobody has marked, click a reason, until the words are painted as marked."""
    page.evaluate(
        """() => document.addEventListener("click", (event) => {
          if (!event.target.closest("#pop [data-reason]")) return;
          const known = new Set([...document.querySelectorAll("#answer [data-first]")]
            .flatMap((one) => one.dataset.first.split(" ")));
          const found = new MutationObserver(() => {
            const isNew = [...document.querySelectorAll("#answer [data-first]")]
              .some((one) => one.dataset.first.split(" ").some((id) => !known.has(id)));
            if (!isNew) return;
            found.disconnect();
            painted(() => measure("highlight", event));
          });
          found.observe(document.getElementById("folio"), { childList: true, subtree: true });
        }, { capture: true })"""
    )
    for number in range(REPEATS + 5):
        _select_unmarked(page, number)
        page.locator("#pop [data-reason]:visible").nth(number % 3).click()
        page.wait_for_function(
            "(wanted) => performance.getEntriesByName('highlight').length === wanted",
            arg=number + 1,
        )
    return _measures(page, "highlight")


def _select_unmarked(page: Page, number: int) -> None:
    """Select some words outside all marks, and let the mouse go."""
    page.evaluate(
        """async (number) => {
          const answer = document.getElementById("answer");
          const texts = document.createTreeWalker(answer, NodeFilter.SHOW_TEXT);
          const free = [];
          for (let node = texts.nextNode(); node; node = texts.nextNode()) {
            const isFree = !node.parentElement.closest("mark, [data-no-text]");
            if (isFree && /^\\W*\\w+ \\w+ \\w+/.test(node.data)) free.push(node);
          }
          const node = free[(number * 29) % free.length];
          const start = node.data.search(/\\w/);
          const end = node.data.indexOf(" ", start);
          node.parentElement.scrollIntoView({ block: "center" });
          await new Promise(painted);
          getSelection().setBaseAndExtent(node, start, node, end);
          document.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
        }""",
        number,
    )
