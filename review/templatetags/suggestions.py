"""Tags for the corrected answer."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django import template
from django.urls import reverse

from feedback.models import Output
from review.corrections import corrected, correction
from review.sheets import Sheet

register = template.Library()


@register.inclusion_tag("review/desk/_applied.html", takes_context=True)
def applied(context: dict[str, Any], output: Output) -> dict[str, object]:
    """Show how much of an answer is corrected, with what can be done with all suggestions."""
    request = context["request"]
    sheet: Sheet | None = context.get("sheet")
    found = (
        correction(output.text, sheet.suggestions)
        if sheet and sheet.version == output.version and not sheet.num_left_out
        else corrected(output=output, to=request.user)
    )
    mine = Counter(
        one.decided_at
        for one in found.suggestions
        if one.decided_by_id == request.user.pk and one.decided_at
    )
    last = max(mine, default=None)
    address = [request.project.slug, output.pk]
    return {
        "num_applied": len(found.accepted),
        "num_edits": found.num_edits,
        "num_open": found.num_open,
        # What one act decided on together is taken back together.
        "batch": last.isoformat() if last and mine[last] > 1 else "",
        "num_batch": mine[last] if last else 0,
        "shown_url": reverse("shown", args=address),
        "all_url": reverse("suggestions_decide", args=address),
        "applied_url": reverse("applied", args=address),
    }
