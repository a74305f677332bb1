"""How the order of the queues is found, and how good it is."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from feedback.models import Membership
from review import learned, scoring, triage_models
from review.http import ProjectRequest, project_view
from review.models import TriageModel
from review.yields import WORKED, Quality

MOST_SHOWN = 20


@require_safe
@project_view(Membership.Role.VIEWER)
def triage(request: ProjectRequest) -> HttpResponse:
    """Every member: whether the rules or what was learned order the items, and the figures."""
    models = (
        TriageModel.objects.filter(project=request.project)
        .defer("parameters")
        .order_by("-number")[:MOST_SHOWN]
    )
    rows = [(one, Quality.from_json(one.quality)) for one in models]
    context = {
        "rows": rows,
        "newest": rows[0] if rows else None,
        "version": scoring.version(project=request.project),
        "standing": triage_models.standing(project=request.project),
        "fewest": learned.FEWEST_VERDICTS,
        "fewest_each": learned.FEWEST_EACH,
        "worked": WORKED,
    }
    return render(request, "review/triage/page.html", context)
