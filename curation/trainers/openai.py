"""OpenAI: the fine-tuning guide, and the checks of the cookbook's chat_finetuning_data_prep."""

from __future__ import annotations

from curation.trainers.chat import CHAT_ROLES, Chat, need_messages
from curation.trainers.sheet import Data, Sheet, differ, need_tools, one_of, only

OPENAI = Chat(
    roles=CHAT_ROLES | {"function"},
    keys={"role", "content", "name", "weight", "tool_calls", "tool_call_id", "function_call"},
    arguments="text",
    needs_ids=True,
)


def openai_sft(data: Data, sheet: Sheet) -> None:
    """OpenAI's chat format, with the older `functions` too."""
    only(data, {"messages", "tools", "functions", "parallel_tool_calls"}, sheet)
    if need_messages(data.get("messages"), "messages", OPENAI, sheet, is_answered=True) and not any(
        isinstance(one, dict) and one.get("role") == "system" for one in data["messages"]
    ):
        sheet.note("messages", "There is no system message.")
    need_tools(data, "tools", sheet)
    need_tools(data, "functions", sheet)


def openai_dpo(data: Data, sheet: Sheet) -> None:
    """OpenAI's preference format."""
    only(data, {"input", "preferred_output", "non_preferred_output"}, sheet)
    asked = data.get("input")
    if not isinstance(asked, dict):
        sheet.fault("input", "Give an object with messages.")
    else:
        only(asked, {"messages", "tools", "parallel_tool_calls"}, sheet, "input.")
        need_messages(asked.get("messages"), "input.messages", OPENAI, sheet, is_answered=False)
        need_tools(asked, "tools", sheet, "input.")
    texts = []
    for name in ("preferred_output", "non_preferred_output"):
        if need_messages(data.get(name), name, OPENAI, sheet, is_answered=True, is_whole=False):
            last = data[name][-1]
            texts.append(str(last.get("content")) if isinstance(last, dict) else "")
    if len(texts) == 2:
        differ(texts[0], texts[1], "non_preferred_output", sheet)


def agent_evaluation(data: Data, sheet: Sheet) -> None:
    """A row for Azure's agent evaluators: what was asked, what was done, with which tools."""
    for name in ("query", "response"):
        value = data.get(name)
        if isinstance(value, list) and value:
            for place, turn in enumerate(value):
                if not isinstance(turn, dict) or not one_of(turn.get("role"), CHAT_ROLES):
                    sheet.fault(f"{name}[{place}].role", "A message has a known role.")
        elif not isinstance(value, str) or not value.strip():
            sheet.fault(name, "Give a text or a list of messages.")
    need_tools(data, "tool_definitions", sheet)
