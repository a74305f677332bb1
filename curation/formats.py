"""The neutral example that training files are written from and read into. Knows no database."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ROLES = frozenset({"system", "user", "assistant", "tool"})

_LINE_ENDS = re.compile("[\x85\u2028\u2029]")

Json = dict[str, object]


@dataclass(frozen=True)
class Row:
    """One example: the chat before the answer, the answer to learn and the one to unlearn.

    Either answer is "" when there is none. A message has `role` and `content`; an assistant's may
    have `tool_calls`, whose `arguments` are an object, and a tool's has `tool_call_id` and perhaps
    `name`. `tools` are what the model could call, as {"type": "function", "function": {…}}. `id`
    names the example in messages, and `group` what must not be torn apart by a split. `is_pair`
    says that one answer is to be preferred to the other, and neither learnt by itself.
    """

    prompt: Sequence[Mapping[str, object]]
    chosen: str
    rejected: str
    tools: Sequence[Mapping[str, object]] = ()
    id: str = ""
    group: str = ""
    is_pair: bool = False
    metadata: Mapping[str, object] = field(default_factory=dict)


def chat_prompt(*, system: str, messages: Iterable[Mapping[str, object]], query: str) -> list[Json]:
    """Return what the model read before it answered, as chat messages.

    Messages without text and without calls of tools are left out, and so is what the sender gave
    twice: the system text as first message, the question as last one, or before the calls of tools
    that answer it. A developer message is a system message by its newer name, which training files
    do not know.
    """
    turns = [turn for message in messages if (turn := _turn(message)) is not None]
    if system and turns[:1] != [{"role": "system", "content": system}]:
        turns.insert(0, {"role": "system", "content": system})
    asked: Json = {"role": "user", "content": query}
    if query and _last_said(turns) != asked:
        turns.append(asked)
    return turns


def _turn(message: Mapping[str, object]) -> Json | None:
    role = message.get("role")
    content, calls = message.get("content"), message.get("tool_calls")
    text = content if isinstance(content, str) else ""
    turn: Json = {"role": "system" if role == "developer" else str(role), "content": text}
    if role == "assistant" and isinstance(calls, list) and calls:
        return {**turn, "tool_calls": [_call(call) for call in calls]}
    if role == "tool":
        named = {name: message[name] for name in ("tool_call_id", "name") if message.get(name)}
        return {**turn, **named}
    return turn if text else None


def _call(call: Mapping[str, object]) -> Json:
    """The call of a tool with its arguments as an object, where they were sent as its text."""
    function = call.get("function")
    given = dict(function) if isinstance(function, Mapping) else {}
    arguments = given.get("arguments")
    if isinstance(arguments, str):
        read = parsed(arguments or "{}")
        given["arguments"] = arguments if read is None else read
    told: Json = {"type": "function", "function": given}
    return {"id": call["id"], **told} if call.get("id") else told


def _last_said(turns: list[Json]) -> Json | None:
    """The last message but for calls of tools and what they returned."""
    for turn in reversed(turns):
        if turn["role"] != "tool" and "tool_calls" not in turn:
            return turn
    return None


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


# Python's own reads numbers that neither the database nor a trainer does.
DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def parsed(text: str) -> Any:
    """Return what a text of JSON says; None where it is no JSON, or nested too deeply."""
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def line(value: object) -> str:
    """Return a value as one line of JSON with its line end: UTF-8 text kept, NaN refused.

    The three characters beyond ASCII that some readers take for line ends are escaped.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _LINE_ENDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def canonical(value: object) -> bytes:
    """Return the bytes a content hash is taken over: compact JSON with sorted keys, UTF-8."""
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    ).encode()


def faults(row: Row) -> list[str]:
    """Return what every trainer would refuse in an example, as sentences; empty when it is sound.

    The rules are those that chat and preference files share: known roles, a question before the
    answer, text in every message that calls no tool, each tool's reply to a call that was made,
    two answers that differ by more than the space around them.
    """
    found = [
        f"Message {place} is by “{turn['role']}”, which no training file can hold."
        for place, turn in enumerate(row.prompt, start=1)
        if turn["role"] not in ROLES
    ]
    found += _faults_of_calls(row)
    last = _last_said([dict(turn) for turn in row.prompt])
    if last is None or last["role"] != "user":
        found.append("There is no question before the answer.")
    if not row.chosen.strip() and not row.rejected.strip():
        found.append("There is no answer, neither to learn nor to unlearn.")
    elif row.rejected.strip() == row.chosen.strip():
        found.append("The two answers are the same.")
    return found


def _faults_of_calls(row: Row) -> list[str]:
    found = []
    waiting: set[object] = set()
    for place, turn in enumerate(row.prompt, start=1):
        if turn["role"] == "tool":
            if turn.get("tool_call_id") not in waiting:
                found.append(f"Message {place} answers no call of a tool that was made.")
            waiting.discard(turn.get("tool_call_id"))
            continue
        if waiting:
            found.append(f"Message {place} comes before the tools that were called have answered.")
        calls = turn.get("tool_calls")
        waiting = {call.get("id") for call in calls} if isinstance(calls, list) else set()
        found += [
            f"Message {place} calls a tool without saying which, or with what."
            for call in (calls if isinstance(calls, list) else ())
            if not call["function"].get("name")
            or not isinstance(call["function"].get("arguments"), dict)
        ]
    if waiting:
        found.append("The last call of a tool has no reply.")
    return found
