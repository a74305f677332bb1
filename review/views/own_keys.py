"""A person's own keys to the API."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from feedback.authentication import OwnKeyError, create_own_key, revoke_key
from feedback.models import ApiKey, Membership
from review.http import SignedInRequest
from review.views.selecting import whole

# Days until a key expires, as offered; "" for never.
DAYS = [("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "no end")]


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def own_keys(request: SignedInRequest) -> HttpResponse:
    """Whoever is signed in: their own keys; a new one's text is on the page that made it alone."""
    if request.method != "POST":
        return _page(request)
    sent = request.POST
    slug = sent.get("project", "").replace("\x00", "")
    memberships = Membership.objects.filter(user=request.user, project__slug=slug)
    found = memberships.select_related("project", "user").first()
    if found is None:
        return _page(request, errors={"project": "Choose a project."}, status=422)
    now, days = timezone.now(), sent.get("days", "")
    if days not in dict(DAYS):
        return _page(request, errors={"days": "Choose when it ends."}, status=422)
    try:
        key, text = create_own_key(
            membership=found,
            name=sent.get("name", ""),
            expires_at=now + timedelta(days=whole(days)) if days else None,
            now=now,
        )
    except OwnKeyError as error:
        return _page(request, errors={error.path: error.message}, status=422)
    return _page(request, made=key, text=text, status=201)


@require_POST
def own_key_revoke(request: SignedInRequest, key: int) -> HttpResponseBase:
    """Whoever is signed in: end a key of theirs."""
    found = get_object_or_404(ApiKey, pk=key, membership__user=request.user)
    revoke_key(key=found, by=request.user, now=timezone.now())
    messages.success(request, f"Revoked {found.name}.")
    return redirect("own_keys")


def _page(request: SignedInRequest, *, status: int = 200, **more: object) -> HttpResponse:
    now = timezone.now()
    keys = ApiKey.objects.filter(membership__user=request.user).select_related(
        "project", "membership"
    )
    memberships = Membership.objects.filter(user=request.user).select_related("project")
    context = {
        "keys": keys.order_by("-created_at", "-pk"),
        "memberships": memberships.order_by("project__name", "project"),
        "days": DAYS,
        "now": now,
        "typed": request.POST,
        **more,
    }
    return render(request, "review/account/keys.html", context, status=status)
