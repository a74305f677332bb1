"""Shapes of what people enter."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from feedback.filters import FilterError
from feedback.models import Feedback, Project, Reason
from review.filters import ReviewFilter
from review.models import Queue, Review
from review.models.routing import MOST_HOURS

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
    """A queue: its name, its filter, and how its items are handed out."""

    name = forms.CharField(label="Name", max_length=120)
    order = forms.ChoiceField(
        label="Worked off",
        choices=Queue.Order.choices,
        initial=Queue.Order.PRIORITY,
        required=False,
    )
    reviewers_per_item = forms.IntegerField(
        label="Reviewers per item", min_value=1, max_value=20, initial=1
    )
    required = forms.MultipleChoiceField(
        label="A decision must say",
        choices=Queue.Required.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    minutes = forms.FloatField(
        label="Minutes to review an item", min_value=1, max_value=1_440, initial=15
    )
    due_hours = forms.IntegerField(
        label="Hours until it is due", min_value=1, max_value=MOST_HOURS, required=False
    )

    for_whom = forms.ChoiceField(
        label="Who reviews it",
        choices=[("all", "Everybody who may review"), ("some", "Only these people")],
        initial="all",
        required=False,
        widget=forms.RadioSelect,
    )
    reviewers = forms.CharField(
        label="E-mail addresses",
        help_text="With commas between. They and the moderators alone see the queue.",
        max_length=20_000,
        required=False,
        widget=forms.TextInput(
            attrs={"list": "members", "autocomplete": "off", "spellcheck": "false"}
        ),
    )

    field_order = ["name", "order", "reviewers_per_item", "minutes", "due_hours"]

    def clean_reviewers(self) -> list[str] | None:
        """The addresses, or None where everybody reviews it."""
        if self.cleaned_data.get("for_whom") != "some":
            return None
        written = re.split(r"[\s,;]+", self.cleaned_data.get("reviewers") or "")
        return [one for one in written if one]


class RoutingForm(forms.Form):
    """A rule of what closes the loop: its condition, and where it leads."""

    name = forms.CharField(label="Name", max_length=60)
    words = forms.CharField(label="Answers that match", required=False, max_length=2_000)
    verdicts = forms.MultipleChoiceField(
        label="Verdict",
        choices=Review.Verdict.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    severities = forms.MultipleChoiceField(
        label="Severity",
        choices=Review.Severity.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    routes = forms.MultipleChoiceField(
        label="Route to",
        choices=Review.Route.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    due_hours = forms.IntegerField(
        label="Hours until it is due",
        help_text="Empty: as the routes say.",
        min_value=1,
        max_value=MOST_HOURS,
        required=False,
    )

    def __init__(self, *args: Any, reasons: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reasons"] = forms.MultipleChoiceField(
            label="Reasons",
            choices=reasons,
            required=False,
            widget=forms.CheckboxSelectMultiple,
        )

    def clean_words(self) -> ReviewFilter:
        """Read the filter."""
        try:
            return ReviewFilter.parse(self.cleaned_data.get("words") or "")
        except FilterError as error:
            raise forms.ValidationError(str(error)) from error


class TermsForm(forms.Form):
    """Within how many hours what decisions ask for is to be done, by route."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for route, label in Review.Route.choices:
            self.fields[route] = forms.IntegerField(
                label=label, min_value=1, max_value=MOST_HOURS, required=False
            )


class StratumForm(forms.Form):
    """One part of what a queue takes in; a blank one is none."""

    name = forms.CharField(label="Part", required=False, max_length=60)
    filter = forms.CharField(label="Filter", required=False, max_length=2_000)
    percent = forms.DecimalField(label="Share, %", required=False, max_value=100)
    is_audit = forms.BooleanField(label="Random audit", required=False)

    def clean(self) -> dict[str, Any]:
        """Read the filter, and ask for a name and a share where something was entered."""
        cleaned = super().clean() or {}
        percent = cleaned.get("percent")
        self.rate = 1.0 if percent is None else float(percent.scaleb(-2))
        self.output_filter = ReviewFilter()
        try:
            self.output_filter = ReviewFilter.parse(cleaned.get("filter") or "")
        except FilterError as error:
            self.add_error("filter", str(error))
        return cleaned

    def has_content(self) -> bool:
        """Whether anything was entered."""
        entered = (self.cleaned_data.get(name) for name in ("name", "filter", "percent"))
        return any(one not in {None, ""} for one in entered)


StratumForms = forms.formset_factory(StratumForm, extra=0, max_num=6, absolute_max=6)
