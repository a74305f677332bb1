"""Keeping searches: what the forms of Explore send."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from feedback.filters import FilterError
from feedback.models import Membership
from review import saved_views
from review.http import ProjectRequest, project_view
from review.models import SavedView
from review.saved_views import GoneError, NotYoursError, ViewError
from review.views.asking import Asked, asked, opened


@require_POST
@project_view(Membership.Role.VIEWER)
def view_save(request: ProjectRequest) -> HttpResponseBase:
    """Every member: keep the search that the form carries, under a name."""
    try:
        shown = asked(request.POST, request.project, request.user)
        view = saved_views.save_view(
            project=request.project,
            name=request.POST.get("name", ""),
            is_shared=bool(request.POST.get("is_shared")),
            by=request.user,
            now=timezone.now(),
            **_search(shown),
        )
    except (ViewError, FilterError) as error:
        return _refused(request, error.message, "")
    return _led(request, opened(view))


@require_POST
@project_view(Membership.Role.VIEWER)
def view_change(request: ProjectRequest, view: int) -> HttpResponseBase:
    """Every member: rename a view of their own or share it; moderators also a shared one."""
    try:
        changed = saved_views.change_view(
            view=_seen(request, view),
            name=request.POST.get("name", ""),
            is_shared=bool(request.POST.get("is_shared")),
            by=request.user,
            now=timezone.now(),
        )
    except NotYoursError as error:
        raise PermissionDenied from error
    except GoneError as error:
        raise Http404 from error
    except ViewError as error:
        return _refused(request, error.message, f"?view={view}")
    return _led(request, opened(changed))


@require_POST
@project_view(Membership.Role.VIEWER)
def view_replace(request: ProjectRequest, view: int) -> HttpResponseBase:
    """Every member: keep another search under the name of a view that they may change."""
    try:
        shown = asked(request.POST, request.project, request.user)
        changed = saved_views.replace_view(
            view=_seen(request, view), by=request.user, now=timezone.now(), **_search(shown)
        )
    except NotYoursError as error:
        raise PermissionDenied from error
    except GoneError as error:
        raise Http404 from error
    except (ViewError, FilterError) as error:
        return _refused(request, error.message, f"?view={view}")
    return _led(request, opened(changed))


@require_POST
@project_view(Membership.Role.VIEWER)
def view_delete(request: ProjectRequest, view: int) -> HttpResponseBase:
    """Every member: forget a view of their own; moderators also a shared one."""
    try:
        saved_views.delete_view(view=_seen(request, view), by=request.user, now=timezone.now())
    except NotYoursError as error:
        raise PermissionDenied from error
    except GoneError as error:
        raise Http404 from error
    address = reverse("search", args=[request.project.slug])
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _search(shown: Asked) -> dict[str, Any]:
    return {
        "wanted": shown.wanted,
        "mode": shown.mode,
        "listing": shown.listing,
        "newest_first": shown.newest_first,
    }


def _seen(request: ProjectRequest, view: int) -> SavedView:
    views = SavedView.objects.filter(project=request.project).seen_by(request.user)
    return get_object_or_404(views, pk=view)


def _led(request: ProjectRequest, shown: Asked) -> HttpResponseBase:
    """Lead to what the view shows."""
    address = f"{reverse('search', args=[request.project.slug])}{shown.link}"
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _refused(request: ProjectRequest, message: str, query: str) -> HttpResponseBase:
    if request.htmx:
        return HttpResponse(message, status=422, content_type="text/plain; charset=utf-8")
    messages.warning(request, message)
    return redirect(f"{reverse('search', args=[request.project.slug])}{query}")
