from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from curation import checker
from curation.checker import MOST, Report, check, check_row
from curation.formats import line
from curation.trainers.llamafactory import Entry
from tests.curation.training_rows import (
    CALL,
    CALLED_TEXT,
    GPT,
    HUMAN,
    REPLY,
    VARIANTS,
    WORSE,
    A,
    B,
    Q,
    mutated,
)
from tests.material import DATA, needs_data

CALL_TEXT = {**CALL, "function": {"name": "look", "arguments": '{"a": 1}'}}

SOUND: dict[str, Any] = {
    "openai-sft": {"messages": [Q, A]},
    "openai-dpo": {
        "input": {"messages": [Q], "tools": [], "parallel_tool_calls": True},
        "preferred_output": [A],
        "non_preferred_output": [B],
    },
    "trl-sft": {"messages": [Q, A]},
    "trl-preference": {"prompt": [Q], "chosen": [A], "rejected": [B]},
    "trl-kto": {"prompt": [Q], "completion": [A], "label": True},
    "prompt-completion": {"prompt": [Q], "completion": [A]},
    "llamafactory-sft": {"conversations": [HUMAN, GPT], "system": "", "tools": ""},
    "llamafactory-dpo": {"conversations": [HUMAN], "chosen": GPT, "rejected": WORSE},
    "llamafactory-kto": {"conversations": [HUMAN, GPT], "kto_tag": False},
    "axolotl-sft": {"messages": [Q, {**A, "train": True}]},
    "axolotl-dpo": {"messages": [Q], "chosen": A, "rejected": B},
    "axolotl-kto": {"prompt": "q", "completion": "a", "label": False},
    "evaluation": {"id": "1", "input": [Q], "tools": [], "ideal": "a", "known_bad": None},
    "examples": {"prompt": [Q], "chosen": "a", "rejected": ""},
    "alpaca": {"instruction": "q", "input": "", "output": "a", "history": [["q", "a"]]},
    "text": {"text": "The sky is blue."},
    "stepwise": {"prompt": "q", "completions": ["a", "b"], "labels": [True, False]},
    "segments": {"segments": [{"label": True, "text": "a"}]},
    "tokenized": {"input_ids": [1], "attention_mask": [1], "labels": [-100]},
    "trl-prompt": {"prompt": [Q]},
    "llamafactory-weighted": {
        "messages": [{"role": "user", "content": [{"type": "text", "value": "q"}]}, A]
    },
    "agent-evaluation": {"query": [Q], "response": "a", "tool_definitions": [{"name": "look"}]},
}


def lines(*rows: Any) -> list[bytes]:
    return [line(row).encode() for row in rows]


def faults(format_: str, *rows: Any, **limits: Any) -> list[tuple[int, str]]:
    """Line and field of what is wrong, less that a file for OpenAI is short."""
    report = check(lines(*rows), format_, **limits)
    return [(one.line, one.field) for one in report.findings if one.line and not one.is_note]


class TestSoundRows:
    @pytest.mark.parametrize("format_", SOUND)
    def test_pass(self, format_: str) -> None:
        report = check(lines(*[SOUND[format_]] * 10), format_)
        assert [one for one in report.findings if not one.is_note] == []
        assert (report.num_rows, report.is_sound) == (10, True)

    @pytest.mark.parametrize("format_", VARIANTS)
    def test_pass_in_every_shape(self, format_: str) -> None:
        assert [check_row(row, format_) for row in VARIANTS[format_]] == [
            [] for _ in VARIANTS[format_]
        ]


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("openai-sft", {"messages": []}, "messages"),
    ("openai-sft", {"messages": [Q]}, "messages"),
    ("openai-sft", {"messages": [A]}, "messages[0]"),
    ("openai-sft", {"messages": [Q, {**A, "weight": 2}]}, "messages[1].weight"),
    ("openai-sft", {"messages": [Q, {**A, "weight": True}]}, "messages[1].weight"),
    ("openai-sft", {"messages": [{**Q, "weight": 0}, A]}, "messages[0].weight"),
    ("openai-sft", {"messages": [{**Q, "role": "human"}, A]}, "messages[0].role"),
    ("openai-sft", {"messages": [Q, {**A, "content": " "}]}, "messages[1].content"),
    ("openai-sft", {"messages": [Q, {**A, "content": None}]}, "messages[1].content"),
    ("openai-sft", {"messages": [{**Q, "mood": "x"}, A]}, "messages[0].mood"),
    ("openai-sft", {"messages": [Q, A], "label": True}, "label"),
    ("openai-sft", {"messages": [Q, A], "tools": [{"type": "function"}]}, "tools[0]"),
    ("openai-sft", {"messages": [Q, REPLY, A]}, "messages[1].tool_call_id"),
    (
        "openai-sft",
        {"messages": [Q, {"role": "assistant", "tool_calls": [CALL]}, REPLY, A]},
        "messages[1].tool_calls[0].function.arguments",
    ),
    (
        "openai-sft",
        {"messages": [Q, {"role": "assistant", "tool_calls": [CALL_TEXT]}, A]},
        "messages[2]",
    ),
    (
        "openai-sft",
        {"messages": [Q, {**CALLED_TEXT, "tool_calls": [{**CALL_TEXT, "id": []}]}, A]},
        "messages[1].tool_calls[0].id",
    ),
    (
        "openai-sft",
        {
            "messages": [
                Q,
                {
                    **CALLED_TEXT,
                    "tool_calls": [
                        {**CALL, "function": {"name": "look", "arguments": '{"a": NaN}'}}
                    ],
                },
                REPLY,
                A,
            ]
        },
        "messages[1].tool_calls[0].function.arguments",
    ),
    ("openai-sft", {"messages": [{**Q, "role": ["user"]}, A]}, "messages[0].role"),
    ("openai-sft", {"messages": [Q, {**A, "weight": []}]}, "messages[1].weight"),
    ("openai-sft", {"messages": [Q, {**REPLY, "tool_call_id": []}, A]}, "messages[1].tool_call_id"),
    ("trl-sft", {"messages": [Q, {**REPLY, "name": 7}, A]}, "messages[1].name"),
    ("openai-dpo", {**SOUND["openai-dpo"], "input": [Q]}, "input"),
    ("openai-dpo", {**SOUND["openai-dpo"], "preferred_output": [Q]}, "preferred_output"),
    ("openai-dpo", {**SOUND["openai-dpo"], "preferred_output": [B]}, "non_preferred_output"),
    ("trl-sft", {"messages": [Q, A], "prompt": [Q]}, ""),
    ("trl-sft", {"conversations": [Q, A]}, ""),
    (
        "trl-sft",
        {"messages": [Q, {"role": "assistant", "tool_calls": [CALL_TEXT]}, REPLY, A]},
        "messages[1].tool_calls[0].function.arguments",
    ),
    ("trl-preference", {"prompt": [Q], "chosen": [A]}, ""),
    ("trl-preference", {"prompt": "q", "chosen": [A], "rejected": [B]}, "prompt"),
    ("trl-preference", {"prompt": [Q], "chosen": [A], "rejected": [A]}, "rejected"),
    (
        "trl-preference",
        {**SOUND["trl-preference"], "prompt": [{"role": "system", "content": "s"}]},
        "prompt",
    ),
    ("trl-kto", {**SOUND["trl-kto"], "label": 1}, "label"),
    ("trl-kto", {**SOUND["trl-kto"], "label": "true"}, "label"),
    ("llamafactory-sft", {"conversations": [GPT, HUMAN]}, "conversations[0].from"),
    ("llamafactory-sft", {"conversations": [HUMAN, HUMAN]}, "conversations[1].from"),
    ("llamafactory-sft", {"conversations": [HUMAN]}, "conversations"),
    ("llamafactory-sft", {"conversations": [HUMAN, GPT], "tools": "{"}, "tools"),
    ("llamafactory-sft", {"conversations": [HUMAN, GPT], "tools": "[1]"}, "tools[0]"),
    ("llamafactory-sft", {"conversations": [{**HUMAN, "from": []}, GPT]}, "conversations[0].from"),
    (
        "llamafactory-sft",
        {"conversations": [HUMAN, {"from": "function_call", "value": "look()"}]},
        "conversations[1].value",
    ),
    (
        "llamafactory-sft",
        {"conversations": [HUMAN, GPT, {"from": "system", "value": "s"}, GPT]},
        "conversations[2].from",
    ),
    ("llamafactory-dpo", {**SOUND["llamafactory-dpo"], "chosen": [GPT]}, "chosen"),
    (
        "llamafactory-dpo",
        {**SOUND["llamafactory-dpo"], "conversations": [HUMAN, GPT]},
        "conversations",
    ),
    ("llamafactory-kto", {**SOUND["llamafactory-kto"], "kto_tag": 1}, "kto_tag"),
    ("axolotl-sft", {"messages": [Q, {**A, "train": "no"}]}, "messages[1].train"),
    (
        "axolotl-sft",
        {"messages": [Q, {**A, "train_detail": [{"begin_offset": 0, "end_offset": 99}]}]},
        "messages[1].train_detail[0]",
    ),
    (
        "axolotl-sft",
        {"messages": [Q, {**A, "train_detail": [1]}]},
        "messages[1].train_detail[0]",
    ),
    ("axolotl-sft", {"messages": [Q, {**A, "train_detail": 1}]}, "messages[1].train_detail"),
    ("axolotl-dpo", {**SOUND["axolotl-dpo"], "chosen": [A]}, "chosen"),
    ("axolotl-kto", {**SOUND["axolotl-kto"], "prompt": [Q]}, "prompt"),
    ("evaluation", {"input": [Q]}, "ideal"),
    ("examples", {"prompt": [Q], "chosen": "", "rejected": " "}, "chosen"),
    ("examples", {**SOUND["examples"], "group": 7}, "group"),
    ("alpaca", {"instruction": "q", "output": ""}, "output"),
    ("stepwise", {"prompt": "q", "completions": ["a"], "labels": []}, "labels"),
    ("segments", {"segments": [{"label": 1, "text": "a"}]}, "segments[0].label"),
    ("tokenized", {"input_ids": [1, 2], "attention_mask": [1], "labels": [1]}, "labels"),
    ("agent-evaluation", {"query": "", "response": "a"}, "query"),
]


class TestBrokenRows:
    @pytest.mark.parametrize(("format_", "row", "field"), BROKEN)
    def test_fail_at_their_line_and_field(
        self, format_: str, row: dict[str, Any], field: str
    ) -> None:
        assert (2, field) in faults(format_, SOUND[format_], row)

    @pytest.mark.parametrize("format_", SOUND)
    def test_never_make_the_checker_stumble(self, format_: str) -> None:
        """Whatever a field holds instead, it is a finding or none, and no exception."""
        for row in [SOUND[format_], *VARIANTS.get(format_, [])]:
            for broken in mutated(row):
                check_row(broken, format_)
                check(lines(broken), format_)


class TestFiles:
    @pytest.mark.parametrize(
        ("raw", "fault"),
        [
            (b"{oops}\n", "not JSON"),
            (b'{"text": NaN}\n', "NaN"),
            (b'{"text": "\\ud83d"}\n', "surrogate"),
            (b'{"text": "\xff"}\n', "UTF-8"),
            (b"\n", "empty"),
            (b'\xef\xbb\xbf{"text": "a"}\n', "byte order mark"),
            (b"[1]\n", "A row is an object"),
            (b'["a\n', "not JSON"),
            (b"[" * 100_000 + b"\n", "not JSON"),
            (b'{"text": {"a":' * 100_000 + b"\n", "nested too deeply"),
        ],
    )
    def test_name_what_no_loader_reads(self, raw: bytes, fault: str) -> None:
        report = check([raw], "text")
        assert fault in report.findings[0].message
        assert report.findings[0].line == 1
        assert not report.is_sound

    def test_nested_as_deep_as_can_be_read_are_checked_to_the_end(self) -> None:
        for depth in range(800, 1_000):
            nested = b'{"a":' * depth + b"1" + b"}" * depth
            raw = b'{"prompt": "q", "completion": "a", "more": ' + nested + b"}\n"
            assert check([raw], "prompt-completion", max_tokens=100).num_rows == 1

    def test_nested_deeper_than_calls_may_be_are_counted_to_the_end(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As Python 3.12 reads them."""
        deep: Any = "a" * 400
        for _ in range(5_000):
            deep = {"a": [deep]}
        row = {"prompt": "q", "completion": "a", "more": deep}
        monkeypatch.setattr(checker, "DECODER", SimpleNamespace(decode=lambda _: row))
        [found] = check([b"{}\n"], "prompt-completion", max_tokens=100).findings
        assert found.message == "About 102 tokens, over 100: trainers cut it."

    def test_may_be_one_document_and_keep_its_lines(self) -> None:
        raw = json.dumps([{"text": "a"}, {"text": ""}], indent=1).encode()
        report = check(raw.splitlines(keepends=True), "text")
        assert (report.num_rows, [one.line for one in report.findings]) == (2, [5])
        assert not check([b"[\n", b'{"text": "a"}\n'], "text").is_sound

    def test_have_one_type_in_a_column(self) -> None:
        rows = [{"prompt": "q", "completion": "a"}, SOUND["prompt-completion"]]
        assert faults("prompt-completion", *rows) == [(2, "prompt"), (2, "completion")]

    def test_may_count_their_rows_from_nought(self) -> None:
        rows = [{"text": "a", "id": number} for number in (0, 1, 2, 2.5, 1.0)]
        assert faults("text", *rows) == []
        assert faults("text", rows[0], {"text": "a", "id": True}) == [(2, "id")]

    def test_of_one_large_document_are_read_in_seconds(self) -> None:
        raw = json.dumps([{"text": "a" * 300}] * 20_000, indent=1).encode()
        begun = time.process_time()
        assert check([raw], "text").num_rows == 20_000
        assert time.process_time() - begun < 10

    def test_of_openai_have_ten_lines(self) -> None:
        nine, ten = ([SOUND["openai-sft"]] * number for number in (9, 10))
        assert not check(lines(*nine), "openai-sft").is_sound
        assert check(lines(*ten), "openai-sft").is_sound
        assert not check([], "text").is_sound

    def test_say_when_kto_has_one_label_only(self) -> None:
        good, bad = (dict(SOUND["trl-kto"], label=label) for label in (True, False))
        notes = [one.message for one in check(lines(good, good), "trl-kto").findings]
        assert ["All labels are the same" in note for note in notes] == [True]
        assert check(lines(good, bad), "trl-kto").findings == []

    def test_say_which_rows_a_trainer_cuts(self) -> None:
        long = {"text": "a" * 400}
        assert faults("text", {"text": "a"}, long, max_tokens=99) == [(2, "")]
        assert faults("text", long, max_tokens=100) == []
        assert faults("text", long, max_tokens=100, count=len) == [(1, "")]

    def test_with_many_faults_are_counted_to_the_end(self) -> None:
        report = check(lines(*[{"text": ""}] * 500), "text")
        assert (report.num_faults, len(report.findings)) == (500, MOST)


@needs_data
class TestPublishedFiles:
    """What the trainers' own repositories hold passes; what is broken there on purpose fails."""

    def read(self, path: str, format_: str, **more: Any) -> Report:
        with (DATA / path).open("rb") as file:
            return check(file, format_, **more)

    @pytest.mark.parametrize(
        ("path", "format_", "num_rows"),
        [
            ("train-openai/azure_stock-train-hallucination.jsonl", "openai-sft", 96),
            ("train-openai/azure_stock-train-token-reduction.jsonl", "openai-sft", 100),
            ("train-openai/azure_agent_evaluation_data.jsonl", "agent-evaluation", 5),
            ("train-llamafactory/v1_sft_demo.jsonl", "llamafactory-weighted", 500),
            ("train-axolotl/alpaca_alpaca.json", "alpaca", None),
            ("train-axolotl/conversation.json", "axolotl-sft", 1),
            ("train-axolotl/conversation.tokenized.json", "tokenized", 1),
            ("train-axolotl/conversation.tokenized_llama2chat.json", "tokenized", 1),
        ],
    )
    def test_pass(self, path: str, format_: str, num_rows: int | None) -> None:
        report = self.read(path, format_)
        assert [one for one in report.findings if not one.is_note] == []
        assert num_rows in {None, report.num_rows}

    def test_pass_by_what_dataset_info_says_of_them(self) -> None:
        info = json.loads((DATA / "train-llamafactory" / "dataset_info.json").read_text())
        seen = 0
        for entry in info.values():
            name = entry.get("file_name", "")
            if name.endswith((".json", ".jsonl")) and (DATA / "train-llamafactory" / name).exists():
                report = self.read(f"train-llamafactory/{name}", "alpaca", entry=Entry.of(entry))
                assert report.findings == [], name
                seen += report.num_rows
        assert seen == 1_996

    def test_of_trl_pass_row_by_row(self) -> None:
        text = (DATA / "train-trl" / "doc_examples.jsonl").read_text()
        for one in map(json.loads, text.splitlines()):
            example = one["example"]
            row = {"messages": example} if isinstance(example, list) else example
            # The page shows some messages that nobody has answered yet.
            if row.get("messages", [{}])[-1].get("role") == "user":
                row = {"prompt": row["messages"]}
            assert faults(_trl_type(row), row) == [], one

    def test_of_axolotl_pass_where_they_are_whole(self) -> None:
        text = (DATA / "train-axolotl" / "doc_examples.jsonl").read_text()
        types = {"segments": "segments", "text": "text", "input_ids": "tokenized"}
        types |= {"completions": "stepwise", "messages": "axolotl-sft"}
        checked = 0
        for one in map(json.loads, text.splitlines()):
            if "..." in one["text"].replace("step...", "").replace("plane...", ""):
                continue
            for raw in one["text"].split("\n{"):
                try:
                    row = json.loads(raw if raw.startswith(("{", "[")) else "{" + raw)
                except ValueError:
                    continue
                format_ = next((types[key] for key in types if key in row), None)
                if format_ and isinstance(row, dict):
                    assert faults(format_, row) == [], one
                    checked += 1
        assert checked >= 5

    def test_fail_where_they_are_broken_on_purpose(self) -> None:
        report = self.read("train-axolotl/conversation.missingturns.json", "axolotl-sft")
        assert [one.field for one in report.findings] == ["conversations[1].value"]
        # The cookbook's file is for an early model of 4,096 tokens.
        report = self.read(
            "train-openai/toy_chat_fine_tuning.jsonl", "openai-sft", max_tokens=4_096
        )
        assert [(one.line, one.field, one.is_note) for one in report.findings] == [
            (3, "messages", True),  # no system message
            (4, "messages[1]", False),  # nobody asked
            (5, "", False),  # too long
            (0, "", False),  # five lines
        ]

    def test_fail_when_a_row_is_broken(self) -> None:
        """A mutation of a real row, of each kind that trainers skip or misread."""
        rows = json.loads((DATA / "train-llamafactory" / "kto_en_demo.json").read_text())
        info = json.loads((DATA / "train-llamafactory" / "dataset_info.json").read_text())
        entry = Entry.of(info["kto_en_demo"])
        broken = [
            {**rows[0], "label": 1},
            {**rows[0], "messages": rows[0]["messages"][:1]},
            {**rows[0], "messages": rows[0]["messages"][::-1]},
        ]
        found = [check(lines(one), "alpaca", entry=entry).findings[0].field for one in broken]
        assert found == ["label", "messages", "messages[0].role"]


def _trl_type(row: dict[str, Any]) -> str:
    if "completions" in row:
        return "stepwise"
    if "label" in row:
        return "trl-kto"
    if "chosen" in row:
        return "trl-preference"
    return "trl-prompt" if set(row) == {"prompt"} else "trl-sft"
