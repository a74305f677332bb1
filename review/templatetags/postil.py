"""Tags and filters for what every page draws: icons, reasons, people, times, numbers."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache

from django import template
from django.forms import BoundField
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from feedback.models import Reason, User

register = template.Library()

TONES = {"success": "good", "warning": "warn", "error": "bad"}
TONE_ICONS = {"good": "circle-check", "warn": "triangle-alert", "bad": "circle-x"}


@register.simple_tag
@lru_cache(maxsize=1_000)  # a desk draws some two thousand of a few dozen
def icon(name: str, classes: str = "", label: str = "") -> SafeString:
    """Draw an icon of static/icons.svg. It is hidden from screen readers unless it has a label."""
    sprite = f"{static('icons.svg')}#{name}"
    css = f"i {classes}".strip()
    if label:
        return format_html(
            '<svg class="{}" role="img" aria-label="{}"><use href="{}"/></svg>', css, label, sprite
        )
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}"/></svg>', css, sprite)


@register.simple_tag
def kbd(*keys: str) -> SafeString:
    """Print keys, each on a cap of its own."""
    return format_html_join("", '<kbd class="kbd">{}</kbd>', ((key,) for key in keys))


@register.inclusion_tag("components/reason.html")
def reason(reason: Reason, *, is_chip: bool = False, is_short: bool = False) -> dict[str, object]:
    """Show a reason: the line form, the boxed form, or its digit alone."""
    return {"reason": reason, "is_chip": is_chip, "is_short": is_short}


@register.simple_tag
def meter(value: float, classes: str = "", *, maximum: float = 100, label: str = "") -> SafeString:
    """Draw a bar filled to `value` of `maximum`.

    Without a label it is hidden from screen readers: it then only repeats a number beside it.
    """
    share = min(max(value / maximum, 0), 1) if maximum else 0
    hidden = SafeString('aria-hidden="true"')
    described = format_html('role="img" aria-label="{}"', label) if label else hidden
    return format_html(
        '<svg class="{}" {}><rect width="{}%" height="100%" rx="3"/></svg>',
        f"meter {classes}".strip(),
        described,
        f"{share * 100:.4g}",
    )


@register.simple_tag
def avatar(user: User | None, classes: str = "") -> SafeString:
    """Draw a person's initials; an empty ring stands for nobody."""
    if user is None:
        return SafeString(
            '<span class="avatar avatar--none" role="img" aria-label="Nobody"></span>'
        )
    return format_html(
        '<span class="{}" title="{}" aria-hidden="true">{}</span>',
        f"avatar {classes}".strip(),
        user.get_username(),
        initials(user),
    )


@register.filter
def initials(user: User) -> str:
    """Two letters of a person: of first and last name, else of the parts of the user name.

    "expert-2" gives "E2", "mira" gives "M".
    """
    parts = user.get_full_name().split() or re.findall(r"[^\W_]+", user.get_username())
    return "".join(part[0] for part in parts[:1] + parts[1:][-1:]).upper()


@register.simple_tag
def ago(at: datetime, *, now: datetime | None = None) -> SafeString:
    """Show how long ago a moment was; its title has the time in UTC."""
    return moment(at, since(at, now=now or timezone.now()))


@register.simple_tag
def at(at: datetime) -> SafeString:
    """Show a moment as day and time, in UTC."""
    return moment(at, f"{at.day} {at:%b %H:%M}")


@register.simple_tag
def moment(at: datetime, text: str) -> SafeString:
    """Show a moment in words of the page's own; its title has the time in UTC."""
    full = f"{at.day} {at:%b %Y, %H:%M}"
    return format_html('<time datetime="{}" title="{} UTC">{}</time>', at.isoformat(), full, text)


def since(at: datetime, *, now: datetime) -> str:
    """Say in words how long before `now` a moment was; a date from 30 days on."""
    passed = now - at
    if passed < timedelta(minutes=1):
        return "now"
    if passed < timedelta(hours=1):
        return f"{passed // timedelta(minutes=1)} min"
    if passed < timedelta(days=1):
        return f"{passed // timedelta(hours=1)} h"
    if passed < timedelta(days=30):
        return f"{passed.days} d"
    return f"{at.day} {at:%b %Y}"


@register.filter
def percent(share: float | str | None, places: int = 0) -> str:
    """Write a share of one as a percentage: 0.256 reads "26 %". Nothing known reads "–"."""
    # A template has no words for what is not there but the empty string.
    return (
        "–"
        if share is None or isinstance(share, str)
        else f"{share * 100:.{places}f}\N{NO-BREAK SPACE}%"
    )


@register.filter
def tone(level: str) -> str:
    """The tone of a message level: good, warn, bad, or ink for the rest."""
    return TONES.get(level, "ink")


@register.filter
def tone_icon(tone: str) -> str:
    """The icon that goes with a tone."""
    return TONE_ICONS.get(tone, "info")


@register.filter
def is_pressed(value: object, choice: str) -> str:
    """The value of aria-pressed for one of several buttons."""
    return "true" if value == choice else "false"


@register.inclusion_tag("components/field.html")
def field(bound: BoundField) -> dict[str, object]:
    """Show a form's field with its label, hint and errors."""
    return {"field": bound, "control": bound.as_widget(attrs={"class": "input"})}
