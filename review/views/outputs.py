"""Read-only pages of a session and of one output, by the sender's ids."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from feedback.models import AnswerVersion, Feedback, Membership, Output, Session
from feedback.paging import page
from review.desk import visible_reviews
from review.gathering import sheet
from review.http import ProjectRequest, project_view
from review.models import QueueItem
from review.rendering import render as render_answer
from review.sheets import Card
from review.splicing import render_spliced
from review.trail import tag_names, turns
from review.views.pieces import card_context
from review.views.selecting import whole
from review.views.showing import showing
from review.views.tags import tagging
from review.views.trails import trailing

TURNS_PER_PAGE = 20
# How a list of comments can be sorted; in the order of the text without a word.
SORTS: dict[str, Callable[[Card], Any]] = {
    "place": lambda card: card.number,
    "reason": lambda card: (card.category or 99, card.number),
    "state": lambda card: (card.state, card.number),
    "author": lambda card: (card.author.casefold(), card.number),
    "at": lambda card: card.at,
}
COLUMNS = [
    ("place", "Words"),
    ("reason", "Reason"),
    ("state", "Status"),
    ("author", "Author"),
    ("at", "When"),
]


@require_safe
@project_view(Membership.Role.VIEWER)
def session(request: ProjectRequest, session: str) -> HttpResponse:
    """Every member: a session's questions and answers with what its user did and said."""
    found = get_object_or_404(Session, project=request.project, external_id=_external_id(session))
    shown = page(
        Output.objects.filter(session=found).select_related("session"),
        order=["at", "id"],
        size=TURNS_PER_PAGE,
        cursor=request.GET.get("cursor", ""),
    )
    context = {
        "session": found,
        "tagging": tagging(request, found, names=tag_names(session=found)),
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
    """Every member: one answer with its marks, feedback and reviews.

    ?v= shows a former version, to read only; ?view=list all comments as a table, which ?sort= and
    ?author= arrange.
    """
    found = get_object_or_404(
        Output.objects.select_related("session"),
        project=request.project,
        external_id=_external_id(output),
    )
    shown = _version(found, request.GET.get("v", ""))
    is_former = shown.version != found.version
    answer = sheet(output=shown, to=request.user)
    context = {
        "output": found,
        "sheet": answer,
        **showing(request, answer),
        "is_former": is_former,
        "reviews": visible_reviews(output=found, to=request.user),
        "may_curate": request.membership.may(Membership.Role.CURATOR),
        **card_context(request),
    }
    if is_former:
        context["may_review"] = False
    if request.GET.get("view") == "list":
        return _list(request, context)
    items = QueueItem.objects.visible_to(request.user).filter(output=found)
    items = items.select_related("queue", "theme")
    listed = list(items.order_by("pk"))
    context |= {
        "items": listed,
        **trailing(
            request,
            output=found,
            item=next(iter(listed), None),
            theme=next((item.theme for item in listed if item.theme), None),
        ),
    }
    return render_spliced(request, "review/outputs/page.html", context)


def _version(output: Output, wanted: str) -> Output:
    """The output as it was at a version; 404 for one that never was."""
    if wanted in {"", str(output.version)}:
        return output
    former = get_object_or_404(AnswerVersion, output=output, number=whole(wanted))
    shown = copy(output)
    shown.text, shown.version = former.text, former.number
    return shown


def _list(request: ProjectRequest, context: dict[str, Any]) -> HttpResponse:
    cards: list[Card] = list(context["sheet"].cards)
    author = request.GET.get("author", "")
    if author:
        cards = [card for card in cards if card.author == author]
    sort = request.GET.get("sort", "")
    key = SORTS.get(sort.removeprefix("-"))
    if key:
        cards.sort(key=key, reverse=sort.startswith("-"))
    more = {"cards": cards, "author": author, "sort": sort, "back": "list", "columns": COLUMNS}
    return render(request, "review/outputs/list.html", context | more)


def _external_id(text: str) -> str:
    """The id. PostgreSQL takes no NUL, so nothing has an id with one."""
    if "\x00" in text:
        raise Http404
    return text
