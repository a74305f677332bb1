from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from feedback import payloads
from feedback.payloads import RecordError

OUTPUT: dict[str, Any] = {"type": "output", "id": "o", "session": "s", "query": "q", "text": "t"}
FEEDBACK: dict[str, Any] = {
    "type": "feedback",
    "output": "o",
    "name": "rating",
    "annotator_kind": "HUMAN",
}
SIGNAL: dict[str, Any] = {
    "type": "signal",
    "session": "s",
    "kind": "copy",
    "at": "2026-11-02T09:00:00Z",
}


def faults_of(record: dict[str, Any]) -> list[str]:
    with pytest.raises(RecordError) as caught:
        payloads.read(record)
    return [fault.path for fault in caught.value.faults]


class TestRead:
    @pytest.mark.parametrize(
        "identifier", ["a/b", "100%", "?x=1", "#1", "\N{ROCKET} héé", "a" * 200]
    )
    def test_takes_any_printable_id(self, identifier: str) -> None:
        assert payloads.read(OUTPUT | {"id": identifier}).id == identifier

    @pytest.mark.parametrize("identifier", ["", "a" * 201, "a\nb", "\x7f", 7, None, ["x"]])
    def test_refuses_other_ids(self, identifier: object) -> None:
        assert faults_of(OUTPUT | {"id": identifier}) == ["id"]

    def test_names_every_faulty_field_by_its_path(self) -> None:
        record = OUTPUT | {
            "context": {"documents": [{"id": "1", "text": "x"}, {"id": "2", "txt": "x"}]},
            "confidence": 2,
            "colour": "red",
        }
        assert sorted(faults_of(record)) == [
            "colour",
            "confidence",
            "context.documents[1].text",
            "context.documents[1].txt",
        ]

    @pytest.mark.parametrize("kind", [None, "outputs", 1, ["output"], {}])
    def test_names_the_type(self, kind: object) -> None:
        assert faults_of({"type": kind}) == ["type"]

    def test_null_is_absent(self) -> None:
        record = payloads.read(OUTPUT | {"at": None, "model": None, "context": None})
        assert record.sent().keys() == OUTPUT.keys()

    @pytest.mark.parametrize(
        ("sent", "meant"),
        [
            ("2026-11-02T09:00:00Z", datetime(2026, 11, 2, 9, tzinfo=UTC)),
            ("2026-11-02t09:00:00.25+05:30", datetime(2026, 11, 2, 3, 30, 0, 250_000, tzinfo=UTC)),
        ],
    )
    def test_reads_times_with_an_offset(self, sent: str, meant: datetime) -> None:
        record = payloads.read(SIGNAL | {"at": sent})
        assert isinstance(record, payloads.SignalRecord)
        assert record.at == meant

    @pytest.mark.parametrize(
        "sent",
        [
            "2026-11-02T09:00:00",
            "2026-11-02",
            "2026-02-30T09:00:00Z",
            "2026-11-02T25:00:00Z",
            "0001-01-01T00:00:00+10:00",
            1_762_074_000,
            "now",
        ],
    )
    def test_refuses_other_times(self, sent: object) -> None:
        assert faults_of(SIGNAL | {"at": sent}) == ["at"]

    def test_feedback_is_about_an_output_or_a_session(self) -> None:
        assert payloads.read({**FEEDBACK, "output": None, "session": "s"}).id is None
        assert faults_of(FEEDBACK | {"output": None}) == ["output"]
        assert faults_of(FEEDBACK | {"session": "s"}) == ["output"]

    def test_a_span_needs_an_output_and_an_extent(self) -> None:
        assert faults_of(
            {**FEEDBACK, "output": None, "session": "s", "span": {"start": 0, "end": 1}}
        )
        assert faults_of(FEEDBACK | {"span": {"start": 3, "end": 3}}) == ["span.end"]
        assert faults_of(FEEDBACK | {"span": {"start": -1, "end": 3}}) == ["span.start"]
        assert faults_of(FEEDBACK | {"span": {"start": 0, "end": 2**31}}) == ["span.end"]

    def test_takes_tools_and_what_was_called(self) -> None:
        call = {"id": "c", "function": {"name": "look", "arguments": {"a": None}}}
        said = [
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "2018"},
        ]
        context = {"messages": said, "tools": [{"function": {"name": "look"}}]}
        payloads.read(OUTPUT | {"context": context})
        for broken in ({"role": "assistant"}, {"role": "tool", "content": None}):
            assert faults_of(OUTPUT | {"context": {"messages": [broken]}}) == [
                "context.messages[0]"
            ]
        bad_call = {"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}
        assert faults_of(OUTPUT | {"context": bad_call}) == [
            "context.messages[0].tool_calls[0].function"
        ]

    @pytest.mark.parametrize(
        "change",
        [
            {"score": True},
            {"score": "1"},
            {"annotator_kind": "human"},
            {"reasons": "too-vague"},
            {"confidence": -0.1},
            {"author": {"role": "student"}},
        ],
    )
    def test_takes_no_value_of_another_kind(self, change: dict[str, object]) -> None:
        [path] = faults_of(FEEDBACK | change)
        assert path.split(".")[0] == next(iter(change))
