"""Where the findings of one row are collected, and what every trainer asks of a field."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

Data = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is wrong with a row, or worth a look: its line, the path of its field, and why."""

    line: int
    field: str
    message: str
    is_note: bool = False


@dataclass
class Sheet:
    """Collects what is found in one row."""

    line: int
    findings: list[Finding] = field(default_factory=list)

    def fault(self, path: str, message: str) -> None:
        """The trainer refuses, cuts or skips the row for this."""
        self.findings.append(Finding(line=self.line, field=path, message=message))

    def note(self, path: str, message: str) -> None:
        """The trainer takes it, but somebody should look."""
        self.findings.append(Finding(line=self.line, field=path, message=message, is_note=True))


def need_text(data: Data, name: str, sheet: Sheet, path: str = "") -> str:
    """The text of a field; "" and a fault where there is none."""
    value = data.get(name)
    if isinstance(value, str) and value.strip():
        return value
    sheet.fault(f"{path}{name}", "Give a text." if not isinstance(value, str) else "It is empty.")
    return ""


def only(data: Data, known: Collection[str], sheet: Sheet, path: str = "") -> None:
    for name in data:
        if name not in known:
            sheet.fault(f"{path}{name}", "There is no such field in this format.")


def one_of(value: object, known: Collection[str]) -> bool:
    """Whether a value is one of some words; a list or an object, which have no hash, is none."""
    return isinstance(value, str) and value in known


def need_boolean(data: Data, name: str, sheet: Sheet) -> None:
    if not isinstance(data.get(name), bool):
        sheet.fault(name, "Give true or false, not a number or a text.")


def need_tools(data: Data, name: str, sheet: Sheet, path: str = "") -> None:
    tools = data.get(name)
    if tools is None:
        return
    if not isinstance(tools, list):
        sheet.fault(f"{path}{name}", "Give a list of functions.")
        return
    for place, tool in enumerate(tools):
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            sheet.fault(f"{path}{name}[{place}]", "A tool names its function.")


def differ(one: str, other: str, path: str, sheet: Sheet) -> None:
    if one and one.strip() == other.strip():
        sheet.fault(path, "Both answers are the same.")
