"""What waits for its counterpart, and what was refused."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from feedback.models import Membership, RejectedRecord, WaitingRecord
from feedback.paging import page
from review.http import ProjectRequest, project_view

PAGE_SIZE = 50


@require_safe
@project_view(Membership.Role.CURATOR)
def ingestion(request: ProjectRequest) -> HttpResponse:
    """Curators and admins: the project's rejected records, or with ?show=waiting those waiting."""
    shows_waiting = request.GET.get("show") == "waiting"
    waiting = WaitingRecord.objects.filter(project=request.project)
    rejected = RejectedRecord.objects.filter(project=request.project)
    found = page(
        waiting if shows_waiting else rejected,
        order=["-received_at", "-id"],
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor", ""),
    )
    context = {
        "page": found,
        "shows_waiting": shows_waiting,
        "num_waiting": waiting.count(),
        "num_rejected": rejected.count(),
    }
    return render(request, "review/ingestion/page.html", context)
