"""PURE. Says what an issue is about, for trackers: in Markdown, Atlassian's format, or JSON.

What users wrote is hostile: it stands in code alone, where it mentions nobody, links nowhere and
draws no picture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

# Characters of an example that are told, and of names in lists.
LONGEST_EXAMPLE = 1_000
LONGEST_NAME = 80
MOST_NAMES = 6


@dataclass(frozen=True, kw_only=True)
class Told:
    """An issue and what happened to it, as plain values.

    `kind` is what happened: opened, closed or reopened; `change` what the reopening rests on;
    `marker` tells its ticket from all others, and it was made after `handed_over_at`. `evidence` is
    as curation.issue_evidence has it.
    """

    number: int
    title: str
    url: str
    marker: str
    handed_over_at: datetime
    kind: str
    description: str = ""
    theme: tuple[int, str] | None = None
    status: str = "open"
    resolution: str = ""
    comment: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    change: dict[str, Any] = field(default_factory=dict)
    examples: Sequence[str] = ()


@dataclass(frozen=True)
class Block:
    """A piece of text: a paragraph or heading by the team, a list of facts, or quoted text.

    A fact is a label with names, which are quoted too.
    """

    kind: Literal["text", "heading", "facts", "quote", "link"]
    text: str = ""
    facts: Sequence[tuple[str, Sequence[str]]] = ()
    url: str = ""


def opened(told: Told) -> list[Block]:
    """What a new ticket says."""
    blocks = [Block("text", told.description)] if told.description else []
    blocks += [Block("heading", "What speaks for it"), Block("facts", facts=_facts(told))]
    if told.examples:
        blocks.append(Block("heading", "Examples"))
        blocks += [Block("quote", one[:LONGEST_EXAMPLE]) for one in told.examples]
    return [*blocks, Block("link", f"P-{told.number} in Postil", url=told.url)]


def moved(told: Told) -> list[Block]:
    """What is said under a ticket when its issue is closed or opened again."""
    if told.kind == "closed":
        lead = "Closed in Postil: " + (
            "fixed." if told.resolution == "fixed" else "not to be fixed."
        )
    elif told.change:
        before, recent = told.change.get("before") or {}, told.change.get("recent") or {}
        lead = (
            f"The complaints came back: {_rate(recent)} since it was closed, "
            f"against {_rate(before)} before."
        )
    else:
        lead = "Opened again in Postil."
    blocks = [Block("text", lead)]
    if told.comment:
        blocks.append(Block("text", told.comment))
    return [*blocks, Block("link", f"P-{told.number} in Postil", url=told.url)]


def markdown(blocks: Sequence[Block]) -> str:
    """The blocks in Markdown as GitHub and GitLab read it."""
    return "\n\n".join(map(_markdown, blocks))


def atlassian(blocks: Sequence[Block]) -> dict[str, Any]:
    """The blocks as a document of Atlassian's format, version 1."""
    return {"type": "doc", "version": 1, "content": [_node(block) for block in blocks]}


def as_json(told: Told) -> dict[str, Any]:
    """What a webhook gets of an issue."""
    return {
        "number": told.number,
        "title": told.title,
        "description": told.description,
        "url": told.url,
        "status": told.status,
        "resolution": told.resolution or None,
        "theme": {"number": told.theme[0], "name": told.theme[1]} if told.theme else None,
        "evidence": told.evidence,
        "examples": list(told.examples),
    }


def _facts(told: Told) -> list[tuple[str, Sequence[str]]]:
    seen = told.evidence
    facts: list[tuple[str, Sequence[str]]] = [
        (
            (
                f"{seen.get('num_feedback', 0)} complaints and corrections on "
                f"{seen.get('num_outputs', 0)} answers in {seen.get('num_sessions', 0)} sessions"
            ),
            (),
        )
    ]
    if rate := seen.get("rate"):
        facts.append((f"{_rate(rate)} in the last 14 days", ()))
    if told.theme:
        facts.append(("Theme", [f"T-{told.theme[0]} {told.theme[1]}"]))
    for label, key in (("Roles", "roles"), ("Model versions", "models"), ("Reasons", "reasons")):
        if names := seen.get(key):
            facts.append((label, [f"{name}: {number}" for name, number in names[:MOST_NAMES]]))
    return facts


def _rate(rate: dict[str, Any]) -> str:
    return (
        f"{rate.get('rate', 0):.1%} of answers complained of "
        f"({rate.get('complaints', 0)} of {rate.get('outputs', 0)})"
    )


def _markdown(block: Block) -> str:
    if block.kind == "heading":
        return f"**{block.text}**"
    if block.kind == "quote":
        return fenced(block.text)
    if block.kind == "link":
        return f"[{block.text}]({block.url})"
    if block.kind == "facts":
        return "\n".join(
            f"- {label}{': ' if names else ''}{', '.join(map(_span, names))}"
            for label, names in block.facts
        )
    return block.text


def fenced(text: str) -> str:
    """Text in a code block of Markdown that it cannot end: the fence is longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _span(text: str) -> str:
    return "`" + " ".join(text.replace("`", "'").split())[:LONGEST_NAME] + "`"


def _node(block: Block) -> dict[str, Any]:
    if block.kind == "heading":
        return {"type": "heading", "attrs": {"level": 3}, "content": [_words(block.text)]}
    if block.kind == "quote":
        return {"type": "codeBlock", "content": [_words(block.text)]}
    if block.kind == "link":
        mark = {"type": "link", "attrs": {"href": block.url}}
        return {"type": "paragraph", "content": [{**_words(block.text), "marks": [mark]}]}
    if block.kind == "facts":
        lines = [
            f"{label}{': ' if names else ''}{', '.join(names)}" for label, names in block.facts
        ]
        return {
            "type": "bulletList",
            "content": [
                {
                    "type": "listItem",
                    "content": [{"type": "paragraph", "content": [_words(line)]}],
                }
                for line in lines
            ],
        }
    return {"type": "paragraph", "content": [_words(block.text)]}


def _words(text: str) -> dict[str, Any]:
    # A document may not hold an empty text.
    return {"type": "text", "text": text or " "}
