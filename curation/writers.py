"""Writes a neutral example as the rows of each trainer's format. Knows no database.

A format that cannot hold an example says so by LeftOutError rather than bend it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from curation.checker import check_row
from curation.formats import Json, Row

# What LLaMA-Factory itself puts between the replies of tools that were called at once.
OBSERVATION_GLUE = "\n</tool_response>\n<tool_response>\n"
CHATML_MARKS = ("<|im_start|>", "<|im_end|>")


class LeftOutError(Exception):
    """The format cannot hold this example; `rule` says by which of its rules."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of file: who reads it, what a row of it is, and where it lies in a release."""

    name: str
    label: str
    kind: str
    hint: str
    write: Callable[[Row], list[Json]]

    def path(self, split: str) -> str:
        """Where the file of a split lies in a release."""
        family, _, kind = self.name.partition("-")
        if self.name == "prompt-completion":
            family, kind = "trl", self.name
        return f"{family}/{kind}-{split}.jsonl" if kind else f"{family}/{split}.jsonl"


def openai_sft(row: Row) -> list[Json]:
    """Return the line of OpenAI's chat format: the prompt and the answer to learn.

    Earlier assistant turns get weight 0: nobody reviewed them, so nobody shall learn them. The
    answer's weight of 1 is the default and left out, so that all messages of an ordinary file have
    the same keys, which is what data set loaders make columns of.
    """
    if not _is_learnt(row):
        return []
    turns = [
        {**turn, "weight": 0} if turn["role"] == "assistant" else turn for turn in _as_openai(row)
    ]
    return [{"messages": [*turns, _answer(row.chosen)], **_tools(row)}]


def openai_dpo(row: Row) -> list[Json]:
    """Return the line of OpenAI's preference format; none without two answers."""
    if not row.chosen or not row.rejected:
        return []
    return [
        {
            "input": {
                "messages": _as_openai(row),
                "tools": [dict(tool) for tool in row.tools],
                "parallel_tool_calls": True,
            },
            "preferred_output": [_answer(row.chosen)],
            "non_preferred_output": [_answer(row.rejected)],
        }
    ]


def trl_sft(row: Row) -> list[Json]:
    """Return TRL's conversational row for SFTTrainer."""
    if not _is_learnt(row):
        return []
    return [{"messages": [*_as_sent(row), _answer(row.chosen)], **_tools(row)}]


def prompt_completion(row: Row) -> list[Json]:
    """Return a conversational prompt and its completion: loss is taken on the completion alone."""
    if not _is_learnt(row):
        return []
    return [{"prompt": _as_sent(row), "completion": [_answer(row.chosen)], **_tools(row)}]


def trl_preference(row: Row) -> list[Json]:
    """Return TRL's row with an explicit prompt, for DPOTrainer and RewardTrainer."""
    if not row.chosen or not row.rejected:
        return []
    return [
        {
            "prompt": _as_sent(row),
            "chosen": [_answer(row.chosen)],
            "rejected": [_answer(row.rejected)],
            **_tools(row),
        }
    ]


def trl_kto(row: Row) -> list[Json]:
    """Return one row for each answer that was judged: true to learn, false to unlearn."""
    return [
        {"prompt": _as_sent(row), "completion": [_answer(text)], "label": label, **_tools(row)}
        for text, label in _judged(row)
    ]


def llamafactory_sft(row: Row) -> list[Json]:
    """Return a ShareGPT row: turns in strict alternation, system text and tools beside them."""
    if not _is_learnt(row):
        return []
    turns, beside = _sharegpt(row)
    return [{"conversations": [*turns, {"from": "gpt", "value": row.chosen}], **beside}]


def llamafactory_dpo(row: Row) -> list[Json]:
    """Return a ShareGPT row whose conversation ends with the question, and both answers."""
    if not row.chosen or not row.rejected:
        return []
    turns, beside = _sharegpt(row)
    return [
        {
            "conversations": turns,
            "chosen": {"from": "gpt", "value": row.chosen},
            "rejected": {"from": "gpt", "value": row.rejected},
            **beside,
        }
    ]


def llamafactory_kto(row: Row) -> list[Json]:
    """Return a ShareGPT row for each judged answer, with a true boolean as its tag."""
    if row.is_pair:
        return []
    turns, beside = _sharegpt(row)
    return [
        {"conversations": [*turns, {"from": "gpt", "value": text}], "kto_tag": label, **beside}
        for text, label in _judged(row)
    ]


def axolotl_sft(row: Row) -> list[Json]:
    """Return a row for Axolotl's chat_template; `train` is true for the reviewed answer alone."""
    if not _is_learnt(row):
        return []
    turns = [{**turn, "train": False} for turn in _as_sent(row)]
    return [{"messages": [*turns, {**_answer(row.chosen), "train": True}], **_tools(row)}]


def axolotl_dpo(row: Row) -> list[Json]:
    """Return a row for Axolotl's chat_template.default, whose answers are single messages."""
    if not row.chosen or not row.rejected:
        return []
    _without_tools(row, "axolotl's preference reader drops the calls of tools")
    return [
        {
            "messages": _as_sent(row),
            "chosen": _answer(row.chosen),
            "rejected": _answer(row.rejected),
        }
    ]


def axolotl_kto(row: Row) -> list[Json]:
    """Return ChatML text for each judged answer: Axolotl's KTO has no type that takes messages."""
    if row.is_pair:
        return []
    _without_tools(row, "axolotl's KTO reader knows no tools")
    texts = [str(turn["content"]) for turn in row.prompt] + [row.chosen, row.rejected]
    if any(mark in text for mark in CHATML_MARKS for text in texts):
        raise LeftOutError("the text holds a mark of ChatML")
    prompt = "".join(
        f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in row.prompt
    )
    return [
        {
            "prompt": f"{prompt}<|im_start|>assistant\n",
            "completion": f"{text}<|im_end|>",
            "label": label,
        }
        for text, label in _judged(row)
    ]


def evaluation(row: Row) -> list[Json]:
    """Return a case to test a model or a prompt by: the question, a good and a known bad answer."""
    if row.is_pair:
        return []
    return [
        {
            "id": row.id,
            "input": _as_sent(row),
            "tools": [dict(tool) for tool in row.tools],
            "ideal": row.chosen or None,
            "known_bad": row.rejected or None,
        }
    ]


def neutral(row: Row) -> list[Json]:
    """Return the example as it is kept, which every other format is written from."""
    return [
        {
            "id": row.id,
            "group": row.group,
            "prompt": _as_sent(row),
            "tools": [dict(tool) for tool in row.tools],
            "chosen": row.chosen,
            "rejected": row.rejected,
            **({"is_pair": True} if row.is_pair else {}),
            "metadata": dict(row.metadata),
        }
    ]


def _answer(text: str) -> Json:
    return {"role": "assistant", "content": text}


def _tools(row: Row) -> Json:
    return {"tools": [dict(tool) for tool in row.tools]} if row.tools else {}


def _is_learnt(row: Row) -> bool:
    """Whether there is an answer that is good by itself: of a pair one is only the better."""
    return bool(row.chosen) and not row.is_pair


def _judged(row: Row) -> list[tuple[str, bool]]:
    if row.is_pair:
        return []
    return [(text, label) for text, label in ((row.chosen, True), (row.rejected, False)) if text]


def _as_sent(row: Row) -> list[Json]:
    """The prompt for chat templates, which want a call's arguments as an object."""
    return [dict(turn) for turn in row.prompt]


def _as_openai(row: Row) -> list[Json]:
    """The prompt for OpenAI, which wants a call's arguments as a text, and null beside a call."""
    turns = []
    for turn in row.prompt:
        told = dict(turn)
        if calls := _calls(turn):
            told["content"] = turn["content"] or None
            told["tool_calls"] = [
                {
                    **call,
                    "function": {
                        **function,
                        "arguments": json.dumps(function["arguments"], ensure_ascii=False),
                    },
                }
                for call in calls
                if isinstance(function := call["function"], Mapping)
            ]
        if turn["role"] == "tool":
            told.pop("name", None)
        turns.append(told)
    return turns


def _calls(turn: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    calls = turn.get("tool_calls")
    return calls if isinstance(calls, list) else ()


def _without_tools(row: Row, rule: str) -> None:
    if any(turn["role"] == "tool" or _calls(turn) for turn in row.prompt):
        raise LeftOutError(rule)


def _sharegpt(row: Row) -> tuple[list[Json], Json]:
    """The turns in strict alternation, and the columns beside them. Raises LeftOutError."""
    prompt = list(row.prompt)
    system = str(prompt.pop(0)["content"]) if prompt and prompt[0]["role"] == "system" else ""
    turns: list[Json] = []
    for turn in _in_order(prompt):
        said = _sharegpt_turn(turn)
        if said["from"] == "observation" and turns and turns[-1]["from"] == "observation":
            turns[-1]["value"] = f"{turns[-1]['value']}{OBSERVATION_GLUE}{said['value']}"
            continue
        turns.append(said)
    for place, said in enumerate(turns):
        is_asking = said["from"] in {"human", "observation"}
        if is_asking != (place % 2 == 0):
            raise LeftOutError("turns have to alternate")
    functions = [tool.get("function", tool) for tool in row.tools]
    tools = json.dumps(functions, ensure_ascii=False) if functions else ""
    return turns, {"system": system, "tools": tools}


def _in_order(prompt: Iterable[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
    """The messages, replies in the order of their calls: here nothing else tells them apart."""
    places: dict[object, int] = {}

    def place(reply: Mapping[str, object]) -> int:
        return places.get(reply.get("tool_call_id"), 0)

    for _, turns in groupby(prompt, key=lambda turn: turn["role"] == "tool"):
        said = sorted(turns, key=place)
        yield from said
        places = {call.get("id"): nth for nth, call in enumerate(_calls(said[-1]))}


def _sharegpt_turn(turn: Mapping[str, object]) -> Json:
    if turn["role"] == "system":
        raise LeftOutError("a system message stands first alone")
    if calls := _calls(turn):
        if turn["content"]:
            raise LeftOutError("there is no place for text beside the call of a tool")
        made = [
            {"name": function["name"], "arguments": function["arguments"]}
            for call in calls
            if isinstance(function := call["function"], Mapping)
        ]
        value = made[0] if len(made) == 1 else made
        return {"from": "function_call", "value": json.dumps(value, ensure_ascii=False)}
    names = {"user": "human", "assistant": "gpt", "tool": "observation"}
    return {"from": names[str(turn["role"])], "value": turn["content"]}


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format(
            name="openai-sft",
            label="OpenAI SFT",
            kind="sft",
            hint="messages, one example a line",
            write=openai_sft,
        ),
        Format(
            name="openai-dpo",
            label="OpenAI DPO",
            kind="preference",
            hint="a better and a worse answer",
            write=openai_dpo,
        ),
        Format(
            name="trl-sft",
            label="TRL SFT",
            kind="sft",
            hint="conversational messages",
            write=trl_sft,
        ),
        Format(
            name="trl-preference",
            label="TRL preference",
            kind="preference",
            hint="prompt, chosen, rejected",
            write=trl_preference,
        ),
        Format(
            name="trl-kto",
            label="TRL KTO",
            kind="kto",
            hint="prompt, completion, label",
            write=trl_kto,
        ),
        Format(
            name="prompt-completion",
            label="Prompt and completion",
            kind="sft",
            hint="loss on the completion alone",
            write=prompt_completion,
        ),
        Format(
            name="llamafactory-sft",
            label="LLaMA-Factory SFT",
            kind="sft",
            hint="ShareGPT turns",
            write=llamafactory_sft,
        ),
        Format(
            name="llamafactory-dpo",
            label="LLaMA-Factory DPO",
            kind="preference",
            hint="ShareGPT turns and two answers",
            write=llamafactory_dpo,
        ),
        Format(
            name="llamafactory-kto",
            label="LLaMA-Factory KTO",
            kind="kto",
            hint="ShareGPT turns and kto_tag",
            write=llamafactory_kto,
        ),
        Format(
            name="axolotl-sft",
            label="Axolotl SFT",
            kind="sft",
            hint="chat_template with train marks",
            write=axolotl_sft,
        ),
        Format(
            name="axolotl-dpo",
            label="Axolotl DPO",
            kind="preference",
            hint="chat_template.default",
            write=axolotl_dpo,
        ),
        Format(
            name="axolotl-kto",
            label="Axolotl KTO",
            kind="kto",
            hint="ChatML text and label",
            write=axolotl_kto,
        ),
        Format(
            name="evaluation",
            label="Evaluation cases",
            kind="evaluation",
            hint="question, good and known bad answer",
            write=evaluation,
        ),
        Format(
            name="examples",
            label="Postil examples",
            kind="examples",
            hint="everything, to be read again",
            write=neutral,
        ),
    )
}


def write(row: Row, name: str) -> list[Json]:
    """Return the rows of one format; raises LeftOutError when it cannot hold the example."""
    return FORMATS[name].write(row)


def sound(row: Row, name: str, missed: Counter[str]) -> Iterator[Json]:
    """Yield the rows of one format that its trainer would take.

    Counted as `missed`, by the rule, is what the format cannot hold and what breaks it.
    """
    try:
        written = write(row, name)
    except LeftOutError as error:
        missed[error.rule] += 1
        return
    for one in written:
        if found := check_row(one, name):
            missed[found[0].message] += 1
        else:
            yield one
