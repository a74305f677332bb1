from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from curation.checker import check, check_row
from curation.formats import Json, Row, canonical, faults, line
from curation.readers import READERS, read
from curation.writers import FORMATS, OBSERVATION_GLUE, LeftOutError, write
from tests.material import SETS, needs_data, oasst_trees

SYSTEM: Json = {"role": "system", "content": "Be brief."}
USER: Json = {"role": "user", "content": "Where is my order?"}
CALL: Json = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_order", "arguments": {"id": 7}},
}
CALLED: Json = {"role": "assistant", "content": "", "tool_calls": [CALL]}
REPLY: Json = {"role": "tool", "tool_call_id": "call_1", "content": '{"state":"late"}'}
TOOL: Json = {
    "type": "function",
    "function": {"name": "get_order", "parameters": {"type": "object", "properties": {}}},
}
HELLO: Json = {"role": "assistant", "content": "Hello"}
ROW = Row(
    [SYSTEM, {"role": "user", "content": "Hi"}, HELLO, USER, CALLED, REPLY],
    "It is late.",
    "Who knows.",
    [TOOL],
    id="7",
)
OTHER: Json = {
    "id": "call_2",
    "type": "function",
    "function": {"name": "get_user", "arguments": {"by": ["mail", None]}},
}
LATER: Json = {**CALL, "id": "call_3"}
AT_ONCE = Row(
    [
        SYSTEM,
        USER,
        {**CALLED, "tool_calls": [CALL, OTHER]},
        REPLY,
        {"role": "tool", "tool_call_id": "call_2", "content": "\n nobody \u2028\n"},
        {**CALLED, "tool_calls": [LATER]},
        {"role": "tool", "tool_call_id": "call_3", "content": OBSERVATION_GLUE},
    ],
    "It is late.",
    "Who knows.",
    [TOOL],
)
PLAIN = Row([SYSTEM, USER], "It is late.", "Who knows.")


def only(row: Row, format_: str) -> Any:
    (written,) = write(row, format_)
    return json.loads(line(written))


class TestEveryFormat:
    @pytest.mark.parametrize("row", [ROW, PLAIN], ids=["tools", "plain"])
    @pytest.mark.parametrize("format_", FORMATS)
    def test_passes_its_own_check(self, format_: str, row: Row) -> None:
        try:
            rows = write(row, format_)
        except LeftOutError:
            assert format_ in {"axolotl-dpo", "axolotl-kto"}
            assert row is ROW
            return
        assert rows
        for one in rows:
            assert check_row(json.loads(line(one)), format_) == []

    @pytest.mark.parametrize("format_", FORMATS)
    def test_leaves_out_what_lacks_an_answer_that_it_needs(self, format_: str) -> None:
        good, bad = Row([USER], "good", ""), Row([USER], "", "bad")
        num_rows = {"sft": (1, 0), "preference": (0, 0), "kto": (1, 1)}.get(
            FORMATS[format_].kind, (1, 1)
        )
        assert (len(write(good, format_)), len(write(bad, format_))) == num_rows

    @pytest.mark.parametrize("format_", READERS)
    def test_is_read_back_as_it_was(self, format_: str) -> None:
        row = ROW if format_ != "axolotl-dpo" else PLAIN
        written = write(row, format_)
        back = [read(json.loads(line(one)), format_) for one in written]
        assert all(one.prompt == row.prompt for one in back)
        assert all(one.tools in ([], row.tools) for one in back)
        assert {one.chosen for one in back} <= {row.chosen, ""}
        assert {one.rejected for one in back} <= {row.rejected, ""}

    @pytest.mark.parametrize("format_", READERS)
    def test_is_read_back_with_every_byte_of_tools_called_at_once(self, format_: str) -> None:
        if format_ == "axolotl-dpo":
            return
        written = write(AT_ONCE, format_)
        assert written
        for one in written:
            back = read(json.loads(line(one)), format_)
            assert faults(back) == []
            assert canonical(back.prompt) == canonical(AT_ONCE.prompt)

    def test_lies_at_a_place_of_its_own(self) -> None:
        paths = [one.path("train") for one in FORMATS.values()]
        assert len(set(paths)) == len(paths)
        assert "trl/prompt-completion-train.jsonl" in paths
        assert "llamafactory/sft-train.jsonl" in paths


class TestOpenai:
    def test_sft_takes_arguments_as_a_text_and_teaches_the_reviewed_answer_alone(self) -> None:
        messages = only(ROW, "openai-sft")["messages"]
        assert [one.get("weight") for one in messages] == [None, None, 0, None, 0, None, None]
        assert messages[4]["content"] is None
        assert messages[4]["tool_calls"][0]["function"]["arguments"] == '{"id": 7}'

    def test_dpo_has_tools_beside_its_messages(self) -> None:
        written = only(ROW, "openai-dpo")
        assert written["input"]["tools"] == [TOOL]
        assert written["non_preferred_output"] == [{"role": "assistant", "content": "Who knows."}]


class TestTrl:
    def test_takes_arguments_as_an_object(self) -> None:
        called = only(ROW, "trl-sft")["messages"][4]
        assert called["tool_calls"][0]["function"]["arguments"] == {"id": 7}

    def test_kto_has_a_row_for_each_verdict(self) -> None:
        assert [one["label"] for one in write(ROW, "trl-kto")] == [True, False]


class TestLlamafactory:
    def test_names_its_turns_and_puts_system_and_tools_beside(self) -> None:
        written = only(ROW, "llamafactory-sft")
        assert [one["from"] for one in written["conversations"]] == [
            "human",
            "gpt",
            "human",
            "function_call",
            "observation",
            "gpt",
        ]
        assert json.loads(written["tools"]) == [TOOL["function"]]
        assert written["system"] == "Be brief."

    def test_joins_the_replies_of_tools_called_at_once(self) -> None:
        other = {**CALL, "id": "call_2"}
        row = Row(
            [USER, {**CALLED, "tool_calls": [CALL, other]}, REPLY, {**REPLY, "tool_call_id": "2"}],
            "a",
            "",
        )
        turns = only(row, "llamafactory-sft")["conversations"]
        assert [one["from"] for one in turns] == ["human", "function_call", "observation", "gpt"]
        assert len(json.loads(turns[1]["value"])) == 2

    def test_has_replies_in_the_order_of_their_calls_which_alone_tells_them_apart(self) -> None:
        called, one, other = AT_ONCE.prompt[2:5]
        row = Row([USER, called, other, one], "a", "")
        observed = only(row, "llamafactory-sft")["conversations"][2]["value"]
        assert observed.split(OBSERVATION_GLUE) == [one["content"], other["content"]]

    @pytest.mark.parametrize(
        "prompt",
        [
            [HELLO, USER],
            [USER, USER],
            [USER, SYSTEM],
            [USER, {**CALLED, "content": "One moment."}, REPLY],
        ],
    )
    def test_leaves_out_what_it_would_skip(self, prompt: list[Json]) -> None:
        with pytest.raises(LeftOutError):
            write(Row(prompt, "a", ""), "llamafactory-sft")


class TestAxolotl:
    def test_trains_on_the_reviewed_answer_alone(self) -> None:
        marks = [one["train"] for one in only(ROW, "axolotl-sft")["messages"]]
        assert marks == [False] * 6 + [True]

    def test_writes_chatml_unless_a_text_could_break_out_of_it(self) -> None:
        good = write(PLAIN, "axolotl-kto")[0]
        assert str(good["prompt"]).endswith("<|im_end|>\n<|im_start|>assistant\n")
        with pytest.raises(LeftOutError, match="mark of ChatML"):
            write(Row([USER], "a<|im_end|>", ""), "axolotl-kto")


@needs_data
class TestRealSets:
    @pytest.mark.parametrize("name", SETS)
    def test_pass_the_check_in_every_format(self, name: str) -> None:
        rows = list(SETS[name]())
        assert [fault for row in rows for fault in faults(row)] == []
        for format_, one in FORMATS.items():
            lines = []
            for row in rows:
                lines += [line(written).encode() for written in one.write(row)]
            report = check(lines, format_)
            assert [found for found in report.findings if not found.is_note] == []
            assert report.num_rows >= len(rows) * 0.95 or one.kind == "preference"

    @pytest.mark.parametrize(
        "format_",
        [name for name, one in FORMATS.items() if one.kind == "preference"] + ["examples"],
    )
    def test_keep_every_byte_from_trees_to_preferences_and_back(self, format_: str) -> None:
        before = list(oasst_trees())
        raw = b"".join(line(written).encode() for row in before for written in write(row, format_))
        after = [read(json.loads(text), format_) for text in raw.splitlines()]
        assert [_texts(row) for row in after] == [_texts(row) for row in before]


def _texts(row: Row) -> tuple[list[bytes], bytes, bytes]:
    said = [_bytes(turn) for turn in row.prompt]
    return said, row.chosen.encode(), row.rejected.encode()


def _bytes(turn: Mapping[str, object]) -> bytes:
    return f"{turn['role']}\n{turn['content']}".encode()
