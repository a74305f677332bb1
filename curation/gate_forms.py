"""Shapes of what curators enter about gates."""

from __future__ import annotations

from dataclasses import asdict

from django import forms
from django.http import QueryDict

from curation.forms import Names
from curation.gates import LABELS, Rules

SHARES = ("least_agreement", "most_of_user", "most_of_reviewer")


class PassForm(forms.Form):
    """Why a row may pass a gate that it fails."""

    reason = forms.CharField(label="Why it may pass", max_length=500)


class GateRulesForm(forms.Form):
    """What a training set is held to before its release. Shares are entered as percentages."""

    token_limit = forms.IntegerField(
        label="Tokens of a row, at most",
        min_value=1,
        max_value=10_000_000,
        help_text="Prompt and answer, by the estimate that context libraries use too.",
    )
    least_agreement = forms.FloatField(
        label="Reviewers who gave the verdict that counts, at least (%)", min_value=0, max_value=100
    )
    most_of_user = forms.FloatField(
        label="Rows of one user, at most (%)", min_value=0.1, max_value=100
    )
    most_of_reviewer = forms.FloatField(
        label="Rows one reviewer decided, at most (%)", min_value=0.1, max_value=100
    )
    consent_names = Names(
        label="Consent or licence is recorded by",
        required=False,
        help_text="Tags of a session, or keys of its or its answer’s metadata; commas between.",
    )
    own_contacts = Names(
        label="Contacts of your own",
        required=False,
        help_text="Ends of addresses and numbers that identify nobody, as @example.com.",
    )
    split_by_theme = forms.BooleanField(
        label="Keep a theme on one side of the split", required=False
    )
    blocking = forms.MultipleChoiceField(
        label="Hold a release up",
        choices=[(gate.value, label) for gate, label in LABELS.items()],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="The other gates only tell.",
    )

    @classmethod
    def of(cls, rules: Rules, data: QueryDict | None) -> GateRulesForm:
        """The form of these rules."""
        shares = {
            name: f"{100 * getattr(rules, name):.4f}".rstrip("0").rstrip(".") for name in SHARES
        }
        given = {**asdict(rules), **shares, "consent_names": list(rules.consent_names)}
        given["own_contacts"] = list(rules.own_contacts)
        return cls(data, initial=given)

    def rules(self) -> Rules:
        """What was entered, once it is valid."""
        entered = self.cleaned_data
        return Rules(
            **{
                **entered,
                **{name: entered[name] / 100 for name in SHARES},
                "consent_names": tuple(entered["consent_names"]),
                "own_contacts": tuple(entered["own_contacts"]),
                "blocking": tuple(entered["blocking"]),
            }
        )
