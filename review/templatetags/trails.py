"""How the trail beside an answer reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.template.context import Context

from review.models import Evidence
from review.rendering import render
from review.templatetags.worklist import SIGNALS
from review.trail import Happening

register = template.Library()


@register.simple_tag(takes_context=True)
def document_of(context: Context, evidence: Evidence) -> Mapping[str, Any]:
    """The document that evidence lies in; an empty one when there is none any more."""
    # The page of an answer has the answer at hand.
    sheet = context.get("sheet")
    output = sheet.output if sheet else evidence.annotation.output
    if evidence.document < len(output.documents):
        return dict(output.documents[evidence.document])
    return {}


@register.inclusion_tag("review/desk/_happening.html")
def happening(one: Happening) -> dict[str, object]:
    """Show something a user did at an answer, with how long after it: “copied after 14 s”."""
    icon, words, tone = SIGNALS[one.kind]
    if one.kind == "dwell" and one.value not in (None, ""):
        words = f"{words} {_cut(one.value)} s"
    elif one.seconds is not None:
        words = f"{words} after {span(one.seconds)}"
    return {"icon": icon, "words": words, "tone": tone, "at": one.at}


@register.filter
def characters(number: int) -> str:
    """How long a text is: "845 characters", "12.3k characters"."""
    if number < 10_000:
        return f"{number:,} character{'' if number == 1 else 's'}"
    return f"{number / 1_000:,.1f}k characters"


@register.filter
def duration(milliseconds: float) -> str:
    """How long an answer took: "840 ms", "2.3 s"."""
    if milliseconds < 1_000:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1_000:.1f} s"


@register.filter
def plain(markdown: str) -> str:
    """The words of an answer without its markup, on one line."""
    return " ".join(render(markdown).canonical.split())


def span(seconds: float) -> str:
    """A length of time in its largest unit: 14 s, 3 min, 2 h, 5 d."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    if seconds < 129_600:
        return f"{seconds / 3_600:.0f} h"
    return f"{seconds / 86_400:.0f} d"


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= 12 else f"{text[:11]}…"
