"""How templates say what was measured."""

from __future__ import annotations

from django import template

from curation.effects import BeforeAfter, HeldOut
from curation.rates import Arm, interval
from curation.readings import signed

register = template.Library()

TONES = {"works": "tone-good", "worse": "tone-bad"}


@register.filter
def points(share: float) -> str:
    """Write a difference of shares in points of a hundred: −0.031 reads "−3.1"."""
    return signed(share)


@register.filter
def effect_tone(kind: str) -> str:
    """The tone that a kind of reading is drawn in."""
    return TONES.get(kind, "tone-warn")


@register.filter
def said_of_lot(found: HeldOut) -> str:
    """The rates of served and held-out answers in a sentence."""
    return f"Held out {_rate(found.held_out)}; served {_rate(found.served)}."


@register.filter
def said_of_time(found: BeforeAfter) -> str:
    """The rates before and after in a sentence."""
    text = f"Before {_rate(found.before)}; after {_rate(found.after)}"
    if found.expected:
        text += f", where {100 * found.expected.value:.1f} % were to be expected"
    return f"{text}."


def _rate(arm: Arm) -> str:
    low, high = interval(arm)
    return f"{100 * arm.rate:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
