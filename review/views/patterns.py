"""The living pattern sheet: what pages are made of, drawn from the same includes."""

from __future__ import annotations

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from review.http import SignedInRequest
from review.views import specimens

# Name, heading, what to know about it; the template of each is named for it.
SECTIONS = [
    (
        "colour",
        "Colour",
        (
            "Graphite neutrals, one hue for what can be used, three states. "
            "A reason has a hue, a digit and an underline."
        ),
    ),
    (
        "type",
        "Type",
        (
            "Inter speaks for Postil. Source Serif 4 carries everything that was quoted. "
            "JetBrains Mono is for identifiers and code."
        ),
    ),
    (
        "space",
        "Space and shape",
        (
            "Four-point steps. Radius grows with the thing: 4 chip, 6 control, 9 panel, "
            "14 dialog. Shadows only on what floats."
        ),
    ),
    (
        "actions",
        "Actions",
        "One filled button a view. Keys are printed on the button that they press.",
    ),
    (
        "labels",
        "Labels",
        (
            "A badge is a state. A chip is a fact. A token can be edited. "
            "A signal is what the user did."
        ),
    ),
    (
        "forms",
        "Forms",
        "Labels above, errors below, both tied to the field. An error says what to do.",
    ),
    (
        "marks",
        "Marks",
        (
            "Words and card share a colour. The topmost reason has the ground, each further one "
            "a line of its own."
        ),
    ),
    (
        "cards",
        "Cards",
        "A thread says what state it is in by a word, not by colour alone.",
    ),
    ("select", "At selected words", "One click marks the words; a comment is one key more."),
    (
        "decision",
        "Decision",
        "Whoever does not hold the item is told how to get it.",
    ),
    ("data", "Data", "Figures are tabular. An estimate is never shown without its interval."),
    ("status", "Status", "Every state says what happened and what to do next."),
]
ON_CANVAS = {"data", "status", "cards", "decision"}


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
    # The templates of a project's pages find theirs on the request.
    request.project = specimens.PROJECT  # type: ignore[attr-defined]
    entered = {"name": "Opening hours on public holidays", "merge_into": "T-999", "role": "expert"}
    return render(
        request,
        "patterns/page.html",
        {
            "sections": [
                {
                    "name": name,
                    "title": title,
                    "about": about,
                    "template": f"patterns/_{name}.html",
                    "is_on_canvas": name in ON_CANVAS,
                }
                for name, title, about in SECTIONS
            ],
            "themes": [
                {"name": name, "form": PatternForm(entered, auto_id=f"{name}_%s")}
                for name in ("light", "dark")
            ],
            "reasons": specimens.REASONS,
            "expert": specimens.OTHER,
            "now": specimens.NOW,
            "earlier": specimens.EARLIER,
            "marks": specimens.marks(),
            "cards": specimens.cards(),
            "decisions": specimens.decisions(),
            "project": specimens.PROJECT,
            "item": specimens.ITEM,
            "may_review": True,
            "may_moderate": True,
            "drawn": {},
            "choices": specimens.REASONS,
            "threads": "/",
            "sheet": specimens.sheet(),
        },
    )
