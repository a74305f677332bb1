from __future__ import annotations

import gzip
import json
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback import wire
from feedback.wire import Fault, Unreadable, WireError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.floats(-1e9, 1e9),
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(), part, max_size=4),
    max_leaves=12,
)


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


class TestUnpack:
    def test_reads_gzip_of_several_members(self) -> None:
        assert wire.unpack(gzip.compress(b"ab") + gzip.compress(b"cd"), encoding="gzip") == b"abcd"

    def test_stops_a_bomb_early(self) -> None:
        with pytest.raises(WireError, match="larger") as caught:
            wire.unpack(gzip.compress(b" " * (wire.MAX_BYTES + 1)), encoding="gzip")
        assert caught.value.status == 413

    @pytest.mark.parametrize(
        ("body", "encoding", "status"),
        [
            (b"no gzip", "gzip", 400),
            (gzip.compress(b"cut short", mtime=0)[:-6], "gzip", 400),
            (b"{}", "br", 415),
        ],
    )
    def test_says_what_is_wrong(self, body: bytes, encoding: str, status: int) -> None:
        with pytest.raises(WireError) as caught:
            wire.unpack(body, encoding=encoding)
        assert caught.value.status == status

    def test_many_members_take_little_time(self) -> None:
        body = gzip.compress(b"") * 200_000
        begun = process_time()
        assert wire.unpack(body, encoding="gzip") == b""
        assert process_time() - begun < 5


class TestReadRecords:
    def test_a_string_without_an_end_takes_little_time(self) -> None:
        begun = process_time()
        with pytest.raises(WireError, match="not JSON"):
            wire.read_records(b'"\\' * 100_000)
        assert process_time() - begun < 5

    @given(st.lists(JSON, max_size=5))
    def test_gives_back_what_json_says(self, records: list[object]) -> None:
        body = json.dumps({"records": records}).encode()
        for read, sent in zip(wire.read_records(body), records, strict=True):
            if "\x00" in json.dumps(sent, ensure_ascii=False) or "\\u0000" in json.dumps(sent):
                assert isinstance(read, Unreadable)
            else:
                assert read == json.loads(json.dumps(sent))

    @pytest.mark.parametrize(
        ("value", "path", "message"),
        [
            (r'"a\u0000b"', "text", "Holds a NUL character."),
            (r'"a\ud800b"', "text", "Holds a lone surrogate."),
            ("NaN", "text", "NaN is not a JSON number."),
            ("-Infinity", "text", "-Infinity is not a JSON number."),
            ("1e999", "text", "This number is too large."),
            ("18446744073709551616", "text", "This integer does not fit 64 bits."),
            ("-9223372036854775809", "text", "This integer does not fit 64 bits."),
            (r'{"list":[1,{"x":"\u0000"}]}', "text.list[1].x", "Holds a NUL character."),
        ],
    )
    def test_names_the_field_that_cannot_be_stored(
        self, value: str, path: str, message: str
    ) -> None:
        body = f'{{"records":[{{"id":"ok"}},{{"text":{value}}}]}}'.encode()
        good, bad = wire.read_records(body)
        assert good == {"id": "ok"}
        assert isinstance(bad, Unreadable)
        assert bad.faults == [Fault(path, message)]

    def test_takes_a_pair_of_surrogates_for_what_it_is(self) -> None:
        assert wire.read_records(rb'{"records":["\ud83d\ude00"]}') == ["\N{GRINNING FACE}"]

    def test_takes_64_levels_and_not_one_more(self) -> None:
        body = f'{{"records":[{nested(64)},{nested(65)},{{"a":{nested(64)}}}]}}'.encode()
        good, deep, under_a_name = wire.read_records(body)
        assert not isinstance(good, Unreadable)
        assert isinstance(deep, Unreadable)
        assert isinstance(under_a_name, Unreadable)
        assert under_a_name.faults[0].path.startswith("a[0]")

    def test_survives_a_million_brackets(self) -> None:
        body = f'{{"records":[{"[" * 1_000_000}{"]" * 1_000_000}]}}'.encode()
        [record] = wire.read_records(body)
        assert isinstance(record, Unreadable)

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400),
            (b"{", 400),
            (b"[" * 1_000_000, 400),
            (b'{"records":[]}\xff', 400),
            (b"\xef\xbb\xbf{}", 400),
            (b"[]", 422),
            (b"null", 422),
            (b"{}", 422),
            (b'{"records":{}}', 422),
            (b'{"records":[],"more":1}', 422),
            (b'{"records":[' + b"1," * 5_000 + b"1]}", 413),
        ],
    )
    def test_refuses_what_is_no_list_of_records(self, body: bytes, status: int) -> None:
        with pytest.raises(WireError) as caught:
            wire.read_records(body)
        assert caught.value.status == status


class TestReadLines:
    def test_refuses_the_broken_line_alone(self) -> None:
        good, bad, last = wire.read_lines(b'{"id":"1"}\r\n{"id":\n\n{"id":"3"}')
        assert (good, last) == ({"id": "1"}, {"id": "3"})
        assert isinstance(bad, Unreadable)

    def test_keeps_other_line_ends_inside_texts(self) -> None:
        assert wire.read_lines('"a\u2028b"\n"c"'.encode()) == ["a\u2028b", "c"]

    def test_says_when_it_is_not_utf8(self) -> None:
        with pytest.raises(WireError, match="UTF-8"):
            wire.read_lines(b'"\xff"')
