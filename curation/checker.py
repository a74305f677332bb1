"""Checks training files by the rules that their trainers document. Knows no database.

What a trainer refuses, cuts or silently skips is a fault, with its line and field; what only
deserves a look is a note.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from curation.formats import DECODER
from curation.trainers import RULES
from curation.trainers.llamafactory import Entry
from curation.trainers.sheet import Finding, Sheet

# OpenAI refuses files with fewer.
FEWEST_OPENAI = 10
FEWEST = {"openai-sft": FEWEST_OPENAI, "openai-dpo": FEWEST_OPENAI}
LABELS = {"trl-kto": "label", "axolotl-kto": "label", "llamafactory-kto": "kto_tag"}
# Findings kept of one file; the rest is counted.
MOST = 200

_DOCUMENT_OPENINGS = (b"[", b"{\n", b"{\r\n")


@dataclass(kw_only=True)
class Report:
    """What was found in a file; line 0 is the file as a whole."""

    num_rows: int = 0
    num_faults: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether every row would be read and trained on as it stands."""
        return not self.num_faults

    def add(self, found: Finding) -> None:
        """Count a finding, and keep it while there is room."""
        self.num_faults += not found.is_note
        if len(self.findings) < MOST:
            self.findings.append(found)


@dataclass(frozen=True)
class Value:
    """A row of a file with the line it begins in; `fault` says why there is none."""

    line: int
    data: Any = None
    fault: str = ""


def check(
    lines: Iterable[bytes],
    format_: str,
    *,
    max_tokens: int | None = None,
    entry: Entry | None = None,
    count: Callable[[str], int] | None = None,
) -> Report:
    """Check a file of JSON lines, or of one JSON document with a list of rows.

    A row of over `max_tokens` is a fault, as trainers cut it; `count` tells the tokens of a text,
    which are estimated as a quarter of its UTF-8 bytes without it. `entry` is what a
    dataset_info.json says of a file for LLaMA-Factory. Raises KeyError for an unknown format.
    """
    rule = RULES[format_] if entry is None else entry.check
    report = Report()
    labels: Counter[object] = Counter()
    kinds: dict[str, tuple[str, int]] = {}
    for value in values(lines):
        report.num_rows += 1
        if value.fault:
            report.add(Finding(line=value.line, field="", message=value.fault))
            continue
        sheet = Sheet(line=value.line)
        if not isinstance(value.data, dict):
            sheet.fault("", "A row is an object.")
        else:
            rule(value.data, sheet)
            _one_type(value.data, kinds, sheet)
            if max_tokens is not None:
                _within(value.data, max_tokens, count or _estimate, sheet)
            label = LABELS.get(format_) if entry is None else entry.columns.get("kto_tag")
            if label:
                labels[value.data.get(label) is True] += 1
        for found in sheet.findings:
            report.add(found)
    for found in _of_file(report.num_rows, format_, labels):
        report.add(found)
    return report


def check_row(data: Mapping[str, Any], format_: str) -> list[Finding]:
    """Return the faults of one row, without those that only a whole file can have."""
    sheet = Sheet(line=0)
    RULES[format_](data, sheet)
    return [found for found in sheet.findings if not found.is_note]


def values(lines: Iterable[bytes]) -> Iterator[Value]:
    """Yield the rows of a file with their lines; of a document, the items of its list."""
    rest = iter(lines)
    first = next((raw for raw in rest if raw), b"")
    if first.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t").startswith(_DOCUMENT_OPENINGS):
        yield from _of_document(b"".join(chain([first], rest)))
        return
    for number, raw in enumerate(chain([first] if first else [], rest), start=1):
        if number == 1 and raw.startswith(b"\xef\xbb\xbf"):
            yield Value(1, fault="The file begins with a byte order mark.")
            continue
        if not raw.strip():
            yield Value(number, fault="The line is empty.")
            continue
        yield _value(number, raw)


def _value(number: int, raw: bytes) -> Value:
    try:
        text = raw.decode()
        data = DECODER.decode(text)
        if "\\u" in text:
            _no_surrogates(data)
    except UnicodeDecodeError:
        return Value(number, fault="This is not UTF-8.")
    except UnicodeEncodeError:
        return Value(number, fault="Half of a surrogate pair: loaders refuse the whole file.")
    except RecursionError:
        return Value(number, fault="This is nested too deeply.")
    except ValueError as error:
        return Value(number, fault=f"This is not JSON: {str(error)[:120]}.")
    return Value(number, data)


def _of_document(raw: bytes) -> Iterator[Value]:
    """The items of a list, or objects one after the other, with the lines they begin in."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        yield Value(1, fault="This is not UTF-8.")
        return
    at = _past_blanks(text, 0)
    is_list = text.startswith("[", at)
    at = _past_blanks(text, at + is_list)
    line, counted = 1, 0
    while at < len(text) and not (is_list and text[at] == "]"):
        line, counted = line + text.count("\n", counted, at), at
        try:
            data, end = DECODER.raw_decode(text, at)
            _no_surrogates(data)
        except UnicodeEncodeError:
            yield Value(line, fault="Half of a surrogate pair: loaders refuse the whole file.")
            return
        except (ValueError, RecursionError) as error:
            yield Value(line, fault=f"This is not JSON: {str(error)[:120]}.")
            return
        yield Value(line, data)
        at = _past_blanks(text, end)
        if is_list and text[at : at + 1] == ",":
            at = _past_blanks(text, at + 1)
    if is_list and at >= len(text):
        yield Value(1 + text.count("\n"), fault="The list does not end.")


def _past_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _no_surrogates(data: object) -> None:
    json.dumps(data, ensure_ascii=False).encode()


def _one_type(data: Mapping[str, Any], kinds: dict[str, tuple[str, int]], sheet: Sheet) -> None:
    """A column has one type: loaders make something unexpected of one with several."""
    for name, value in data.items():
        if value is None:
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        kind = "number" if is_number else type(value).__name__
        known, line = kinds.setdefault(name, (kind, sheet.line))
        if kind != known:
            sheet.fault(name, f"It is {kind} here and {known} in line {line}.")


def _within(data: Mapping[str, Any], most: int, count: Callable[[str], int], sheet: Sheet) -> None:
    number = sum(count(text) for text in _texts(data))
    if number > most:
        sheet.fault("", f"About {number:,} tokens, over {most:,}: trainers cut it.")


def _texts(value: object) -> Iterator[str]:
    # Without calling itself: from Python 3.12 on deeper values are read than calls may be nested.
    parts = [value]
    while parts:
        part = parts.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            parts += part.values()
        elif isinstance(part, list):
            parts += part


def _estimate(text: str) -> int:
    return -(-len(text.encode()) // 4)


def _of_file(num_rows: int, format_: str, labels: Counter[object]) -> Iterator[Finding]:
    if not num_rows:
        yield Finding(line=0, field="", message="There is no row in it.")
    elif num_rows < FEWEST.get(format_, 1):
        yield Finding(
            line=0, field="", message=f"OpenAI refuses files of under {FEWEST_OPENAI} lines."
        )
    if len(labels) == 1:
        yield Finding(
            line=0,
            field="",
            message="All labels are the same: KTO learns from both.",
            is_note=True,
        )
