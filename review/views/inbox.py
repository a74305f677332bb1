"""What the signed-in person is told of."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST, require_safe

from review import notifications
from review.http import SignedInRequest
from review.models import Notification

PAGE_SIZE = 50


@require_safe
def inbox(request: SignedInRequest) -> HttpResponse:
    """Whoever is signed in: what happened in their threads, the last first."""
    cursor = request.GET.get("cursor", "")
    lines = notifications.listed(to=request.user, size=PAGE_SIZE, cursor=cursor)
    context = {
        "lines": lines,
        "now": timezone.now(),
        "more": f"?cursor={lines.next_cursor}" if lines.next_cursor else "",
    }
    return render(request, "review/inbox/page.html", context)


@require_POST
def inbox_read(request: SignedInRequest) -> HttpResponseBase:
    """Whoever is signed in: mark all as read that stood on the page they sent this from."""
    try:
        until = parse_datetime(request.POST.get("until", ""))
    except ValueError:
        until = None
    if until is None or timezone.is_naive(until):
        raise BadRequest("Send the moment of the page.")
    notifications.read_all(by=request.user, until=until, now=timezone.now())
    return redirect("inbox")


@require_POST
def inbox_open(request: SignedInRequest, notification: int) -> HttpResponseBase:
    """Whoever is signed in: go to what a line of theirs is about, read by that.

    With `stay` it is only marked as read.
    """
    line = get_object_or_404(
        Notification.objects.seen_by(request.user).select_related("project"), pk=notification
    )
    notifications.read(notification=line, by=request.user, now=timezone.now())
    if "stay" in request.POST:
        return redirect("inbox")
    if line.path:
        return redirect(line.path)
    if line.job_id:
        return redirect("bulk_job", line.project.slug, line.job_id)
    if line.item_id:
        return redirect("item", line.project.slug, line.item_id)
    return redirect("annotation", line.project.slug, line.annotation_id)
