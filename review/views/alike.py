"""Items of a queue that are nearly the same, and deciding them as one."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from feedback.models import Membership
from feedback.paging import page
from feedback.ringing import ring
from review import bulk, spot_checks, worklist
from review.http import ProjectRequest, project_view
from review.models import BulkJob, ItemGroup, Queue, QueueItem
from review.tasks import work_bulk
from review.views.selecting import whole
from review.views.tokens import changed

PAGE_SIZE = 50
# Rows that unfold under the first one in a queue.
UNFOLDED = 20


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def alike(request: ProjectRequest, queue: str, group: int) -> HttpResponse:
    """Every member: the open items of a group, by rank, and how far deciding them as one is.

    With ?besides= and htmx only the first of them, without that item, as rows of the queue.
    """
    shown = _group(request, queue, group)
    now = timezone.now()
    items = worklist.listed(QueueItem.objects.alike().filter(group=shown))
    besides = request.GET.get("besides", "")
    if request.htmx and besides.isdecimal() and len(besides) <= 18:
        rest = items.exclude(pk=int(besides)).order_by("-rank", "pk")
        found = list(rest[: UNFOLDED + 1])
        context = {
            "group": shown,
            "rows": worklist.rows(items=found[:UNFOLDED], now=now),
            "has_more": len(found) > UNFOLDED,
        }
        return render(request, "review/queues/_alike.html", context)
    listed = page(
        items, order=["-rank", "id"], size=PAGE_SIZE, cursor=request.GET.get("cursor", "")
    )
    check = spot_checks.newest(group=shown)
    context = {
        "group": shown,
        "rows": worklist.rows(items=listed.rows, now=now),
        "more": changed(request.GET, cursor=listed.next_cursor) if listed.next_cursor else "",
        "plan": spot_checks.plan(group=shown),
        "found": spot_checks.standing(check=check) if check else None,
        "is_hidden": check and spot_checks.is_hidden(check=check, to=request.user),
        "may_moderate": request.membership.may(Membership.Role.MODERATOR),
        "may_review": request.membership.may(Membership.Role.EXPERT),
    }
    return render(request, "review/alike/page.html", context)


@require_POST
@project_view(Membership.Role.MODERATOR)
def alike_draw(request: ProjectRequest, queue: str, group: int) -> HttpResponseBase:
    """Moderators: draw at random what is to be reviewed before the group is decided as one."""
    shown = _group(request, queue, group)
    try:
        spot_checks.draw_sample(group=shown, by=request.user, now=timezone.now())
    except spot_checks.SpotCheckError as error:
        messages.warning(request, str(error))
    return redirect("alike", request.project.slug, shown.queue.slug, shown.pk)


@require_POST
@project_view(Membership.Role.MODERATOR)
def alike_decide(request: ProjectRequest, queue: str, group: int) -> HttpResponseBase:
    """Moderators: decide the rest as the sample `check` was, and go to the job that does it."""
    shown = _group(request, queue, group)
    check = get_object_or_404(shown.checks, pk=whole(request.POST.get("check", "")))
    try:
        job = spot_checks.decide(check=check, by=request.user, now=timezone.now())
    except bulk.NotAllowedError as error:
        raise PermissionDenied from error
    except spot_checks.SpotCheckError as error:
        # Sent twice, it leads to what the first one started.
        if done := BulkJob.objects.filter(spot_check=check).first():
            return redirect("bulk_job", request.project.slug, done.pk)
        messages.warning(request, str(error))
        return redirect("alike", request.project.slug, shown.queue.slug, shown.pk)
    ring(work_bulk)
    return redirect("bulk_job", request.project.slug, job.pk)


def _group(request: ProjectRequest, queue: str, group: int) -> ItemGroup:
    seen = Queue.objects.visible_to(request.user).filter(project=request.project, slug=queue)
    groups = ItemGroup.objects.select_related("queue__project").filter(queue__in=seen)
    return get_object_or_404(groups, pk=group)
