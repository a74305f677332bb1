"""Where issues go: the project's trackers and webhooks, and deliveries that were given up."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from curation import tasks, trackers
from curation.models import Delivery, Tracker
from curation.tracker_forms import TokenForm, TrackerForm
from curation.views.issues import find_issue
from feedback.models import Membership
from feedback.ringing import ring
from review.http import ProjectRequest, project_view


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@project_view(Membership.Role.ADMIN)
def tracker_list(request: ProjectRequest) -> HttpResponse:
    """Admins: where issues go, and the form of another; a new one's secret is shown once."""
    form = TrackerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made, secret = trackers.add(
                project=request.project,
                **form.cleaned_data,
                allowed=settings.OUTGOING_HOSTS,
                by=request.user,
                now=timezone.now(),
            )
        except trackers.TrackerError as error:
            form.add_error(error.field or None, str(error))
        else:
            return _page(request, TrackerForm(), shown=made, secret=secret)
    return _page(request, form)


@require_POST
@never_cache
@project_view(Membership.Role.ADMIN)
def tracker_secret(request: ProjectRequest, tracker: int) -> HttpResponse:
    """Admins: another signing secret, which is shown once."""
    found = _found(request, tracker)
    secret = trackers.renew_secret(tracker=found, by=request.user, now=timezone.now())
    return _page(request, TrackerForm(), shown=found, secret=secret)


@require_POST
@project_view(Membership.Role.ADMIN)
def tracker_token(request: ProjectRequest, tracker: int) -> HttpResponseBase:
    """Admins: enter another token."""
    found = _found(request, tracker)
    form = TokenForm(request.POST)
    token = form.cleaned_data["token"] if form.is_valid() else ""
    try:
        trackers.renew_token(tracker=found, token=token, by=request.user, now=timezone.now())
    except trackers.TrackerError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{found.name} has another token.")
    return redirect("tracker_list", request.project.slug)


@require_POST
@project_view(Membership.Role.ADMIN)
def tracker_remove(request: ProjectRequest, tracker: int) -> HttpResponseBase:
    """Admins: send nothing there any more."""
    found = _found(request, tracker)
    trackers.remove(tracker=found, by=request.user, now=timezone.now())
    messages.success(request, f"{found.name} is removed, and its secrets are forgotten.")
    return redirect("tracker_list", request.project.slug)


@require_POST
@project_view(Membership.Role.CURATOR)
def issue_send(request: ProjectRequest, issue: int) -> HttpResponseBase:
    """Curators: send an issue to a tracker."""
    shown = find_issue(request, issue)
    pk = request.POST.get("tracker", "")
    kept = Tracker.objects.kept().filter(project=request.project)
    is_number = pk.isascii() and pk.isdigit() and len(pk) < 19
    found = kept.filter(pk=int(pk)).first() if is_number else None
    back = redirect("issue", request.project.slug, shown.number)
    if found is None:
        messages.error(request, "Choose where it is to go.")
        return back
    try:
        trackers.hand_over(issue=shown, trackers=[found], by=request.user, now=timezone.now())
    except trackers.TrackerError as error:
        messages.error(request, str(error))
    else:
        ring(tasks.hand_over_issues)
    return back


@require_POST
@project_view(Membership.Role.CURATOR)
def delivery_again(request: ProjectRequest, delivery: int) -> HttpResponseBase:
    """Curators: try a delivery anew that was given up."""
    found = get_object_or_404(
        Delivery.objects.select_related("ticket__issue").filter(
            ticket__issue__project=request.project
        ),
        pk=delivery,
    )
    try:
        trackers.send_again(delivery=found, by=request.user, now=timezone.now())
    except trackers.TrackerError as error:
        messages.error(request, str(error))
    else:
        ring(tasks.hand_over_issues)
    return redirect("issue", request.project.slug, found.ticket.issue.number)


def _found(request: ProjectRequest, pk: int) -> Tracker:
    return get_object_or_404(Tracker.objects.kept().filter(project=request.project), pk=pk)


def _page(
    request: ProjectRequest, form: TrackerForm, *, shown: Tracker | None = None, secret: str = ""
) -> HttpResponse:
    kept = list(Tracker.objects.kept().filter(project=request.project).order_by("name", "pk"))
    site = settings.SITE_URL.rstrip("/")
    context = {
        "trackers": [(one, site + reverse("api-1:report", args=[one.hook])) for one in kept],
        "form": form,
        "shown": shown,
        "secret": secret,
    }
    return render(
        request, "curation/trackers/page.html", context, status=422 if form.errors else 200
    )
