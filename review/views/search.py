"""Explore: one box over what was asked, answered and said."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any
from uuid import uuid4

from django.db.models.functions import Lower
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from feedback.browsing import MOST_COUNTED, browse, count_by_words
from feedback.embedding import get_encoder
from feedback.filter_syntax import Term, write
from feedback.filters import FilterError
from feedback.marking import cut_out, marked
from feedback.models import Membership, Output, Project, Reason
from feedback.search import DEPTH, LISTINGS, MODES, Listing, Page, more_like, search
from feedback.timeouts import TooSlowError
from review.commented import Remarks, commented, commented_page, search_comments
from review.completion import completions
from review.facets import Facet, facets
from review.findings import findings, named
from review.handovers import ROUTES
from review.http import ProjectRequest, project_view
from review.models import Queue, SavedView, Theme
from review.saved_views import may_change
from review.views.asking import Asked, opened
from review.views.asking import asked as read
from review.views.tokens import WORDING, reading, value_reading

PAGE_SIZE = 25
LISTING_NAMES = {
    "all": "All",
    "session": "Sessions",
    "output": "Answers",
    "feedback": "Feedback",
}


@require_safe
@project_view(Membership.Role.VIEWER)
def search_page(request: ProjectRequest) -> HttpResponse:
    """Every member: what of the project matches ?q= and ?filter=, the best or newest first."""
    text = request.GET.get("q", "")[:2_000]
    try:
        asked = read(request.GET, request.project, request.user)
    except FilterError as error:
        context = {"text": text, "kept": request.GET.get("filter", ""), "error": error}
        return render(request, "review/search/page.html", context, status=422)
    started = monotonic()
    try:
        page = _page(asked, request.project, request.GET.get("cursor", ""))
        counts = _counts(asked, request.project, page)
        shown = marked(
            hits=page.hits,
            query="" if asked.like else asked.query,
            encoder=None if asked.mode == "words" else get_encoder(),
        )
        counted = facets(project=request.project, wanted=asked.narrowed)
    except TooSlowError:
        context = {"text": text, "asked": asked, "is_slow": True}
        return render(request, "review/search/page.html", context)
    names = _names(request.project, counted)
    return render(
        request,
        "review/search/page.html",
        {
            "text": write(asked.wanted.words),
            "kept": write(terms=asked.wanted.terms),
            "asked": asked,
            "page": page,
            "total": _number(counts["all"]),
            "listed": (page.counts[asked.listing], _number(counts[asked.listing]))
            if counts[asked.listing] > page.counts[asked.listing]
            else None,
            "findings": findings(marked=shown),
            "named": named(project=request.project, identifier=asked.query)
            if asked.query
            else None,
            "milliseconds": round((monotonic() - started) * 1_000),
            "views": _views(request, asked),
            "facets": [_facet(facet, asked, names) for facet in counted],
            "tokens": _tokens(asked, names),
            "modes": _modes(asked),
            "listings": [
                (
                    LISTING_NAMES[one],
                    _number(counts[one]),
                    asked.to(listing=one),
                    one == asked.listing,
                )
                for one in LISTINGS
            ],
            "comments": (
                _number(_num_comments(request, asked)),
                f"{reverse('search_comments', args=[request.project.slug])}{asked.link}",
            ),
            "sorts": _sorts(asked),
            "more": f"{asked.link}&{urlencode({'cursor': page.next_cursor})}"
            if page.next_cursor
            else "",
            "miss": None if page.hits else _miss(asked, request.project, names),
            "queue_url": f"{reverse('queue_create', args=[request.project.slug])}?"
            f"{urlencode({'words': str(asked.narrowed)})}",
            **_bulk(request, asked, counts["output"]),
            "may_create": request.membership.may(Membership.Role.MODERATOR),
        },
    )


@require_safe
@project_view(Membership.Role.VIEWER)
def search_complete(request: ProjectRequest) -> HttpResponse:
    """Every member: filters that the end of ?q= may be the beginning of."""
    text = request.GET.get("q", "")[:2_000]
    page = reverse("search", args=[request.project.slug])
    rest = {
        name: request.GET.get(name, "")
        for name in ("filter", "mode", "list", "sort", "like", "view")
    }
    proposed = [
        (
            write(terms=[term]),
            f"{page}?{urlencode({'q': f'{before} {write(terms=[term])}'.strip(), **rest})}",
        )
        for before, term in completions(project=request.project, text=text)
    ]
    return render(request, "review/search/_completions.html", {"proposed": proposed})


@require_safe
@project_view(Membership.Role.VIEWER)
def search_remarks(request: ProjectRequest) -> HttpResponse:
    """Every member: comments that match ?q= in words or meaning, on answers that match ?filter=."""
    try:
        asked = read(request.GET, request.project, request.user)
    except FilterError as error:
        context = {"text": request.GET.get("q", "")[:2_000], "error": error}
        return render(request, "review/search/comments.html", context, status=422)
    context = {
        "text": write(asked.wanted.words),
        "kept": write(terms=asked.wanted.terms),
        "asked": asked,
    }
    try:
        found = _remarks(request, asked, limit=PAGE_SIZE, cursor=request.GET.get("cursor", ""))
        pieces = cut_out(
            texts=[remark.text for remark in found.rows],
            are_near=[bool(remark.part) for remark in found.rows],
            query=asked.query,
            encoder=get_encoder() if _is_ranked(asked) else None,
        )
    except TooSlowError:
        return render(request, "review/search/comments.html", {**context, "is_slow": True})
    return render(
        request,
        "review/search/comments.html",
        {
            **context,
            "rows": list(zip(found.rows, pieces, strict=True)),
            "number": found.number,
            "is_ranked": _is_ranked(asked),
            "modes": _modes(asked),
            "sorts": _sorts(asked),
            "tokens": _tokens(asked, _names(request.project, [])),
            "others": asked.link,
            "more": f"{asked.link}&{urlencode({'cursor': found.next_cursor})}"
            if found.next_cursor
            else "",
        },
    )


def _modes(asked: Asked) -> list[tuple[str, str, bool]]:
    return [(mode.capitalize(), asked.to(mode=mode), mode == asked.mode) for mode in MODES]


def _sorts(asked: Asked) -> list[tuple[str, str, bool]]:
    return [
        ("Best match", asked.to(newest_first=False), not asked.newest_first),
        ("Newest", asked.to(newest_first=True), asked.newest_first),
    ]


def _is_ranked(asked: Asked) -> bool:
    """Whether comments are looked for by meaning, too, and not just held against the filter."""
    return bool(asked.query.strip()) and asked.mode != "words"


def _remarks(request: ProjectRequest, asked: Asked, *, limit: int, cursor: str = "") -> Remarks:
    if not _is_ranked(asked):
        return commented_page(
            project=request.project,
            wanted=asked.narrowed,
            by=request.user,
            limit=limit,
            cursor=cursor,
        )
    return search_comments(
        project=request.project,
        query=asked.query,
        encoder=get_encoder(),
        wanted=asked.narrowed,
        by=request.user,
        by_words=asked.mode == "hybrid",
        newest_first=asked.newest_first,
        limit=limit,
        cursor=cursor,
    )


def _page(asked: Asked, project: Project, cursor: str) -> Page:
    options: dict[str, Any] = {
        "wanted": asked.narrowed,
        "listing": asked.listing,
        "limit": PAGE_SIZE,
        "cursor": cursor,
    }
    if asked.like:
        return more_like(
            output=asked.like, encoder=get_encoder(), newest_first=asked.newest_first, **options
        )
    if not asked.query.strip():
        return browse(project=project, **options)
    if asked.mode == "words" and asked.newest_first:
        return browse(project=project, by_words=True, **options)
    return search(
        project=project,
        query=asked.query,
        encoder=get_encoder(),
        mode=asked.mode,
        newest_first=asked.newest_first,
        **options,
    )


def _counts(asked: Asked, project: Project, page: Page) -> Mapping[Listing, int]:
    """How many there are in each listing: by words more may match than are ranked."""
    if asked.mode != "words" or asked.like or page.num_words < DEPTH:
        return page.counts
    return count_by_words(project=project, wanted=asked.narrowed)


def _num_comments(request: ProjectRequest, asked: Asked) -> int:
    if _is_ranked(asked):
        return _remarks(request, asked, limit=0).number or 0
    found = commented(project=request.project, wanted=asked.narrowed, by=request.user)
    return found.order_by()[: MOST_COUNTED + 1].count()


def _number(number: int) -> str:
    return f"{MOST_COUNTED:,}+" if number > MOST_COUNTED else f"{number:,}"


def _bulk(request: ProjectRequest, asked: Asked, number: int) -> dict[str, object]:
    """What the page needs to act on what is picked, and on all answers that match, so many.

    A ranking has no end, so all are meant only where every word has to be there.
    """
    is_ranked = bool(asked.like or (asked.query.strip() and asked.mode != "words"))
    may_decide = request.membership.may(Membership.Role.MODERATOR)
    queues = (
        Queue.objects.visible_to(request.user)
        .filter(project=request.project)
        .order_by("name", "pk")
    )
    return {
        "bulk_filter": str(asked.narrowed),
        "request_key": uuid4(),
        "all_told": _number(number),
        "all_link": asked.to(mode="words", newest_first=True, like=None) if is_ranked else "",
        "queues": queues if may_decide else (),
        "may_decide": may_decide,
        "given_reasons": Reason.objects.current().filter(taxonomy__project=request.project),
        "routes": [(one.value, one.label) for one in ROUTES],
        "may_curate": request.membership.may(Membership.Role.CURATOR),
        "may_bulk": request.membership.may(Membership.Role.TAGGER),
    }


def _views(request: ProjectRequest, asked: Asked) -> list[dict[str, object]]:
    views = SavedView.objects.filter(project=request.project).seen_by(request.user)
    told = []
    for view in views.select_related("owner").order_by(Lower("name"), "pk"):
        with suppress(FilterError):
            is_on = asked.view == view
            told.append(
                {
                    "view": view,
                    "link": opened(view).link,
                    "is_on": is_on,
                    "is_others": view.owner_id != request.user.pk,
                    "is_changed": is_on and opened(view).link != asked.link,
                    "may_change": may_change(view=view, membership=request.membership),
                }
            )
    return told


@dataclass(frozen=True)
class Names:
    """How reasons and themes are called, by slug and number."""

    reasons: Mapping[str, str]
    themes: Mapping[str, str]

    def of(self, name: str, value: str) -> str:
        """How a value of a field reads."""
        if name == "theme":
            return self.themes.get(value, f"T-{value}")
        return value_reading(name, value, reasons=self.reasons)


def _names(project: Project, counted: list[Facet]) -> Names:
    numbers = [
        int(choice.value) for facet in counted if facet.name == "theme" for choice in facet.choices
    ]
    themes = Theme.objects.filter(project=project, number__in=numbers)
    reasons = Reason.objects.current().filter(taxonomy__project=project)
    return Names(
        reasons=dict(reasons.values_list("slug", "name")),
        themes={str(number): name for number, name in themes.values_list("number", "name")},
    )


def _facet(facet: Facet, asked: Asked, names: Names) -> dict[str, object]:
    on = asked.wanted.values(facet.name)
    return {
        "name": WORDING[facet.name][0].capitalize(),
        "choices": [
            {
                "text": names.of(facet.name, choice.value),
                "choice": choice,
                "link": asked.to(
                    wanted=asked.wanted.with_values(
                        facet.name,
                        [value for value in on if value != choice.value]
                        if choice.is_on
                        else [*on, choice.value],
                    )
                ),
            }
            for choice in facet.choices
        ],
    }


def _tokens(asked: Asked, names: Names) -> list[dict[str, str]]:
    """The filter's terms as they read, each with the link that drops it."""
    told = [_token(term, asked, names) for term in asked.wanted.terms]
    if asked.like:
        told.insert(
            0,
            {
                "key": "more like",
                "operator": "",
                "value": asked.like.external_id,
                "without": asked.to(like=None),
            },
        )
    return told


def _token(term: Term, asked: Asked, names: Names) -> dict[str, str]:
    key, operator, _ = reading(term, reasons=names.reasons)
    return {
        "key": key,
        "operator": operator,
        "value": " or ".join(names.of(term.name, value) for value in term.values),
        "without": asked.to(wanted=asked.wanted.without(term)),
    }


def _miss(asked: Asked, project: Project, names: Names) -> tuple[dict[str, str], str] | None:
    """The first filter without which there would be answers, and how many."""
    for term in asked.wanted.terms:
        rest = replace(asked, wanted=asked.wanted.without(term)).narrowed
        outputs = rest.apply(Output.objects.filter(project=project))
        if number := outputs[: MOST_COUNTED + 1].count():
            return _token(term, asked, names), _number(number)
    return None
