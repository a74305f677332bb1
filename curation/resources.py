"""What a library is and what its versions are, for a client that reads them whole.

Such a client names no session, so that nothing could be held out from it. Entries therefore come
with the one version that all sessions get, and are remembered as an exposure like any others.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count, Q

from curation import exposures, prompts, serving, tokens
from curation.models import ContextLibrary, Experiment, Exposure, LibraryVersion, PublishedEntry
from curation.prompts import Entry
from curation.serving import LibraryUnknownError, NothingPublishedError
from feedback.models import Project

MOST_ENTRIES = 1_000
MOST_VERSIONS = 100


def read_library(*, project: Project, library_slug: str) -> dict[str, object]:
    """Return a library's name, what it is for, and its newest versions, without entries.

    Raises LibraryUnknownError.
    """
    library = _library(project, library_slug)
    versions = (
        library.versions.select_related("experiment")
        .annotate(num_entries=Count("entries"))
        .order_by("-number")[:MOST_VERSIONS]
    )
    return {
        "library": library.slug,
        "name": library.name,
        "description": library.description,
        "live": library.live.number if library.live else None,
        "versions": [_told(library, one, one.num_entries) for one in versions],
    }


def read_version(
    *, project: Project, library_slug: str, number: int, now: datetime
) -> dict[str, object]:
    """Return what a version is, and up to MOST_ENTRIES of its entries if all sessions get it.

    Those are remembered as an exposure without a session, which the reply names; expired ones are
    left out. Raises LibraryUnknownError and NothingPublishedError.
    """
    library = _library(project, library_slug)
    version = library.versions.select_related("experiment").filter(number=number).first()
    if version is None:
        raise NothingPublishedError("There is no such version.")
    told = _told(library, version, version.entries.count())
    if told["status"] != "live":
        return told | {"entries": [], "exposure": None}
    unexpired = Q(expires_on=None) | Q(expires_on__gte=now.date())
    kept = version.entries.filter(unexpired).order_by("position").defer("vector")
    rows = list(kept[:MOST_ENTRIES])
    ids = [row.entry_id for row in rows]
    exposure = Exposure(
        token=exposures.token_of({"read": serving.LAYOUT, "version": version.pk, "entries": ids}),
        project=project,
        version=version,
        entry_ids=ids,
        num_tokens=sum(_num_tokens(row) for row in rows),
        served_at=now,
        last_served_at=now,
    )
    exposures.remember(exposure)
    return told | {"entries": [_said(row) for row in rows], "exposure": str(exposure.token)}


def status_of(version: LibraryVersion, *, live: LibraryVersion | None) -> str:
    """Whether all sessions get a version, `live`, some do, `tried`, or none: `stopped`, `former`.

    Some may still get a former one, while another is tried. Without select_related("experiment")
    it takes a query.
    """
    experiment: Experiment | None = getattr(version, "experiment", None)
    if experiment is not None and experiment.status == Experiment.Status.STOPPED:
        return "stopped"
    if live is None or version.pk != live.pk:
        return "former"
    is_tried = experiment is not None and experiment.status == Experiment.Status.RUNNING
    return "tried" if is_tried else "live"


def _library(project: Project, slug: str) -> ContextLibrary:
    found = project.context_libraries.select_related("live").filter(slug=slug).first()
    if found is None:
        raise LibraryUnknownError(f"There is no library “{slug}”.")
    return found


def _told(library: ContextLibrary, version: LibraryVersion, num_entries: int) -> dict[str, object]:
    return {
        "library": library.slug,
        "version": version.number,
        "status": status_of(version, live=library.live),
        "content_hash": version.content_hash,
        "published_at": version.published_at.isoformat(),
        "num_entries": num_entries,
    }


def _said(row: PublishedEntry) -> dict[str, object]:
    names = ("entry_id", "kind", "query", "answer", "roles", "environments", "for_models")
    return {name: getattr(row, name) for name in names}


def _num_tokens(row: PublishedEntry) -> int:
    if row.num_tokens is not None:
        return row.num_tokens
    entry = Entry(row.entry_id, row.kind, row.query, row.answer, row.why)
    return prompts.tokens_of(entry, count=tokens.count)
