"""The real texts and spans that the benchmark of anchoring reads."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Sets of short texts of people for telling topics apart; nobody answered these.
WITHOUT_ANSWERS = {
    *("airline-complaints", "banking77", "clinc150", "medical-question-pairs", "multidogo"),
    *("nlbse24-issues", "short-text-clustering", "uss"),
}
# Shorter values are ids, names and labels.
SHORTEST = 40
_TAGS = ("<v>", "</v>")


@dataclass(frozen=True, slots=True)
class Quoted:
    """A span as its data set has it; `quote` is what the set says stands there, if it does.

    `fault` is what is wrong with the row itself.
    """

    set: str
    row: str
    text: str
    start: int
    end: int
    quote: str | None = None
    fault: str = ""


def texts(data: Path) -> Iterator[tuple[str, str]]:
    """Set and text: every text of every set with answers, each once."""
    seen: set[str] = set()
    for path in sorted(data.rglob("*")):
        kind = path.relative_to(data).parts[0]
        if not path.is_file() or kind in WITHOUT_ANSWERS or kind.endswith(".json"):
            continue
        for value in _values(path):
            if len(value) >= SHORTEST and value not in seen:
                seen.add(value)
                yield kind, value


def _values(path: Path) -> Iterator[str]:
    if path.suffix in {".csv", ".tsv"}:
        csv.field_size_limit(10**7)
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.reader(lines, delimiter="," if path.suffix == ".csv" else "\t"):
                yield from row
    elif path.suffix in {".json", ".jsonl"}:
        text = path.read_text(encoding="utf-8")
        try:
            yield from _strings(json.loads(text))
        except json.JSONDecodeError:
            for line in text.split("\n"):
                if line.startswith(("{", "[")):
                    yield from _strings(json.loads(line))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def rows(path: Path) -> Iterator[Any]:
    """The objects of a file with one JSON value a line."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def spans(data: Path) -> Iterator[Quoted]:
    """Every span of the sets that have offsets."""
    yield from _qa_feedback(data / "qa-feedback-finegrained/dev_feedback.json")
    for path in sorted((data / "mu-shroom/val/v2").glob("*.jsonl")):
        for row in rows(path):
            for who, marked in row["annotations"].items():
                for start, end in marked:
                    name = f"{row['id']} {who}"
                    yield Quoted("mu-shroom", name, row["model_output_text"], start, end)
    for row in rows(data / "faithbench/faithbench.jsonl"):
        for one in row["annotations"]:
            yield Quoted(
                "faithbench",
                f"{row['batch']}/{row['sample_id']} {one['annot_id']}",
                row["summary"],
                one["summary_start"],
                one["summary_end"],
                one["summary_span"],
            )
    yield from _wmt(data / "wmt-mqm-spans/mqm_ted_ende.tsv")


def _qa_feedback(path: Path) -> Iterator[Quoted]:
    for number, row in enumerate(json.loads(path.read_text(encoding="utf-8"))):
        for error in row["feedback"]["errors"]:
            yield Quoted(
                "qa-feedback", str(number), row["prediction 1"], error["start"], error["end"]
            )


def _wmt(path: Path) -> Iterator[Quoted]:
    """Spans between tags in the text itself."""
    with path.open(encoding="utf-8", newline="") as lines:
        marked = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        for number, row in enumerate(marked, start=2):
            target = row["target"] or ""
            if not any(tag in target for tag in _TAGS):
                continue
            before, _, rest = target.partition(_TAGS[0])
            quote, _, after = rest.partition(_TAGS[1])
            is_pair = [target.count(tag) for tag in _TAGS] == [1, 1] and target == "".join(
                [before, _TAGS[0], quote, _TAGS[1], after]
            )
            yield Quoted(
                "wmt-mqm ende",
                f"line {number}",
                before + quote + after,
                len(before),
                len(before) + len(quote),
                quote,
                "" if is_pair else "not one pair of tags",
            )


def quotes(data: Path) -> Iterator[tuple[str, str, str]]:
    """Row, answer and quote of the set that has quotes alone."""
    for row in rows(data / "halueval-general/general_data.json"):
        for quote in row.get("hallucination_spans") or []:
            yield str(row["ID"]), row["chatgpt_response"], quote
