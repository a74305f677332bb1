"""Axolotl: docs/dataset-formats and its prompt strategies."""

from __future__ import annotations

from curation.trainers.chat import CHAT_ROLES, Chat, need_messages
from curation.trainers.sheet import Data, Sheet, differ, need_boolean, need_text, need_tools

AXOLOTL = Chat(roles=CHAT_ROLES, arguments="either", takes_parts=True)
AXOLOTL_SHAREGPT = Chat(
    roles={"system", "human", "user", "gpt", "assistant", "tool"},
    role_key="from",
    content_key="value",
    arguments="either",
)


def axolotl_sft(data: Data, sheet: Sheet) -> None:
    """For chat_template: messages, or ShareGPT conversations with mapped properties."""
    name = "messages" if "messages" in data else "conversations"
    turns = data.get(name)
    is_sharegpt = isinstance(turns, list) and any(
        isinstance(turn, dict) and "from" in turn for turn in turns
    )
    chat = AXOLOTL_SHAREGPT if is_sharegpt else AXOLOTL
    if not need_messages(turns, name, chat, sheet, is_answered=True):
        return
    for place, turn in enumerate(turns or []):
        if isinstance(turn, dict):
            _train_marks(turn, f"{name}[{place}]", chat, sheet)
    need_tools(data, "tools", sheet)


def _train_marks(turn: Data, path: str, chat: Chat, sheet: Sheet) -> None:
    if not isinstance(turn.get("train", True), bool):
        sheet.fault(f"{path}.train", "Give true or false.")
    content = turn.get(chat.content_key)
    length = len(content) if isinstance(content, str) else 0
    after = 0
    spans = turn.get("train_detail") or []
    if not isinstance(spans, list):
        sheet.fault(f"{path}.train_detail", "Give a list of spans.")
        return
    for place, part in enumerate(spans):
        span = part if isinstance(part, dict) else {}
        begin, end = span.get("begin_offset"), span.get("end_offset")
        # Ends count in: the documented example's last one is the length less one.
        if not isinstance(begin, int) or not isinstance(end, int) or not after <= begin <= end:
            sheet.fault(f"{path}.train_detail[{place}]", "Give ordered spans that do not overlap.")
            return
        if end > length:
            sheet.fault(f"{path}.train_detail[{place}]", "It ends beyond the text.")
            return
        after = end


def axolotl_dpo(data: Data, sheet: Sheet) -> None:
    """For chat_template.default: a conversation and two single messages."""
    chat = Chat(roles={"system", "user", "assistant", "tool"})
    need_messages(data.get("messages"), "messages", chat, sheet, is_answered=False)
    texts = []
    for name in ("chosen", "rejected"):
        answer = data.get(name)
        if not isinstance(answer, dict) or answer.get("role") != "assistant":
            sheet.fault(name, "Give one message of the assistant.")
        else:
            texts.append(need_text(answer, "content", sheet, f"{name}."))
    if len(texts) == 2:
        differ(texts[0], texts[1], "rejected", sheet)


def axolotl_kto(data: Data, sheet: Sheet) -> None:
    """For a user-defined KTO type: ready text and a label."""
    need_text(data, "prompt", sheet)
    need_text(data, "completion", sheet)
    need_boolean(data, "label", sheet)


def segments(data: Data, sheet: Sheet) -> None:
    """Axolotl's rows without a template: texts, each learnt or not."""
    parts = data.get("segments")
    if not isinstance(parts, list) or not parts:
        sheet.fault("segments", "Give a list of segments.")
        return
    for place, part in enumerate(parts):
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            sheet.fault(f"segments[{place}].text", "Give a text.")
        elif not isinstance(part.get("label"), bool):
            sheet.fault(f"segments[{place}].label", "Give true or false.")


def tokenized(data: Data, sheet: Sheet) -> None:
    """Ready tokens: three equally long lists of whole numbers; a mask may be of true and false."""
    names = ("input_ids", "attention_mask", "labels")
    for name in names:
        value = data.get(name)
        kinds = {int, bool} if name == "attention_mask" else {int}
        if not isinstance(value, list) or not {type(one) for one in value} <= kinds:
            sheet.fault(name, "Give a list of whole numbers.")
            return
    if len({len(data[name]) for name in names}) > 1:
        sheet.fault("labels", "The three lists are not equally long.")
