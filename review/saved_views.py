"""Searches that people keep, for themselves or for their project."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from feedback.models import Membership, Project, User
from feedback.search import LISTINGS, MODES
from review.filters import ReviewFilter
from review.models import Event, SavedView

LONGEST_NAME = 80
# Views that one person keeps in a project.
MOST_VIEWS = 200


class ViewError(ValueError):
    """A view that cannot be as asked for; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class NotYoursError(Exception):
    """Only its owner may change a view, and moderators one that is shared."""


class GoneError(Exception):
    """The view was deleted meanwhile."""


@transaction.atomic
def save_view(
    *,
    project: Project,
    name: str,
    wanted: ReviewFilter,
    by: User,
    now: datetime,
    mode: str = "hybrid",
    listing: str = "all",
    newest_first: bool = False,
    is_shared: bool = False,
) -> SavedView:
    """Keep a search under a name that no other view of the same owner has in the project.

    Raises ViewError naming the field that is not valid.
    """
    _one_at_a_time(project)
    if SavedView.objects.filter(project=project, owner=by).count() >= MOST_VIEWS:
        raise ViewError("name", f"You keep {MOST_VIEWS} views here. Delete one first.")
    view = SavedView(
        project=project,
        owner=by,
        name=_free_name(name, project, by),
        is_shared=is_shared,
        created_at=now,
    )
    _show(view, wanted, mode, listing, newest_first=newest_first)
    view.changed_at = now
    view.save()
    _log(view, "saved", by, now)
    return view


@transaction.atomic
def change_view(
    *, view: SavedView, name: str, is_shared: bool, by: User, now: datetime
) -> SavedView:
    """Name a view anew, and share it with the project or keep it to its owner.

    Raises ViewError for a name that will not do, NotYoursError, GoneError.
    """
    _one_at_a_time(view.project)
    view = _mine(view, by)
    view.name = _free_name(name, view.project, view.owner, but=view)
    view.is_shared = is_shared
    view.changed_at = now
    view.save(update_fields=["name", "is_shared", "changed_at"])
    _log(view, "changed", by, now)
    return view


@transaction.atomic
def replace_view(
    *,
    view: SavedView,
    wanted: ReviewFilter,
    by: User,
    now: datetime,
    mode: str = "hybrid",
    listing: str = "all",
    newest_first: bool = False,
) -> SavedView:
    """Keep another search under the view's name. Raises ViewError, NotYoursError, GoneError."""
    view = _mine(view, by)
    _show(view, wanted, mode, listing, newest_first=newest_first)
    view.changed_at = now
    view.save(update_fields=["filter", "mode", "listing", "newest_first", "changed_at"])
    _log(view, "replaced", by, now)
    return view


@transaction.atomic
def delete_view(*, view: SavedView, by: User, now: datetime) -> None:
    """Forget a view. Raises NotYoursError, GoneError."""
    view = _mine(view, by)
    _log(view, "deleted", by, now)
    view.delete()


def may_change(*, view: SavedView, membership: Membership) -> bool:
    """Whether the member may change the view: its owner, and moderators a shared one."""
    if view.owner_id == membership.user_id:
        return True
    return view.is_shared and membership.may(Membership.Role.MODERATOR)


def _mine(view: SavedView, by: User) -> SavedView:
    found = SavedView.objects.select_for_update(of=("self",)).filter(pk=view.pk).first()
    if found is None:
        raise GoneError("This view was deleted.")
    membership = Membership.objects.filter(project=found.project_id, user=by).first()
    if membership is None or not may_change(view=found, membership=membership):
        raise NotYoursError("Only its owner and moderators may change a shared view.")
    return found


def _show(
    view: SavedView, wanted: ReviewFilter, mode: str, listing: str, *, newest_first: bool
) -> None:
    if mode not in MODES or listing not in LISTINGS:
        raise ViewError("mode", "There is no such way to search.")
    view.filter = wanted.to_json()
    view.mode, view.listing, view.newest_first = mode, listing, newest_first


def _free_name(name: str, project: Project, owner: User, but: SavedView | None = None) -> str:
    name = " ".join(name.split())
    if not name:
        raise ViewError("name", "Give the view a name.")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise ViewError("name", f"Give at most {LONGEST_NAME} printable characters.")
    same = SavedView.objects.filter(project=project, owner=owner, name__iexact=name)
    if (same.exclude(pk=but.pk) if but else same).exists():
        raise ViewError("name", "There is a view of that name.")
    return name


def _one_at_a_time(project: Project) -> None:
    """Two views saved at once must not get one name."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)


def _log(view: SavedView, verb: str, by: User, now: datetime) -> None:
    Event.objects.create(
        project_id=view.project_id,
        actor=by,
        verb=verb,
        target_type="saved_view",
        target_id=view.pk,
        data={"is_shared": view.is_shared},
        at=now,
    )
