"""The themes, and one of them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from feedback.models import Membership
from feedback.paging import page
from review import charts, theme_reports, themes
from review.http import ProjectRequest, project_view
from review.models import Theme, ThemeRun
from review.views.tokens import changed

PAGE_SIZE = 50
MEMBERS_PER_PAGE = 25


@require_safe
@project_view(Membership.Role.VIEWER)
def theme_list(request: ProjectRequest) -> HttpResponse:
    """Every member: the project's themes that have members, the largest first."""
    current = Theme.objects.current().filter(project=request.project)
    found = page(
        current.defer("centroid"),
        order=["-size", "id"],
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor", ""),
    )
    context = {
        "rows": [
            (summary, charts.spark(summary.per_week))
            for summary in theme_reports.summaries(
                themes=found.rows, to=request.user, now=timezone.now()
            )
        ],
        "more": changed(request.GET, cursor=found.next_cursor) if found.next_cursor else "",
        "run": ThemeRun.objects.filter(project=request.project).order_by("-started_at").first(),
        "num_weeks": theme_reports.WEEKS,
    }
    return render(request, "review/themes/list.html", context)


@require_safe
@project_view(Membership.Role.VIEWER)
def theme(request: ProjectRequest, number: int) -> HttpResponse:
    """Every member: what is said in the theme, when, of which model, and by whom."""
    return _page(request, _theme(request, number))


@require_POST
@project_view(Membership.Role.MODERATOR)
def theme_rename(request: ProjectRequest, number: int) -> HttpResponseBase:
    """Moderators: give the theme a name that lasts."""
    shown = _theme(request, number)
    name = request.POST.get("name", "")
    try:
        themes.rename(theme=shown, name=name, by=request.user, now=timezone.now())
    except themes.ThemeError as error:
        return _page(request, shown, name=name, error=error.message)
    messages.success(request, "Renamed.")
    return redirect("theme", request.project.slug, number)


def _theme(request: ProjectRequest, number: int) -> Theme:
    return get_object_or_404(
        Theme.objects.filter(project=request.project).defer("centroid"), number=number
    )


def _page(
    request: ProjectRequest, shown: Theme, *, name: str = "", error: str = ""
) -> HttpResponse:
    found = page(
        theme_reports.members(shown),
        order=["-similarity", "id"],
        size=MEMBERS_PER_PAGE,
        cursor=request.GET.get("cursor", ""),
    )
    weeks = theme_reports.weeks_of(theme=shown, now=timezone.now())
    context = {
        "theme": shown,
        "name": name or shown.name,
        "error": error,
        "members": found.rows,
        "more": changed(request.GET, cursor=found.next_cursor) if found.next_cursor else "",
        "is_first_page": not request.GET.get("cursor"),
        "weeks": weeks,
        "chart": charts.stacked(
            labels=[f"{monday:%-d %b}" for monday in weeks.mondays], series=weeks.counts
        ),
        "reasons": theme_reports.reasons_of(theme=shown),
        "origins": theme_reports.origins_of(theme=shown),
        "queues": theme_reports.queues_of(theme=shown, to=request.user),
        "may_curate": request.membership.may(Membership.Role.CURATOR),
        "may_rename": request.membership.may(Membership.Role.MODERATOR),
    }
    return render(request, "review/themes/page.html", context, status=422 if error else 200)
