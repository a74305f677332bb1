"""Places in later versions: real pairs of answers, and known edits of the same texts.

What is true is known without judgement. Of two real answers: words that occur once in each are
there, and words none of which is in the second are gone; nothing is said of others. Of an edit of
our own: where the words went is known.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rapidfuzz import fuzz

from review.reanchoring import Comparison
from review.rendering import render

Span = tuple[int, int]

SEED = 20261124
CASES = 300
SPANS = 8
LONGEST = 16  # words of a quote
FROM = 400  # characters of a text that is edited
BASELINE_CUTOFF = 75

_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"[^\n]+?(?:[.!?]+[ ]+|(?=\n|\Z))")


@dataclass(frozen=True, slots=True)
class Case:
    """Words of an old text and where they are in the new one; None: they are gone."""

    kind: str
    old: str
    new: str
    span: Span
    truth: Span | None


def real_pairs(data: Path) -> Iterator[tuple[str, str, str]]:
    """Set, one answer and another to the same question, as canonical texts."""
    for kind, old, new in _raw_pairs(data):
        before, after = render(old).canonical, render(new).canonical
        if before != after:
            yield kind, before, after


def _raw_pairs(data: Path) -> Iterator[tuple[str, str, str]]:
    for row in json.loads((data / "qa-feedback-finegrained/dev_feedback.json").read_text()):
        if corrected := row["feedback"].get("corrected-prediction"):
            yield "qa-feedback, corrected", row["prediction 1"], corrected
        yield "qa-feedback, ranked", row["prediction 1"], row["prediction 2"]
    for row in _lines(data / "hh-rlhf-harmless/harmless-base.test.sample500.jsonl"):
        last = "\n\nAssistant:"
        yield "hh-rlhf, chosen", *(row[key].rpartition(last)[2] for key in ("rejected", "chosen"))
    for row in json.loads((data / "pandalm-testset/testset-v1.json").read_text()):
        if isinstance(row["response1"], str) and isinstance(row["response2"], str):
            yield "pandalm, responses", row["response1"], row["response2"]
    for tree in _lines(data / "oasst-trees/en_100_tree.jsonl"):
        for texts in _ranked(tree["prompt"]):
            for first, second in pairwise(texts):
                yield "oasst, ranked", second, first


def _lines(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _ranked(message: dict[str, Any]) -> Iterator[list[str]]:
    replies = message.get("replies") or []
    if message["role"] == "prompter":
        ranked = [one for one in replies if one.get("rank") is not None]
        yield [one["text"] for one in sorted(ranked, key=lambda one: one["rank"])]
    for reply in replies:
        yield from _ranked(reply)


def real_cases(data: Path) -> Iterator[Case]:
    """Quotes of real answers whose fate in the other answer is beyond doubt."""
    draw = random.Random(SEED)  # noqa: S311  (nothing secret)
    for kind, old, new in real_pairs(data):
        there = set(map(str.casefold, _WORD.findall(new)))
        for _ in range(SPANS):
            span = some_words(draw, old)
            if span is None:
                break
            quote = old[slice(*span)]
            if old.count(quote) == 1 and new.count(quote) == 1:
                at = new.index(quote)
                yield Case(kind, old, new, span, (at, at + len(quote)))
            elif not there & set(map(str.casefold, _WORD.findall(quote))):
                yield Case(kind, old, new, span, None)


def some_words(draw: random.Random, text: str, within: Span | None = None) -> Span | None:
    """From one to LONGEST words of a text, from the first letter to the last."""
    low, high = within or (0, len(text))
    words = [found.span() for found in _WORD.finditer(text, low, high)]
    if not words:
        return None
    first = draw.randrange(len(words))
    last = min(first + draw.randint(1, LONGEST), len(words)) - 1
    return words[first][0], words[last][1]


def edited_cases(data: Path) -> Iterator[Case]:
    """The nine kinds of edits, applied to the real answers."""
    texts = sorted({old for _, old, _ in real_pairs(data) if len(old) >= FROM})
    vocabulary = [word for text in texts for word in _WORD.findall(text)]
    for kind, edit in EDITS.items():
        draw = random.Random(f"{SEED} {kind}")  # noqa: S311
        num_cases = 0
        while num_cases < CASES:
            text = draw.choice(texts)
            span = some_words(draw, text)
            if span is None or _is_said_twice(text, span):
                continue
            case = edit(draw, text, span, vocabulary)
            if case and case.old[slice(*case.span)].strip() and case.old != case.new:
                num_cases += 1
                yield case


def _is_said_twice(text: str, span: Span) -> bool:
    """Whether the sentence is there again word for word, so that none can tell which one went."""
    sentence = _sentence(text, span)
    return bool(sentence and text.count(text[slice(*sentence)].strip()) > 1)


def _sentences(text: str) -> list[Span]:
    return [found.span() for found in _SENTENCE.finditer(text) if found.group().strip()]


def _sentence(text: str, span: Span) -> Span | None:
    """The sentence that holds a span whole."""
    return next((one for one in _sentences(text) if one[0] <= span[0] and span[1] <= one[1]), None)


def _other_words(text: str, low: int, high: int, span: Span, distance: int) -> list[Span]:
    return [
        found.span()
        for found in _WORD.finditer(text, low, high)
        if found.end() + distance <= span[0] or found.start() >= span[1] + distance
    ]


def _replace(text: str, edits: list[tuple[Span, str]], span: Span) -> tuple[str, Span]:
    """Apply edits, and follow a span whose words may be among the edited ones."""
    start, end = span
    for (low, high), words in sorted(edits, reverse=True):
        text = text[:low] + words + text[high:]
        grown = len(words) - (high - low)
        start += grown * (high <= span[0])
        end += grown * (low < span[1])
    return text, (start, end)


def rerendered(draw: random.Random, text: str, span: Span, vocabulary: list[str]) -> Case:
    spaces = [at for at, char in enumerate(text) if char == " "]
    chosen = draw.sample(spaces, len(spaces) // 8)
    new, there = _replace(text, [((at, at + 1), "\n") for at in chosen], span)
    return Case("re-rendered", text, new, span, there)


def edited_elsewhere(
    draw: random.Random, text: str, span: Span, vocabulary: list[str]
) -> Case | None:
    others = _other_words(text, 0, len(text), span, 2)
    if len(others) < 10:
        return None
    edits = [
        (place, draw.choice(["", draw.choice(vocabulary)])) for place in draw.sample(others, 5)
    ]
    new, there = _replace(text, edits, span)
    return Case("edited elsewhere", text, new, span, there)


def edited_inside(draw: random.Random, text: str, span: Span, vocabulary: list[str]) -> Case | None:
    words = [found.span() for found in _WORD.finditer(text, *span)]
    if len(words) < 4:
        return None
    new, there = _replace(text, [(draw.choice(words), draw.choice(vocabulary))], span)
    return Case("edited inside", text, new, span, there)


def copied_before(draw: random.Random, text: str, span: Span, vocabulary: list[str]) -> Case | None:
    sentence = _sentence(text, span)
    earlier = [one for one in _sentences(text) if sentence and one[0] <= sentence[0]]
    if sentence is None:
        return None
    at = draw.choice(earlier)[0]
    copy = text[slice(*sentence)].rstrip() + " "
    return Case(
        "copy inserted before",
        text,
        text[:at] + copy + text[at:],
        span,
        (span[0] + len(copy), span[1] + len(copy)),
    )


def moved(draw: random.Random, text: str, span: Span, vocabulary: list[str]) -> Case | None:
    sentences = _sentences(text)
    sentence = _sentence(text, span)
    if sentence is None or len(sentences) < 3:
        return None
    number = sentences.index(sentence)
    others = [at for at in range(len(sentences) + 1) if at not in (number, number + 1)]
    to = draw.choice(others)
    at = sentences[to][0] if to < len(sentences) else len(text)
    low, high = sentence
    words = text[low:high]
    if at < low:
        gap = " " * (at > 0 and not text[at - 1].isspace())
        new = text[:at] + gap + words + text[at:low] + text[high:]
        shift = at + len(gap) - low
    else:
        gap = " " * (not text[at - 1].isspace())
        new = text[:low] + text[high:at] + gap + words + text[at:]
        shift = at - high + len(gap)
    return Case("moved", text, new, span, (span[0] + shift, span[1] + shift))


def changed(draw: random.Random, text: str, span: Span, vocabulary: list[str]) -> Case:
    words = [found.span() for found in _WORD.finditer(text)]
    edits = [
        (place, draw.choice(vocabulary)) for place in draw.sample(words, int(0.4 * len(words)))
    ]
    new, there = _replace(text, edits, span)
    return Case("40 % of words changed", text, new, span, there)


def sentence_deleted(
    draw: random.Random, text: str, span: Span, vocabulary: list[str]
) -> Case | None:
    sentence = _sentence(text, span)
    if sentence is None:
        return None
    low, high = sentence
    return Case("sentence deleted", text, text[:low] + text[high:], span, None)


def paragraph_deleted(
    draw: random.Random, text: str, span: Span, vocabulary: list[str]
) -> Case | None:
    low, high = text.rfind("\n", 0, span[0]) + 1, text.find("\n", span[1])
    high = high + 1 if high >= 0 else len(text)
    if text.count("\n", *span) or high - low == len(text):
        return None
    return Case("paragraph deleted", text, text[:low] + text[high:], span, None)


def near_copy_left(
    draw: random.Random, text: str, span: Span, vocabulary: list[str]
) -> Case | None:
    sentence = _sentence(text, span)
    if sentence is None:
        return None
    low, high = sentence
    words = [found.span() for found in _WORD.finditer(text, low, high)]
    if len(words) < 6:
        return None
    edits = [(place, draw.choice(vocabulary)) for place in draw.sample(words, 2)]
    changed, _ = _replace(text, edits, (len(text), len(text)))
    copy = changed[low : high + len(changed) - len(text)].rstrip() + " "
    places = [one[0] for one in _sentences(text) if one[0] <= low or one[0] >= high]
    at = draw.choice(places)
    if at <= low:
        old = text[:at] + copy + text[at:]
        low, high, span = (
            low + len(copy),
            high + len(copy),
            (span[0] + len(copy), span[1] + len(copy)),
        )
    else:
        old = text[:at] + copy + text[at:]
    return Case("near-copy left, original deleted", old, old[:low] + old[high:], span, None)


EDITS: dict[str, Callable[[random.Random, str, Span, list[str]], Case | None]] = {
    edit.__name__: edit
    for edit in (
        rerendered,
        edited_elsewhere,
        edited_inside,
        copied_before,
        moved,
        changed,
        sentence_deleted,
        paragraph_deleted,
        near_copy_left,
    )
}


def ours(case: Case) -> Span | None:
    """Where review.reanchoring places the words, proposals of moved ones included."""
    found = Comparison(case.old, case.new).place(*case.span)
    return None if found.start is None or found.end is None else (found.start, found.end)


def quote_search(case: Case) -> Span | None:
    """Where a search for the most similar words finds them (RapidFuzz)."""
    quote = case.old[slice(*case.span)]
    found = fuzz.partial_ratio_alignment(quote, case.new, score_cutoff=BASELINE_CUTOFF)
    return (found.dest_start, found.dest_end) if found else None


def verdict(found: Span | None, truth: Span | None) -> str:
    """One of correct, wrong and detached; a place is right that shares half with the true one."""
    if found is None:
        return "correct" if truth is None else "detached"
    if truth is None:
        return "wrong"
    shared = min(found[1], truth[1]) - max(found[0], truth[0])
    whole = max(found[1], truth[1]) - min(found[0], truth[0])
    return "correct" if 2 * shared >= whole else "wrong"


def count(cases: list[Case], place: Callable[[Case], Span | None]) -> dict[str, Counter[str]]:
    """Verdicts by kind."""
    counted: dict[str, Counter[str]] = {}
    for case in cases:
        counted.setdefault(case.kind, Counter())[verdict(place(case), case.truth)] += 1
    return counted
