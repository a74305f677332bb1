"""The living pattern sheet: what pages are made of, drawn from the same includes."""

from __future__ import annotations

from datetime import UTC, datetime

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from feedback.models import Reason, User
from feedback.taxonomy import DEFAULT_REASONS
from review.http import SignedInRequest

NOW = datetime(2026, 11, 24, 9, 29, tzinfo=UTC)


class PatternForm(forms.Form):
    """One field of each kind; one of them is wrong."""

    name = forms.CharField(label="Theme name", help_text="Shown to reviewers")
    merge_into = forms.CharField(label="Merge into")
    role = forms.ChoiceField(label="Role", choices=[("expert", "Expert"), ("curator", "Curator")])
    reason = forms.CharField(
        label="Reason",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "What should the answer say?"}),
    )

    def clean_merge_into(self) -> str:
        """No theme can be merged into on this page."""
        raise forms.ValidationError("There is no theme T-999 in this project. Choose another one.")


@require_GET
def patterns(request: SignedInRequest) -> HttpResponse:
    """Whoever is signed in. Shows every component in both themes, side by side."""
    entered = {"name": "Opening hours on public holidays", "merge_into": "T-999", "role": "expert"}
    return render(
        request,
        "patterns/page.html",
        {
            "themes": [
                {"name": name, "form": PatternForm(entered, auto_id=f"{name}_%s")}
                for name in ("light", "dark")
            ],
            "reasons": [
                Reason(slug=slug, name=name, definition=definition, position=position)
                for position, (slug, name, definition) in enumerate(DEFAULT_REASONS, start=1)
            ],
            "expert": User(username="expert-2"),
            "now": NOW,
            "earlier": NOW.replace(hour=6),
        },
    )
