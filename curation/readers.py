"""Reads rows of trainers' formats back into neutral examples. Knows no database."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from curation.formats import Row, chat_prompt

# A row as it was read: the checker has passed it.
Data = Mapping[str, Any]

SHAREGPT_ROLES = {
    "system": "system",
    "human": "user",
    "gpt": "assistant",
    "observation": "tool",
    "user": "user",
    "assistant": "assistant",
}


def _row(
    messages: Sequence[Data], *, chosen: str = "", rejected: str = "", tools: Any = None
) -> Row:
    turns = [{**turn, "content": _plain(turn.get("content"))} for turn in messages]
    return Row(
        prompt=chat_prompt(system="", messages=turns, query=""),
        chosen=chosen,
        rejected=rejected,
        tools=[_tool(tool) for tool in tools or []],
    )


def _tool(tool: Data) -> Data:
    return tool if "function" in tool else {"type": "function", "function": dict(tool)}


def _messages(value: Any) -> Sequence[Data]:
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


def _text(value: Any) -> str:
    """The text of an answer that is a text, a message, or a list whose last one it is."""
    if isinstance(value, list):
        value = value[-1]
    return _plain(value.get("content") if isinstance(value, Mapping) else value)


def _plain(content: Any) -> str:
    """The text of a message whose content may be in parts; "" for none."""
    if isinstance(content, list):
        return "".join(part.get("text", part.get("value", "")) for part in content)
    return content or ""


def _chat(data: Data) -> Row:
    *before, last = data["messages"]
    return _row(before, chosen=_text(last), tools=data.get("tools"))


def _openai_dpo(data: Data) -> Row:
    return _row(
        data["input"]["messages"],
        chosen=_text(data["preferred_output"]),
        rejected=_text(data["non_preferred_output"]),
        tools=data["input"].get("tools"),
    )


def _completion(data: Data) -> Row:
    return _row(
        _messages(data["prompt"]), chosen=_text(data["completion"]), tools=data.get("tools")
    )


def _preference(data: Data) -> Row:
    prompt = _messages(data.get("prompt") or data.get("messages") or [])
    if not prompt:
        prompt = _shared(data["chosen"], data["rejected"])
    return _row(
        prompt,
        chosen=_text(data["chosen"]),
        rejected=_text(data["rejected"]),
        tools=data.get("tools"),
    )


def _shared(chosen: Sequence[Data], rejected: Sequence[Data]) -> list[Data]:
    """What two conversations have in common before they differ."""
    found = []
    for one, other in zip(chosen[:-1], rejected[:-1], strict=False):
        if one != other:
            break
        found.append(one)
    return found


def _kto(data: Data) -> Row:
    text = _text(data["completion"])
    return _row(
        _messages(data["prompt"]),
        chosen=text if data["label"] else "",
        rejected="" if data["label"] else text,
        tools=data.get("tools"),
    )


def _sharegpt(data: Data) -> tuple[list[Data], Any]:
    """The messages of a ShareGPT row and its tools; calls get ids, which the format lacks."""
    turns: list[Data] = []
    if data.get("system"):
        turns.append({"role": "system", "content": data["system"]})
    number = 0
    for said in data["conversations"]:
        if said["from"] == "function_call":
            made = json.loads(said["value"])
            made = made if isinstance(made, list) else [made]
            calls = [
                {"id": f"call_{number + place}", "type": "function", "function": call}
                for place, call in enumerate(made, start=1)
            ]
            turns.append({"role": "assistant", "content": "", "tool_calls": calls})
            continue
        turn = {"role": SHAREGPT_ROLES[said["from"]], "content": said["value"]}
        if turn["role"] == "tool":
            number += 1
            turn["tool_call_id"] = f"call_{number}"
        turns.append(turn)
    return turns, json.loads(data["tools"]) if data.get("tools") else []


def _llamafactory_sft(data: Data) -> Row:
    turns, tools = _sharegpt(data)
    return _row(turns[:-1], chosen=turns[-1]["content"], tools=tools)


def _llamafactory_dpo(data: Data) -> Row:
    turns, tools = _sharegpt(data)
    return _row(
        turns, chosen=data["chosen"]["value"], rejected=data["rejected"]["value"], tools=tools
    )


def _llamafactory_kto(data: Data) -> Row:
    turns, tools = _sharegpt(data)
    text = turns[-1]["content"]
    is_good = data["kto_tag"]
    return _row(
        turns[:-1], chosen=text if is_good else "", rejected="" if is_good else text, tools=tools
    )


def _neutral(data: Data) -> Row:
    return Row(
        prompt=data["prompt"],
        chosen=data["chosen"],
        rejected=data["rejected"],
        tools=data.get("tools") or [],
        id=data.get("id", ""),
        group=data.get("group", ""),
        is_pair=data.get("is_pair", False),
        metadata=data.get("metadata") or {},
    )


READERS: dict[str, Callable[[Data], Row]] = {
    "openai-sft": _chat,
    "openai-dpo": _openai_dpo,
    "trl-sft": _chat,
    "trl-preference": _preference,
    "trl-kto": _kto,
    "prompt-completion": _completion,
    "llamafactory-sft": _llamafactory_sft,
    "llamafactory-dpo": _llamafactory_dpo,
    "llamafactory-kto": _llamafactory_kto,
    "axolotl-sft": _chat,
    "axolotl-dpo": _preference,
    "examples": _neutral,
}


def read(data: Data, name: str) -> Row:
    """Return a row that the checker passed as a neutral example."""
    return READERS[name](data)
