from __future__ import annotations

import json

import pytest

from curation.formats import Row, canonical, chat_prompt, faults, line

USER = {"role": "user", "content": "When did Bloom come out?"}
CALLED = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": {}}}],
}
NAMELESS = {**CALLED, "tool_calls": [{"id": "c", "function": {"arguments": {}}}]}
ROW = Row(prompt=[USER], chosen="On 31 August 2018.", rejected="In 2015.")


class TestChatPrompt:
    def test_puts_the_system_text_first_and_the_question_last(self) -> None:
        earlier = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
        assert chat_prompt(system="Be brief.", messages=earlier, query=USER["content"]) == [
            {"role": "system", "content": "Be brief."},
            *earlier,
            USER,
        ]

    def test_says_once_what_the_sender_gave_twice(self) -> None:
        system = {"role": "system", "content": "Be brief."}
        given = chat_prompt(system="Be brief.", messages=[system, USER], query=USER["content"])
        assert given == [system, USER]

    def test_leaves_out_messages_without_text(self) -> None:
        messages: list[dict[str, object]] = [
            {"role": "assistant", "content": ""},
            {"role": "assistant", "content": None},
        ]
        assert chat_prompt(system="", messages=messages, query=USER["content"]) == [USER]

    def test_calls_a_developer_message_a_system_message(self) -> None:
        messages = [{"role": "developer", "content": "Be brief."}]
        assert chat_prompt(system="", messages=messages, query="")[0]["role"] == "system"

    def test_keeps_calls_of_tools_and_asks_once_before_them(self) -> None:
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
        messages: list[dict[str, object]] = [
            {**USER},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "name": "f", "content": ""},
        ]
        given = chat_prompt(system="", messages=messages, query=USER["content"])
        called = {**call, "function": {"name": "f", "arguments": {"a": 1}}}
        assert given == [
            USER,
            {"role": "assistant", "content": "", "tool_calls": [called]},
            messages[2],
        ]
        assert faults(Row(given, "a", "")) == []


class TestLine:
    def test_is_one_line_for_every_reader(self) -> None:
        hostile = "a\nb\r\u0085c\u2028d\u2029e\x0b\x1c\N{ROCKET}"
        written = line({"x": hostile})
        assert len(written.splitlines()) == len(written.encode().splitlines()) == 1
        assert json.loads(written) == {"x": hostile}
        assert "\N{ROCKET}" in written

    def test_refuses_what_is_no_json(self) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            line({"x": float("nan")})


class TestCanonical:
    def test_does_not_depend_on_the_order_of_keys(self) -> None:
        assert canonical({"b": 1, "a": "ü"}) == canonical({"a": "ü", "b": 1})
        assert canonical({"a": "ü"}) == '{"a":"ü"}'.encode()


class TestFaults:
    def test_finds_none_in_a_sound_example(self) -> None:
        assert faults(ROW) == []

    @pytest.mark.parametrize(
        ("row", "fault"),
        [
            (Row([], "a", ""), "no question"),
            (Row([{"role": "assistant", "content": "x"}], "a", ""), "no question"),
            (Row([{"role": "system", "content": "x"}], "a", ""), "no question"),
            (Row([{"role": "critic", "content": "x"}, USER], "a", ""), "Message 1 is by “critic”"),
            (Row([{"role": "tool", "content": "x"}, USER], "a", ""), "Message 1 answers no call"),
            (Row([USER, CALLED], "a", ""), "The last call of a tool has no reply"),
            (Row([CALLED, USER], "a", ""), "Message 2 comes before the tools"),
            (Row([USER, NAMELESS], "a", ""), "without saying which"),
            (Row([USER], " \n", ""), "There is no answer"),
            (Row([USER], "a", " a\n"), "the same"),
        ],
    )
    def test_names_what_a_trainer_would_refuse(self, row: Row, fault: str) -> None:
        assert fault in " ".join(faults(row))
