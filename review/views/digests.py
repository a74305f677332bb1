"""What a person is told of, where, and how often."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from review import digests
from review.http import SignedInRequest
from review.models import Digest, Notification


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def notification_choices(request: SignedInRequest) -> HttpResponseBase:
    """Whoever is signed in: what they are told of in the inbox and by e-mail, and its change."""
    if request.method != "POST":
        return _page(request, **vars(digests.chosen(by=request.user)))
    every = request.POST.get("every", "")
    in_app, by_mail = request.POST.getlist("in_app"), request.POST.getlist("by_mail")
    try:
        digests.choose(
            by=request.user, every=every, in_app=in_app, by_mail=by_mail, now=timezone.now()
        )
    except digests.DigestError as error:
        return _page(request, every=every, in_app=in_app, by_mail=by_mail, error=str(error))
    messages.success(request, "Saved.")
    return redirect("notification_choices")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@csrf_exempt
@login_not_required
def digest_stop(request: HttpRequest, token: str) -> HttpResponse:
    """Whoever has a mail: stop the mails of whom it was sent to, after being asked.

    Mail programs send the POST of one click without a cookie (RFC 8058); the token says who.
    """
    whose = digests.who_has(token=token)
    if whose is None:
        raise Http404
    if request.method == "POST":
        digests.stop(to=whose, now=timezone.now())
    context = {"is_stopped": request.method == "POST"}
    return render(request, "review/digest/stop.html", context)


def _page(
    request: SignedInRequest, *, every: str, in_app: list[str], by_mail: list[str], error: str = ""
) -> HttpResponse:
    kinds = [
        {"value": value, "label": label, "in_app": value in in_app, "by_mail": value in by_mail}
        for value, label in Notification.Kind.choices
    ]
    context = {
        "every": every,
        "frequencies": Digest.Every.choices,
        "kinds": kinds,
        "error": error,
        "hour": settings.DIGEST_HOUR,
    }
    status = 422 if error else 200
    return render(request, "review/account/notifications.html", context, status=status)
