"""LLaMA-Factory: data/README, and what llamafactory/data/converter skips with one line of log."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from curation.formats import parsed
from curation.trainers.chat import CHAT_ROLES, Chat, need_messages
from curation.trainers.sheet import (
    Data,
    Sheet,
    differ,
    need_boolean,
    need_text,
    need_tools,
    one_of,
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a dataset_info.json says of one file; `tags` are the keys and roles of its turns."""

    formatting: str = "alpaca"
    ranking: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Data) -> Entry:
        """The entry as it stands in the file."""
        return cls(
            formatting=data.get("formatting", "alpaca"),
            ranking=bool(data.get("ranking", False)),
            columns=data.get("columns", {}),
            tags=data.get("tags", {}),
        )

    def check(self, data: Data, sheet: Sheet) -> None:
        """A row of the file, by its formatting."""
        if self.formatting == "alpaca":
            _alpaca(data, sheet, self)
        else:
            _sharegpt(data, sheet, self)

    def tag(self, name: str, default: str) -> str:
        """What a role or a key is called."""
        return self.tags.get(name, default)


def _alpaca(data: Data, sheet: Sheet, entry: Entry) -> None:
    columns = {"prompt": "instruction", "query": "input", "response": "output", **entry.columns}
    need_text(data, columns["prompt"], sheet)
    if not isinstance(data.get(columns["query"], ""), str | None):
        sheet.fault(columns["query"], "Give a text.")
    if entry.ranking:
        chosen, rejected = (
            need_text(data, columns.get(name, name), sheet) for name in ("chosen", "rejected")
        )
        differ(chosen, rejected, columns.get("rejected", "rejected"), sheet)
    else:
        need_text(data, columns["response"], sheet)
    if tag := entry.columns.get("kto_tag"):
        need_boolean(data, tag, sheet)
    history = data.get(columns.get("history", "history")) or []
    if not isinstance(history, list) or not all(
        isinstance(turn, list) and len(turn) == 2 and all(isinstance(one, str) for one in turn)
        for turn in history
    ):
        sheet.fault("history", "Give a list of pairs of texts.")


def _sharegpt(data: Data, sheet: Sheet, entry: Entry) -> None:
    """Turns in strict alternation; what does not alternate is skipped without an error."""
    role_key, content_key = entry.tag("role_tag", "from"), entry.tag("content_tag", "value")
    asking = {entry.tag("user_tag", "human"), entry.tag("observation_tag", "observation")}
    answering = {entry.tag("assistant_tag", "gpt"), entry.tag("function_tag", "function_call")}
    system = entry.tag("system_tag", "system")
    name = entry.columns.get("messages", "conversations")
    turns = data.get(name)
    if not isinstance(turns, list) or not turns:
        sheet.fault(name, "Give a list of turns.")
        return
    first = 1 if isinstance(turns[0], dict) and turns[0].get(role_key) == system else 0
    for place, turn in enumerate(turns):
        path = f"{name}[{place}]"
        if not isinstance(turn, dict) or not isinstance(turn.get(content_key), str):
            sheet.fault(path, f"A turn has {role_key} and {content_key}, which is a text.")
            return
        wanted = answering if (place - first) % 2 else asking
        if place >= first and not _in_turn(turn, path, wanted, entry, sheet):
            return
    if entry.ranking != bool((len(turns) - first) % 2):
        sheet.fault(name, "It ends with the question." if entry.ranking else "It ends unanswered.")
    if entry.ranking:
        _ranked(data, sheet, entry, role_key, content_key, answering)
    if tag := entry.columns.get("kto_tag"):
        need_boolean(data, tag, sheet)
    _beside(data, sheet, entry, " ".join(turn[content_key] for turn in turns))


def _in_turn(turn: Data, path: str, wanted: Collection[str], entry: Entry, sheet: Sheet) -> bool:
    """Check a turn; return whether it may stand at its place, else the row is skipped."""
    role_key, content_key = entry.tag("role_tag", "from"), entry.tag("content_tag", "value")
    role = turn.get(role_key)
    if not one_of(role, wanted):
        asked = " or ".join(sorted(wanted))
        sheet.fault(f"{path}.{role_key}", f"It is {role!r}; at this place stands {asked}.")
        return False
    if not turn[content_key].strip() and role != entry.tag("observation_tag", "observation"):
        sheet.fault(f"{path}.{content_key}", "It is empty.")
    if role == entry.tag("function_tag", "function_call"):
        _function_call(turn[content_key], f"{path}.{content_key}", sheet)
    return True


def _function_call(text: str, path: str, sheet: Sheet) -> None:
    made = parsed(text)
    calls = made if isinstance(made, list) else [made]
    if not calls or not all(
        isinstance(one, dict) and isinstance(one.get("name"), str) and "arguments" in one
        for one in calls
    ):
        sheet.fault(path, "Give the text of an object with name and arguments.")


def _ranked(
    data: Data,
    sheet: Sheet,
    entry: Entry,
    role_key: str,
    content_key: str,
    answering: Collection[str],
) -> None:
    texts = []
    for which in ("chosen", "rejected"):
        name = entry.columns.get(which, which)
        answer = data.get(name)
        if not isinstance(answer, dict) or not one_of(answer.get(role_key), answering):
            sheet.fault(name, "Give one turn of the assistant.")
        else:
            texts.append(need_text(answer, content_key, sheet, f"{name}."))
    if len(texts) == 2:
        differ(texts[0], texts[1], entry.columns.get("rejected", "rejected"), sheet)


def _beside(data: Data, sheet: Sheet, entry: Entry, said: str) -> None:
    """The columns beside the turns: system, tools, and as many images as the turns speak of."""
    for which in ("system", "tools"):
        name = entry.columns.get(which)
        if name and not isinstance(data.get(name), str | None):
            sheet.fault(name, "Give a text.")
    name = entry.columns.get("tools")
    if name and isinstance(data.get(name), str) and data[name]:
        tools = parsed(data[name])
        if isinstance(tools, list):
            need_tools({name: tools}, name, sheet)
        else:
            sheet.fault(name, "Give the text of a list of functions.")
    for which in ("images", "videos", "audios"):
        name = entry.columns.get(which)
        shown = data.get(name or "") or []
        num_shown = len(shown) if isinstance(shown, list) else 1
        if name and num_shown != said.count(f"<{which[:-1]}>"):
            sheet.fault(name, "The turns speak of another number of them.")


_SHAREGPT_COLUMNS = {"messages": "conversations", "system": "system", "tools": "tools"}
SFT = Entry(formatting="sharegpt", columns=_SHAREGPT_COLUMNS)
DPO = Entry(
    formatting="sharegpt",
    ranking=True,
    columns={**_SHAREGPT_COLUMNS, "chosen": "chosen", "rejected": "rejected"},
)
KTO = Entry(formatting="sharegpt", columns={**_SHAREGPT_COLUMNS, "kto_tag": "kto_tag"})


def llamafactory_weighted(data: Data, sheet: Sheet) -> None:
    """LLaMA-Factory's newer rows: content in parts, and a loss weight for each message."""
    names = [one for one in ("messages", "chosen_messages", "rejected_messages") if one in data]
    if names not in (["messages"], ["chosen_messages", "rejected_messages"]):
        sheet.fault("", "Give messages, or chosen_messages and rejected_messages.")
    for name in names:
        chat = Chat(roles=CHAT_ROLES, takes_parts=True, arguments="either")
        if not need_messages(data[name], name, chat, sheet, is_answered=True):
            continue
        for place, message in enumerate(data[name]):
            weight = message.get("loss_weight", 1) if isinstance(message, dict) else 1
            if isinstance(weight, bool) or not isinstance(weight, int | float):
                sheet.fault(f"{name}[{place}].loss_weight", "Give a number.")


def alpaca(data: Data, sheet: Sheet) -> None:
    """Instruction, input and output."""
    _alpaca(data, sheet, Entry())
