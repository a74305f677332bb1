"""The ways to look at an answer: as it is, corrected, compared, as Markdown, and to edit it."""

from __future__ import annotations

import uuid

from django.urls import reverse
from django.utils.safestring import SafeString

from feedback.models import Membership, Output
from review.corrections import Correction, corrected, painted
from review.http import ProjectRequest
from review.sheets import Sheet
from review.word_diff import word_diff

VIEWS = [
    {"name": "answer", "label": "Answer"},
    {"name": "corrected", "label": "Corrected"},
    {"name": "changes", "label": "Changes"},
    {"name": "markdown", "label": "Markdown"},
]


def showing(request: ProjectRequest, sheet: Sheet, *, show: str = "") -> dict[str, object]:
    """What the templates of the views need: of the one named by `show`, else by ?show=.

    Beside the answer itself it takes one query.
    """
    output = sheet.output
    chosen = _known(request, show or request.GET.get("show", ""))
    address = [request.project.slug, output.pk]
    context: dict[str, object] = {
        "show": chosen,
        "views": VIEWS,
        "shown_url": reverse("shown", args=address),
        "num_applied": sheet.num_applied,
    }
    if chosen == "answer":
        return context
    found = corrected(output=output, to=request.user)
    return {**context, **_of(chosen, found, sheet), "rewrite_url": reverse("rewrite", args=address)}


def _known(request: ProjectRequest, show: str) -> str:
    names = {str(view["name"]) for view in VIEWS}
    if request.membership.may(Membership.Role.EXPERT):
        names.add("edit")
    return show if show in names else "answer"


def _of(show: str, found: Correction, sheet: Sheet) -> dict[str, object]:
    if show == "corrected":
        return {"correction": found, "html": SafeString(painted(found, sheet))}
    if show == "changes":
        return {"correction": found, "pieces": word_diff(found.source, found.text)}
    if show == "markdown":
        return {"source": found.source}
    return {"text": found.text, "version": sheet.version, "request_key": uuid.uuid4()}


def place_of(output: Output, item: str, project: str) -> str:
    """The page to go back to: of the item that a form came from, else of the answer."""
    if item.isascii() and item.isdecimal() and len(item) < 10:
        return reverse("item", args=[project, int(item)])
    return reverse("output", args=[project, output.external_id])
