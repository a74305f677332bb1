"""Shapes of what curators enter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import ProhibitNullCharactersValidator
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from curation.experiments import Trial
from curation.models import (
    ContextEntry,
    ContextLibrary,
    EntryKind,
    Example,
    Release,
    TrainingSet,
)
from curation.models.experiment import LEAST_HELD_OUT
from curation.serving import DEFAULT_K, DEFAULT_TOKEN_BUDGET
from curation.trainers import RULES
from feedback.filters import FilterError
from feedback.models import Project, User
from review.filters import ReviewFilter

LONGEST_TEXT = 200_000
LONGEST_NAME = 200
LARGEST_FILE = 50 * 1024 * 1024


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


class Percents(forms.Field):
    """Whole percents with commas between them, as a list."""

    def prepare_value(self, value: object) -> object:
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: object) -> list[int]:
        parts = [part.strip(" %") for part in str(value or "").split(",")]
        try:
            return [int(part) for part in parts if part]
        except ValueError as error:
            raise forms.ValidationError("Write percents with commas: 10, 50, 90.") from error


class TrainingSetForm(NameForm):
    """A new training set, and what its examples are for."""

    purpose = forms.ChoiceField(
        label="For",
        choices=TrainingSet.Purpose.choices,
        initial=TrainingSet.Purpose.TRAINING,
        required=False,
        help_text="An evaluation set is never split, nor trained on: its releases are test cases.",
    )

    def clean_purpose(self) -> str:
        """Fine-tuning, unless it says otherwise."""
        return self.cleaned_data["purpose"] or TrainingSet.Purpose.TRAINING.value


class FilterForm(forms.Form):
    """Which decisions each release of a set takes in by itself."""

    filter = forms.CharField(
        label="Filter",
        max_length=2_000,
        required=False,
        help_text="As on Explore; empty takes every decision.",
    )

    def clean_filter(self) -> ReviewFilter:
        """Read it as it is read everywhere."""
        try:
            return ReviewFilter.parse(self.cleaned_data["filter"])
        except FilterError as error:
            raise forms.ValidationError(str(error)) from error


class ReleasedForm(forms.Form):
    """An example of a release, by the id that its row has in the files."""

    example = forms.IntegerField(
        label="Its id in the files, also of one that was removed since",
        min_value=1,
        max_value=2**63 - 1,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "size": "12"}),
    )

    def __init__(self, data: QueryDict | None, *, release: Release) -> None:
        super().__init__(data)
        self._release = release

    def clean_example(self) -> Example:
        """Find it, with its revocation."""
        pk = self.cleaned_data["example"]
        held = Example.objects.filter(released__release=self._release)
        found = held.select_related("revocation").filter(pk=pk).first()
        if found is None:
            raise forms.ValidationError(f"This release has no example X-{pk}.")
        return found


class TrainingFileForm(forms.Form):
    """A training file to be checked, and perhaps taken into a set."""

    file = forms.FileField(label="File", max_length=200)
    format = forms.ChoiceField(label="Format", choices=[(name, name) for name in RULES])
    max_tokens = forms.IntegerField(
        label="Longest row",
        min_value=1,
        max_value=10_000_000,
        required=False,
        help_text="In tokens, estimated; empty does not look.",
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        files: MultiValueDict[str, UploadedFile[bytes]] | None = None,
        *,
        training_sets: Iterable[TrainingSet],
    ) -> None:
        super().__init__(data, files)
        self.fields["training_set"] = forms.ChoiceField(
            label="Take into",
            choices=[
                ("", "No set: only check it"),
                *((one.slug, one.name) for one in training_sets),
            ],
            required=False,
        )

    def clean_file(self) -> UploadedFile[bytes]:
        """Refuse what is too large to be read while somebody waits."""
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > LARGEST_FILE:
            raise forms.ValidationError("Give at most 50 MB.")
        return file


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
    owner = forms.ModelChoiceField(
        User.objects.none(), label="Owner", required=False, empty_label="Nobody in particular"
    )
    expires_on = forms.DateField(
        label="Served until",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="The last day, in UTC.",
    )

    def __init__(self, data: QueryDict | None = None, *, project: Project, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        members = User.objects.filter(memberships__project=project, is_active=True)
        owner = self.fields["owner"]
        if isinstance(owner, forms.ModelChoiceField):
            owner.queryset = members.order_by("username")

    @classmethod
    def of(cls, entry: ContextEntry, *, project: Project) -> EntryForm:
        """The form filled with what the entry says."""
        return cls(
            project=project,
            initial={
                "owner": entry.owner_id,
                "expires_on": entry.expires_on,
                "kind": entry.kind,
                "query": entry.query,
                "answer": entry.answer,
                "why": entry.why,
                "roles": entry.roles,
                "environments": entry.environments,
                "models": entry.for_models,
            },
        )

    def clean(self) -> dict[str, Any]:
        """Ask for an example's question."""
        cleaned = super().clean() or {}
        if cleaned.get("kind") == EntryKind.EXAMPLE and not cleaned.get("query"):
            self.add_error("query", "An example needs a question.")
        return cleaned


class PublishForm(forms.Form):
    """What a new version is about, and which sessions get it."""

    note = Prose(label="Note", rows=2, max_length=2_000, required=False)
    stages = Percents(
        label="Serve to % of sessions",
        required=False,
        help_text="Stage by stage, such as 10, 50, 90. Empty: all at once, unmeasured.",
    )
    held_out = forms.IntegerField(
        label="Hold out %",
        min_value=0,
        max_value=99,
        required=False,
        help_text="Sessions that get nothing, to compare with; "
        f"at least {LEAST_HELD_OUT} where there are stages.",
    )
    hours_per_stage = forms.IntegerField(
        label="Hours a stage", min_value=1, max_value=2_160, required=False
    )
    is_acknowledged = forms.BooleanField(
        label="I have looked at what the checks found", required=False
    )
    content_hash = forms.CharField(max_length=64, required=False)

    @classmethod
    def usual(cls) -> PublishForm:
        """The form as it is offered: with an experiment."""
        return cls(initial=asdict(Trial()))

    def clean(self) -> dict[str, Any]:
        """Ask for a trial that can be."""
        cleaned = super().clean() or {}
        if (trial := self.trial()) is not None and (fault := trial.fault()):
            self.add_error(fault.field, fault.says)
        return cleaned

    def trial(self) -> Trial | None:
        """How the version is to be given to sessions; None for all at once."""
        given = {name: self.cleaned_data.get(name) for name in asdict(Trial())}
        if not given["stages"]:
            return None
        return Trial(**{name: one for name, one in given.items() if one is not None})


class ProbeForm(forms.Form):
    """A question to keep with the entries that it has to find."""

    query = Prose(label="Question", rows=2, max_length=8_000)
    role = forms.CharField(max_length=LONGEST_NAME, required=False)
    expected = forms.ModelMultipleChoiceField(ContextEntry.objects.none())

    def __init__(self, data: QueryDict, *, library: ContextLibrary) -> None:
        super().__init__(data)
        expected = self.fields["expected"]
        if isinstance(expected, forms.ModelMultipleChoiceField):
            expected.queryset = library.entries.kept().defer("vector")


class ReasonForm(forms.Form):
    """Why something was decided."""

    reason = forms.CharField(label="Why", max_length=500, required=False)


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


class PlacesForm(forms.Form):
    """Where reviews go: any number of libraries and training sets, as what, and why."""

    into = forms.MultipleChoiceField(
        label="Into",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one library or training set."},
    )
    kind = forms.ChoiceField(
        label="In libraries as", choices=EntryKind.choices, widget=forms.RadioSelect
    )
    why = Prose(
        label="Why",
        rows=2,
        max_length=2_000,
        required=False,
        help_text="A note for curators, kept with each entry. It is never sent to a model.",
    )

    def __init__(
        self, data: QueryDict | None, *, project: Project, initial: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(data, initial={"kind": EntryKind.EXAMPLE, **(initial or {})})
        self.libraries = list(project.context_libraries.order_by("name", "pk"))
        self.training_sets = list(project.training_sets.order_by("name", "pk"))
        into = self.fields["into"]
        if isinstance(into, forms.MultipleChoiceField):
            into.choices = [
                *((f"library:{one.slug}", one.name) for one in self.libraries),
                *((f"training:{one.slug}", one.name) for one in self.training_sets),
            ]

    def slugs(self, sort: str) -> list[str]:
        """The slugs of the chosen libraries, or of the sets with `training`."""
        chosen = (one.partition(":") for one in self.cleaned_data["into"])
        return [slug for of, _, slug in chosen if of == sort]


class CandidateForm(PlacesForm):
    """What entries are to say of a candidate, and where it goes."""

    query = Prose(label="Question", rows=2, required=False)
    answer = Prose(label="Answer", rows=8)

    field_order = ("query", "answer", "into", "kind", "why")
