"""Read-only pages of a session and of one output, by the sender's ids."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from feedback.models import Feedback, Membership, Output, Session
from feedback.paging import CursorError, page
from review.desk import visible_reviews
from review.http import ProjectRequest, project_view
from review.models import QueueItem
from review.rendering import render as render_answer
from review.sheets import sheet
from review.trail import tag_names, trail, turns
from review.views.pieces import card_context

TURNS_PER_PAGE = 20


@require_safe
@project_view(Membership.Role.VIEWER)
def session(request: ProjectRequest, session: str) -> HttpResponse:
    """Every member: a session's questions and answers with what its user did and said."""
    found = get_object_or_404(Session, project=request.project, external_id=_external_id(session))
    try:
        shown = page(
            Output.objects.filter(session=found).select_related("session"),
            order=["at", "id"],
            size=TURNS_PER_PAGE,
            cursor=request.GET.get("cursor", ""),
        )
    except CursorError as error:
        raise BadRequest(str(error)) from error
    context = {
        "session": found,
        "tags": tag_names(session=found),
        "on_session": Feedback.objects.filter(session=found, output=None).order_by("at", "id"),
        "turns": [
            (turn, SafeString(render_answer(turn.output.text).html))
            for turn in turns(outputs=shown.rows)
        ],
        "next_cursor": shown.next_cursor,
    }
    return render(request, "review/sessions/page.html", context)


@require_safe
@project_view(Membership.Role.VIEWER)
def output(request: ProjectRequest, output: str) -> HttpResponse:
    """Every member: one answer with its marks, feedback and reviews."""
    found = get_object_or_404(
        Output.objects.select_related("session"),
        project=request.project,
        external_id=_external_id(output),
    )
    items = QueueItem.objects.filter(output=found).select_related("queue", "theme")
    listed = list(items.order_by("pk"))
    context = {
        "output": found,
        "sheet": sheet(output=found, to=request.user),
        "trail": trail(output=found),
        "items": listed,
        "theme": next((item.theme for item in listed if item.theme), None),
        "reviews": visible_reviews(output=found, to=request.user),
        **card_context(request),
    }
    return render(request, "review/outputs/page.html", context)


def _external_id(text: str) -> str:
    """The id. PostgreSQL takes no NUL, so nothing has an id with one."""
    if "\x00" in text:
        raise Http404
    return text
