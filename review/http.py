"""Who may see a project's pages; how fragments are told from pages, and acts from each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from uuid import UUID, uuid5

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django_htmx.middleware import HtmxDetails

from feedback.models import Membership, Project, User

P = ParamSpec("P")


class SignedInRequest(HttpRequest):
    """A request as every view gets it that does not let strangers in."""

    user: User
    htmx: HtmxDetails


class ProjectRequest(SignedInRequest):
    """A request of a signed-in member of `project`, as a view behind `project_view` gets it."""

    project: Project
    membership: Membership


def memberships(request: HttpRequest) -> list[Membership]:
    """The user's memberships with their projects, by the projects' names. One query a request."""
    if not request.user.is_authenticated:
        return []
    found: list[Membership] | None = getattr(request, "memberships", None)
    if found is None:
        own = Membership.objects.filter(user=request.user).select_related("project")
        found = list(own.order_by("project__name", "project_id"))
        request.memberships = found  # type: ignore[attr-defined]
    return found


def form_key(request: HttpRequest) -> UUID | None:
    """Which act a sent form is: the same again is the same; None when its page gave it no key.

    The browser's Back shows a page with the key that it had, and another act may be sent from it.
    """
    try:
        return uuid5(UUID(request.POST.get("request_key", "")), request.POST.urlencode())
    except ValueError:
        return None


def project_view(
    role: Membership.Role,
) -> Callable[
    [Callable[Concatenate[ProjectRequest, P], HttpResponseBase]],
    Callable[..., HttpResponseBase],
]:
    """Let members of the project named in the URL in from the given role upwards.

    Strangers get 404, so that a project's existence does not leak; members without the role 403.
    The view gets no `project` argument: it is on the request, as is the `membership`.
    """

    def decorate(
        view: Callable[Concatenate[ProjectRequest, P], HttpResponseBase],
    ) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def wrapped(
            request: ProjectRequest, project: str, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponseBase:
            found = memberships(request)
            membership = next((one for one in found if one.project.slug == project), None)
            if membership is None:
                raise Http404
            request.project = membership.project
            request.membership = membership
            if not membership.may(role):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        wrapped.required_role = role  # type: ignore[attr-defined]
        return wrapped

    return decorate
