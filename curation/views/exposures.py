"""What was served to one request."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from curation.models import Exposure
from feedback.models import Membership
from review.http import ProjectRequest, project_view


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def exposure(request: ProjectRequest, token: UUID) -> HttpResponse:
    """Every member: which entries of a library were put into a prompt, or held back from it.

    Within the desk also that it is not known: products send what they like.
    """
    exposures = Exposure.objects.filter(project=request.project, token=token)
    found = exposures.select_related("version__library").first()
    if found is None:
        if request.htmx:
            return render(request, "curation/exposures/_unknown.html")
        raise Http404("There is no such exposure.")
    place = {pk: number for number, pk in enumerate(found.entry_ids)}
    entries = found.version.entries.filter(entry__in=place).defer("vector")
    context = {
        "exposure": found,
        "library": found.version.library,
        "entries": sorted(entries, key=lambda entry: place[entry.entry_id]),
    }
    page = "_served" if request.htmx else "page"
    return render(request, f"curation/exposures/{page}.html", context)
