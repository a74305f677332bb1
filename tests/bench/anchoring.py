"""Places in texts: what the browser shows, spans of real data, and later versions of answers."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from feedback.payloads import Span as SentSpan
from review.anchoring import Mark
from review.reanchoring import quoted
from review.rendering import Rendered, render
from tests.bench import reanchored
from tests.bench.texts import Quoted, quotes, spans, texts
from tests.browser import chromium
from tests.browser.reading import read

# Characters of text on one page.
PAGE_SIZE = 400_000
BAR_WRONG = 0.01
# Nothing is stored, so there is nothing to connect to.
WITHOUT_SERVERS = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "SECRET_KEY": "only-for-benchmarks-only-for-benchmarks",
    "DATABASE_URL": "postgresql://127.0.0.1/none",
    "REDIS_URL": "redis://127.0.0.1/0",
}
# What a text loses when it is shown as Markdown: markers of lists, its other marks, white space.
_MARKER = re.compile(r"^[ \t>]*(?:\d{1,9}[.)]|[-*+])(?=\s|\Z)", re.MULTILINE)
_MARKUP = re.compile(r"[*_`#>|~\[\]\\+-]|\s")


def run() -> tuple[str, bool]:
    named = os.environ.get("POSTIL_DATA")
    if not named:
        raise SystemExit("POSTIL_DATA names no folder with data sets.")
    data = Path(named)
    for name, value in WITHOUT_SERVERS.items():
        os.environ.setdefault(name, value)
    import django

    django.setup()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.FLAGS)
        page = browser.new_page()
        page.set_default_timeout(120_000)
        mismatches = invariant(page, data)
        lost = offset_sets(page, data)
        misquoted = quote_set(page, data)
        browser.close()
    wrong = later_versions(data)
    figure = (
        f"{mismatches} mismatches, {lost} spans lost, {misquoted} quotes wrong,"
        f" {wrong:.2%} wrong in later versions"
    )
    return figure, not (mismatches or lost or misquoted) and wrong <= BAR_WRONG


def invariant(page: Page, data: Path) -> int:
    """Show every text, and compare each block with the canonical text; return mismatches."""
    counted: Counter[str] = Counter()
    per_set: Counter[str] = Counter()
    took = 0.0
    for batch in _batches(texts(data)):
        began = time.process_time()
        rendered = [render(text) for _, text in batch]
        took += time.process_time() - began
        for (kind, text), shown, found in zip(
            batch,
            rendered,
            read(page, [(one.html, one.canonical) for one in rendered]),
            strict=True,
        ):
            per_set[kind] += 1
            counted["texts"] += 1
            counted["blocks"] += found.num_blocks
            counted["characters"] += len(shown.canonical)
            if found.wrong:
                counted["mismatches"] += 1
                print(f"  mismatch in {kind}: {text[:60]!r} at {found.wrong[:3]}")
    print(
        f"browser text = canonical text: {counted['texts']:,} texts of {len(per_set)} sets,"
        f" {counted['blocks']:,} blocks, {counted['characters']:,} characters:"
        f" {counted['mismatches']} mismatches; {1000 * took / counted['texts']:.1f} ms a text"
    )
    return counted["mismatches"]


def _batches(found: Iterator[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    batch: list[tuple[str, str]] = []
    size = 0
    for one in found:
        batch.append(one)
        size += len(one[1])
        if size >= PAGE_SIZE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@dataclass(frozen=True, slots=True)
class Painted:
    """A span with the id of its mark."""

    span: Quoted
    mark: str


def offset_sets(page: Page, data: Path) -> int:
    """Import every span, paint it, and read it back; return those that are not their quote."""
    counted: dict[str, Counter[str]] = {}
    shown: list[tuple[Rendered, list[Mark], list[Painted]]] = []
    ordered = sorted(spans(data), key=lambda one: (one.set, one.text))
    for (kind, text), group in groupby(ordered, key=lambda one: (one.set, one.text)):
        rendered = render(text)
        marks: list[Mark] = []
        painted: list[Painted] = []
        for number, span in enumerate(group):
            told = counted.setdefault(kind, Counter())
            if reason := _fault(span):
                told["broken in the data"] += 1
                print(f"  {kind} {span.row}: {reason}")
                continue
            there = rendered.source_to_canonical(span.start, span.end)
            if there is None:
                told["lost"] += 1
                print(f"  {kind} {span.row}: no place")
                continue
            marks.append(Mark(f"f{number}", *there))
            painted.append(Painted(span, f"f{number}"))
        shown.append((rendered, marks, painted))
    for start in range(0, len(shown), 200):
        part = shown[start : start + 200]
        found = read(page, [(one.painted(marks), one.canonical) for one, marks, _ in part])
        for (_, _, painted), answer in zip(part, found, strict=True):
            for one in painted:
                marked = answer.marked.get(one.mark, "")
                verdict = _verdict(marked, one.span.text, one.span.start, one.span.end)
                counted[one.span.set][verdict] += 1
                if verdict.startswith("on marks"):
                    print(f"  {one.span.set} {one.span.row}: {verdict}: {marked!r}")
    lost = 0
    for kind, told in counted.items():
        lost += told["lost"]
        print(f"{kind}: " + ", ".join(f"{what} {number:,}" for what, number in told.items()))
    return lost


def _fault(span: Quoted) -> str:
    """Why a span cannot be stored, in the words of ingestion; empty when it can."""
    if span.fault:
        return span.fault
    if span.start >= span.end:
        return f"{span.start}–{span.end} is empty"
    from feedback.spans import place

    sent = SentSpan(start=span.start, end=span.end, exact=span.quote)
    columns, faults = place(sent, [(1, span.text)])
    if faults:
        return f"{faults[0].path}: {faults[0].message}"
    return "" if columns["span_start"] == span.start else "stored elsewhere"


def _verdict(there: str, text: str, start: int, end: int) -> str:
    """Compare what is marked with a span of the text."""
    if there == text[start:end]:
        return "equal"
    markers = {at for found in _MARKER.finditer(text) for at in range(*found.span())}
    kept = "".join(char for at, char in enumerate(text[start:end], start) if at not in markers)
    if not (shown := _MARKUP.sub("", kept)):
        return "on marks alone, shown at the nearest word"
    if _MARKUP.sub("", there) == shown:
        return "equal but for marks"
    print(f"  read back {there!r} for {text[start:end]!r}")
    return "lost"


def quote_set(page: Page, data: Path) -> int:
    """Place quotes without offsets; return those that were placed on other words."""
    told: Counter[str] = Counter()
    shown: list[tuple[str, str]] = []
    wanted: list[tuple[str, int, int]] = []
    for row, text, quote in quotes(data):
        places = quoted(text, quote)
        if len(places) != 1:
            told["ambiguous" if places else "not found"] += 1
            if places:
                print(f"  halueval-general {row}: {len(places)} places for {quote[:60]!r}")
            continue
        rendered = render(text)
        there = rendered.source_to_canonical(*places[0])
        shown.append((rendered.painted([Mark("q", *there)] if there else []), rendered.canonical))
        wanted.append((text, *places[0]))
        told["anchored"] += 1
        assert _alike(text[slice(*places[0])], quote), (row, quote)
    wrong = 0
    for start in range(0, len(shown), 200):
        found = read(page, shown[start : start + 200])
        for answer, span in zip(found, wanted[start : start + 200], strict=True):
            wrong += _verdict(answer.marked.get("q", ""), *span) == "lost"
    print(
        "halueval-general, quotes alone: "
        + ", ".join(f"{what} {number}" for what, number in told.items())
        + f", wrong {wrong}"
    )
    return wrong


def _alike(first: str, second: str) -> bool:
    """Whether two texts are the same but for white space and case."""
    return first.split() == second.split() or first.lower().split() == second.lower().split()


def later_versions(data: Path) -> float:
    """Place words in later versions; return the share of wrong places."""
    total: Counter[str] = Counter()
    for title, cases in (
        ("two real answers", list(reanchored.real_cases(data))),
        ("known edits", list(reanchored.edited_cases(data))),
    ):
        began = time.process_time()
        mine = reanchored.count(cases, reanchored.ours)
        took = (time.process_time() - began) * 1000 / len(cases)
        other = reanchored.count(cases, reanchored.quote_search)
        print(f"{title}: {len(cases):,} places, {took:.1f} ms each; correct / wrong / detached, %")
        print(f"  {'':34}{'places':>7}  {'Postil':>20}  {'quote search':>20}")
        for kind in mine:
            print(
                f"  {kind:34}{sum(mine[kind].values()):7,}  {_row(mine[kind])}  {_row(other[kind])}"
            )
        for told in mine.values():
            total.update(told)
    return total["wrong"] / sum(total.values())


def _row(told: Counter[str]) -> str:
    whole = sum(told.values())
    shares: Sequence[float] = [100 * told[one] / whole for one in ("correct", "wrong", "detached")]
    return " / ".join(f"{share:5.1f}" for share in shares).rjust(20)
