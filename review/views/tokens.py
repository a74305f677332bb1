"""How filters read on a page, and the links that change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import QueryDict

from feedback.filters import OutputFilter
from feedback.models import Feedback

# How each field of a filter reads: the key, and what stands between it and the value.
WORDING = {
    "words": ("words", "contain"),
    "model": ("model", "is"),
    "model_version": ("model version", "is"),
    "prompt_version": ("prompt version", "is"),
    "environment": ("environment", "is"),
    "role": ("role", "is"),
    "tag": ("tag", "is"),
    "reason": ("reason", "is"),
    "signal": ("signal", "is"),
    "score": ("rated", "is"),
    "min_confidence": ("confidence", "from"),
    "max_confidence": ("confidence", "to"),
    "since": ("answered", "since"),
    "until": ("answered", "until"),
}
SCORES = {"negative": "down", "positive": "up"}


@dataclass(frozen=True, kw_only=True)
class Token:
    """One field of a filter as it reads; `without` is the query string that drops it."""

    name: str
    key: str
    operator: str
    value: str
    without: str = ""


def tokens(
    wanted: OutputFilter, *, reasons: Mapping[str, str], query: QueryDict | None = None
) -> list[Token]:
    """A token for each field that narrows; with the page's query each can be dropped.

    `reasons` are the names of the reasons by their slugs.
    """
    told = []
    for name, value in wanted.to_json().items():
        key, operator = WORDING[name]
        text = str(value)
        if name == "reason":
            text = reasons.get(text, text)
        elif name == "signal":
            text = Feedback.Signal(text).label
        elif name == "score":
            text = SCORES[text]
        without = changed(query, **{name: None}) if query is not None else ""
        told.append(Token(name=name, key=key, operator=operator, value=text, without=without))
    return told


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
