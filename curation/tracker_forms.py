"""Shapes of what is entered about trackers."""

from __future__ import annotations

from typing import Any

from django import forms

from curation.models import Tracker
from curation.trackers import LONGEST_NAME, LONGEST_TOKEN


class _Unseen(forms.PasswordInput):
    """A secret: never written into a page, and no password of this site for the browser."""

    def __init__(self) -> None:
        super().__init__(render_value=False, attrs={"autocomplete": "off"})


class TrackerForm(forms.Form):
    """A new tracker or webhook."""

    kind = forms.ChoiceField(label="Kind", choices=Tracker.Kind.choices)
    name = forms.CharField(label="Name", max_length=LONGEST_NAME)
    url = forms.CharField(
        label="Address",
        max_length=500,
        help_text="Of the webhook, or of the API: https://api.github.com, "
        "https://gitlab.com/api/v4, https://your-site.atlassian.net.",
    )
    target = forms.CharField(
        label="Project there",
        max_length=250,
        required=False,
        help_text="GitHub: owner/name. GitLab: group/name or its number. "
        "Jira: the key, as KEY or KEY/Bug. A webhook has none.",
    )
    account = forms.CharField(
        label="Account",
        max_length=200,
        required=False,
        help_text="Jira Cloud alone: the e-mail address that the token belongs to.",
    )
    token = forms.CharField(
        label="Token",
        max_length=LONGEST_TOKEN,
        required=False,
        widget=_Unseen(),
        help_text="One that may write issues there and nothing else. It is never shown again.",
    )
    with_examples = forms.BooleanField(
        label="Send what users said, as examples", required=False, initial=True
    )
    is_default = forms.BooleanField(label="Propose it for every new issue", required=False)


class TokenForm(forms.Form):
    """Another token for a tracker."""

    token = forms.CharField(label="New token", max_length=LONGEST_TOKEN, widget=_Unseen())


def tracker_boxes(trackers: list[Tracker], chosen: Any) -> list[tuple[Tracker, bool]]:
    """Each tracker with whether its box is ticked; `chosen` are ids as a form sends them."""
    return [(one, one.is_default if chosen is None else str(one.pk) in chosen) for one in trackers]
