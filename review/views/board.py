"""The moderators' board."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from feedback.models import Membership
from review import handovers
from review.board import waiting
from review.http import ProjectRequest, project_view


@require_safe
@project_view(Membership.Role.MODERATOR)
def board(request: ProjectRequest) -> HttpResponse:
    """Moderators: what waits in which queue and on which route, since when, and who is at it."""
    now = timezone.now()
    context = {
        "found": waiting(project=request.project, to=request.user, now=now),
        "routes": handovers.on_routes(project=request.project, now=now),
    }
    return render(request, "review/board/page.html", context)
