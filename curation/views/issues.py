"""Issues: the list, one with what speaks for it, and how they are made, closed and reopened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from curation import issue_evidence, issues, tasks, trackers
from curation.issue_forms import IssueCloseForm, IssueForm, IssueLinkForm, IssueReopenForm
from curation.models import Attempt, Delivery, Issue, Ticket, Tracker
from curation.tracker_forms import tracker_boxes
from feedback.models import Erasure, Membership, Reason
from feedback.paging import page
from feedback.ringing import ring
from review.http import ProjectRequest, project_view
from review.models import Handover, Review, Theme
from review.views.tokens import changed

PAGE_SIZE = 50
# Themes that a new issue can be about, and issues that a decision can lead to, the first so many.
MOST_CHOICES = 200
DELIVERIES_SHOWN = 20


@require_safe
@project_view(Membership.Role.VIEWER)
def issue_list(request: ProjectRequest) -> HttpResponse:
    """Every member: the issues that are open, or with ?state= those that are closed."""
    state = request.GET.get("state", "open")
    if state not in {"open", "closed"}:
        raise BadRequest("There is no such state.")
    found = Issue.objects.filter(project=request.project)
    is_closed = state == "closed"
    found = found.filter(status=Issue.Status.CLOSED) if is_closed else found.unsettled()
    rows = page(
        found.select_related("theme", "opened_by").defer("theme__centroid", "description"),
        order=["-changed_at", "-id"],
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor", ""),
    )
    context = {
        "issues": rows.rows,
        "state": state,
        "more": changed(request.GET, cursor=rows.next_cursor) if rows.next_cursor else "",
        **may(request),
    }
    return render(request, "curation/issues/list.html", context)


@require_safe
@project_view(Membership.Role.VIEWER)
def issue(request: ProjectRequest, issue: int) -> HttpResponse:
    """Every member: what speaks for an issue, then and now, and what became of it."""
    return _page(request, find_issue(request, issue))


@require_http_methods(["GET", "HEAD", "POST"])
@project_view(Membership.Role.CURATOR)
def issue_create(request: ProjectRequest) -> HttpResponseBase:
    """Curators: make an issue of ?theme= or of what the decision ?handover= asks for."""
    theme, handover = _asked_about(request)
    about = theme or (issues.theme_of(review=handover.review) if handover else None)
    themes = _themes(request)
    if about is not None and about.number not in {one.number for one in themes}:
        themes = [about, *themes]
    initial = {"title": about.name if about else "", "theme": about.number if about else None}
    form = IssueForm(
        request.POST if request.method == "POST" else None, themes=themes, initial=initial
    )
    refusal = ""
    kept = list(Tracker.objects.kept().filter(project=request.project).order_by("name", "pk"))
    ticked = request.POST.getlist("tracker") if request.method == "POST" else None
    boxes = tracker_boxes(kept, ticked)
    if request.method == "POST" and form.is_valid():
        try:
            made = issues.open_issue(
                project=request.project,
                handover=handover,
                **form.cleaned_data,
                send_to=[one for one, is_ticked in boxes if is_ticked],
                by=request.user,
                now=timezone.now(),
            )
        except issues.IssueFieldError as error:
            form.add_error(error.field, str(error))
        except (issues.IssueError, trackers.TrackerError) as error:
            refusal = str(error)
        else:
            ring(tasks.hand_over_issues)
            messages.success(request, f"P-{made.number} is open.")
            return redirect("issue", request.project.slug, made.number)
    context = {
        "form": form,
        "handover": handover,
        "about": about,
        "refusal": refusal,
        "open_issues": _open_issues(request),
        "boxes": boxes,
    }
    status = 409 if refusal else 422 if form.errors else 200
    return render(request, "curation/issues/create.html", context, status=status)


@require_POST
@project_view(Membership.Role.CURATOR)
def issue_link(request: ProjectRequest, handover: int) -> HttpResponseBase:
    """Curators: let what a decision asks for lead to an issue that is there."""
    found = _handover(request, handover)
    form = IssueLinkForm(request.POST, issues=_open_issues(request))
    if not form.is_valid():
        messages.error(request, "Choose an issue that is open.")
        return redirect("handover_list", request.project.slug, Review.Route.ISSUE)
    shown = find_issue(request, form.cleaned_data["issue"])
    try:
        issues.add_handover(issue=shown, handover=found, by=request.user, now=timezone.now())
    except issues.IssueError as error:
        messages.error(request, str(error))
        return redirect("handover_list", request.project.slug, Review.Route.ISSUE)
    messages.success(request, f"The decision leads to P-{shown.number}.")
    return redirect("issue", request.project.slug, shown.number)


@require_POST
@project_view(Membership.Role.CURATOR)
def issue_close(request: ProjectRequest, issue: int) -> HttpResponseBase:
    """Curators: close an issue as fixed or as not to be fixed."""
    form = IssueCloseForm(request.POST)
    return _acted(
        request,
        find_issue(request, issue),
        form,
        lambda shown: issues.close(
            issue=shown, **form.cleaned_data, by=request.user, now=timezone.now()
        ),
    )


@require_POST
@project_view(Membership.Role.CURATOR)
def issue_reopen(request: ProjectRequest, issue: int) -> HttpResponseBase:
    """Curators: open a closed issue again."""
    form = IssueReopenForm(request.POST)
    return _acted(
        request,
        find_issue(request, issue),
        form,
        lambda shown: issues.reopen(
            issue=shown, **form.cleaned_data, by=request.user, now=timezone.now()
        ),
    )


@require_POST
@project_view(Membership.Role.CURATOR)
def issue_theme(request: ProjectRequest, issue: int) -> HttpResponseBase:
    """Curators: say which theme an issue without one is about."""
    shown = find_issue(request, issue)
    number = request.POST.get("theme", "")
    themes = Theme.objects.filter(project=request.project).defer("centroid")
    found = themes.filter(number=_number(number)).first() if number else None
    if found is None:
        messages.error(request, "Choose a theme.")
    else:
        try:
            issues.set_theme(issue=shown, theme=found, by=request.user, now=timezone.now())
        except issues.IssueError as error:
            messages.error(request, str(error))
    return redirect("issue", request.project.slug, shown.number)


def find_issue(request: ProjectRequest, number: int) -> Issue:
    """Return the project's issue of that number, or raise Http404."""
    found = Issue.objects.filter(project=request.project)
    found = found.select_related("theme__project", "opened_by").defer("theme__centroid")
    return get_object_or_404(found, number=number)


def may(request: ProjectRequest) -> dict[str, bool]:
    """What the member may do with issues."""
    return {
        "may_curate": request.membership.may(Membership.Role.CURATOR),
        "may_admin": request.membership.may(Membership.Role.ADMIN),
    }


def _acted(
    request: ProjectRequest,
    shown: Issue,
    form: IssueCloseForm | IssueReopenForm,
    act: Callable[[Issue], None],
) -> HttpResponseBase:
    """Do it and go back to the issue; what cannot be is said there, with what was entered."""
    refusal = ""
    if form.is_valid():
        try:
            act(shown)
        except issues.IssueFieldError as error:
            form.add_error(error.field, str(error))
        except issues.IssueError as error:
            refusal = str(error)
        else:
            ring(tasks.hand_over_issues)
            return redirect("issue", request.project.slug, shown.number)
    return _page(request, shown, form=form, refusal=refusal, status=409 if refusal else 422)


def _named(request: ProjectRequest, rows: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Rows of reasons by their names, where evidence has what stays the same."""
    reasons = Reason.objects.filter(
        taxonomy__project=request.project, slug__in=[slug for slug, *_ in rows]
    )
    names = dict(reasons.order_by("taxonomy_id").values_list("slug", "name"))
    return [(names.get(slug, slug), then, now) for slug, then, now in rows]


def _page(
    request: ProjectRequest,
    shown: Issue,
    *,
    form: IssueCloseForm | IssueReopenForm | None = None,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    is_closed = shown.status == Issue.Status.CLOSED
    sources = list(
        shown.sources.select_related("handover__review__output", "handover__review__reviewer")
    )
    outputs = [one.handover.review.output_id for one in sources]
    live = issue_evidence.gather(theme=shown.theme, outputs=outputs, now=timezone.now())
    context: dict[str, Any] = {
        "issue": shown,
        "is_closed": is_closed,
        "live": live,
        "rows": (rows := issue_evidence.beside(then=shown.evidence, now=live)),
        "reasons": _named(request, rows["reasons"]),
        "examples": shown.examples.select_related("feedback__output")
        .prefetch_related("feedback__reasons")
        .order_by("position"),
        "changes": shown.changes.select_related("by", "tracker").order_by("-at", "-pk"),
        "sources": sources,
        "tickets": (tickets := list(shown.tickets.select_related("tracker").order_by("pk"))),
        "deliveries": _deliveries(shown),
        "is_erasing": Erasure.objects.taking().filter(project=request.project).exists(),
        "elsewhere": [] if is_closed else _elsewhere(request, tickets),
        "form": form or (IssueReopenForm() if is_closed else IssueCloseForm()),
        "refusal": refusal,
        "themes": [] if shown.theme else _themes(request),
        **may(request),
    }
    return render(request, "curation/issues/page.html", context, status=status)


def _elsewhere(request: ProjectRequest, tickets: list[Ticket]) -> QuerySet[Tracker]:
    """Where an issue can be sent that is not there yet."""
    others = Tracker.objects.kept().filter(project=request.project)
    return others.exclude(pk__in=[one.tracker_id for one in tickets]).order_by("name", "pk")


def _deliveries(shown: Issue) -> QuerySet[Delivery]:
    """What was sent of the issue, the newest first, each with how its last attempt went."""
    last = Attempt.objects.filter(delivery=OuterRef("pk")).order_by("-number")
    again = Delivery.objects.to_send_again(at=timezone.now())
    return (
        Delivery.objects.filter(ticket__issue=shown)
        .select_related("ticket__tracker", "change")
        .annotate(
            last_status=Subquery(last.values("status_code")[:1]),
            last_fault=Subquery(last.values("fault")[:1]),
            last_at=Subquery(last.values("began_at")[:1]),
            may_send_again=Exists(again.filter(pk=OuterRef("pk"))),
        )
        .order_by("-pk")[:DELIVERIES_SHOWN]
    )


def _themes(request: ProjectRequest) -> list[Theme]:
    """What an issue can be about, the largest first."""
    current = Theme.objects.current().filter(project=request.project)
    found = current.only("project", "number", "name").order_by("-size", "pk")
    return list(found[:MOST_CHOICES])


def _asked_about(request: ProjectRequest) -> tuple[Theme | None, Handover | None]:
    """What a new issue is to be made of. Raises Http404 for what is not there."""
    theme = handover = None
    if number := request.GET.get("theme", ""):
        themes = Theme.objects.filter(project=request.project).defer("centroid")
        theme = get_object_or_404(themes, number=_number(number))
    if number := request.GET.get("handover", ""):
        handover = _handover(request, _number(number))
    return theme, handover


def _handover(request: ProjectRequest, pk: int) -> Handover:
    # What a decision says is hidden from whoever is still to judge the answer without it.
    seen = Review.objects.seen_by(request.user).filter(project=request.project)
    found = Handover.objects.filter(review__in=seen, route=Review.Route.ISSUE)
    return get_object_or_404(found.select_related("review__output"), pk=pk)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadRequest("That is no number.")
    return int(text)


def _open_issues(request: ProjectRequest) -> list[Issue]:
    found = Issue.objects.filter(project=request.project).unsettled()
    return list(found.only("project", "number", "title").order_by("-number")[:MOST_CHOICES])
