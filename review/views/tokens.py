"""How filters read on a page, and the links that change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.http import QueryDict

from feedback.filter_syntax import Term, write
from feedback.filters import OutputFilter
from feedback.models import Feedback
from review.models import Review

# How each field of a filter reads: the key, and what stands between it and the value.
WORDING = {
    "words": ("words", "contain"),
    "model": ("model", "is"),
    "model_version": ("model version", "is"),
    "prompt_version": ("prompt version", "is"),
    "environment": ("environment", "is"),
    "role": ("role", "is"),
    "session": ("session", "is"),
    "output": ("answer", "is"),
    "tag": ("tag", "is"),
    "reason": ("reason", "is"),
    "signal": ("signal", "is"),
    "score": ("rated", "is"),
    "min_confidence": ("confidence", "from"),
    "max_confidence": ("confidence", "to"),
    "since": ("answered", "since"),
    "until": ("answered", "until"),
    "theme": ("theme", "is"),
    "verdict": ("verdict", "is"),
    "severity": ("severity", "is"),
    "state": ("state", "is"),
}
SCORES = {"negative": "down", "positive": "up"}


@dataclass(frozen=True, kw_only=True)
class Token:
    """One field of a filter as it reads.

    `without` is the query string that drops it, `rest` the filter less it.
    """

    name: str
    key: str
    operator: str
    value: str
    without: str = ""
    rest: OutputFilter | None = None


def tokens(
    wanted: OutputFilter,
    *,
    reasons: Mapping[str, str],
    query: QueryDict | None = None,
    typed: OutputFilter | None = None,
) -> list[Token]:
    """A token for each field that narrows; with the page's query each can be dropped.

    `reasons` are the names of the reasons by their slugs; `typed` is the part of the filter that
    stands in the query as ?words=.
    """
    told = []
    if wanted.words:
        left = write(terms=typed.terms) if typed else ""
        told.append(
            Token(
                name="words",
                key="words",
                operator="contain",
                value=write(wanted.words),
                without=changed(query, words=left or None) if query is not None else "",
                rest=replace(wanted, words=()),
            )
        )
    for term in wanted.terms:
        without = ""
        if query is not None and typed and term in typed.terms:
            without = changed(query, words=str(typed.without(term)) or None)
        elif query is not None:
            without = changed(query, **{term.key: None})
        key, operator, value = reading(term, reasons=reasons)
        told.append(
            Token(
                name=term.name,
                key=key,
                operator=operator,
                value=value,
                without=without,
                rest=wanted.without(term),
            )
        )
    return told


def reading(term: Term, *, reasons: Mapping[str, str]) -> tuple[str, str, str]:
    """How a term reads: the key, what stands between, and its values."""
    key, operator = WORDING[term.name]
    if term.is_excluded:
        operator = "is not"
    values = [value_reading(term.name, value, reasons=reasons) for value in term.values]
    return key, operator, " or ".join(values)


def value_reading(name: str, value: str, *, reasons: Mapping[str, str]) -> str:
    """How a value of a field reads."""
    if name == "reason":
        return reasons.get(value, value)
    if name == "signal":
        return str(Feedback.Signal(value).label)
    if name == "score":
        return SCORES[value]
    if name == "verdict":
        return str(Review.Verdict(value).label)
    if name == "severity":
        return str(Review.Severity(value).label)
    return value


def changed(query: QueryDict, **values: str | None) -> str:
    """The query string with these values; None drops one. What pages the list starts anew."""
    new = query.copy()
    for name in ("cursor", "peek"):
        new.pop(name, None)
    for name, value in values.items():
        new.pop(name, None)
        if value is not None:
            new[name] = value
    return f"?{new.urlencode()}"
