"""How far reviewers agree, and what they leave a third person to decide."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from feedback.models import Membership
from review import agreeing, disputes
from review.http import ProjectRequest, project_view
from review.models import Queue
from review.views.tokens import changed

PAGE_SIZE = 50


@require_safe
@project_view(Membership.Role.MODERATOR)
def agreement(request: ProjectRequest) -> HttpResponse:
    """Moderators: agreement by queue, reason and pair, of ?queue= or of all queues."""
    slug = request.GET.get("queue", "")
    queues = Queue.objects.visible_to(request.user).filter(project=request.project)
    chosen = get_object_or_404(queues, slug=slug) if slug else None
    found = agreeing.report(project=request.project, queue=chosen)
    return render(request, "review/agreement/page.html", {"report": found, "chosen": chosen})


@require_safe
@project_view(Membership.Role.MODERATOR)
def dispute_list(request: ProjectRequest) -> HttpResponse:
    """Moderators: items whose reviewers disagree, to decide on."""
    found, cursor = disputes.listed(
        project=request.project,
        by=request.user,
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor", ""),
        now=timezone.now(),
    )
    more = changed(request.GET, cursor=cursor) if cursor else ""
    return render(request, "review/disputes/page.html", {"disputes": found, "more": more})
