"""A person's own work."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from feedback.models import Membership
from review import my_work
from review.http import ProjectRequest, project_view
from review.models import Review

PAGE_SIZE = 30
MOST_SKIPPED = 10


@require_safe
@project_view(Membership.Role.VIEWER)
def own(request: ProjectRequest) -> HttpResponse:
    """Every member: what they hold, are told of, have decided and skipped; ?verdict= narrows.

    ?cursor= and ?skipped= go on in the last two lists.
    """
    now = timezone.now()
    verdict = request.GET.get("verdict", "")
    if verdict and verdict not in Review.Verdict.values:
        raise BadRequest("There is no such verdict.")
    decided = my_work.decided(
        project=request.project,
        by=request.user,
        verdict=verdict,
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor", ""),
        now=now,
    )
    skipped = my_work.skipped(
        project=request.project,
        by=request.user,
        size=MOST_SKIPPED,
        cursor=request.GET.get("skipped", ""),
    )
    held = my_work.held(project=request.project, by=request.user, now=now)
    may_moderate = request.membership.may(Membership.Role.MODERATOR)
    num_disputes, num_escalations = (
        my_work.to_decide(project=request.project, by=request.user) if may_moderate else (0, 0)
    )
    context = {
        "num_disputes": num_disputes,
        "num_escalations": num_escalations,
        "escalated": my_work.escalated(project=request.project, by=request.user, now=now),
        # Whole minutes, rounded down: a lease is never said to last longer than it does.
        "held": [
            (claim, max(0, int((claim.lease_until - now).total_seconds()) // 60))
            for claim in held
            if claim.lease_until
        ],
        "news": my_work.news(project=request.project, to=request.user),
        "decided": decided,
        "skipped": skipped,
        "may_review": request.membership.may(Membership.Role.EXPERT),
        "verdict": verdict,
        "verdicts": Review.Verdict.choices,
    }
    return render(request, "review/my_work/page.html", context)
