"""How the trail beside an answer reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.template.context import Context

from review.models import Evidence

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
