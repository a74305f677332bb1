"""What an act changed on the page of an answer, as pieces that htmx swaps out of band."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django_htmx.http import trigger_client_event

from feedback.models import Membership, Output, Reason
from review.gathering import sheet
from review.http import ProjectRequest
from review.news import Changes, changes
from review.sheets import Stamp


def pieces(
    request: ProjectRequest,
    output: Output,
    *,
    did: str,
    card: str,
    said: str,
    problem: str = "",
) -> HttpResponse:
    """Answer an act on a card: all that happened since the page's stamp, and that card.

    The page hears an event "did" with `did` (a verb), `card` (the id) and `said` (words to
    announce). With a `problem`, which it shows, nothing was done: 409. A request without a stamp
    gets the whole answer and margin.
    """
    since = Stamp.read(request.POST.get("since", ""))
    found = (
        changes(output=output, to=request.user, since=since, also=[card])
        if since
        else Changes(sheet=sheet(output=output, to=request.user), is_all=True)
    )
    response = render_changes(request, found, did=did, status=409 if problem else 200)
    if problem:
        toast = {"text": problem, "tone": "warn"}
        return trigger_client_event(response, "toast", toast, after="settle")
    detail = {"did": did, "card": card, "said": said}
    return trigger_client_event(response, "did", detail, after="settle")


def render_changes(
    request: ProjectRequest, found: Changes, *, did: str = "", status: int = 200
) -> HttpResponse:
    """Render changes; 204 for none."""
    if not found:
        return HttpResponse(status=204)
    context = {
        "changes": found,
        "did": did,
        "sheet": found.sheet,
        "is_swap": True,
        **card_context(request),
    }
    return render(request, "review/desk/_pieces.html", context, status=status)


def card_context(request: ProjectRequest) -> dict[str, object]:
    """What every template with cards needs."""
    return {
        "may_review": request.membership.may(Membership.Role.EXPERT),
        "may_moderate": request.membership.may(Membership.Role.MODERATOR),
        # What the author of a comment may make its reason; asked for when it is drawn.
        "choices": Reason.objects.current().filter(taxonomy__project=request.project),
        # Controls of cards as far as they are drawn.
        "drawn": {},
        # Acts on threads are addresses below this one.
        "threads": reverse("annotation", args=[request.project.slug, 0]).removesuffix("0/"),
    }
