"""PURE. Turns a request's bytes into records, refusing what JSON parsers disagree about.

The fast path is one pass of orjson. Only a body that holds something suspicious is read again
with Python's own parser, which can say where the fault is.
"""

from __future__ import annotations

import json
import re
import secrets
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

MAX_BYTES = 16 * 1024 * 1024
MAX_RECORDS = 5_000
MAX_DEPTH = 64
MAX_INTEGER = 2**64 - 1
MIN_INTEGER = -(2**63)
_PIECE_BYTES = 16 * 1024
# What no column can hold.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# An integer that may not fit 64 bits: orjson makes it a float.
_LONG_INTEGER = re.compile(rb"(?<![.0-9])[0-9]{19}")
_LONG_DIGITS = b"0" * 19
_DIGITS_ALIKE = bytes(ord("0") if 48 <= byte <= 57 else ord(" ") for byte in range(256))
# A string without an end runs to the body's: to look for it anew at each quote takes minutes.
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_TOO_DEEP = f"Nested deeper than {MAX_DEPTH} levels."


class WireError(ValueError):
    """The whole request cannot be read; `status` is the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Fault:
    """What is wrong with one field; `path` is empty when the record as a whole is."""

    path: str
    message: str


@dataclass(frozen=True)
class Unreadable:
    """In place of a record that holds what cannot be stored."""

    faults: list[Fault]
    record: object = field(default=None, compare=False)


@dataclass(frozen=True)
class _Poison:
    message: str


def unpack(body: bytes, *, encoding: str, limit: int = MAX_BYTES) -> bytes:
    """Return the body without its content encoding ("", "identity" or "gzip").

    Raises WireError 413 when more than `limit` bytes come out, 415 for another encoding,
    400 for broken gzip.
    """
    if encoding in {"", "identity"}:
        if len(body) > limit:
            raise WireError(413, f"The body is larger than {limit:,} bytes.")
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise WireError(415, "Content-Encoding must be gzip or absent.")
    out, at = bytearray(), 0
    while at < len(body):
        inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
        while not inflater.eof:
            # What a member leaves over is copied, so it is never given the whole body.
            piece = body[at : at + _PIECE_BYTES]
            if not piece:
                raise WireError(400, "The gzip body is cut short.")
            try:
                out += inflater.decompress(piece, limit + 1 - len(out))
            except zlib.error:
                raise WireError(400, "The body is not valid gzip.") from None
            if len(out) > limit:
                raise WireError(413, f"The unpacked body is larger than {limit:,} bytes.")
            at += len(piece) - len(inflater.unused_data)
    return bytes(out)


def read_envelope(body: bytes) -> dict[str, Any]:
    """Return a JSON object; members of its list `records` may be Unreadable.

    Raises WireError 400 for what is no JSON, 422 for what is no object.
    """
    value, is_suspicious = _load(body, depth_above_record=2)
    if not isinstance(value, dict):
        raise WireError(422, 'Send a JSON object: {"records": […]}.')
    records = value.get("records")
    if isinstance(records, list):
        if len(records) > MAX_RECORDS:
            raise WireError(413, f"records: More than {MAX_RECORDS:,} records in one request.")
        value["records"] = [_screened(record, is_suspicious=is_suspicious) for record in records]
    rest = {name: part for name, part in value.items() if name != "records"}
    for fault in faults(rest, ""):
        raise WireError(400, f"{fault.path}: {fault.message}")
    return value


def read_records(body: bytes) -> list[object]:
    """Return the records of `{"records": […]}`; see read_envelope for what is raised."""
    envelope = read_envelope(body)
    for name in envelope:
        if name != "records":
            raise WireError(422, f"{name}: There is no such field.")
    records = envelope.get("records")
    if not isinstance(records, list):
        raise WireError(422, "records: A list of records is required.")
    return records


def read_lines(body: bytes) -> list[object]:
    """Return one record a line; blank lines do not count, a line that is no JSON is Unreadable.

    Raises WireError 400 for bytes that are not UTF-8, 413 for too many lines.
    """
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) > MAX_RECORDS:
        raise WireError(413, f"More than {MAX_RECORDS:,} records in one request.")
    return [read_line(line) for line in lines]


def read_line(line: bytes) -> object:
    """Return the record on one line, or Unreadable. Raises WireError 400 when not UTF-8."""
    try:
        record, is_suspicious = _load(line, depth_above_record=0)
    except WireError as error:
        if "UTF-8" in str(error):
            raise
        return Unreadable([Fault("", str(error))])
    return _screened(record, is_suspicious=is_suspicious)


def _load(body: bytes, *, depth_above_record: int) -> tuple[Any, bool]:
    """The value, and whether it may hold what has to be looked for."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _load_slowly(body, depth_above_record), True
    if _is_suspicious(body):
        return _load_slowly(body, depth_above_record), True
    return value, False


def _is_suspicious(body: bytes) -> bool:
    """Whether it may hold a NUL or a long integer; ten times as fast as one pattern for both."""
    return b"\\u0000" in body or (
        _LONG_DIGITS in body.translate(_DIGITS_ALIKE) and _LONG_INTEGER.search(body) is not None
    )


def _load_slowly(body: bytes, depth_above_record: int) -> Any:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError(400, f"The body is not UTF-8 at byte {error.start}.") from None
    text, too_deep = _cut_depth(text, MAX_DEPTH + depth_above_record)
    try:
        value = json.loads(text, parse_int=_integer, parse_float=_float, parse_constant=_constant)
    except ValueError as error:
        raise WireError(400, f"The body is not JSON: {error}.") from None
    return _mark(value, too_deep) if too_deep in text else value


def _cut_depth(text: str, limit: int) -> tuple[str, str]:
    """Replace what is nested deeper than the limit by a word nobody else can have sent."""
    word = secrets.token_hex(16)
    kept, depth, last, cut_at = [], 0, 0, None
    for match in _TOKENS.finditer(text):
        bracket = match[0]
        if bracket in "[{":
            depth += 1
            if depth == limit + 1 and cut_at is None:
                cut_at = match.start()
        elif bracket in "]}":
            depth -= 1
            if cut_at is not None and depth == limit:
                kept += [text[last:cut_at], f'"{word}"']
                last, cut_at = match.end(), None
    if cut_at is not None:
        raise WireError(400, "The body is not JSON: a bracket is never closed.")
    return "".join([*kept, text[last:]]), word


def _mark(value: Any, word: str) -> Any:
    """Put a _Poison where the word stands."""
    if value == word:
        return _Poison(_TOO_DEEP)
    if isinstance(value, list):
        return [_mark(part, word) for part in value]
    if isinstance(value, dict):
        return {name: _mark(part, word) for name, part in value.items()}
    return value


def _integer(digits: str) -> int | _Poison:
    if len(digits) > 21 or not MIN_INTEGER <= int(digits) <= MAX_INTEGER:
        return _Poison("This integer does not fit 64 bits.")
    return int(digits)


def _float(digits: str) -> float | _Poison:
    number = float(digits)
    return number if abs(number) != float("inf") else _Poison("This number is too large.")


def _constant(name: str) -> _Poison:
    return _Poison(f"{name} is not a JSON number.")


def _screened(record: object, *, is_suspicious: bool) -> object:
    """The record itself, or Unreadable with every fault in it.

    What orjson read without suspicion can only be nested too deep.
    """
    found = list(faults(record, "")) if is_suspicious or _is_too_deep(record) else []
    return Unreadable(found, record) if found else record


def _is_too_deep(value: object) -> bool:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        within: list[dict[str, object] | list[object]] = []
        for part in level:
            for child in part.values() if isinstance(part, dict) else part:
                if isinstance(child, (dict, list)):
                    within.append(child)  # noqa: PERF401  (a comprehension here takes longer)
        if not within:
            return False
        level = within
    return True


def faults(value: object, path: str, depth: int = 1) -> Iterator[Fault]:
    """What of a JSON value no column can hold, or is nested too deep, and where."""
    if isinstance(value, str):
        yield from _string_faults(value, path)
    elif isinstance(value, _Poison):
        yield Fault(path, value.message)
    elif isinstance(value, (dict, list)) and depth > MAX_DEPTH:
        yield Fault(path, _TOO_DEEP)
    elif isinstance(value, dict):
        for name, part in value.items():
            where = f"{path}.{name}" if path else str(name)
            if UNSTORABLE.search(name):
                shown = UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", where)
                yield Fault(shown, "The name holds a NUL or a lone surrogate.")
            else:
                yield from faults(part, where, depth + 1)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from faults(part, f"{path}[{index}]", depth + 1)


def _string_faults(value: str, path: str) -> Iterator[Fault]:
    if "\x00" in value:
        yield Fault(path, "Holds a NUL character.")
    elif UNSTORABLE.search(value):
        yield Fault(path, "Holds a lone surrogate.")
