"""TRL: docs/dataset_formats, and what trl/data_utils raises for."""

from __future__ import annotations

import json

from curation.trainers.chat import CHAT_ROLES, Chat, need_messages
from curation.trainers.sheet import Data, Sheet, need_boolean, need_text, need_tools

TRL = Chat(roles=CHAT_ROLES)
TRL_KEYS = frozenset({"messages", "prompt", "completion", "chosen", "rejected", "label"})
TRL_TYPES = {
    "language modelling": ({"messages"},),
    "prompt alone": ({"prompt"},),
    "prompt and completion": ({"prompt", "completion"},),
    "preference": ({"prompt", "chosen", "rejected"}, {"chosen", "rejected"}),
    "unpaired preference": ({"prompt", "completion", "label"},),
}


def _trl(data: Data, sheet: Sheet, *types: str) -> None:
    """A row whose keys are exactly those of one of the types, and whose parts are of one kind."""
    if "text" in data and "language modelling" in types:
        need_text(data, "text", sheet)
        return
    keys = TRL_KEYS & data.keys()
    wanted = [one for type_ in types for one in TRL_TYPES[type_]]
    if keys not in wanted:
        asked = " or ".join(", ".join(sorted(one)) for one in wanted)
        sheet.fault("", f"It has {', '.join(sorted(keys)) or 'none of the fields'}; give {asked}.")
        return
    texts = {name for name in keys if isinstance(data[name], str)}
    if texts and texts | {"label"} < keys | {"label"}:
        sheet.fault(min(texts), "Either all parts are texts, or all are lists of messages.")
        return
    has_prompt = "prompt" in keys
    for name in sorted(keys - {"label"}):
        if texts:
            need_text(data, name, sheet)
        else:
            need_messages(
                data[name],
                name,
                TRL,
                sheet,
                is_answered=name != "prompt",
                is_whole=not has_prompt,
            )
    if "chosen" in keys and json.dumps(data["chosen"]) == json.dumps(data["rejected"]):
        sheet.fault("rejected", "Both answers are the same.")
    if "label" in keys:
        need_boolean(data, "label", sheet)
    need_tools(data, "tools", sheet)


def trl_sft(data: Data, sheet: Sheet) -> None:
    """For SFTTrainer: text, messages, or a prompt and its completion."""
    _trl(data, sheet, "language modelling", "prompt and completion")


def trl_prompt(data: Data, sheet: Sheet) -> None:
    """For GRPO and RLOO: a prompt alone."""
    _trl(data, sheet, "prompt alone")


def prompt_completion(data: Data, sheet: Sheet) -> None:
    """A prompt and its completion."""
    _trl(data, sheet, "prompt and completion")


def trl_preference(data: Data, sheet: Sheet) -> None:
    """For DPOTrainer and RewardTrainer."""
    _trl(data, sheet, "preference")


def trl_kto(data: Data, sheet: Sheet) -> None:
    """For KTOTrainer."""
    _trl(data, sheet, "unpaired preference")


def stepwise(data: Data, sheet: Sheet) -> None:
    """For process reward models: steps of an answer, each right or wrong."""
    need_text(data, "prompt", sheet)
    steps, labels = data.get("completions"), data.get("labels")
    if not isinstance(steps, list) or not all(isinstance(step, str) and step for step in steps):
        sheet.fault("completions", "Give a list of texts.")
    elif not isinstance(labels, list) or not all(isinstance(one, bool) for one in labels):
        sheet.fault("labels", "Give a list of true and false.")
    elif len(steps) != len(labels):
        sheet.fault("labels", "There is one for each completion.")


def text(data: Data, sheet: Sheet) -> None:
    """Text to go on with."""
    need_text(data, "text", sheet)
