"""What curators do to a library's draft."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from curation import context_libraries, drafts, serving
from curation.forms import EntryForm, PublishForm
from curation.models import ContextEntry, ContextLibrary
from curation.views.libraries import find_library, may, with_sources
from feedback.embedding import get_encoder
from feedback.models import Membership
from feedback.paging import page
from review.http import ProjectRequest, project_view

PAGE_SIZE = 25


@require_safe
@project_view(Membership.Role.VIEWER)
def library_draft(request: ProjectRequest, library: str) -> HttpResponse:
    """Every member: what the next version would change; curators publish it from here."""
    return _draft(request, find_library(request, library), PublishForm())


@require_POST
@project_view(Membership.Role.CURATOR)
def library_publish(request: ProjectRequest, library: str) -> HttpResponseBase:
    """Curators: freeze the draft as the next version, which is served from then on."""
    shown = find_library(request, library)
    form = PublishForm(request.POST)
    if form.is_valid():
        try:
            version = context_libraries.publish(
                library=shown,
                encoder=get_encoder(),
                by=request.user,
                now=timezone.now(),
                note=form.cleaned_data["note"],
            )
        except context_libraries.LibraryError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"Version {version.number} is live.")
            return redirect("library", request.project.slug, shown.slug)
    return _draft(request, shown, form)


@require_http_methods(["GET", "HEAD", "POST"])
@project_view(Membership.Role.CURATOR)
def entry_edit(request: ProjectRequest, library: str, entry: int) -> HttpResponseBase:
    """Curators: the form of a draft entry, and its change."""
    shown = find_library(request, library)
    edited = get_object_or_404(with_sources(shown.entries.kept()).defer("vector"), pk=entry)
    form = EntryForm(request.POST) if request.method == "POST" else EntryForm.of(edited)
    if request.method == "POST" and form.is_valid():
        try:
            context_libraries.edit_entry(
                entry=edited, **form.cleaned_data, by=request.user, now=timezone.now()
            )
        except context_libraries.LibraryError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Entry saved. It is served once the draft is published.")
            return redirect(_to(request, shown, edited))
    return render(
        request,
        "curation/libraries/entry.html",
        {"library": shown, "entry": edited, "form": form},
        status=422 if form.errors else 200,
    )


@require_POST
@project_view(Membership.Role.CURATOR)
def entry_remove(request: ProjectRequest, library: str, entry: int) -> HttpResponseBase:
    """Curators: take an entry out of the next version."""
    shown = find_library(request, library)
    removed = get_object_or_404(shown.entries, pk=entry)
    context_libraries.remove_entry(entry=removed, by=request.user, now=timezone.now())
    messages.success(request, "Entry removed from the draft.")
    return redirect("library", request.project.slug, shown.slug)


def _to(request: ProjectRequest, library: ContextLibrary, entry: ContextEntry) -> str:
    address = reverse("library", args=[request.project.slug, library.slug])
    return f"{address}?entry={entry.pk}"


def _draft(request: ProjectRequest, library: ContextLibrary, form: PublishForm) -> HttpResponse:
    live = serving.live_version(library)
    changed = library.entries.compared_to(live).filter(~Q(state=ContextEntry.State.UNCHANGED))
    found = page(
        changed.defer("vector"),
        order=["-id"],
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor", ""),
    )
    context = {
        "library": library,
        "live": live,
        "next_number": live.number + 1 if live else 1,
        "counts": drafts.count(library=library, version=live),
        "changes": drafts.compare(entries=found.rows, version=live),
        "next_cursor": found.next_cursor,
        "form": form,
        **may(request),
    }
    status = 422 if form.errors else 200
    return render(request, "curation/libraries/draft.html", context, status=status)
