"""Shapes of what people enter."""

from __future__ import annotations

from typing import Any

from django import forms

from feedback.filters import FilterError
from feedback.models import Feedback, Project, Reason
from review.filters import ReviewFilter

FILTER_FIELDS = [
    "words",
    "model",
    "model_version",
    "prompt_version",
    "environment",
    "role",
    "tag",
    "reason",
    "signal",
    "score",
    "min_confidence",
    "max_confidence",
    "since",
    "until",
]
SCORES = [("", "any"), ("negative", "down"), ("positive", "up")]


class FilterForm(forms.Form):
    """The commonest fields of a filter, each with one value; all can be written among the words."""

    words = forms.CharField(label="Words and filters", required=False, max_length=2_000)
    model = forms.CharField(label="Model", required=False)
    model_version = forms.CharField(label="Model version", required=False)
    prompt_version = forms.CharField(label="Prompt version", required=False)
    environment = forms.CharField(label="Environment", required=False)
    role = forms.CharField(label="User’s role", required=False)
    tag = forms.CharField(label="Tag", required=False)
    signal = forms.ChoiceField(
        label="Signal",
        required=False,
        choices=[("", "any"), *Feedback.Signal.choices],
    )
    score = forms.ChoiceField(label="Rated", required=False, choices=SCORES)
    min_confidence = forms.CharField(label="Confidence from", required=False)
    max_confidence = forms.CharField(label="Confidence to", required=False)
    since = forms.CharField(
        label="Since", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.CharField(
        label="Until", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reasons = {
            reason.slug: reason.name
            for reason in Reason.objects.current().filter(taxonomy__project=project)
        }
        self.fields["reason"] = forms.ChoiceField(
            label="Reason", required=False, choices=[("", "any"), *self.reasons.items()]
        )

    def clean(self) -> dict[str, Any]:
        """Read the filter; its errors go to their fields."""
        cleaned = super().clean() or {}
        given = {name: cleaned.get(name) for name in FILTER_FIELDS if name != "words"}
        self.typed = self.output_filter = ReviewFilter()
        try:
            self.typed = ReviewFilter.parse(cleaned.get("words") or "")
            self.output_filter = self.typed.also(ReviewFilter.from_json(given))
        except FilterError as error:
            path = error.path if error.path in self.fields else "words"
            self.add_error(path, error.message if path == error.path else str(error))
        return cleaned


class QueueForm(FilterForm):
    """A new queue: its name, whom it asks, and its filter."""

    name = forms.CharField(label="Name", max_length=120)
    minutes = forms.IntegerField(
        label="Minutes to review an item", min_value=1, max_value=1_440, initial=15
    )
    reviewers_per_item = forms.IntegerField(
        label="Reviewers per item", min_value=1, max_value=20, initial=1
    )

    field_order = ["name", "reviewers_per_item", "minutes"]
