"""Items of a queue that are nearly the same."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from feedback.models import Membership
from feedback.paging import CursorError, page
from review import worklist
from review.http import ProjectRequest, project_view
from review.models import ItemGroup, QueueItem
from review.views.tokens import changed

PAGE_SIZE = 50
# Rows that unfold under the first one in a queue.
UNFOLDED = 20


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def alike(request: ProjectRequest, queue: str, group: int) -> HttpResponse:
    """Every member: the open items of a group, by rank.

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
    try:
        listed = page(
            items, order=["-rank", "id"], size=PAGE_SIZE, cursor=request.GET.get("cursor", "")
        )
    except CursorError as error:
        raise BadRequest(str(error)) from error
    context = {
        "group": shown,
        "rows": worklist.rows(items=listed.rows, now=now),
        "num_open": items.count(),
        "more": changed(request.GET, cursor=listed.next_cursor) if listed.next_cursor else "",
    }
    return render(request, "review/alike/page.html", context)


def _group(request: ProjectRequest, queue: str, group: int) -> ItemGroup:
    groups = ItemGroup.objects.select_related("queue__project")
    return get_object_or_404(groups, queue__project=request.project, queue__slug=queue, pk=group)
