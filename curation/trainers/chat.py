"""Messages as chat templates read them: roles, turns, calls of tools and replies to them."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from curation.trainers.sheet import Data, Sheet, only


@dataclass(frozen=True, kw_only=True)
class Chat:
    """How a trainer wants its messages."""

    roles: Collection[str]
    keys: Collection[str] | None = None
    role_key: str = "role"
    content_key: str = "content"
    arguments: str = "object"
    needs_ids: bool = False
    takes_parts: bool = False


CHAT_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
ASKING = {"user", "human", "tool", "observation", "function"}
ANSWERING = {"assistant", "gpt"}


def need_messages(
    value: Any, path: str, chat: Chat, sheet: Sheet, *, is_answered: bool, is_whole: bool = True
) -> bool:
    """Check a list of messages; return whether it has been one at all."""
    if not isinstance(value, list) or not value:
        sheet.fault(path, "Give a list of messages.")
        return False
    before = len(sheet.findings)
    open_calls: set[Any] = set()
    has_asked = False
    for place, message in enumerate(value):
        where = f"{path}[{place}]"
        if not isinstance(message, dict):
            sheet.fault(where, "A message is an object.")
            continue
        role = message.get(chat.role_key)
        if role not in chat.roles:
            sheet.fault(f"{where}.{chat.role_key}", f"There is no role {role!r}.")
            continue
        has_asked = has_asked or role in ASKING
        if role in ANSWERING and is_answered and is_whole and not has_asked:
            sheet.fault(where, "An answer comes before anybody asked.")
            has_asked = True
        if chat.keys is not None:
            only(message, chat.keys, sheet, f"{where}.")
        _content(message, where, chat, sheet)
        open_calls = _tool_turn(message, where, chat, sheet, open_calls)
    last = value[-1].get(chat.role_key) if isinstance(value[-1], dict) else None
    if len(sheet.findings) > before:
        return True
    if is_answered and last not in ANSWERING:
        sheet.fault(path, "The last message is not the assistant's.")
    if not is_answered and last not in ASKING | ANSWERING:
        sheet.fault(path, "The last message is neither a question nor to be gone on with.")
    return True


def _content(message: Data, where: str, chat: Chat, sheet: Sheet) -> None:
    content = message.get(chat.content_key)
    path = f"{where}.{chat.content_key}"
    calls = bool(message.get("tool_calls") or message.get("function_call"))
    if content is None and calls:
        return
    if isinstance(content, list) and chat.takes_parts:
        for place, part in enumerate(content):
            if not isinstance(part, dict) or not isinstance(
                part.get("text", part.get("value", part.get("content"))), str
            ):
                sheet.fault(f"{path}[{place}]", "A part holds a text.")
        return
    if not isinstance(content, str):
        sheet.fault(path, "Give a text.")
    elif not content.strip() and not calls and message.get(chat.role_key) != "tool":
        sheet.fault(path, "It is empty.")


def _tool_turn(
    message: Data, where: str, chat: Chat, sheet: Sheet, open_calls: set[Any]
) -> set[Any]:
    """Check calls of tools and replies to them; return the calls that wait for a reply."""
    role = message.get(chat.role_key)
    if "weight" in message:
        if role != "assistant":
            sheet.fault(f"{where}.weight", "Only assistant messages have a weight.")
        elif message["weight"] not in {0, 1} or isinstance(message["weight"], bool):
            sheet.fault(f"{where}.weight", "Give 0 or 1.")
    if role == "tool":
        answered = message.get("tool_call_id")
        if (chat.needs_ids or answered is not None) and answered not in open_calls:
            sheet.fault(f"{where}.tool_call_id", "It answers no call that was made.")
        return open_calls - {answered}
    if open_calls and chat.needs_ids:
        sheet.fault(where, "A call of a tool has no reply before it.")
    calls = message.get("tool_calls")
    if calls is None:
        return set()
    if not isinstance(calls, list) or role != "assistant":
        sheet.fault(f"{where}.tool_calls", "Give a list of calls, in an assistant's message.")
        return set()
    for place, call in enumerate(calls):
        _call(call, f"{where}.tool_calls[{place}]", chat, sheet)
    return {call.get("id") for call in calls if isinstance(call, dict) and call.get("id")}


def _call(call: Any, path: str, chat: Chat, sheet: Sheet) -> None:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        sheet.fault(path, "A call names its function.")
        return
    if chat.needs_ids and not isinstance(call.get("id"), str):
        sheet.fault(f"{path}.id", "Give a text.")
    arguments = function.get("arguments")
    where = f"{path}.function.arguments"
    if chat.arguments == "object" and not isinstance(arguments, dict):
        sheet.fault(where, "Give an object: chat templates encode a text twice.")
    elif chat.arguments == "text" and not _is_object(arguments):
        sheet.fault(where, "Give the text of a JSON object.")
    elif chat.arguments == "either" and not isinstance(arguments, dict | str):
        sheet.fault(where, "Give an object or its text.")


def _is_object(text: object) -> bool:
    if not isinstance(text, str):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
