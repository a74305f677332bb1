"""What a version did, by theme and by entry; what was done about a theme; what promotions did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from curation import effects, entry_effects, issues, promoted
from curation.effects import Effect
from curation.models import LibraryVersion, PromotionJob
from curation.promoted import Destination
from curation.rates import Arm, interval
from feedback.models import Membership
from feedback.timeouts import TooSlowError
from review import charts
from review.charts import Forest
from review.http import ProjectRequest, project_view
from review.models import Review, Theme

# The widest that a chart in a table and one beside a list are drawn.
IN_TABLE, IN_LIST = 250, 330
ISSUES_SHOWN = 5


@dataclass(frozen=True)
class Drawn:
    """An effect with its charts; None where there is nothing to draw."""

    effect: Effect
    held_out: Forest | None
    before_after: Forest | None


@require_safe
@project_view(Membership.Role.VIEWER)
def version_effect(request: ProjectRequest, library: str, number: int) -> HttpResponse:
    """Every member: what a version did to all complaints and to its themes."""
    version = _version(request, library, number)
    found = effects.of_version(version=version, now=timezone.now())
    context = {
        "library": version.library,
        "version": version,
        "found": found,
        "rows": [_drawn(effect, width=IN_TABLE) for effect in found.effects],
    }
    return render(request, "curation/effects/version.html", context)


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def version_entries(request: ProjectRequest, library: str, number: int) -> HttpResponse:
    """Every member: which entries of a version help and which harm."""
    version = _version(request, library, number)
    context = {
        "library": version.library,
        "version": version,
        "found": entry_effects.of_entries(version=version),
    }
    page = "_entries" if request.htmx else "entries"
    return render(request, f"curation/effects/{page}.html", context)


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def theme_effect(request: ProjectRequest, number: int) -> HttpResponse:
    """Every member: where a theme stands, what was done about it, and what that did."""
    themes = Theme.objects.filter(project=request.project).defer("centroid")
    theme = get_object_or_404(themes, number=number)
    found: list[Effect] = []
    why = ""
    try:
        found = effects.of_theme(theme=theme, now=timezone.now())
    except TooSlowError:
        why = effects.TOO_SLOW
    rows = [_drawn(effect, width=IN_LIST) for effect in found]
    context = {
        "theme": theme,
        "rows": rows,
        "why": why,
        "issues": theme.issues.order_by("status", "-changed_at", "-pk")[:ISSUES_SHOWN],
        "has_open_issue": theme.issues.unsettled().exists(),
        "may_curate": request.membership.may(Membership.Role.CURATOR),
    }
    page = "_theme" if request.htmx else "theme"
    return render(request, f"curation/effects/{page}.html", context)


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def review_effect(request: ProjectRequest, review: int) -> HttpResponse:
    """Every member: where a review was promoted to, and whether it helped there."""
    reviews = Review.objects.revealed().filter(project=request.project)
    found = get_object_or_404(reviews.select_related("output"), pk=review)
    theme = issues.theme_of(review=found)
    return _promoted(
        request, lambda now: promoted.of_review(review=found, theme=theme, now=now), review=found
    )


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def promotion_effect(request: ProjectRequest, promotion: int) -> HttpResponse:
    """Every member: where a bulk promotion went, and whether it helped its themes."""
    job = get_object_or_404(PromotionJob, project=request.project, pk=promotion)
    return _promoted(request, lambda now: promoted.of_job(job=job, now=now), job=job)


def _promoted(
    request: ProjectRequest,
    told: Callable[[datetime], list[Destination]],
    **of: Review | PromotionJob,
) -> HttpResponse:
    found: list[Destination] = []
    why = ""
    try:
        found = told(timezone.now())
    except TooSlowError:
        why = effects.TOO_SLOW
    rows = [(one, [_drawn(effect, width=IN_LIST) for effect in one.effects]) for one in found]
    page = "_promoted" if request.htmx else "promoted"
    return render(request, f"curation/effects/{page}.html", {"rows": rows, "why": why, **of})


def _version(request: ProjectRequest, library: str, number: int) -> LibraryVersion:
    versions = LibraryVersion.objects.filter(library__project=request.project)
    return get_object_or_404(
        versions.select_related("library__project"), library__slug=library, number=number
    )


def _drawn(effect: Effect, *, width: int) -> Drawn:
    by_lot, in_time = effect.held_out, effect.before_after
    return Drawn(
        effect=effect,
        held_out=_forest(width, held_out=by_lot.held_out, served=by_lot.served) if by_lot else None,
        before_after=_forest(width, before=in_time.before, after=in_time.after),
    )


def _forest(width: int, **arms: Arm) -> Forest | None:
    """The arms' rates one above the other, by their names; None unless all have outputs."""
    if not all(arm.outputs for arm in arms.values()):
        return None
    ends = [(arm, interval(arm)) for arm in arms.values()]
    return charts.forest(
        labels=[name.replace("_", " ") for name in arms],
        intervals=[(low, arm.rate, high) for arm, (low, high) in ends],
        width=width,
        row=22,
    )
