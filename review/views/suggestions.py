"""Suggestions of other words, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from feedback.models import Membership, Output
from review import corrections, suggestions
from review.anchoring import AnchorError
from review.annotations import AnnotationError, StaleVersionError
from review.gathering import sheet
from review.http import ProjectRequest, project_view
from review.templatetags.suggestions import applied as applied_context
from review.views.acting import acted, request_key, seen
from review.views.pieces import pieces
from review.views.selecting import whole
from review.views.showing import place_of, showing


@require_safe
@project_view(Membership.Role.VIEWER)
def shown(request: ProjectRequest, answer: int) -> HttpResponse:
    """Every member: another view of an answer (?show=), to stand in its place."""
    return _shown(request, _output(request, answer))


@require_safe
@project_view(Membership.Role.EXPERT)
def applied(request: ProjectRequest, answer: int) -> HttpResponse:
    """Experts and above: how many suggestions are applied, with the buttons for all of them."""
    context = applied_context({"request": request}, _output(request, answer))
    return render(request, "review/desk/_applied.html", context)


@require_http_methods(["GET", "POST"])
@project_view(Membership.Role.EXPERT)
def suggestion_preview(request: ProjectRequest, answer: int) -> HttpResponse:
    """Experts and above: the Markdown of selected words, and what a replacement would do to it.

    Takes `start`, `end`, `exact`, `version` and, once something is typed, `replacement`. Stores
    nothing; it may be posted since a replacement is too long for an address.
    """
    output = _output(request, answer)
    sent = request.POST if request.method == "POST" else request.GET
    try:
        found = corrections.preview(
            output=output,
            version=whole(sent.get("version", "")),
            start=whole(sent.get("start", "")),
            end=whole(sent.get("end", "")),
            # Browsers send a field's line ends as CR LF.
            exact=sent.get("exact", "").replace("\r\n", "\n"),
            replacement=sent.get("replacement"),
        )
    except StaleVersionError as error:
        return render(request, "review/desk/_preview.html", {"problem": str(error)}, status=409)
    except AnchorError as error:
        return render(request, "review/desk/_preview.html", {"problem": error.message}, status=422)
    context = {"preview": found, "html": SafeString(found.html), "problem": found.problem}
    return render(request, "review/desk/_preview.html", context)


@require_POST
@project_view(Membership.Role.EXPERT)
def accept(request: ProjectRequest, annotation: int) -> HttpResponseBase:
    """Experts and above: accept a suggestion; 409 with the card when somebody decided before."""
    return _decide(request, annotation, suggestions.accept, "accepted", "Suggestion accepted")


@require_POST
@project_view(Membership.Role.EXPERT)
def reject(request: ProjectRequest, annotation: int) -> HttpResponseBase:
    """Experts and above: reject a suggestion; 409 with the card when somebody decided before."""
    return _decide(request, annotation, suggestions.reject, "rejected", "Suggestion rejected")


@require_POST
@project_view(Membership.Role.EXPERT)
def undo(request: ProjectRequest, annotation: int) -> HttpResponseBase:
    """Experts and above: make a suggestion undecided again."""
    return _decide(request, annotation, suggestions.undo, "undone", "Undecided again")


@require_POST
@project_view(Membership.Role.EXPERT)
def rebase(request: ProjectRequest, annotation: int) -> HttpResponseBase:
    """Experts and above: cut a suggestion down to what is not in conflict with accepted ones."""
    return _decide(request, annotation, suggestions.rebase, "rebased", "Suggestion cut down")


@require_POST
@project_view(Membership.Role.EXPERT)
def suggestions_decide(request: ProjectRequest, answer: int) -> HttpResponseBase:
    """Experts and above: `act` accept or reject decides on all suggestions on an answer.

    `undo` with the moment of such an act takes it back.
    """
    output = _output(request, answer)
    now = timezone.now()
    at = _moment(request.POST.get("undo", ""))
    if at:
        found = suggestions.undo_all(output=output, decided_at=at, by=request.user, now=now)
        said = "undecided again"
    elif request.POST.get("act") == "accept":
        found = suggestions.accept_all(output=output, by=request.user, now=now)
        said = "accepted"
    elif request.POST.get("act") == "reject":
        found = suggestions.reject_all(output=output, by=request.user, now=now)
        said = "rejected"
    else:
        return HttpResponse(status=400)
    told = f"{len(found)} suggestion{'' if len(found) == 1 else 's'} {said}"
    if request.htmx:
        return pieces(request, output, did="decided", card="", said=told)
    messages.info(request, f"{told}.")
    return redirect(place_of(output, request.POST.get("item", ""), request.project.slug))


@require_POST
@project_view(Membership.Role.EXPERT)
def rewrite(request: ProjectRequest, answer: int) -> HttpResponseBase:
    """Experts and above: make the corrected answer read as `text`, one suggestion a change."""
    output = _output(request, answer)
    text = request.POST.get("text", "")
    problem, status = "", 200
    try:
        made = suggestions.rewrite(
            output=output,
            version=whole(request.POST.get("version", "")),
            text=text,
            by=request.user,
            request_key=request_key(request),
            now=timezone.now(),
        )
    except AnnotationError as error:
        problem, status = error.message, 422
    except StaleVersionError as error:
        problem, status = str(error), 409
    if problem:
        more = {"problem": problem, "text": text, "version": whole(request.POST.get("version", ""))}
        return _shown(request, output, show="edit", status=status, **more)
    told = f"{len(made)} suggestion{'' if len(made) == 1 else 's'} made and accepted"
    if request.htmx:
        response = pieces(request, output, did="rewritten", card="", said=told)
        response.content += _shown(request, output, show="corrected").content
        return response
    messages.info(request, f"{told}.")
    place = place_of(output, request.POST.get("item", ""), request.project.slug)
    return redirect(f"{place}?show=corrected")


def _output(request: ProjectRequest, pk: int) -> Output:
    return get_object_or_404(Output, project=request.project, pk=pk)


def _shown(
    request: ProjectRequest, output: Output, *, show: str = "", status: int = 200, **more: object
) -> HttpResponse:
    found = sheet(output=output, to=request.user)
    context = {"is_swap": True, **showing(request, found, show=show), **more}
    return render(request, "review/desk/_shown.html", context, status=status)


def _decide(
    request: ProjectRequest, annotation: int, operation: Callable[..., None], did: str, said: str
) -> HttpResponseBase:
    found = seen(request, annotation)

    def act() -> None:
        operation(annotation=found, by=request.user, now=timezone.now())

    return acted(request, found, act, did=did, said=said)


def _moment(text: str) -> datetime | None:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found and timezone.is_aware(found) else None
