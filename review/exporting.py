"""Lists of what matches a filter, for files and programs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import orjson
from django.db.models import Prefetch

from feedback.models import Membership, Output, Project, Tag, User
from feedback.paging import Page, page
from feedback.records import output_record
from review.filters import ReviewFilter
from review.models import Event

ROWS = 200


class ExportError(Exception):
    """The member may not take so much away at once."""


def listed(*, project: Project, wanted: ReviewFilter, size: int, cursor: str = "") -> Page[Output]:
    """A page of the outputs that match, the oldest first. Raises paging.CursorError."""
    outputs = wanted.apply(Output.objects.filter(project=project)).select_related("session")
    tags = Prefetch("session__tags", Tag.objects.order_by("name"))
    return page(outputs.prefetch_related(tags), order=["at", "id"], size=size, cursor=cursor)


def record(output: Output) -> dict[str, object]:
    """The output as it was sent, and the tags of its session; expects them prefetched."""
    return {**output_record(output), "tags": [tag.name for tag in output.session.tags.all()]}


def export_lines(
    *, project: Project, wanted: ReviewFilter, by: User, now: datetime
) -> Iterator[bytes]:
    """Log that they are taken, and return the outputs that match as lines of JSON, one by one.

    Each chunk is a query of its own: no long transaction, and no more in memory. Raises
    ExportError.
    """
    membership = Membership.objects.filter(project=project, user=by).first()
    if membership is None or not membership.may(Membership.Role.MODERATOR):
        raise ExportError("Only moderators export.")
    Event.objects.create(
        project=project,
        actor=by,
        verb="exported",
        target_type="project",
        target_id=project.pk,
        at=now,
    )
    return _lines(project, wanted)


def _lines(project: Project, wanted: ReviewFilter) -> Iterator[bytes]:
    cursor: str | None = ""
    while cursor is not None:
        found = listed(project=project, wanted=wanted, size=ROWS, cursor=cursor)
        for output in found.rows:
            yield orjson.dumps(record(output), option=orjson.OPT_APPEND_NEWLINE)
        cursor = found.next_cursor
