"""Where the words of a comment are in a later version, over HTTP."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_POST

from feedback.models import Membership
from review import anchors
from review.http import ProjectRequest, project_view
from review.views.acting import acted, seen
from review.views.selecting import whole


@require_POST
@project_view(Membership.Role.EXPERT)
def confirm(request: ProjectRequest, annotation: int) -> HttpResponseBase:
    """Experts and above: say that the words found are those that were meant."""
    found = seen(request, annotation)

    def act() -> None:
        version = whole(request.POST.get("version", ""))
        anchors.confirm(annotation=found, version=version, by=request.user, now=timezone.now())

    return acted(request, found, act, did="confirmed", said="Confirmed")


@require_POST
@project_view(Membership.Role.EXPERT)
def reattach(request: ProjectRequest, annotation: int) -> HttpResponseBase:
    """Experts and above: say which words a comment is about now."""
    found = seen(request, annotation)

    def act() -> None:
        anchors.reattach(
            annotation=found,
            version=whole(request.POST.get("version", "")),
            start=whole(request.POST.get("start", "")),
            end=whole(request.POST.get("end", "")),
            exact=request.POST.get("exact", "").replace("\r\n", "\n"),
            by=request.user,
            now=timezone.now(),
        )

    return acted(request, found, act, did="reattached", said="Re-attached")
