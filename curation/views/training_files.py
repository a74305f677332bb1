"""The check of a training file, and its way into a set."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from curation import checker, tokens, training_sets
from curation.formats import Row
from curation.forms import TrainingFileForm
from curation.readers import READERS, UnreadableError, read
from feedback.models import Membership
from review.http import ProjectRequest, project_view


@require_http_methods(["GET", "HEAD", "POST"])
@project_view(Membership.Role.CURATOR)
def training_file(request: ProjectRequest) -> HttpResponseBase:
    """Curators: what a trainer would refuse in a file, by line and field; a sound one goes in."""
    sets = request.project.training_sets.order_by("name", "pk")
    form = TrainingFileForm(request.POST or None, request.FILES or None, training_sets=sets)
    report = None
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        report = checker.check(
            given["file"], given["format"], max_tokens=given["max_tokens"], count=tokens.count
        )
        if given["training_set"] and report.is_sound:
            shown = get_object_or_404(sets, slug=given["training_set"])
            try:
                added = training_sets.add_rows(
                    training_set=shown,
                    rows=_rows(given["file"], given["format"]),
                    by=request.user,
                    now=timezone.now(),
                )
            except training_sets.TrainingSetError as error:
                form.add_error("file", str(error))
            else:
                messages.success(request, f"{added:,} examples added.")
                return redirect("training_set", request.project.slug, shown.slug)
    return render(
        request,
        "curation/training_sets/check.html",
        {"form": form, "report": report},
        status=422 if form.errors else 200,
    )


def _rows(file: UploadedFile[bytes], format_: str) -> Iterator[Row]:
    if format_ not in READERS:
        raise training_sets.TrainingSetError("Files of this format are checked, but not read.")
    file.seek(0)
    for value in checker.values(file):
        if value.fault:
            raise training_sets.TrainingSetError(f"Line {value.line}: {value.fault}")
        try:
            row = read(value.data, format_)
        except UnreadableError as error:
            where = f"Line {value.line}, {error.field}"
            raise training_sets.TrainingSetError(f"{where}: {error}") from error
        yield row
