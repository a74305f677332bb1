"""Making projects."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from feedback.models import Membership, Project, User
from feedback.taxonomy import seed_reasons


@transaction.atomic
def create_project(
    *, slug: str, name: str, admin: User, allowed_origins: Sequence[str] = ()
) -> Project:
    """Make a project with the default reasons and its first admin.

    Pages of the `allowed_origins` (scheme://host:port) may send feedback. Raises
    django.core.exceptions.ValidationError for a slug that is taken or none.
    """
    project = Project(slug=slug, name=name, allowed_origins=list(allowed_origins))
    project.full_clean()
    project.save()
    seed_reasons(project=project)
    Membership.objects.create(project=project, user=admin, role=Membership.Role.ADMIN)
    return project
