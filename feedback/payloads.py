"""PURE. Shapes of the records that senders send, their limits, and the paths of their errors."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from feedback.wire import Fault

# RFC 3339 section 5.6: a date, a time and an offset; a space may stand for the T.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
# In the syntax of pydantic's own engine, which is what makes it fast.
_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\x{2028}\x{2029}]*$"


def _time(value: object) -> datetime:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise PydanticCustomError(
            "time", "Give a time as RFC 3339 with an offset, like 2026-11-02T09:00:00Z."
        )
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("time", "There is no such time.") from None


Time = Annotated[datetime, BeforeValidator(_time)]
Id = Annotated[str, Field(min_length=1, max_length=200, pattern=_PRINTABLE)]
Name = Annotated[str, Field(max_length=200, pattern=_PRINTABLE)]
TagName = Annotated[str, Field(min_length=1, max_length=60, pattern=_PRINTABLE)]
Text = Annotated[str, Field(max_length=2_000_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    def sent(self) -> dict[str, Any]:
        """The fields that were sent; null means absent."""
        return {
            name: value
            for name in self.model_fields_set
            if (value := getattr(self, name)) is not None
        }


class Person(_Shape):
    id: Id
    role: Name | None = None


class Document(_Shape):
    id: Id
    title: Text | None = None
    text: Text
    score: Number | None = None


class Function(_Shape):
    name: Annotated[str, Field(min_length=1, max_length=200, pattern=_PRINTABLE)]
    arguments: dict[str, Any] | Text


class ToolCall(_Shape):
    id: Id
    type: Literal["function"] = "function"
    function: Function


class Message(_Shape):
    role: Name
    content: Text | None = None
    tool_calls: Annotated[list[ToolCall], Field(max_length=200)] | None = None
    tool_call_id: Id | None = None
    name: Name | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Message:
        if self.content is None and not self.tool_calls:
            raise PydanticCustomError("content", "Give content, or the tool_calls made instead.")
        return self


class ToolFunction(_Shape):
    name: Annotated[str, Field(min_length=1, max_length=200, pattern=_PRINTABLE)]
    description: Text | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(_Shape):
    type: Literal["function"] = "function"
    function: ToolFunction


class Context(_Shape):
    system: Text | None = None
    documents: Annotated[list[Document], Field(max_length=200)] | None = None
    messages: Annotated[list[Message], Field(max_length=1_000)] | None = None
    tools: Annotated[list[Tool], Field(max_length=200)] | None = None
    exposure: Any = None


class Span(_Shape):
    start: Annotated[int, Field(ge=0, le=2**31 - 1)]
    end: Annotated[int, Field(ge=0, le=2**31 - 1)]
    exact: Text | None = None
    unit: Literal["codepoint", "utf16"] | None = None


class SessionRecord(_Shape):
    type: Literal["session"]
    id: Id
    started_at: Time | None = None
    ended_at: Time | None = None
    user: Person | None = None
    environment: Name | None = None
    tags: Annotated[list[TagName], Field(max_length=100)] | None = None
    metadata: dict[str, Any] | None = None


class OutputRecord(_Shape):
    type: Literal["output"]
    id: Id
    session: Id
    at: Time | None = None
    query: Text
    context: Context | None = None
    text: Text
    model: Name | None = None
    model_version: Name | None = None
    prompt_version: Name | None = None
    confidence: Share | None = None
    usage: dict[str, Any] | None = None
    latency_ms: Annotated[Number, Field(ge=0)] | None = None
    trace_id: Name | None = None
    span_id: Name | None = None
    metadata: dict[str, Any] | None = None


class FeedbackRecord(_Shape):
    type: Literal["feedback"]
    id: Id | None = None
    identifier: Name | None = None
    output: Id | None = None
    session: Id | None = None
    name: Id
    score: Number | None = None
    label: Name | None = None
    value: Any = None
    reasons: Annotated[list[Name], Field(max_length=50)] | None = None
    comment: Text | None = None
    correction: Text | None = None
    span: Span | None = None
    annotator_kind: Literal["HUMAN", "LLM", "CODE"]
    author: Person | None = None
    confidence: Share | None = None
    at: Time | None = None
    metadata: dict[str, Any] | None = None


class SignalRecord(_Shape):
    type: Literal["signal"]
    id: Id | None = None
    session: Id
    output: Id | None = None
    kind: Literal[
        "copy", "regenerate", "rephrase", "follow_up", "abandon", "dwell", "accept", "edit"
    ]
    value: Any = None
    at: Time


Record = SessionRecord | OutputRecord | FeedbackRecord | SignalRecord

SHAPES: dict[str, type[Record]] = {
    "session": SessionRecord,
    "output": OutputRecord,
    "feedback": FeedbackRecord,
    "signal": SignalRecord,
}


class RecordError(ValueError):
    """A record that cannot be stored, with every fault found in it."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = list(faults)


def read(record: dict[str, Any]) -> Record:
    """Return the record as its shape. Raises RecordError naming every faulty field."""
    kind = record.get("type")
    shape = SHAPES.get(kind) if isinstance(kind, str) else None
    if shape is None:
        raise RecordError(Fault("type", f"Give one of {', '.join(SHAPES)}."))
    try:
        read_record = shape.model_validate(record)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise RecordError(*[Fault(_path(f["loc"]), _message(f)) for f in faults]) from None
    _check_target(read_record)
    return read_record


def _check_target(record: Record) -> None:
    if isinstance(record, FeedbackRecord):
        if (record.output is None) == (record.session is None):
            raise RecordError(Fault("output", "Give either output or session."))
        if record.span is not None:
            if record.output is None:
                raise RecordError(Fault("span", "A span needs an output."))
            if record.span.start >= record.span.end:
                raise RecordError(Fault("span.end", "Must be after start."))
    if (
        isinstance(record, SessionRecord)
        and record.started_at is not None
        and record.ended_at is not None
        and record.ended_at < record.started_at
    ):
        raise RecordError(Fault("ended_at", "Must not be before started_at."))


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _message(fault: ErrorDetails) -> str:
    if fault["type"] == "extra_forbidden":
        return "There is no such field; whatever else you have goes into metadata."
    if fault["type"] == "string_pattern_mismatch":
        return "Holds a control character."
    if fault["type"] == "missing":
        return "This field is required."
    return f"{fault['msg'].rstrip('.')}."


def printable(text: str) -> str:
    """The text with what the database cannot hold replaced by U+FFFD."""
    return re.sub("[\x00\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)


# Of a record that was refused, so many characters are kept.
EXCERPT_LENGTH = 2_000


def excerpt(record: object, *, length: int = EXCERPT_LENGTH) -> str:
    """The beginning of a record as text that can be stored and shown."""
    return printable(repr(record)[:length])
