"""Promotion of many reviews at once, and its progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from curation import promotion_jobs
from curation.forms import PlacesForm
from curation.models import Placing, PromotionJob
from curation.placing import Places, find_places
from curation.promotion_jobs import JobError
from curation.tasks import work_promotions
from feedback.filters import FilterError
from feedback.models import Membership
from feedback.paging import page
from feedback.ringing import ring
from review.filters import ReviewFilter
from review.http import ProjectRequest, form_key, project_view
from review.views.tokens import tokens

PAGE_SIZE = 50
MOST_LISTED = 50


@require_safe
@project_view(Membership.Role.VIEWER)
def promotion_list(request: ProjectRequest) -> HttpResponse:
    """Every member: the bulk promotions of the project, the newest first."""
    jobs = PromotionJob.objects.filter(
        project=request.project, is_of_candidate=False
    ).select_related("created_by")
    found = page(
        jobs.defer("picked_reviews").prefetch_related("libraries", "training_sets"),
        order=["-created_at", "-id"],
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor", ""),
    )
    more = f"?cursor={found.next_cursor}" if found.next_cursor else ""
    return render(request, "curation/promotions/list.html", {"jobs": found.rows, "more": more})


@require_http_methods(["GET", "HEAD", "POST"])
@project_view(Membership.Role.CURATOR)
def promotion_create(request: ProjectRequest) -> HttpResponseBase:
    """Curators: choose where many reviews go, then promote them: picked ones or all that match.

    Pages send what was picked as `review`, `output` or `session`, or `all` that match `filter`.
    """
    sent = request.GET if request.method != "POST" else request.POST
    try:
        wanted = ReviewFilter.parse(sent.get("filter", ""))
    except FilterError as error:
        return render(request, "curation/promotions/create.html", {"fault": error}, status=422)
    picked = _picked(request, sent)
    if picked is not None:
        # A row may have been found by the words of what was said about it.
        wanted = replace(wanted, words=())
    is_unpromoted = sent.get("promoted") == "no"
    form = PlacesForm(sent if "start" in request.POST else None, project=request.project)
    status = 200
    if form.is_bound:
        try:
            done = _start(request, form, wanted, picked, is_unpromoted=is_unpromoted)
        except JobError as error:
            form.add_error("into" if error.path == "into" else None, error.message)
        else:
            if done is not None:
                return done
        status = 422
    found = promotion_jobs.chosen(
        project=request.project, wanted=wanted, reviews=picked, only_unpromoted=is_unpromoted
    )
    context = {
        "form": form,
        "counts": promotion_jobs.counted(found),
        "picked": picked,
        "filter": str(wanted),
        "tokens": tokens(wanted, reasons={}),
        "only_unpromoted": is_unpromoted,
        "request_key": uuid4(),
        "is_too_many": picked is not None and len(picked) > promotion_jobs.MOST_PICKED,
        "most": promotion_jobs.MOST_PICKED,
    }
    return render(request, "curation/promotions/create.html", context, status=status)


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def promotion_job(request: ProjectRequest, promotion: int) -> HttpResponse:
    """Every member: how far a bulk promotion is and what became of it; with htmx only that."""
    job = _job(request, promotion)
    placings = job.placings.seen_by(request.user)
    placings = placings.select_related("review__output", "library", "training_set")
    placings = placings.defer("review__output__text", "review__output__documents")
    done = job.num_undone + job.num_conflicts
    is_undoing = job.status == PromotionJob.Status.UNDOING
    context = {
        "job": job,
        "tokens": tokens(ReviewFilter.from_json(job.filter), reasons={}),
        "refused": placings.exclude(problem="").order_by("pk")[:MOST_LISTED],
        "conflicts": placings.filter(outcome=Placing.Outcome.CONFLICT).order_by("pk")[:MOST_LISTED],
        "done": done if is_undoing else job.num_seen,
        "whole": job.num_made if is_undoing else job.num_matching,
        "may_act": request.membership.may(Membership.Role.CURATOR),
    }
    name = "curation/promotions/_job.html" if request.htmx else "curation/promotions/page.html"
    return render(request, name, context)


@require_POST
@project_view(Membership.Role.CURATOR)
def promotion_cancel(request: ProjectRequest, promotion: int) -> HttpResponseBase:
    """Curators: stop a bulk promotion where it is."""
    return _acted(request, promotion, promotion_jobs.cancel)


@require_POST
@project_view(Membership.Role.CURATOR)
def promotion_undo(request: ProjectRequest, promotion: int) -> HttpResponseBase:
    """Curators: take back what a bulk promotion made."""
    return _acted(request, promotion, promotion_jobs.undo)


def _start(
    request: ProjectRequest,
    form: PlacesForm,
    wanted: ReviewFilter,
    picked: list[int] | None,
    *,
    is_unpromoted: bool,
) -> HttpResponseBase | None:
    """Start the job; None when the form does not say where. Raises JobError."""
    if not form.is_valid():
        return None
    libraries, training_sets = find_places(
        project=request.project,
        libraries=form.slugs("library"),
        training_sets=form.slugs("training"),
    )
    given = form.cleaned_data
    job = promotion_jobs.start(
        project=request.project,
        wanted=wanted,
        reviews=picked,
        only_unpromoted=is_unpromoted,
        places=Places(
            libraries=libraries,
            training_sets=training_sets,
            kind=given["kind"],
            why=given["why"],
        ),
        request_key=form_key(request),
        by=request.user,
        now=timezone.now(),
    )
    ring(work_promotions)
    return redirect("promotion_job", request.project.slug, job.pk)


def _picked(request: ProjectRequest, sent: QueryDict) -> list[int] | None:
    """The ids of the reviews that were picked; None when all that match are meant."""
    outputs, sessions = _numbers(sent.getlist("output")), _numbers(sent.getlist("session"))
    reviews = _numbers(sent.getlist("review"))
    # A link without picks means all that match; a form says so.
    if sent.get("all") or (request.method != "POST" and not reviews):
        return None
    if outputs or sessions:
        reviews += promotion_jobs.of_outputs(
            project=request.project, outputs=outputs, sessions=sessions
        )
    return sorted(set(reviews))


def _acted(request: ProjectRequest, promotion: int, act: Callable[..., None]) -> HttpResponseBase:
    job = _job(request, promotion)
    try:
        act(job=job, by=request.user, now=timezone.now())
    except promotion_jobs.NotAllowedError as error:
        raise PermissionDenied from error
    except promotion_jobs.OverError as error:
        messages.warning(request, str(error))
    ring(work_promotions)
    return redirect("promotion_job", request.project.slug, job.pk)


def _job(request: ProjectRequest, promotion: int) -> PromotionJob:
    jobs = PromotionJob.objects.select_related("project", "created_by", "undone_by")
    return get_object_or_404(
        jobs.prefetch_related("libraries", "training_sets"), project=request.project, pk=promotion
    )


def _numbers(values: Sequence[str]) -> list[int]:
    return [int(one) for one in values if one.isascii() and one.isdecimal() and len(one) <= 18]
