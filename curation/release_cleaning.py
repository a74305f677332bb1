"""Deletes what releases left behind."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction

from curation.models import GroupSplit, Release, ReleasedExample
from curation.release_files import Folder

DELETED_AT_ONCE = 5_000
# Seconds.
SWEPT_AFTER = 86_400


def sweep(*, now: datetime) -> int:
    """Delete the folders of releases that are no more; return how many.

    Those touched within a day stay: a release may be there that is not committed yet.
    """
    root = Path(settings.RELEASES_DIR)
    old = {
        int(path.name): path
        for path in (root.iterdir() if root.is_dir() else ())
        if path.name.isdecimal() and now.timestamp() - path.stat().st_mtime > SWEPT_AFTER
    }
    there = set(Release.objects.filter(pk__in=old).values_list("pk", flat=True))
    for pk in old.keys() - there:
        Folder(old[pk]).remove()
    return len(old.keys() - there)


@transaction.atomic
def clean() -> bool:
    """Delete some of what a release left behind that was stopped or has failed.

    Returns whether there was one.
    """
    left = (
        Release.objects.filter(status__in=[Release.Status.CANCELLED, Release.Status.FAILED])
        .exclude(checkpoint={})
        .select_for_update(skip_locked=True, of=("self",))
        .first()
    )
    if left is None:
        return False
    Folder(Path(settings.RELEASES_DIR) / str(left.pk)).remove()
    some = left.examples.order_by("pk").values("pk")[:DELETED_AT_ONCE]
    ReleasedExample.objects.filter(pk__in=some).delete()
    if not left.examples.exists():
        GroupSplit.objects.filter(release=left).delete()
        left.checkpoint = {}
        left.save(update_fields=["checkpoint"])
    return True
