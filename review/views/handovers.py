"""What decisions ask for on their routes, and who is at it."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from feedback.models import Membership
from review import handovers
from review.http import ProjectRequest, project_view
from review.models import Handover, Review
from review.views.tokens import changed

PAGE_SIZE = 50


@require_safe
@project_view(Membership.Role.MODERATOR)
def handover_list(request: ProjectRequest, route: str) -> HttpResponse:
    """Moderators: what is on one route, open or with ?state= taken or done."""
    state = request.GET.get("state", Handover.Status.OPEN)
    if route not in [one.value for one in handovers.ROUTES]:
        raise Http404
    if state not in Handover.Status.values:
        raise BadRequest("There is no such state.")
    found = handovers.listed(
        project=request.project,
        to=request.user,
        route=route,
        status=state,
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor", ""),
        now=timezone.now(),
    )
    context = {
        "found": found.rows,
        "route": Review.Route(route),
        "state": state,
        "states": Handover.Status.choices,
        "may_curate": request.membership.may(Membership.Role.CURATOR),
        "more": changed(request.GET, cursor=found.next_cursor) if found.next_cursor else "",
    }
    return render(request, "review/handovers/list.html", context)


@require_POST
@project_view(Membership.Role.MODERATOR)
def handover_take(request: ProjectRequest, handover: int) -> HttpResponseBase:
    """Moderators: say that one is at it."""
    return _done(
        request, handover, lambda one: handovers.take(handover=one, by=request.user, now=_now())
    )


@require_POST
@project_view(Membership.Role.MODERATOR)
def handover_give_back(request: ProjectRequest, handover: int) -> HttpResponseBase:
    """Moderators: open it again, also from under somebody else."""
    return _done(
        request,
        handover,
        lambda one: handovers.give_back(handover=one, by=request.user, now=_now()),
    )


@require_POST
@project_view(Membership.Role.MODERATOR)
def handover_close(request: ProjectRequest, handover: int) -> HttpResponseBase:
    """Moderators: be through with it, with a word of why or where."""
    comment = request.POST.get("comment", "")
    return _done(
        request,
        handover,
        lambda one: handovers.close(handover=one, by=request.user, comment=comment, now=_now()),
    )


_now = timezone.now


def _done(request: ProjectRequest, pk: int, act: Callable[[Handover], None]) -> HttpResponseBase:
    """Do it, say why not if it cannot be, and go back to the list it came from."""
    one = get_object_or_404(Handover.objects.filter(project=request.project), pk=pk)
    state = one.status
    try:
        act(one)
    except handovers.HandoverError as error:
        messages.warning(request, str(error))
    return redirect(
        f"{reverse('handover_list', args=[request.project.slug, one.route])}?state={state}"
    )
