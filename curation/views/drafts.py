"""What curators do to a library's draft."""

from __future__ import annotations

from datetime import date

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import Count, Q
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from curation import checks, context_libraries, drafts, publishing, serving
from curation.checks import Finding
from curation.forms import EntryForm, ProbeForm, PublishForm, ReasonForm
from curation.models import ContextEntry, ContextLibrary, Proposal
from curation.views.libraries import find_library, may, with_sources
from feedback.embedding import get_encoder, model_id
from feedback.models import Membership
from feedback.paging import page
from review.http import ProjectRequest, project_view
from review.staleness import mark

PAGE_SIZE = 25
MOST_CHECKED = 50


@require_safe
@project_view(Membership.Role.VIEWER)
def library_draft(request: ProjectRequest, library: str) -> HttpResponse:
    """Every member: what the next version would change; curators publish it from here."""
    return _draft(request, find_library(request, library), PublishForm.usual())


@require_POST
@project_view(Membership.Role.CURATOR)
def library_publish(request: ProjectRequest, library: str) -> HttpResponseBase:
    """Curators: have the draft checked and published; a second person's word may be needed."""
    shown = find_library(request, library)
    form = PublishForm(request.POST)
    if form.is_valid():
        try:
            proposal = publishing.propose(
                library=shown,
                encoder=get_encoder(),
                by=request.user,
                now=timezone.now(),
                note=form.cleaned_data["note"],
                trial=form.trial(),
                is_acknowledged=form.cleaned_data["is_acknowledged"],
                looked_at=form.cleaned_data["content_hash"],
            )
        except context_libraries.LibraryError as error:
            form.add_error(None, str(error))
        else:
            if proposal.version is None:
                messages.success(request, "Proposed. It is live once another curator approves.")
                return redirect("library_draft", request.project.slug, shown.slug)
            messages.success(request, f"Version {proposal.version.number} is live.")
            return redirect("library", request.project.slug, shown.slug)
    return _draft(request, shown, form)


@require_POST
@project_view(Membership.Role.CURATOR)
def proposal_decide(request: ProjectRequest, library: str, proposal: int) -> HttpResponseBase:
    """Curators: publish what another one proposed, or decline it; their own they withdraw."""
    shown = find_library(request, library)
    decided = get_object_or_404(shown.proposals, pk=proposal)
    form = ReasonForm(request.POST)
    act = request.POST.get("act")
    if act not in {"approve", "decline"} or not form.is_valid():
        raise BadRequest("There is no such decision.")
    remark = form.cleaned_data["reason"]
    by, now = request.user, timezone.now()
    try:
        if act == "approve":
            version = publishing.approve(
                proposal=decided, encoder=get_encoder(), by=by, now=now, remark=remark
            )
            messages.success(request, f"Version {version.number} is live.")
            return redirect("library", request.project.slug, shown.slug)
        publishing.decline(proposal=decided, by=by, now=now, remark=remark)
    except context_libraries.LibraryError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The proposal will not be published.")
    return redirect("library_draft", request.project.slug, shown.slug)


@require_POST
@project_view(Membership.Role.CURATOR)
def probe_keep(request: ProjectRequest, library: str) -> HttpResponseBase:
    """Curators: keep a question with the entries that every version has to serve to it."""
    shown = find_library(request, library)
    form = ProbeForm(request.POST, library=shown)
    if not form.is_valid():
        raise BadRequest("A test question needs words and entries of this draft.")
    try:
        context_libraries.keep_probe(
            library=shown, **form.cleaned_data, by=request.user, now=timezone.now()
        )
    except context_libraries.LibraryError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Kept. Every version is tried with it before it is published.")
    return redirect("library_draft", request.project.slug, shown.slug)


@require_POST
@project_view(Membership.Role.CURATOR)
def probe_drop(request: ProjectRequest, library: str, probe: int) -> HttpResponseBase:
    """Curators: forget a test question."""
    shown = find_library(request, library)
    dropped = get_object_or_404(shown.probes.select_related("library"), pk=probe)
    context_libraries.drop_probe(probe=dropped, by=request.user, now=timezone.now())
    messages.success(request, "Test question dropped.")
    return redirect("library_draft", request.project.slug, shown.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@project_view(Membership.Role.CURATOR)
def entry_edit(request: ProjectRequest, library: str, entry: int) -> HttpResponseBase:
    """Curators: the form of a draft entry, and its change."""
    shown = find_library(request, library)
    entries = with_sources(shown.entries.kept(), reader=request.user).defer("vector")
    edited = get_object_or_404(entries, pk=entry)
    form = (
        EntryForm(request.POST, project=request.project)
        if request.method == "POST"
        else EntryForm.of(edited, project=request.project)
    )
    there = mark(context_libraries.told(edited))
    seen = request.POST.get("seen", there)
    if request.method == "POST" and form.is_valid():
        try:
            context_libraries.edit_entry(
                entry=edited,
                **form.cleaned_data,
                by=request.user,
                now=timezone.now(),
                seen=seen,
            )
        except context_libraries.StaleEntryError as error:
            form.add_error(None, str(error))
            seen = there
        except context_libraries.LibraryError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Entry saved. It is served once the draft is published.")
            return redirect(_to(request, shown, edited))
    context = {"library": shown, "entry": edited, "form": form, "seen": seen}
    status = 422 if form.errors else 200
    return render(request, "curation/libraries/entry.html", context, status=status)


@require_POST
@project_view(Membership.Role.CURATOR)
def entry_remove(request: ProjectRequest, library: str, entry: int) -> HttpResponseBase:
    """Curators: take an entry out of the next version."""
    shown = find_library(request, library)
    removed = get_object_or_404(shown.entries, pk=entry)
    context_libraries.remove_entry(entry=removed, by=request.user, now=timezone.now())
    messages.success(request, "Entry removed from the draft.")
    return redirect("library", request.project.slug, shown.slug)


def _today() -> date:
    return timezone.now().date()


def _to(request: ProjectRequest, library: ContextLibrary, entry: ContextEntry) -> str:
    address = reverse("library", args=[request.project.slug, library.slug])
    return f"{address}?entry={entry.pk}"


def _draft(request: ProjectRequest, library: ContextLibrary, form: PublishForm) -> HttpResponse:
    # Before the rows are read: what comes in between is to be looked at again.
    seen = context_libraries.draft_hash(library=library, model=model_id())
    live = serving.live_version(library)
    changed = library.entries.compared_to(live).filter(~Q(state=ContextEntry.State.UNCHANGED))
    found = page(
        changed.defer("vector"),
        order=["-id"],
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor", ""),
    )
    counts = drafts.count(library=library, version=live)
    is_outdated = live is not None and not live.can_be_served_with(model_id())
    rows = library.proposals.filter(status=Proposal.Status.WAITING)
    waiting = rows.select_related("proposed_by").first()
    # Of more, or where all has to be embedded anew, the checks are run when it is proposed and when
    # it is approved.
    is_checked = bool(form.errors) or (0 < counts.num_changes <= MOST_CHECKED and not is_outdated)
    findings = [Finding(**one) for one in waiting.findings] if waiting else []
    if is_checked:
        findings = checks.run(library=library, version=live, encoder=get_encoder(), today=_today())
    context = {
        "library": library,
        "content_hash": seen,
        "live": live,
        "is_outdated": is_outdated,
        "is_checked": is_checked,
        "findings": findings,
        "is_stopped": any(finding.is_stopped for finding in findings),
        "probes": library.probes.annotate(num_expected=Count("expected")).order_by("pk"),
        "needs_second": publishing.needs_second_person(request.project),
        "waiting": waiting,
        "next_number": context_libraries.next_number(library),
        "counts": counts,
        "changes": drafts.compare(entries=found.rows, version=live),
        "next_cursor": found.next_cursor,
        "form": form,
        **may(request),
    }
    status = 422 if form.errors else 200
    return render(request, "curation/libraries/draft.html", context, status=status)
