"""The queues, and the pages of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import isfinite

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import Prefetch
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from feedback.models import Membership, Reason
from feedback.paging import page
from review import intake, queues, worklist
from review.filters import ReviewFilter
from review.forms import FILTER_FIELDS, FilterForm
from review.http import ProjectRequest, project_view
from review.models import Queue, QueueReviewer, Theme
from review.models.queue import QueueItemQuerySet
from review.views.tokens import Token, changed, tokens
from review.worklist import Row, ThemeRows

PAGE_SIZE = 50
THEMES_PER_PAGE = 12


@dataclass(frozen=True, kw_only=True)
class Tab:
    """A queue with its counts and what it takes in."""

    queue: Queue
    counts: worklist.Counts
    tokens: list[Token]


@require_safe
@project_view(Membership.Role.VIEWER)
def queue_list(request: ProjectRequest) -> HttpResponse:
    """Every member: the queues they see, with how much is open, held and done."""
    return render(
        request,
        "review/queues/list.html",
        {"tabs": _tabs(request, timezone.now()), **_may(request)},
    )


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def queue(request: ProjectRequest, queue: str) -> HttpResponse:
    """Who sees the queue: its open items, by theme or flat, narrowed by the query string.

    With ?peek= and htmx only the panel beside the list, about that item.
    """
    now = timezone.now()
    shown = _queue(request, queue)
    if request.htmx and "peek" in request.GET:
        peek = _peek(request, shown, None, now)
        beside = {"peek": peek, "queue": shown, "is_peek_asked": True}
        return render(request, "review/queues/_peek.html", beside)
    form = FilterForm(request.GET, project=request.project)
    is_valid = form.is_valid()
    theme, is_themeless = _theme(request)
    items = worklist.open_items(
        queue=shown, narrowed=form.output_filter, theme=theme, themeless=is_themeless
    )
    is_flat = request.GET.get("group") == "flat" or theme is not None or is_themeless
    listing = _flat(request, items, now) if is_flat else _grouped(request, items, now)
    first = next(iter(listing.rows), None)
    used = tokens(form.output_filter, reasons=form.reasons, query=request.GET, typed=form.typed)
    if theme or is_themeless:
        used.append(_theme_token(theme, request))
    context = {
        "queue": shown,
        "tabs": _tabs(request, now),
        "form": form,
        "filter_fields": [form[name] for name in FILTER_FIELDS if name != "words"],
        "saved": tokens(ReviewFilter.from_json(shown.filter), reasons=form.reasons),
        "tokens": used,
        "listing": listing,
        "is_flat": is_flat,
        "flat_query": changed(request.GET, group="flat"),
        "theme_query": changed(request.GET, group=None, theme=None),
        "peek": _peek(request, shown, first, now),
        "is_peek_asked": "peek" in request.GET,
        "num_outdated": intake.num_outdated(queue=shown),
        "miss": None if first else _miss(shown, form.output_filter, used),
        **_may(request),
    }
    return render(request, "review/queues/page.html", context, status=200 if is_valid else 422)


@require_POST
@project_view(Membership.Role.EXPERT)
def queue_next(request: ProjectRequest, queue: str) -> HttpResponseBase:
    """Experts and above: take the item that most wants a review, and go to it."""
    shown = _queue(request, queue)
    held = queues.claim_next(queue=shown, by=request.user, now=timezone.now())
    if held is None:
        messages.info(request, "Nothing is left for you in this queue.")
        return redirect("queue", request.project.slug, shown.slug)
    return redirect("item", request.project.slug, held.item_id)


def _queue(request: ProjectRequest, slug: str) -> Queue:
    found = get_object_or_404(Queue, project=request.project, slug=slug)
    if not found.is_seen_by(request.user):
        raise Http404
    return found


def _may(request: ProjectRequest) -> dict[str, bool]:
    return {
        "may_review": request.membership.may(Membership.Role.EXPERT),
        "may_create": request.membership.may(Membership.Role.MODERATOR),
    }


def _tabs(request: ProjectRequest, now: datetime) -> list[Tab]:
    project = request.project
    named = QueueReviewer.objects.select_related("user").order_by("user__username")
    seen = Queue.objects.visible_to(request.user).filter(project=project)
    found = list(seen.order_by("name", "pk").prefetch_related(Prefetch("named", named)))
    counts = worklist.counts(queues=found, now=now)
    reasons = dict(
        Reason.objects.current().filter(taxonomy__project=project).values_list("slug", "name")
    )
    return [
        Tab(
            queue=queue,
            counts=counts.get(queue.pk, worklist.Counts()),
            tokens=tokens(ReviewFilter.from_json(queue.filter), reasons=reasons),
        )
        for queue in found
    ]


def _theme(request: ProjectRequest) -> tuple[Theme | None, bool]:
    """The theme that ?theme= names by its number, and whether it asks for what has none."""
    number = request.GET.get("theme", "")
    if number in {"", "none"}:
        return None, number == "none"
    if not number.isdecimal() or len(number) > 9:
        raise BadRequest("A theme is named by its number.")
    return get_object_or_404(Theme, project=request.project, number=int(number)), False


def _theme_token(theme: Theme | None, request: ProjectRequest) -> Token:
    return Token(
        name="theme",
        key="theme",
        operator="is",
        value=str(theme) if theme else "none",
        without=changed(request.GET, theme=None),
    )


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The rows of a page, with their groups when there are some, and where it goes on."""

    rows: list[Row]
    groups: list[ThemeRows] | None = None
    more: str = ""


def _flat(request: ProjectRequest, items: QueueItemQuerySet, now: datetime) -> Listing:
    found = page(
        worklist.listed(items.collapsed()),
        order=["-rank", "id"],
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor", ""),
    )
    return Listing(
        rows=worklist.rows(items=found.rows, now=now),
        more=changed(request.GET, cursor=found.next_cursor) if found.next_cursor else "",
    )


def _grouped(request: ProjectRequest, items: QueueItemQuerySet, now: datetime) -> Listing:
    cursor = request.GET.get("cursor", "")
    try:
        top, _, theme = cursor.partition(":")
        after = (float(top), int(theme)) if cursor else None
    except ValueError as error:
        raise BadRequest("This is no cursor that the list gave.") from error
    if after and not isfinite(after[0]):
        raise BadRequest("This is no cursor that the list gave.")
    groups, end = worklist.by_theme(items=items, after=after, size=THEMES_PER_PAGE, now=now)
    return Listing(
        rows=[row for group in groups for row in group.rows],
        groups=groups,
        more=changed(request.GET, cursor=f"{end[0]}:{end[1]}") if end else "",
    )


def _peek(request: ProjectRequest, queue: Queue, first: Row | None, now: datetime) -> Row | None:
    """The item that ?peek= names, if it is one of the queue; else the first of the list."""
    asked = request.GET.get("peek", "")
    if not asked.isdecimal() or len(asked) > 18:
        return first
    items = worklist.listed(queue.items.filter(pk=int(asked)))
    return next(iter(worklist.rows(items=items, now=now)), first)


def _miss(queue: Queue, narrowed: ReviewFilter, used: list[Token]) -> tuple[Token, int] | None:
    """The first filter without which there would be items, and how many."""
    for token in used:
        rest = token.rest if isinstance(token.rest, ReviewFilter) else narrowed
        if number := worklist.open_items(queue=queue, narrowed=rest).count():
            return token, number
    return None
