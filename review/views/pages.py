"""Pages that belong to no project: home, how the frame looks."""

from __future__ import annotations

from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseRedirect,
)
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from feedback.models import Project
from review import my_work
from review.context_processors import NAV_MODES, THEMES
from review.http import SignedInRequest

YEAR = 365 * 24 * 60 * 60
CHOICES = {"theme": THEMES, "nav": NAV_MODES}


@require_GET
def home(request: SignedInRequest) -> HttpResponse:
    """Whoever is signed in. Leads to their own work if there is any, else to the queues."""
    if busy := my_work.first_with_any(of=request.user, now=timezone.now()):
        return redirect("my_work", busy.slug)
    project = Project.objects.visible_to(request.user).order_by("name", "id").first()
    if project is not None:
        return redirect("queue_list", project.slug)
    return render(request, "home.html")


@require_POST
def theme_switch(request: HttpRequest) -> HttpResponse:
    """Whoever is signed in. Stores the theme or the width of the navigation in a cookie."""
    chosen = {name: request.POST[name] for name in CHOICES if name in request.POST}
    if not chosen or any(value not in CHOICES[name] for name, value in chosen.items()):
        return HttpResponseBadRequest("Send a theme (light, dark, system) or a nav (full, rail).")
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(
        back, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        back = "/"
    # Not redirect(), which takes a word for the name of a page.
    response = HttpResponseRedirect(back)
    for name, value in chosen.items():
        response.set_cookie(
            name, value, max_age=YEAR, samesite="Lax", secure=request.is_secure(), httponly=True
        )
    return response
