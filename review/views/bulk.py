"""Acts on many answers at once, their progress, and taking them away as a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from feedback.filters import FilterError
from feedback.models import Membership
from feedback.paging import page
from feedback.ringing import ring
from review import bulk
from review.exporting import export_lines
from review.filters import ReviewFilter
from review.http import ProjectRequest, form_key, project_view
from review.models import BulkChange, BulkJob, Queue
from review.tasks import work_bulk
from review.views.tokens import changed, tokens

PAGE_SIZE = 50
MOST_CONFLICTS = 50


@require_safe
@project_view(Membership.Role.VIEWER)
def bulk_list(request: ProjectRequest) -> HttpResponse:
    """Every member: the bulk acts of the project, the newest first."""
    jobs = BulkJob.objects.visible_to(request.user).filter(project=request.project)
    jobs = jobs.select_related("created_by", "queue", "spot_check", "reason")
    found = page(
        jobs.defer("picked_outputs", "picked_sessions"),
        order=["-created_at", "-id"],
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor", ""),
    )
    more = changed(request.GET, cursor=found.next_cursor) if found.next_cursor else ""
    rows = [(job, tokens(ReviewFilter.from_json(job.filter), reasons={})) for job in found.rows]
    return render(request, "review/bulk/list.html", {"rows": rows, "more": more})


@require_POST
@project_view(Membership.Role.TAGGER)
def bulk_start(request: ProjectRequest) -> HttpResponseBase:
    """Taggers, and beyond tags moderators: act on the picked rows or on all that match."""
    sent = request.POST
    is_all = bool(sent.get("all"))
    try:
        job = bulk.start(
            project=request.project,
            wanted=ReviewFilter.parse(sent.get("filter", "")),
            act=sent.get("act", ""),
            queue=Queue.objects.visible_to(request.user)
            .filter(project=request.project, slug=sent.get("queue", "").replace("\x00", ""))
            .first(),
            tags=sent.get("tags", "").split(","),
            reason=sent.get("reason", ""),
            route=sent.get("route", ""),
            outputs=None if is_all else _numbers(sent.getlist("output")),
            sessions=() if is_all else _numbers(sent.getlist("session")),
            request_key=form_key(request),
            by=request.user,
            now=timezone.now(),
        )
    except bulk.NotAllowedError as error:
        raise PermissionDenied from error
    except (bulk.BulkError, FilterError) as error:
        return render(request, "review/bulk/refused.html", {"error": error}, status=422)
    ring(work_bulk)
    return redirect("bulk_job", request.project.slug, job.pk)


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def bulk_job(request: ProjectRequest, job: int) -> HttpResponse:
    """Every member: how far a bulk act is and what it changed; with htmx only that."""
    return _shown(request, _job(request, job))


@require_POST
@project_view(Membership.Role.TAGGER)
def bulk_cancel(request: ProjectRequest, job: int) -> HttpResponseBase:
    """Who started it, and moderators: stop it where it is."""
    return _acted(request, job, bulk.cancel)


@require_POST
@project_view(Membership.Role.TAGGER)
def bulk_undo(request: ProjectRequest, job: int) -> HttpResponseBase:
    """Who started it, and moderators: take back what it changed."""
    return _acted(request, job, bulk.undo)


@require_POST
@project_view(Membership.Role.MODERATOR)
def export(request: ProjectRequest) -> HttpResponseBase:
    """Moderators: every answer that matches ?filter=, as lines of JSON."""
    try:
        wanted = ReviewFilter.parse(request.POST.get("filter", ""))
    except FilterError as error:
        return render(request, "review/bulk/refused.html", {"error": error}, status=422)
    lines = export_lines(
        project=request.project, wanted=wanted, by=request.user, now=timezone.now()
    )
    return StreamingHttpResponse(
        lines,
        content_type="application/x-ndjson",
        headers={
            "Content-Disposition": f'attachment; filename="{request.project.slug}-answers.jsonl"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def _acted(request: ProjectRequest, job: int, act: Callable[..., None]) -> HttpResponseBase:
    found = _job(request, job)
    try:
        act(job=found, by=request.user, now=timezone.now())
    except bulk.NotAllowedError as error:
        raise PermissionDenied from error
    except bulk.OverError as error:
        messages.warning(request, str(error))
    ring(work_bulk)
    return redirect("bulk_job", request.project.slug, found.pk)


def _shown(request: ProjectRequest, job: BulkJob) -> HttpResponse:
    conflicts = job.changes.filter(outcome=BulkChange.Outcome.CONFLICT).order_by("pk")
    done = job.num_undone + job.num_conflicts
    is_undoing = job.status == BulkJob.Status.UNDOING
    context = {
        "job": job,
        "tokens": tokens(ReviewFilter.from_json(job.filter), reasons={}),
        "conflicts": conflicts.select_related("output", "session")[:MOST_CONFLICTS],
        "done": done if is_undoing else job.num_seen,
        "whole": job.num_changed if is_undoing else job.num_matching,
        "may_act": bulk.may_act(job=job, membership=request.membership),
    }
    name = "review/bulk/_job.html" if request.htmx else "review/bulk/page.html"
    return render(request, name, context)


def _job(request: ProjectRequest, job: int) -> BulkJob:
    jobs = BulkJob.objects.visible_to(request.user).select_related(
        "created_by", "undone_by", "queue", "spot_check", "reason"
    )
    return get_object_or_404(jobs, project=request.project, pk=job)


def _numbers(values: Sequence[str]) -> list[int]:
    return [int(one) for one in values if one.isdecimal() and len(one) <= 18]
