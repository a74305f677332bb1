"""What reviewers escalated, for moderators to settle."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import Prefetch
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from feedback.models import Membership
from review import escalations
from review.http import ProjectRequest, project_view
from review.models import AddedReason, Escalation, Event, Queue, Review
from review.models.queue import QueueQuerySet
from review.views.tokens import changed

PAGE_SIZE = 50


@require_safe
@project_view(Membership.Role.MODERATOR)
def escalation_list(request: ProjectRequest) -> HttpResponse:
    """Moderators: what is open, or with ?state=settled what became of the others."""
    state = request.GET.get("state", "open")
    if state not in {"open", "settled"}:
        raise BadRequest("There is no such state.")
    found, cursor = escalations.listed(
        project=request.project,
        to=request.user,
        is_open=state == "open",
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor", ""),
        now=timezone.now(),
    )
    more = changed(request.GET, cursor=cursor) if cursor else ""
    context = {"found": found, "state": state, "more": more}
    return render(request, "review/escalations/list.html", context)


@require_safe
@project_view(Membership.Role.MODERATOR)
def escalation(request: ProjectRequest, escalation: int) -> HttpResponse:
    """Moderators: one escalation, what was decided before, its history, and how to settle it."""
    return _page(request, _there(request, escalation))


@require_POST
@project_view(Membership.Role.MODERATOR)
def escalation_close(request: ProjectRequest, escalation: int) -> HttpResponseBase:
    """Moderators: settle it by a comment; the decision that counts stays."""
    found, comment = _there(request, escalation), request.POST.get("comment", "")
    try:
        escalations.close(escalation=found, by=request.user, comment=comment, now=timezone.now())
    except escalations.EscalationError as error:
        return _page(request, found, closing=comment, close_error=error.message, status=422)
    except escalations.SettledError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, "Closed.")
    return redirect("escalation_list", request.project.slug)


@require_POST
@project_view(Membership.Role.MODERATOR)
def escalation_return(request: ProjectRequest, escalation: int) -> HttpResponseBase:
    """Moderators: have it reviewed once more in a queue; until then nothing counts."""
    found, comment = _there(request, escalation), request.POST.get("comment", "")
    slug = request.POST.get("queue", "")
    queue = get_object_or_404(_queues(request), slug=slug)
    try:
        escalations.send_back(
            escalation=found, queue=queue, by=request.user, comment=comment, now=timezone.now()
        )
    except escalations.EscalationError as error:
        more = {"returning": comment, "queue_slug": slug, "return_error": error.message}
        return _page(request, found, **more, status=422)
    except escalations.SettledError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, f"Sent back to {queue.name}.")
    return redirect("escalation_list", request.project.slug)


def _there(request: ProjectRequest, pk: int) -> Escalation:
    found = Escalation.objects.filter(project=request.project)
    return get_object_or_404(found.select_related("output", "item__queue"), pk=pk)


def _page(
    request: ProjectRequest, found: Escalation, *, status: int = 200, **more: object
) -> HttpResponse:
    raised = escalations.told(escalation=found, to=request.user, now=timezone.now())
    reviews = Review.objects.filter(output=found.output).seen_by(request.user)
    events = Event.objects.filter(output=found.output, target_type__in=["queue_item", "review"])
    context = {
        "raised": raised,
        "reviews": reviews.select_related("reviewer")
        .prefetch_related("reasons", Prefetch("added_reasons", AddedReason.objects.told()))
        .order_by("-created_at", "-pk"),
        "history": events.select_related("actor").order_by("-at", "-pk")[:PAGE_SIZE],
        "queues": _queues(request).order_by("name", "pk"),
        "queue_slug": found.item.queue.slug,
        **more,
    }
    return render(request, "review/escalations/page.html", context, status=status)


def _queues(request: ProjectRequest) -> QueueQuerySet:
    return Queue.objects.visible_to(request.user).filter(project=request.project)
