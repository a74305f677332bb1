"""The page of a release, and its files."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from curation import gating, releasing, tasks, training_sets
from curation.forms import ReleasedForm
from curation.http import file_response, release_download
from curation.models import Release, ReleasedExample
from curation.writers import FORMATS
from feedback.embedding import model_id
from feedback.models import Membership
from feedback.ringing import ring
from review.http import ProjectRequest, project_view

REVOCATIONS_SHOWN = 200


@require_safe
@project_view(Membership.Role.VIEWER)
def release(request: ProjectRequest, training_set: str, number: int) -> HttpResponseBase:
    """Every member: how far a release is, what is in it, and what of it is revoked.

    For curators ?example= goes on to one of its examples, to revoke it.
    """
    shown = _find(request, training_set, number, is_done=False)
    may_curate = request.membership.may(Membership.Role.CURATOR)
    asked = request.GET if may_curate and "example" in request.GET else None
    form = ReleasedForm(asked, release=shown)
    named = form.cleaned_data["example"] if form.is_valid() else None
    if named is not None and not hasattr(named, "revocation"):
        page = reverse("training_set", args=[request.project.slug, training_set])
        return redirect(f"{page}?example={named.pk}#example")
    revoked = releasing.revocations(release=shown)
    context = {
        "training_set": shown.training_set,
        "release": shown,
        "building": shown,
        "files": shown.files.order_by("path"),
        "revoked": revoked[:REVOCATIONS_SHOWN],
        "num_revoked": len(revoked),
        "form": form,
        "named": named,
        "may_curate": may_curate,
    }
    status = 422 if form.errors else 200
    return render(request, "curation/training_sets/release.html", context, status=status)


@require_POST
@project_view(Membership.Role.CURATOR)
def release_stop(request: ProjectRequest, training_set: str, number: int) -> HttpResponseBase:
    """Curators: stop a release that is being made."""
    shown = _find(request, training_set, number, is_done=False)
    try:
        releasing.cancel(release=shown, by=request.user, now=timezone.now())
    except releasing.OverError as error:
        messages.warning(request, str(error))
    return redirect("release", request.project.slug, training_set, number)


@require_POST
@project_view(Membership.Role.CURATOR)
def release_check(request: ProjectRequest, training_set: str, number: int) -> HttpResponseBase:
    """Curators: have a release that is held checked again, and go on by itself."""
    shown = _find(request, training_set, number, is_done=False)
    try:
        check = releasing.check_again(release=shown, by=request.user, now=timezone.now())
    except (releasing.OverError, gating.GateError) as error:
        messages.warning(request, str(error))
    else:
        if check.num_examples <= gating.MOST_AT_ONCE:
            gating.run(check=check, vectors=model_id(), clock=timezone.now)
            ring(tasks.work_releases)
        else:
            ring(tasks.check_gates)
    return redirect("release", request.project.slug, training_set, number)


@require_safe
@project_view(Membership.Role.CURATOR)
def release_file(
    request: ProjectRequest, training_set: str, number: int, split: str
) -> HttpResponseBase:
    """Curators: one split of a release as a file, in the format that ?format= names."""
    format_ = request.GET.get("format", "openai-sft")
    shown = _find(request, training_set, number)
    if split not in ReleasedExample.Split.values:
        raise Http404
    if format_ not in FORMATS:
        raise BadRequest(f"The format is one of {', '.join(FORMATS)}.")
    return release_download(request, shown, split=split, format_=format_)


@require_safe
@project_view(Membership.Role.CURATOR)
def release_written(
    request: ProjectRequest, training_set: str, number: int, path: str
) -> HttpResponseBase:
    """Curators: a file of a release as it was written, or a range of it."""
    shown = _find(request, training_set, number)
    if "\0" in path:
        raise Http404
    return file_response(request, shown, get_object_or_404(shown.files, path=path))


def _find(
    request: ProjectRequest, training_set: str, number: int, *, is_done: bool = True
) -> Release:
    found = training_sets.find_release(
        project=request.project, slug=training_set, number=number, is_done=is_done
    )
    if found is None:
        raise Http404
    return found
