"""How signals and priorities look in lists of outputs."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from review.agreement import Agreement

register = template.Library()

# Icon, words and tone of each kind of signal; “down” and “up” are ratings.
SIGNALS = {
    "down": ("thumbs-down", "rated down", "bad"),
    "rephrase": ("repeat-2", "asked again", "bad"),
    "abandon": ("log-out", "left", "bad"),
    "regenerate": ("refresh-cw", "regenerated", "bad"),
    "edit": ("pencil", "edited", ""),
    "follow_up": ("corner-down-right", "followed up", ""),
    "up": ("thumbs-up", "rated up", "good"),
    "accept": ("check", "accepted", "good"),
    "copy": ("copy", "copied", "good"),
    "dwell": ("eye", "read", ""),
}

EVENTS = {
    "took_back": "Decision taken back",
    "took_over": "Taken over",
    "disputed": "Reviewers disagree",
    "decided_escalation": "Escalation decided",
    "closed_escalation": "Escalation closed",
    "returned_escalation": "Sent back to a queue",
}


@register.inclusion_tag("review/queues/_signal.html")
def signal(kind: str) -> dict[str, str]:
    """Show a signal as an icon with its words."""
    icon, words, tone = SIGNALS[kind]
    return {"icon": icon, "words": words, "tone": tone}


@register.filter
def told_verb(verb: str) -> str:
    """Say in words what happened to an item."""
    return EVENTS.get(verb, verb.replace("_", " ").capitalize())


@register.filter
def priority_tone(priority: float) -> str:
    """The tone of a priority of 0 to 100: bad from 70, warn from 45, else ink."""
    if priority >= 70:
        return "bad"
    return "warn" if priority >= 45 else "ink"


@register.simple_tag
def interval(agreement: Agreement) -> SafeString:
    """Draw the interval of an agreement with its value, from 0 to 1; what is below 0 is at 0."""
    low, value, high = (
        round(3 + 74 * max(0.0, at or 0.0), 1)
        for at in (agreement.low, agreement.value, agreement.high)
    )
    return format_html(
        '<svg class="agree" viewBox="0 0 80 12" aria-hidden="true"><path class="agree__all" '
        'd="M3 6H77"/><path class="agree__in" d="M{} 6H{}"/><circle cx="{}" cy="6" r="3"/></svg>',
        low,
        max(high, low + 0.5),
        value,
    )


@register.filter
def age(at: datetime) -> str:
    """How long ago a moment was, in a few letters: 5 min, 3 h, 12 d, 4 mo, 2 y."""
    passed = timezone.now() - at
    if passed < timedelta(hours=1):
        return f"{max(passed // timedelta(minutes=1), 0)} min"
    if passed < timedelta(days=1):
        return f"{passed // timedelta(hours=1)} h"
    if passed < timedelta(days=60):
        return f"{passed.days} d"
    if passed < timedelta(days=730):
        return f"{passed.days // 30} mo"
    return f"{passed.days // 365} y"
