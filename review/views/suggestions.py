"""Suggestions of other words, over HTTP."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from feedback.models import Membership, Output
from review.anchoring import AnchorError
from review.annotations import StaleVersionError
from review.http import ProjectRequest, project_view
from review.suggestions import preview
from review.views.selecting import whole


@require_http_methods(["GET", "POST"])
@project_view(Membership.Role.EXPERT)
def suggestion_preview(request: ProjectRequest, answer: int) -> HttpResponse:
    """Experts and above: the Markdown of selected words, and what a replacement would do to it.

    Takes `start`, `end`, `exact`, `version` and, once something is typed, `replacement`. Stores
    nothing; it may be posted since a replacement is too long for an address.
    """
    output = get_object_or_404(Output, project=request.project, pk=answer)
    sent = request.POST if request.method == "POST" else request.GET
    try:
        shown = preview(
            output=output,
            version=whole(sent.get("version", "")),
            start=whole(sent.get("start", "")),
            end=whole(sent.get("end", "")),
            # Browsers send a field's line ends as CR LF.
            exact=sent.get("exact", "").replace("\r\n", "\n"),
            replacement=sent.get("replacement"),
        )
    except StaleVersionError as error:
        return render(request, "review/desk/_preview.html", {"problem": str(error)}, status=409)
    except AnchorError as error:
        return render(request, "review/desk/_preview.html", {"problem": error.message}, status=422)
    context = {"preview": shown, "html": SafeString(shown.html), "problem": shown.problem}
    return render(request, "review/desk/_preview.html", context)
