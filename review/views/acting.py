"""What every act on a comment has in common."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.html import escape, format_html
from django_htmx.http import reswap, retarget

from review.anchoring import AnchorError
from review.annotations import AnnotationError, ConflictError, NotYoursError, StaleVersionError
from review.http import ProjectRequest
from review.models import Annotation
from review.views.pieces import pieces

# Sends the form of a changed comment again.
SURE = (
    '{} <button class="btn btn--s" type="submit" form="{}-edit" name="is_sure" value="on">'
    "Suggest to delete it</button>"
)


def seen(request: ProjectRequest, annotation: int) -> Annotation:
    """A comment of the project that is not hidden from the person; else 404."""
    found = Annotation.objects.filter(project=request.project).seen_by(request.user)
    return get_object_or_404(found.select_related("output"), pk=annotation)


def request_key(request: ProjectRequest) -> UUID | None:
    """Which act the sent form is; None when it does not say."""
    try:
        return UUID(request.POST.get("request_key", ""))
    except ValueError:
        return None


def acted(
    request: ProjectRequest,
    annotation: Annotation,
    act: Callable[[], None],
    *,
    did: str,
    said: str,
) -> HttpResponseBase:
    """Act on a comment and answer with what that changed.

    422 with the reason at the card's form, 403 for who may not, and 409 with the card as it is
    now when somebody was faster. Without a script it leads back to the card.
    """
    card = f"a{annotation.pk}"
    problem = ""
    try:
        act()
    except NotYoursError as error:
        return _plainly(str(error), 403)
    except (AnchorError, AnnotationError) as error:
        told = escape(error.message)
        if error.path == "is_sure" and request.htmx:
            told = format_html(SURE, told, card)
        refused = _plainly(told, 422)
        return reswap(retarget(refused, f"#{card}-errors"), "innerHTML")
    except (ConflictError, StaleVersionError) as error:
        problem = str(error)
    if request.htmx:
        return pieces(request, annotation.output, did=did, card=card, said=said, problem=problem)
    if problem:
        messages.warning(request, problem)
    if Annotation.objects.filter(pk=annotation.pk).exists():
        back = reverse("annotation", args=[request.project.slug, annotation.pk])
        return redirect(f"{back}?view=list" if request.POST.get("back") == "list" else back)
    messages.info(request, "Removed.")
    return redirect("output", request.project.slug, annotation.output.external_id)


def _plainly(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
