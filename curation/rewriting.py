"""Releases that were whole are written anew, since something of them was erased."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.db import transaction

from curation.models import Release, ReleasedExample
from curation.release_writing import MANIFEST
from curation.releasing import fail, folder_of
from feedback import erasure

# What a release tells that its rows do not.
TOLD = ("filter", "gates")


@transaction.atomic
def without_erased(*, release: Release, erased: int, ids: frozenset[str], now: datetime) -> None:
    """Have a worker write a release anew, of which so many rows have just been emptied.

    Its former files cannot be had any more, and go with the first step. What its manifest says of
    the gates and the set's filter is told again, without the `ids`. One that is not whole yet fails
    instead.
    """
    made = Release.objects.select_for_update(of=("self",)).get(pk=release.pk)
    told = _told(made)
    made.num_erased += erased
    if made.status == Release.Status.DONE:
        made.former_hashes = [*made.former_hashes, made.content_hash]
        made.files.all().delete()
    elif made.is_active and erased and not made.is_rewritten:
        fail(made, "Data that it holds was erased while it was made. Begin it anew.", now)
    if made.is_rewritten:
        made.status, made.content_hash, made.num_done = Release.Status.WRITING, "", 0
        made.checkpoint = {
            **told,
            "stale": True,
            "filter": erasure.without(told.get("filter"), ids),
            "has_tools": _has_tools(made),
        }
    elif made.checkpoint.get("filter"):
        made.checkpoint["filter"] = erasure.without(made.checkpoint["filter"], ids)
    made.save()


def told_filter(release: Release) -> Any:
    """The set's filter as a release tells it: one that is whole in its manifest; None for none."""
    return _told(release).get("filter")


def _told(release: Release) -> dict[str, Any]:
    """All of TOLD that a release tells: one from before something was told is without."""
    if release.status != Release.Status.DONE:
        return {name: release.checkpoint[name] for name in TOLD if name in release.checkpoint}
    try:
        return _written(folder_of(release).path(MANIFEST), len(release.former_hashes))
    except (OSError, ValueError):
        return {}


@lru_cache(maxsize=4_096)
def _written(manifest: Path, _num_rewritten: int) -> dict[str, Any]:
    """Read it once: each step of an erasure asks every release, and it stays until written anew."""
    told = json.loads(manifest.read_bytes())
    return {name: told[name] for name in TOLD if name in told}


def _has_tools(made: Release) -> bool:
    """Whether a row calls tools: all shards then have columns for that."""
    rows = ReleasedExample.objects.there().filter(release=made)
    called = rows.extra(where=["jsonb_path_exists(prompt, '$[*].tool_calls')"])
    return rows.exclude(tools=[]).exists() or called.exists()
