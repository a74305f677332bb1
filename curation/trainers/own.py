"""The files that are Postil's own: cases to test by, and examples as they are kept."""

from __future__ import annotations

from curation.trainers.chat import need_messages
from curation.trainers.sheet import Data, Sheet, differ, need_tools
from curation.trainers.trl import TRL


def evaluation(data: Data, sheet: Sheet) -> None:
    """A case to test by."""
    need_messages(data.get("input"), "input", TRL, sheet, is_answered=False)
    need_tools(data, "tools", sheet)
    if not data.get("ideal") and not data.get("known_bad"):
        sheet.fault("ideal", "Give a good answer, a known bad one, or both.")


def examples(data: Data, sheet: Sheet) -> None:
    """An example as Postil keeps it."""
    need_messages(data.get("prompt"), "prompt", TRL, sheet, is_answered=False)
    for name in ("chosen", "rejected"):
        if not isinstance(data.get(name), str):
            sheet.fault(name, "Give a text, empty where there is none.")
            return
    if not data["chosen"].strip() and not data["rejected"].strip():
        sheet.fault("chosen", "There is no answer.")
    differ(data["chosen"], data["rejected"], "rejected", sheet)
    is_pair = data.get("is_pair", False)
    if not isinstance(is_pair, bool):
        sheet.fault("is_pair", "Give true or false.")
    elif is_pair and not (data["chosen"].strip() and data["rejected"].strip()):
        sheet.fault("is_pair", "A pair has two answers.")
    if not isinstance(data.get("group"), str | None):
        sheet.fault("group", "Give a text.")
    if not isinstance(data.get("metadata"), dict | None):
        sheet.fault("metadata", "Give an object.")
    need_tools(data, "tools", sheet)
