"""What the query string of the search page asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from django.core.exceptions import BadRequest
from django.http import QueryDict
from django.shortcuts import get_object_or_404
from django.utils.http import urlencode

from feedback.filter_syntax import write
from feedback.models import Output, Project, User
from feedback.search import LISTINGS, MODES, Listing, Mode
from review.filters import ReviewFilter
from review.models import SavedView


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the query string asks for: every link of the page is another of these."""

    wanted: ReviewFilter
    mode: Mode = "hybrid"
    listing: Listing = "all"
    newest_first: bool = False
    like: Output | None = None
    view: SavedView | None = None

    @property
    def query(self) -> str:
        """The words to rank by."""
        return " ".join(word.text for word in self.wanted.words if not word.is_excluded)

    @property
    def narrowed(self) -> ReviewFilter:
        """What has to hold: by words alone every word, else the quoted and the excluded ones."""
        if self.mode == "words" and not self.like:
            return self.wanted
        kept = tuple(word for word in self.wanted.words if word.is_exact or word.is_excluded)
        return replace(self.wanted, words=kept)

    @property
    def link(self) -> str:
        """The query string that asks for this."""
        said = {
            "q": write(self.wanted.words),
            "filter": write(terms=self.wanted.terms),
            "mode": "" if self.mode == "hybrid" else self.mode,
            "list": "" if self.listing == "all" else self.listing,
            "sort": "newest" if self.newest_first else "",
            "like": self.like.external_id if self.like else "",
            "view": str(self.view.pk) if self.view else "",
        }
        return f"?{urlencode({name: value for name, value in said.items() if value})}"

    def to(self, **changes: Any) -> str:
        """The link with something changed."""
        return replace(self, **changes).link


def asked(query: QueryDict, project: Project, user: User) -> Asked:
    """Read the query string. Raises FilterError.

    Somebody else's view that is not shared, and one that is gone, is none.
    """
    mode, listing = query.get("mode") or "hybrid", query.get("list") or "all"
    if mode not in MODES or listing not in LISTINGS:
        raise BadRequest("There is no such way to search.")
    typed = ReviewFilter.parse(query.get("q", "").replace("\x00", " "))
    kept = ReviewFilter.parse(query.get("filter", ""))
    like = query.get("like", "").replace("\x00", " ")
    return Asked(
        wanted=_joined(kept, typed),
        mode=mode,
        listing=listing,
        newest_first=query.get("sort") == "newest",
        like=get_object_or_404(Output, project=project, external_id=like) if like else None,
        view=_view(query.get("view", ""), project, user),
    )


def opened(view: SavedView) -> Asked:
    """What a view asks for. Raises FilterError when its filter means nothing any more."""
    return Asked(
        wanted=ReviewFilter.from_json(view.filter),
        mode=cast("Mode", view.mode),
        listing=cast("Listing", view.listing),
        newest_first=view.newest_first,
        view=view,
    )


def _view(number: str, project: Project, user: User) -> SavedView | None:
    if not number.isdecimal() or len(number) > 18:
        return None
    views = SavedView.objects.filter(project=project).seen_by(user)
    return views.select_related("owner").filter(pk=int(number)).first()


def _joined(kept: ReviewFilter, typed: ReviewFilter) -> ReviewFilter:
    """The filter that is on with what was written: of one field either value will do."""
    terms = {term.key: term for term in kept.terms}
    for term in typed.terms:
        on = terms.get(term.key)
        if on and not ReviewFilter.fields[term.name].is_bound:
            terms[term.key] = replace(term, values=(*on.values, *term.values))
        else:
            terms[term.key] = term
    return ReviewFilter().also(
        ReviewFilter(words=(*kept.words, *typed.words), terms=tuple(terms.values()))
    )
