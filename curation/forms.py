"""Shapes of what curators enter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.validators import ProhibitNullCharactersValidator
from django.http import QueryDict

from curation.models import ContextEntry, ContextLibrary, EntryKind, TrainingSet
from curation.serving import DEFAULT_K, DEFAULT_TOKEN_BUDGET

LONGEST_TEXT = 200_000
LONGEST_NAME = 200


class Prose(forms.CharField):
    """Text of several lines, with line ends as answers have them: browsers send CR LF."""

    def __init__(self, *, rows: int, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", LONGEST_TEXT)
        super().__init__(widget=forms.Textarea(attrs={"rows": rows}), **kwargs)

    def to_python(self, value: object) -> str:
        return str(super().to_python(value) or "").replace("\r\n", "\n")


class Names(forms.Field):
    """Names with commas between them, as a list without repetitions."""

    def prepare_value(self, value: object) -> object:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: object) -> list[str]:
        text = str(value or "")
        ProhibitNullCharactersValidator()(text)
        names = list(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))
        if any(len(name) > LONGEST_NAME for name in names):
            raise forms.ValidationError(f"A name has at most {LONGEST_NAME} characters.")
        return names


class NameForm(forms.Form):
    """A new library or training set."""

    name = forms.CharField(label="Name", max_length=120)
    description = Prose(label="What it is for", rows=2, max_length=2_000, required=False)


class EntryForm(forms.Form):
    """What a draft entry says, and to whom."""

    kind = forms.ChoiceField(label="Kind", choices=EntryKind.choices, widget=forms.RadioSelect)
    query = Prose(
        label="Question",
        rows=3,
        required=False,
        help_text="The entry is served to questions like this one.",
    )
    answer = Prose(
        label="Text",
        rows=8,
        help_text="An example’s answer, an instruction’s rule, or a clarification’s fact.",
    )
    why = Prose(
        label="Why",
        rows=2,
        max_length=2_000,
        required=False,
        help_text="A note for curators. It is never sent to a model.",
    )
    roles = Names(
        label="Only for roles", required=False, help_text="Commas between them; none means all."
    )
    environments = Names(label="Only in environments", required=False)
    models = Names(label="Only for models", required=False)

    @classmethod
    def of(cls, entry: ContextEntry) -> EntryForm:
        """The form filled with what the entry says."""
        return cls(
            initial={
                "kind": entry.kind,
                "query": entry.query,
                "answer": entry.answer,
                "why": entry.why,
                "roles": entry.roles,
                "environments": entry.environments,
                "models": entry.for_models,
            }
        )

    def clean(self) -> dict[str, Any]:
        """Ask for an example's question."""
        cleaned = super().clean() or {}
        if cleaned.get("kind") == EntryKind.EXAMPLE and not cleaned.get("query"):
            self.add_error("query", "An example needs a question.")
        return cleaned


class PublishForm(forms.Form):
    """What a new version is about."""

    note = Prose(label="Note", rows=2, max_length=2_000, required=False)


class TryForm(forms.Form):
    """A question to try a library with."""

    question = Prose(label="Question", rows=2, max_length=8_000)
    role = forms.CharField(label="User’s role", max_length=LONGEST_NAME, required=False)
    k = forms.IntegerField(label="Entries", min_value=1, max_value=50, initial=DEFAULT_K)
    token_budget = forms.IntegerField(
        label="Tokens", min_value=1, max_value=100_000, initial=DEFAULT_TOKEN_BUDGET
    )
    of = forms.ChoiceField(
        label="Of", choices=[("draft", "Draft"), ("live", "Live")], initial="draft"
    )


class LibraryPromotionForm(forms.Form):
    """Where in which library a review goes, and why."""

    kind = forms.ChoiceField(label="As", choices=EntryKind.choices, widget=forms.RadioSelect)
    why = Prose(
        label="Why",
        rows=2,
        max_length=2_000,
        required=False,
        help_text="A note for curators. It is never sent to a model.",
    )

    def __init__(
        self, data: QueryDict | None, *, libraries: Iterable[ContextLibrary], kind: str
    ) -> None:
        super().__init__(data, prefix="library", initial={"kind": kind})
        self.fields["library"] = forms.ChoiceField(
            label="Library", choices=[(one.slug, one.name) for one in libraries]
        )


class TrainingPromotionForm(forms.Form):
    """Which training set a review goes into."""

    def __init__(self, data: QueryDict | None, *, training_sets: Iterable[TrainingSet]) -> None:
        super().__init__(data, prefix="training")
        self.fields["training_set"] = forms.ChoiceField(
            label="Training set", choices=[(one.slug, one.name) for one in training_sets]
        )
