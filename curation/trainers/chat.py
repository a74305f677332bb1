"""Messages as chat templates read them: roles, turns, calls of tools and replies to them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from curation.formats import parsed
from curation.trainers.sheet import Data, Sheet, one_of, only


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


def text_in(part: Any) -> Any:
    """The text in a part of a message's content, by any of the names it goes by."""
    if not isinstance(part, dict):
        return None
    return part.get("text", part.get("value", part.get("content")))


def need_messages(
    value: Any, path: str, chat: Chat, sheet: Sheet, *, is_answered: bool, is_whole: bool = True
) -> bool:
    """Check a list of messages; return whether it has been one at all."""
    if not isinstance(value, list) or not value:
        sheet.fault(path, "Give a list of messages.")
        return False
    before = len(sheet.findings)
    open_calls: set[str] = set()
    has_asked = False
    for place, message in enumerate(value):
        where = f"{path}[{place}]"
        if not isinstance(message, dict):
            sheet.fault(where, "A message is an object.")
            continue
        role = message.get(chat.role_key)
        if not one_of(role, chat.roles):
            sheet.fault(f"{where}.{chat.role_key}", f"There is no role {role!r}.")
            continue
        has_asked = has_asked or role in ASKING
        if role in ANSWERING and is_answered and is_whole and not has_asked:
            sheet.fault(where, "An answer comes before anybody asked.")
            has_asked = True
        if chat.keys is not None:
            only(message, chat.keys, sheet, f"{where}.")
        _content(message, where, chat, sheet)
        _weight(message, where, role, sheet)
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
        wrong = [place for place, one in enumerate(content) if not isinstance(text_in(one), str)]
        for place in wrong:
            sheet.fault(f"{path}[{place}]", "A part holds a text.")
        if wrong:
            return
        content = "".join(map(text_in, content))
    if not isinstance(content, str):
        sheet.fault(path, "Give a text.")
    elif not content.strip() and not calls and message.get(chat.role_key) != "tool":
        sheet.fault(path, "It is empty.")


def _weight(message: Data, where: str, role: object, sheet: Sheet) -> None:
    if "weight" not in message:
        return
    if role != "assistant":
        sheet.fault(f"{where}.weight", "Only assistant messages have a weight.")
    elif message["weight"] not in (0, 1) or isinstance(message["weight"], bool):
        sheet.fault(f"{where}.weight", "Give 0 or 1.")


def _tool_turn(
    message: Data, where: str, chat: Chat, sheet: Sheet, open_calls: set[str]
) -> set[str]:
    """Check calls of tools and replies to them; return the calls that wait for a reply."""
    role = message.get(chat.role_key)
    if role == "tool":
        if not isinstance(message.get("name"), str | None):
            sheet.fault(f"{where}.name", "Give a text.")
        answered = message.get("tool_call_id")
        if (chat.needs_ids or answered is not None) and not one_of(answered, open_calls):
            sheet.fault(f"{where}.tool_call_id", "It answers no call that was made.")
        return {one for one in open_calls if one != answered}
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
    ids = [call.get("id") for call in calls if isinstance(call, dict)]
    return {one for one in ids if isinstance(one, str) and one}


def _call(call: Any, path: str, chat: Chat, sheet: Sheet) -> None:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        sheet.fault(path, "A call names its function.")
        return
    if not isinstance(call.get("id"), str if chat.needs_ids else str | None):
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
    return isinstance(text, str) and isinstance(parsed(text), dict)
