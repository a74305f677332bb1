"""Writes examples as lines of training files. Knows no database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

ROLES = frozenset({"system", "user", "assistant"})

LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}

Json = dict[str, object]


@dataclass(frozen=True)
class Row:
    """One example: the chat before the answer, the answer to learn, the one to unlearn or ""."""

    prompt: list[dict[str, str]]
    chosen: str
    rejected: str


def chat_prompt(
    *, system: str, messages: Iterable[Mapping[str, object]], query: str
) -> list[dict[str, str]]:
    """Return what the model read before it answered, as chat messages, the question last.

    Messages without text are left out, and so is what the sender gave twice: the system text as
    first message, the question as last one. A developer message is a system message by its newer
    name, which training files do not know.
    """
    turns = [
        {
            "role": "system" if (role := message.get("role")) == "developer" else str(role),
            "content": content,
        }
        for message in messages
        if isinstance(content := message.get("content"), str) and content
    ]
    if system and turns[:1] != [{"role": "system", "content": system}]:
        turns.insert(0, {"role": "system", "content": system})
    asked = {"role": "user", "content": query}
    if query and turns[-1:] != [asked]:
        turns.append(asked)
    return turns


def openai_sft(row: Row) -> Json | None:
    """Return the line of OpenAI's chat format: the prompt and the answer to learn.

    Earlier assistant turns get weight 0: nobody reviewed them, so nobody shall learn them. The
    answer's weight of 1 is the default and left out, so that all messages of an ordinary file have
    the same keys, which is what data set loaders make columns of.
    """
    turns: list[Json] = [
        {**turn, "weight": 0} if turn["role"] == "assistant" else dict(turn) for turn in row.prompt
    ]
    return {"messages": [*turns, {"role": "assistant", "content": row.chosen}]}


def openai_dpo(row: Row) -> Json | None:
    """Return the line of OpenAI's preference format; None for an example without a worse answer."""
    if not row.rejected:
        return None
    return {
        "input": {
            "messages": [dict(turn) for turn in row.prompt],
            "tools": [],
            "parallel_tool_calls": True,
        },
        "preferred_output": [{"role": "assistant", "content": row.chosen}],
        "non_preferred_output": [{"role": "assistant", "content": row.rejected}],
    }


WRITERS: dict[str, Callable[[Row], Json | None]] = {
    "openai-sft": openai_sft,
    "openai-dpo": openai_dpo,
}


def line(value: object) -> str:
    """Return a value as one line of JSON with its line end: UTF-8 text kept, NaN refused.

    The three characters beyond ASCII that some readers take for line ends are escaped.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(LINE_ENDS) + "\n"


def canonical(value: object) -> bytes:
    """Return the bytes a content hash is taken over: compact JSON with sorted keys, UTF-8."""
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    ).encode()


def faults(row: Row) -> list[str]:
    """Return what a trainer would refuse in an example, as sentences; empty when it is sound.

    The rules are OpenAI's for chat and preference files: known roles, a question before the
    answer, text in every message, two answers that differ by more than the space around them. A
    tool's message must name the call it answers, which is not kept, so none is taken.
    """
    found = [
        f"Message {place} is by “{turn['role']}”, which no training file can hold."
        for place, turn in enumerate(row.prompt, start=1)
        if turn["role"] not in ROLES
    ]
    if not row.prompt or row.prompt[-1]["role"] != "user":
        found.append("There is no question before the answer.")
    if not row.chosen.strip():
        found.append("The answer to learn is empty.")
    if row.rejected and row.rejected.strip() == row.chosen.strip():
        found.append("The two answers are the same.")
    return found
