"""Places senders' spans in the answer they were made on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from feedback.models import AnswerVersion, Output
from feedback.payloads import Span
from feedback.wire import Fault


def texts_of(outputs: Iterable[int | None]) -> dict[int, list[tuple[int, str]]]:
    """Version number and text of each output's answers, newest first."""
    wanted = {pk for pk in outputs if pk is not None}
    if not wanted:
        return {}
    texts = {
        pk: [(version, text)]
        for pk, version, text in Output.objects.filter(pk__in=wanted).values_list(
            "pk", "version", "text"
        )
    }
    former = AnswerVersion.objects.filter(output__in=wanted).order_by("-number")
    for pk, number, text in former.values_list("output_id", "number", "text"):
        texts[pk].append((number, text))
    return texts


def place(span: Span, versions: list[tuple[int, str]]) -> tuple[dict[str, Any], list[Fault]]:
    """Return the span's columns, in code points of the newest version that it fits.

    A span that quotes its words may have been made on a former version; one that does not is
    taken to be about the newest. When it fits none, the faults say why for the newest.
    """
    faults: list[Fault] = []
    for version, text in versions if span.exact is not None else versions[:1]:
        start, end, problem = _convert(span, text)
        if problem is None:
            return {"span_start": start, "span_end": end, "output_version": version}, []
        faults.append(problem)
    return {}, faults[:1]


def _convert(span: Span, text: str) -> tuple[int, int, Fault | None]:
    start, end = span.start, span.end
    if span.unit == "utf16":
        units = text.encode("utf-16-le")
        if end * 2 > len(units):
            return 0, 0, Fault("span.end", f"The answer has {len(units) // 2} UTF-16 units.")
        try:
            start = len(units[: start * 2].decode("utf-16-le"))
            end = len(units[: end * 2].decode("utf-16-le"))
        except UnicodeDecodeError:
            return 0, 0, Fault("span.start", "Lies within a character of two UTF-16 units.")
    if end > len(text):
        return 0, 0, Fault("span.end", f"The answer has {len(text)} code points.")
    if span.exact is not None and text[start:end] != span.exact:
        return 0, 0, Fault("span.exact", "Does not equal the answer's text at this place.")
    return start, end, None
