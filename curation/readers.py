"""Reads rows of trainers' formats back into neutral examples. Knows no database.

A row that an example cannot hold is refused by UnreadableError rather than bent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from curation.formats import Row, chat_prompt, parsed
from curation.trainers.chat import text_in
from curation.writers import OBSERVATION_GLUE

# A row as it was read: the checker has passed it.
Data = Mapping[str, Any]

SHAREGPT_ROLES = {
    "system": "system",
    "human": "user",
    "gpt": "assistant",
    "tool": "tool",
    "user": "user",
    "assistant": "assistant",
}


class UnreadableError(Exception):
    """No example can hold this row; `field` is the path of what stands in the way."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def _row(
    messages: Sequence[Data], *, chosen: str = "", rejected: str = "", tools: Any = None
) -> Row:
    return Row(
        prompt=chat_prompt(system="", messages=messages, query=""),
        chosen=chosen,
        rejected=rejected,
        tools=[_tool(tool) for tool in tools or []],
    )


def _tool(tool: Data) -> Data:
    return {"type": "function", **(tool if "function" in tool else {"function": dict(tool)})}


def _messages(value: Any, path: str, role: str = "user") -> list[Data]:
    """The messages of a field that holds several, one, or the text of one by `role`."""
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    turns = value if isinstance(value, list) else [value]
    for place, turn in enumerate(turns):
        if turn.get("function_call"):
            raise UnreadableError(
                f"{path}[{place}].function_call", "Calls are read from tool_calls alone."
            )
    return [{**turn, "content": _plain(turn.get("content"))} for turn in turns]


def _plain(content: Any) -> str:
    """The text of a message whose content may be in parts; "" for none."""
    if isinstance(content, list):
        return "".join(map(text_in, content))
    return content or ""


def _answered(turns: Sequence[Data], path: str) -> tuple[Sequence[Data], str]:
    """What comes before the last message, and what that answers."""
    *before, last = turns
    if last.get("tool_calls"):
        raise UnreadableError(path, "It ends with a call of a tool, not with an answer.")
    return before, last["content"]


def _chat(data: Data) -> Row:
    before, chosen = _answered(_messages(data["messages"], "messages"), "messages")
    return _row(before, chosen=chosen, tools=data.get("tools"))


def _openai_sft(data: Data) -> Row:
    # As tools were called before they had that name.
    return _chat({**data, "tools": [*(data.get("tools") or ()), *(data.get("functions") or ())]})


def _openai_dpo(data: Data) -> Row:
    asked = data["input"]
    prompt = _messages(asked["messages"], "input.messages")
    return _preferred(data, prompt, "preferred_output", "non_preferred_output", asked.get("tools"))


def _trl_sft(data: Data) -> Row:
    if "text" in data:
        raise UnreadableError("text", "Question and answer cannot be told apart in one text.")
    return _chat(data) if "messages" in data else _completion(data)


def _completion(data: Data) -> Row:
    before, chosen = _completed(data)
    return _row(before, chosen=chosen, tools=data.get("tools"))


def _kto(data: Data) -> Row:
    before, text = _completed(data)
    return _judged(before, text, is_good=data["label"], tools=data.get("tools"))


def _completed(data: Data) -> tuple[Sequence[Data], str]:
    """All that comes before the last message of a completion, and its text."""
    completion = _messages(data["completion"], "completion", "assistant")
    before, text = _answered(completion, "completion")
    return [*_messages(data["prompt"], "prompt"), *before], text


def _judged(before: Sequence[Data], text: str, *, is_good: bool, tools: Any) -> Row:
    chosen, rejected = (text, "") if is_good else ("", text)
    return _row(before, chosen=chosen, rejected=rejected, tools=tools)


def _trl_preference(data: Data) -> Row:
    prompt = _messages(data.get("prompt") or [], "prompt")
    return _preferred(data, prompt, "chosen", "rejected", data.get("tools"))


def _axolotl_dpo(data: Data) -> Row:
    return _preferred(data, _messages(data["messages"], "messages"), "chosen", "rejected", None)


def _preferred(data: Data, prompt: Sequence[Data], better: str, worse: str, tools: Any) -> Row:
    """A row of two answers, before each of which the same messages may stand."""
    before, chosen = _answered(_messages(data[better], better, "assistant"), better)
    other, rejected = _answered(_messages(data[worse], worse, "assistant"), worse)
    if before != other:
        raise UnreadableError(worse, f"It parts from {better} before the last message.")
    if not prompt and not before:
        raise UnreadableError(
            "prompt", "There is none: question and answer cannot be told apart in one text."
        )
    return _row([*prompt, *before], chosen=chosen, rejected=rejected, tools=tools)


def _sharegpt(data: Data) -> tuple[list[Data], Any]:
    """The messages of a ShareGPT row and its tools; calls get ids, which the format lacks."""
    said = data["conversations"]
    system = said[0]["value"] if said[0]["from"] == "system" else ""
    turns: list[Data] = [{"role": "system", "content": system or data.get("system") or ""}]
    waiting: list[str] = []
    number = 0
    for place, one in enumerate(said):
        path = f"conversations[{place}].value"
        if one["from"] == "function_call":
            made = parsed(one["value"])
            made = made if isinstance(made, list) else [made]
            waiting = [f"call_{number + nth}" for nth in range(1, len(made) + 1)]
            number += len(made)
            calls = [{"id": id_, "function": call} for id_, call in zip(waiting, made, strict=True)]
            turns.append({"role": "assistant", "content": "", "tool_calls": calls})
        elif one["from"] == "observation":
            turns += _replies(one["value"], waiting, path)
            waiting = []
        elif one["from"] != "system":
            turns.append({"role": SHAREGPT_ROLES[one["from"]], "content": one["value"]})
    return turns, parsed(data["tools"]) if data.get("tools") else []


def _replies(text: str, waiting: Sequence[str], path: str) -> list[Data]:
    """The replies to calls that were made at once, which stand as one text."""
    replies = text.split(OBSERVATION_GLUE) if len(waiting) > 1 else [text]
    if len(replies) != len(waiting):
        raise UnreadableError(path, f"Replies: {len(replies)}, to calls of tools: {len(waiting)}.")
    return [
        {"role": "tool", "tool_call_id": id_, "content": reply}
        for id_, reply in zip(waiting, replies, strict=True)
    ]


def _llamafactory_sft(data: Data) -> Row:
    turns, tools = _sharegpt(data)
    before, chosen = _answered(turns, "conversations")
    return _row(before, chosen=chosen, tools=tools)


def _llamafactory_dpo(data: Data) -> Row:
    turns, tools = _sharegpt(data)
    for name in ("chosen", "rejected"):
        if data[name]["from"] != "gpt":
            raise UnreadableError(f"{name}.from", "It is a call of a tool, not an answer.")
    chosen, rejected = data["chosen"]["value"], data["rejected"]["value"]
    return _row(turns, chosen=chosen, rejected=rejected, tools=tools)


def _llamafactory_kto(data: Data) -> Row:
    turns, tools = _sharegpt(data)
    before, text = _answered(turns, "conversations")
    return _judged(before, text, is_good=data["kto_tag"], tools=tools)


def _axolotl_sft(data: Data) -> Row:
    turns = data["messages"] if "messages" in data else data["conversations"]
    return _chat(
        {**data, "messages": [_renamed(turn) if "from" in turn else turn for turn in turns]}
    )


def _renamed(turn: Data) -> Data:
    return {**turn, "role": SHAREGPT_ROLES[turn["from"]], "content": turn.get("value")}


def _neutral(data: Data) -> Row:
    row = _row(
        _messages(data["prompt"], "prompt"),
        chosen=data["chosen"],
        rejected=data["rejected"],
        tools=data.get("tools"),
    )
    return replace(
        row,
        id=str(data.get("id") or ""),
        group=data.get("group") or "",
        is_pair=data.get("is_pair", False),
        metadata=data.get("metadata") or {},
    )


READERS: dict[str, Callable[[Data], Row]] = {
    "openai-sft": _openai_sft,
    "openai-dpo": _openai_dpo,
    "trl-sft": _trl_sft,
    "trl-preference": _trl_preference,
    "trl-kto": _kto,
    "prompt-completion": _completion,
    "llamafactory-sft": _llamafactory_sft,
    "llamafactory-dpo": _llamafactory_dpo,
    "llamafactory-kto": _llamafactory_kto,
    "axolotl-sft": _axolotl_sft,
    "axolotl-dpo": _axolotl_dpo,
    "examples": _neutral,
}


def read(data: Data, name: str) -> Row:
    """Return a row that the checker passed as a neutral example; raises UnreadableError."""
    return READERS[name](data)
