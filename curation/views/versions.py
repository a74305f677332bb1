"""What curators do to versions: which one is live, and how an experiment goes on."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from curation import context_libraries, experiments
from curation.forms import ReasonForm
from curation.models import Experiment
from curation.views.libraries import find_library
from feedback.embedding import model_id
from feedback.models import Membership
from review.http import ProjectRequest, project_view


@require_POST
@project_view(Membership.Role.CURATOR)
def version_live(request: ProjectRequest, library: str, number: int) -> HttpResponseBase:
    """Curators: serve a former version again; the draft stays as it is."""
    shown = find_library(request, library)
    version = get_object_or_404(shown.versions, number=number)
    try:
        context_libraries.roll_back(
            library=shown,
            version=version,
            model=model_id(),
            reason=_reason(request),
            by=request.user,
            now=timezone.now(),
        )
    except context_libraries.LibraryError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Version {version.number} is live again.")
    return redirect("library", request.project.slug, shown.slug)


@require_POST
@project_view(Membership.Role.CURATOR)
def experiment_end(request: ProjectRequest, library: str, number: int) -> HttpResponseBase:
    """Curators: give a version to all sessions, or to none any more."""
    shown = find_library(request, library)
    experiment = get_object_or_404(
        Experiment.objects.select_related("version__library", "baseline"),
        version__library=shown,
        version__number=number,
    )
    act = request.POST.get("act")
    if act not in {"all", "stop"}:
        raise BadRequest("There is no such act.")
    try:
        if act == "all":
            experiments.end(experiment=experiment, by=request.user, now=timezone.now())
            messages.success(request, f"Version {number} is served to all sessions.")
        else:
            experiments.stop(
                experiment=experiment,
                reason=_reason(request) or "Stopped by hand.",
                by=request.user,
                now=timezone.now(),
            )
            messages.success(request, f"Version {number} is served to nobody any more.")
    except experiments.ExperimentError as error:
        messages.error(request, str(error))
    return redirect("library", request.project.slug, shown.slug)


def _reason(request: ProjectRequest) -> str:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        raise BadRequest("The reason is too long.")
    return str(form.cleaned_data["reason"])
