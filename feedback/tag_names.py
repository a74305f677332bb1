"""What tags are called, and which tag a name means."""

from __future__ import annotations

from collections.abc import Iterable

from feedback import statements
from feedback.models import Project, Tag

_NAMED = (
    "SELECT given.name, COALESCE(tag.alias_of_id, tag.id) "  # noqa: S608
    f"FROM unnest(%s::text[]) AS given(name) JOIN {Tag._meta.db_table} AS tag "
    "ON tag.project_id = %s AND lower(tag.name) = lower(given.name) "
    # Whoever renames or merges one of these waits, or is waited for and seen.
    "ORDER BY tag.id FOR SHARE OF tag"
)


def tidied(name: str) -> str:
    """The name without white space around it, and with single spaces inside."""
    return " ".join(name.split())


def named(*, project: Project, names: Iterable[str], make: bool = False) -> dict[str, int]:
    """The ids of the tags that are meant by tidied names, by name, in whatever case.

    A former name means what it became. Names that nothing has are left out, or made. Needs a
    transaction, until whose end the names keep meaning this.
    """
    wanted = sorted(set(names))
    found: dict[str, int] = dict(statements.run(_NAMED, [wanted, project.pk]))
    if make and (missing := [name for name in wanted if name not in found]):
        Tag.objects.bulk_create(
            (Tag(project=project, name=name) for name in missing), ignore_conflicts=True
        )
        found = dict(statements.run(_NAMED, [wanted, project.pk]))
    return found
