from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from curation.checker import check_row
from curation.formats import Row, line
from curation.readers import READERS, UnreadableError, read
from curation.writers import FORMATS, LeftOutError, write
from tests.curation import training_rows as rows
from tests.curation.training_rows import GPT, HUMAN, A, B, Q


def contents(row: Row) -> list[Any]:
    """What the messages of an example say, then both answers."""
    return [*(turn["content"] for turn in row.prompt), row.chosen, row.rejected]


class TestEverySoundRow:
    @pytest.mark.parametrize("format_", READERS)
    def test_is_refused_or_read_so_that_every_format_can_be_written(self, format_: str) -> None:
        found = list(rows.taken(format_))
        assert len(found) > len(rows.VARIANTS[format_])
        for row in found:
            for name in FORMATS:
                with suppress(LeftOutError):
                    assert all(map(line, write(row, name)))


READ: list[tuple[str, dict[str, Any], list[Any]]] = [
    (
        "trl-preference",
        {
            "prompt": [Q],
            "chosen": [rows.CALLED, rows.REPLY, A],
            "rejected": [rows.CALLED, rows.REPLY, B],
        },
        ["When?", "", "2018", "In 2018.", "In 2015."],
    ),
    ("trl-preference", {"chosen": [Q, A], "rejected": [Q, B]}, ["When?", "In 2018.", "In 2015."]),
    (
        "openai-dpo",
        {
            "input": {"messages": [Q]},
            "preferred_output": [rows.CALLED_TEXT, rows.REPLY, A],
            "non_preferred_output": [rows.CALLED_TEXT, rows.REPLY, B],
        },
        ["When?", "", "2018", "In 2018.", "In 2015."],
    ),
    (
        "prompt-completion",
        {"prompt": [Q], "completion": [rows.CALLED, rows.REPLY, A]},
        ["When?", "", "2018", "In 2018.", ""],
    ),
    ("trl-sft", {"prompt": "When?", "completion": "Then."}, ["When?", "Then.", ""]),
    (
        "trl-kto",
        {"prompt": [Q], "completion": [A, rows.MORE, B], "label": False},
        ["When?", "In 2018.", "Sure?", "", "In 2015."],
    ),
    (
        "llamafactory-sft",
        {
            "conversations": [{"from": "system", "value": "Be brief."}, HUMAN, GPT],
            "system": "Not this one: a turn of the system outweighs it.",
        },
        ["Be brief.", "When?", "In 2018.", ""],
    ),
    (
        "llamafactory-sft",
        {"conversations": [HUMAN, rows.SAID_CALLS, rows.SEEN_BOTH, GPT]},
        ["When?", "", "2018", "nothing", "In 2018.", ""],
    ),
    ("axolotl-sft", {"conversations": [HUMAN, GPT]}, ["When?", "In 2018.", ""]),
    ("axolotl-sft", {"conversations": [Q, A]}, ["When?", "In 2018.", ""]),
    (
        "axolotl-sft",
        {"messages": [{**Q, "content": [{"value": "Wh"}, {"content": "en?"}]}, A]},
        ["When?", "In 2018.", ""],
    ),
    (
        "examples",
        {"prompt": [Q, rows.CALLED, rows.REPLY], "chosen": "a", "rejected": "", "group": None},
        ["When?", "", "2018", "a", ""],
    ),
]

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("openai-sft", {"messages": [Q, rows.CALLED_TEXT]}, "messages"),
    (
        "openai-sft",
        {"messages": [Q, {"role": "assistant", "function_call": {"name": "look"}}, A]},
        "messages[1].function_call",
    ),
    ("trl-sft", {"text": "The sky is blue."}, "text"),
    ("trl-preference", {"chosen": rows.TOLD, "rejected": rows.TOLD_WORSE}, "prompt"),
    (
        "trl-preference",
        {"chosen": [Q, A, rows.MORE, A], "rejected": [Q, B, rows.MORE, B]},
        "rejected",
    ),
    (
        "trl-preference",
        {"prompt": [Q], "chosen": [rows.CALLED, rows.REPLY, A], "rejected": [B]},
        "rejected",
    ),
    ("llamafactory-sft", {"conversations": [HUMAN, rows.SAID_CALL]}, "conversations"),
    (
        "llamafactory-sft",
        {"conversations": [HUMAN, rows.SAID_CALLS, rows.SEEN, GPT]},
        "conversations[2].value",
    ),
    ("llamafactory-sft", {"conversations": [HUMAN, GPT, rows.SEEN, GPT]}, "conversations[2].value"),
    (
        "llamafactory-dpo",
        {"conversations": [HUMAN], "chosen": rows.SAID_CALL, "rejected": GPT},
        "chosen.from",
    ),
    (
        "axolotl-dpo",
        {"messages": [Q], "chosen": {**A, "tool_calls": [rows.CALL]}, "rejected": B},
        "chosen",
    ),
]


class TestRead:
    @pytest.mark.parametrize(("format_", "row", "said"), READ)
    def test_leaves_nothing_out(self, format_: str, row: dict[str, Any], said: list[Any]) -> None:
        assert check_row(row, format_) == []
        assert contents(read(row, format_)) == said

    @pytest.mark.parametrize(("format_", "row", "field"), REFUSED)
    def test_names_what_no_example_can_hold(
        self, format_: str, row: dict[str, Any], field: str
    ) -> None:
        assert check_row(row, format_) == []
        with pytest.raises(UnreadableError) as raised:
            read(row, format_)
        assert raised.value.field == field

    def test_names_tools_as_every_format_writes_them(self) -> None:
        bare = {"name": "look", "parameters": {"type": "object"}}
        for row, format_ in (
            ({"messages": [Q, A], "tools": [bare]}, "trl-sft"),
            ({"messages": [Q, A], "functions": [bare]}, "openai-sft"),
            ({"prompt": [Q], "chosen": "a", "rejected": "", "tools": [bare]}, "examples"),
        ):
            assert read(row, format_).tools == [rows.TOOL]
