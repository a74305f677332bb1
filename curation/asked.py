"""Keeps what many rows ask in a file, so that a million of them fit into memory."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from tempfile import TemporaryFile
from typing import overload

from curation.duplicates import Asked

# Code points of a question or of what was said before it that are compared: the last ones.
MOST_COMPARED = 4_000


class AskedFile(Sequence[Asked]):
    """What rows ask, in the order they were added; gone when it is closed."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115
        self._ends = array("Q", [0])

    def add(self, asked: Asked) -> None:
        """Keep what one more row asks."""
        written = f"{asked.question}\0{asked.before}".encode()
        self._file.seek(self._ends[-1])
        self._file.write(written)
        self._ends.append(self._ends[-1] + len(written))

    def close(self) -> None:
        """Forget everything."""
        self._file.close()

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, at: int) -> Asked: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Asked]: ...
    def __getitem__(self, at: int | slice) -> Asked | Sequence[Asked]:
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(len(self)))]
        start, end = self._ends[at], self._ends[at + 1]
        self._file.seek(start)
        question, before = self._file.read(end - start).decode().split("\0")
        return Asked(question, before)


def said(prompt: Iterable[Mapping[str, object]]) -> list[str]:
    """Return all that the messages before an answer say, calls of tools too, one text for each."""
    return [
        "\n".join([str(message.get("content") or ""), *_calls(message)]).strip()
        for message in prompt
    ]


def _calls(message: Mapping[str, object]) -> list[str]:
    calls = message.get("tool_calls")
    return [written(call) for call in calls] if isinstance(calls, list) else []


def written(value: object) -> str:
    """Return what is no text as text: a tool, or a call of one."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def asked_in(prompt: Iterable[Mapping[str, object]]) -> Asked:
    """Return what the messages before an answer ask: the last, and what was said before it.

    The system's text is left out: it is the same in thousands of rows.
    """
    said = [
        str(message.get("content") or "").replace("\0", "")
        for message in prompt
        if message.get("role") not in {"system", "developer"}
    ]
    before = "\n".join(said[:-1])
    return Asked("".join(said[-1:])[-MOST_COMPARED:], before[-MOST_COMPARED:])
