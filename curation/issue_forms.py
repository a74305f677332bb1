"""Shapes of what is entered about issues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import QueryDict

from curation.forms import Prose
from curation.issues import LONGEST_COMMENT, LONGEST_TEXT, LONGEST_TITLE
from curation.models import Issue
from review.models import Theme


class IssueForm(forms.Form):
    """A new issue: what is to be changed, and about which theme."""

    title = forms.CharField(label="What is to be changed", max_length=LONGEST_TITLE)
    theme = forms.TypedChoiceField(
        label="Theme",
        coerce=int,
        empty_value=None,
        required=False,
        help_text="Its complaints tell whether the change helps.",
    )
    description = Prose(
        label="For whom makes the change",
        rows=6,
        max_length=LONGEST_TEXT,
        required=False,
        help_text="Counts, roles, model versions and examples are added by themselves.",
    )

    def __init__(
        self, data: QueryDict | None, *, themes: Sequence[Theme], initial: dict[str, Any]
    ) -> None:
        super().__init__(data, initial=initial)
        self._themes = {theme.number: theme for theme in themes}
        field = self.fields["theme"]
        assert isinstance(field, forms.TypedChoiceField)  # noqa: S101  # for the type check
        field.choices = [
            ("", "None"),
            *((theme.number, f"T-{theme.number} {theme.name}") for theme in themes),
        ]

    def clean_theme(self) -> Theme | None:
        """The theme of that number."""
        number = self.cleaned_data["theme"]
        return self._themes[number] if number is not None else None


class IssueLinkForm(forms.Form):
    """Which open issue a decision leads to."""

    issue = forms.TypedChoiceField(label="Issue", coerce=int)

    def __init__(self, data: QueryDict | None, *, issues: Sequence[Issue]) -> None:
        super().__init__(data)
        field = self.fields["issue"]
        assert isinstance(field, forms.TypedChoiceField)  # noqa: S101  # for the type check
        field.choices = [(one.number, str(one)) for one in issues]


class IssueCloseForm(forms.Form):
    """How an issue ends."""

    resolution = forms.ChoiceField(label="It is", choices=Issue.Resolution.choices)
    comment = Prose(label="Comment", rows=2, max_length=LONGEST_COMMENT, required=False)


class IssueReopenForm(forms.Form):
    """Why an issue is open again."""

    comment = Prose(label="Why", rows=2, max_length=LONGEST_COMMENT, required=False)
