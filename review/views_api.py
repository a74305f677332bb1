"""/api/v1: searches that people keep, with a person's own key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Query, Router, Status
from ninja.errors import AuthorizationError
from pydantic import BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.filters import FilterError
from feedback.models import Membership
from feedback.paging import CursorError, page
from feedback.problems import Problem, invalid
from review import saved_views
from review.filters import ReviewFilter
from review.models import SavedView

router = Router(tags=["review"])

ERRORS = frozenset({401, 403, 404, 422})
PAGE_SIZE = 50
ViewId = Annotated[int, Path(description="The view's number.")]
Mode = Literal["hybrid", "words", "meaning"]
Listing = Literal["all", "session", "output", "feedback"]


class ViewReply(BaseModel):
    """A search under a name, the `owner`'s, and with `is_shared` the whole project's.

    `written` is the filter as `GET /outputs?filter=` takes it, null where it means nothing any
    more. `mode`, `listing` and `newest_first` are how *Explore* lists what matches; `may_change`
    says whether you may.
    """

    view: int
    name: str
    owner: str
    is_shared: bool
    filter: dict[str, object]
    written: str | None
    mode: Mode
    listing: Listing
    newest_first: bool
    created_at: datetime
    changed_at: datetime
    may_change: bool


class ViewsReply(BaseModel):
    views: list[ViewReply]
    next_cursor: str | None


class SearchRequest(BaseModel):
    """What to look for, and how to list it."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"example": {"filter": "refund model:a -tag:done", "mode": "words"}},
    )

    filter: Annotated[
        str | dict[str, Any], Field(description="As in `model:a,b -tag:x`, or as JSON.")
    ]
    mode: Mode = "hybrid"
    listing: Listing = "all"
    newest_first: bool = False


class ViewRequest(SearchRequest):
    """A search to keep under a name that none of your views has."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"name": "Refunds", "filter": "refund -tag:done", "is_shared": True}
        }
    )

    name: str
    is_shared: bool = False


class ViewChangeRequest(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"is_shared": True}}
    )

    name: str | None = None
    is_shared: bool | None = None


@router.get(
    "/views",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: ViewsReply, frozenset({401, 403, 422}): Problem},
    summary="List views",
)
def list_views(
    request: HttpRequest,
    cursor: Annotated[str, Query(description="The `next_cursor` of the page before.")] = "",
) -> ViewsReply:
    """Return a page of your views and those shared with the project, by name."""
    member = member_of(request)
    seen = SavedView.objects.filter(project=member.project).seen_by(member.user)
    try:
        found = page(
            seen.select_related("owner"), order=["name", "id"], size=PAGE_SIZE, cursor=cursor
        )
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    return ViewsReply(
        views=[_reply(view, member) for view in found.rows], next_cursor=found.next_cursor
    )


@router.post(
    "/views",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={201: ViewReply, frozenset({401, 403, 422}): Problem},
    summary="Keep a search",
)
def save_view(request: HttpRequest, payload: ViewRequest) -> Status[ViewReply]:
    """Keep a search under a name, for yourself or shared with the project."""
    member = member_of(request)
    with _refusing():
        made = saved_views.save_view(
            project=member.project,
            name=payload.name,
            is_shared=payload.is_shared,
            by=member.user,
            now=timezone.now(),
            **_search(payload),
        )
    return Status(201, _reply(made, member))


@router.get(
    "/views/{int:view}",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: ViewReply, frozenset({401, 403, 404}): Problem},
    summary="Read a view",
)
def read_view(request: HttpRequest, view: ViewId) -> ViewReply:
    """Return one of your views, or one that is shared."""
    return _reply(_seen(request, view), member_of(request))


@router.post(
    "/views/{int:view}",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: ViewReply, ERRORS: Problem},
    summary="Change a view",
)
def change_view(request: HttpRequest, view: ViewId, payload: ViewChangeRequest) -> ViewReply:
    """Name a view anew, share it or keep it to its owner; moderators also one that is shared."""
    found = _seen(request, view)
    return _changed(
        request,
        found,
        saved_views.change_view,
        name=found.name if payload.name is None else payload.name,
        is_shared=found.is_shared if payload.is_shared is None else payload.is_shared,
    )


@router.post(
    "/views/{int:view}/search",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: ViewReply, ERRORS: Problem},
    summary="Replace a view's search",
)
def replace_view(request: HttpRequest, view: ViewId, payload: SearchRequest) -> ViewReply:
    """Keep another search under the view's name; moderators also under one that is shared."""
    found = _seen(request, view)
    with _refusing():
        search = _search(payload)
    return _changed(request, found, saved_views.replace_view, **search)


@router.post(
    "/views/{int:view}/delete",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={204: None, frozenset({401, 403, 404}): Problem},
    summary="Delete a view",
)
def delete_view(request: HttpRequest, view: ViewId) -> Status[None]:
    """Forget a view of yours; moderators also one that is shared."""
    with _refusing():
        saved_views.delete_view(
            view=_seen(request, view), by=member_of(request).user, now=timezone.now()
        )
    return Status(204, None)


def _changed(
    request: HttpRequest, view: SavedView, change: Callable[..., SavedView], **fields: Any
) -> ViewReply:
    member = member_of(request)
    with _refusing():
        changed = change(view=view, by=member.user, now=timezone.now(), **fields)
    return _reply(changed, member)


@contextmanager
def _refusing() -> Iterator[None]:
    """Tell what cannot be, and who may not."""
    try:
        yield
    except FilterError as error:
        raise invalid("filter", str(error)) from error
    except saved_views.ViewError as error:
        raise invalid(error.path, error.message) from error
    except saved_views.NotYoursError as error:
        raise AuthorizationError(message=str(error)) from error
    except saved_views.GoneError as error:
        raise Http404("There is no such view.") from error


def _search(sent: SearchRequest) -> dict[str, Any]:
    """What the operations take. Raises FilterError."""
    return {
        "wanted": ReviewFilter.parse(sent.filter)
        if isinstance(sent.filter, str)
        else ReviewFilter.from_json(sent.filter),
        "mode": sent.mode,
        "listing": sent.listing,
        "newest_first": sent.newest_first,
    }


def _seen(request: HttpRequest, pk: int) -> SavedView:
    member = member_of(request)
    seen = SavedView.objects.filter(project=member.project).seen_by(member.user)
    found = seen.select_related("owner", "project").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such view.")
    return found


def _reply(view: Any, to: Membership) -> ViewReply:
    return ViewReply(
        view=view.pk,
        name=view.name,
        owner=view.owner.get_username(),
        is_shared=view.is_shared,
        filter=view.filter,
        written=_written(view.filter),
        mode=view.mode,
        listing=view.listing,
        newest_first=view.newest_first,
        created_at=view.created_at,
        changed_at=view.changed_at,
        may_change=saved_views.may_change(view=view, membership=to),
    )


def _written(kept: dict[str, object]) -> str | None:
    try:
        return str(ReviewFilter.from_json(kept))
    except FilterError:
        return None
