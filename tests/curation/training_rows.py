"""Rows of training files that the checker calls sound, and what they are with junk inside."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from curation.checker import check_row
from curation.formats import Row, faults
from curation.readers import UnreadableError, read

SYSTEM = {"role": "system", "content": "Be brief."}
Q = {"role": "user", "content": "When?"}
A = {"role": "assistant", "content": "In 2018."}
B = {"role": "assistant", "content": "In 2015."}
MORE = {"role": "user", "content": "Sure?"}
HUMAN = {"from": "human", "value": "When?"}
GPT = {"from": "gpt", "value": "In 2018."}
WORSE = {"from": "gpt", "value": "In 2015."}

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": {"a": 1}}}
OTHER = {"id": "c2", "type": "function", "function": {"name": "find", "arguments": {"b": ["x"]}}}
CALLED = {"role": "assistant", "tool_calls": [CALL]}
CALLED_BOTH = {"role": "assistant", "content": "", "tool_calls": [CALL, OTHER]}
REPLY = {"role": "tool", "tool_call_id": "c1", "content": "2018"}
OTHER_REPLY = {"role": "tool", "tool_call_id": "c2", "name": "find", "content": "nothing"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
# As texts, where a format wants them.
CALLED_TEXT = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{**CALL, "function": {"name": "look", "arguments": '{"a": 1}'}}],
}
SAID_CALL = {"from": "function_call", "value": '{"name": "look", "arguments": {"a": 1}}'}
SAID_CALLS = {
    "from": "function_call",
    "value": '[{"name": "look", "arguments": {"a": 1}}, {"name": "find", "arguments": {}}]',
}
SEEN = {"from": "observation", "value": "2018"}
SEEN_BOTH = {"from": "observation", "value": "2018\n</tool_response>\n<tool_response>\nnothing"}
# Without an id, as TRL's page has them.
NAMELESS = {"role": "assistant", "tool_calls": [{"type": "function", "function": CALL["function"]}]}
NAMED = {"role": "tool", "name": "look", "content": "2018"}

TOLD = "\n\nHuman: When?\n\nAssistant: In 2018."
TOLD_WORSE = "\n\nHuman: When?\n\nAssistant: In 2015."

VARIANTS: dict[str, list[dict[str, Any]]] = {
    "openai-sft": [
        {"messages": [SYSTEM, {**Q, "name": "Ann"}, A]},
        {"messages": [Q, {**B, "weight": 0}, MORE, {**A, "weight": 1}]},
        {"messages": [Q, CALLED_TEXT, REPLY, A], "tools": [TOOL], "parallel_tool_calls": False},
        {"messages": [Q, CALLED_TEXT], "tools": [TOOL]},
        {"messages": [Q, {**CALLED_TEXT, "content": "Let me look."}]},
        {
            "messages": [
                Q,
                {"role": "assistant", "content": None, "function_call": {"name": "look"}},
                {"role": "function", "name": "look", "content": "2018"},
                A,
            ],
        },
        {"messages": [Q, A], "functions": [{"name": "look"}]},
    ],
    "openai-dpo": [
        {"input": {"messages": [Q]}, "preferred_output": [A], "non_preferred_output": [B]},
        {
            "input": {"messages": [Q], "tools": [TOOL]},
            "preferred_output": [CALLED_TEXT, REPLY, A],
            "non_preferred_output": [CALLED_TEXT, REPLY, B],
        },
        {
            "input": {"messages": [Q]},
            "preferred_output": [CALLED_TEXT, REPLY, A],
            "non_preferred_output": [B],
        },
    ],
    "trl-sft": [
        {"messages": [Q, A], "tools": None},
        {"messages": [{"role": "developer", "content": "Be brief."}, Q, A]},
        {"messages": [Q, CALLED, REPLY, A], "tools": [{"name": "look"}]},
        {"messages": [Q, CALLED_BOTH, REPLY, OTHER_REPLY, A]},
        {"messages": [Q, NAMELESS, NAMED, A]},
        {"messages": [Q, {**A, "tool_calls": []}]},
        {"messages": [Q, CALLED]},
        {"text": "The sky is blue."},
        {"prompt": "The sky is", "completion": " blue."},
        {"prompt": [Q], "completion": [A]},
    ],
    "trl-preference": [
        {"prompt": [Q], "chosen": [A], "rejected": [B]},
        {"prompt": "The sky is", "chosen": " blue.", "rejected": " green."},
        {"chosen": TOLD, "rejected": TOLD_WORSE},
        {"chosen": [Q, A], "rejected": [Q, B]},
        {"chosen": [Q, A, MORE, A], "rejected": [Q, B, MORE, B]},
        {"prompt": [Q], "chosen": [CALLED, REPLY, A], "rejected": [CALLED, REPLY, B]},
        {"prompt": [Q], "chosen": [CALLED, REPLY, A], "rejected": [B]},
        {"prompt": [Q, A], "chosen": [A], "rejected": [B]},
    ],
    "trl-kto": [
        {"prompt": [Q], "completion": [A], "label": True},
        {"prompt": "The sky is", "completion": " blue.", "label": False},
        {"prompt": [Q], "completion": [CALLED, REPLY, B], "label": False},
    ],
    "prompt-completion": [
        {"prompt": [Q], "completion": [A]},
        {"prompt": "The sky is", "completion": " blue."},
        {"prompt": [Q], "completion": [CALLED, REPLY, A], "tools": [TOOL]},
        {"prompt": [Q], "completion": [CALLED]},
    ],
    "llamafactory-sft": [
        {"conversations": [HUMAN, GPT]},
        {"conversations": [{"from": "system", "value": "Be brief."}, HUMAN, GPT], "system": "No."},
        {"conversations": [HUMAN, SAID_CALL, SEEN, GPT], "tools": '[{"name": "look"}]'},
        {"conversations": [HUMAN, SAID_CALLS, SEEN_BOTH, GPT]},
        {"conversations": [HUMAN, SAID_CALLS, SEEN, GPT]},
        {"conversations": [HUMAN, SAID_CALL, HUMAN, GPT]},
        {"conversations": [HUMAN, GPT, SEEN, GPT]},
        {"conversations": [HUMAN, SAID_CALL]},
    ],
    "llamafactory-dpo": [
        {"conversations": [HUMAN], "chosen": GPT, "rejected": WORSE, "system": None},
        {"conversations": [HUMAN], "chosen": SAID_CALL, "rejected": WORSE},
    ],
    "llamafactory-kto": [
        {"conversations": [HUMAN, GPT], "kto_tag": True},
        {"conversations": [HUMAN, SAID_CALL], "kto_tag": False},
    ],
    "axolotl-sft": [
        {"messages": [Q, {**A, "train": True}]},
        {"messages": [Q, {**A, "train_detail": [{"begin_offset": 0, "end_offset": 2}]}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "When?"}, {"value": " "}]},
                {"role": "assistant", "content": [{"content": "In 2018."}]},
            ]
        },
        {"messages": [Q, CALLED_TEXT, REPLY, A], "tools": [TOOL]},
        {"conversations": [Q, A]},
        {"conversations": [{"from": "system", "value": "Be brief."}, HUMAN, GPT]},
        {
            "conversations": [
                HUMAN,
                {"from": "assistant", "tool_calls": [CALL]},
                {"from": "tool", "tool_call_id": "c1", "value": "2018"},
                GPT,
            ]
        },
    ],
    "axolotl-dpo": [
        {"messages": [SYSTEM, Q], "chosen": A, "rejected": B},
        {"messages": [Q, CALLED, REPLY], "chosen": A, "rejected": B},
        {"messages": [Q], "chosen": {**A, "tool_calls": [CALL]}, "rejected": B},
        {"messages": [Q], "chosen": A, "rejected": B, "tools": 1, "prompt": 1},
    ],
    "examples": [
        {"prompt": [Q], "chosen": "a", "rejected": "", "group": None, "metadata": None},
        {"id": 7, "group": "g" * 300, "prompt": [Q], "chosen": "a", "rejected": "b"},
        {"prompt": [Q], "chosen": "a", "rejected": "b", "is_pair": True, "tools": [TOOL]},
        {"prompt": [Q, CALLED, REPLY], "chosen": "a", "rejected": "", "tools": [{"name": "look"}]},
        {"prompt": [Q, NAMELESS, NAMED], "chosen": "", "rejected": "b"},
        {
            "prompt": [{"role": "developer", "content": "Be brief."}, Q],
            "chosen": "a",
            "rejected": "",
        },
    ],
}

JUNK: tuple[Any, ...] = (
    *(None, True, 0, 1, 1.5, "", " ", "x", "[1]", '{"a": NaN}', '{"a": 1e999}', "[" * 5_000),
    *([], [1], ["x"], [[]], [{}], {}, {"role": []}, {"function": None}),
)


def taken(format_: str) -> Iterator[Row]:
    """What goes into a set of the variants of a format, and of all that the checker passes of them.

    Whatever is in a row that it passes, UnreadableError is all that a reader raises.
    """
    for row in VARIANTS[format_]:
        for one in (row, *mutated(row)):
            if not check_row(one, format_):
                with suppress(UnreadableError):
                    back = read(one, format_)
                    if not faults(back):
                        yield back


def mutated(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The row with junk instead of each value in it, at any depth, and without it."""
    for path in _paths(row):
        for junk in JUNK:
            other = copy.deepcopy(row)
            _holder(other, path)[path[-1]] = junk
            yield other
        other = copy.deepcopy(row)
        del _holder(other, path)[path[-1]]
        yield other


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    parts = dict(enumerate(value)) if isinstance(value, list) else value
    for name, part in parts.items() if isinstance(parts, dict) else ():
        yield from _paths(part, (*path, name))


def _holder(row: Any, path: tuple[Any, ...]) -> Any:
    for name in path[:-1]:
        row = row[name]
    return row
