"""Who may see a project's pages, and how fragments are told from pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

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
            membership = (
                Membership.objects.select_related("project")
                .filter(project__slug=project, user=request.user)
                .first()
            )
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
