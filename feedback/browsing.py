"""Lists what matches a filter when nothing is looked for, the newest first."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from feedback import paging
from feedback.filters import OutputFilter
from feedback.models import Project, Session
from feedback.scope import Scope
from feedback.search import TIME_LIMIT_MS, Hit, Listing, Page
from feedback.timeouts import time_limit

# Rows that are counted; beyond there are just more.
MOST_COUNTED = 10_000


def browse(
    *,
    project: Project,
    wanted: OutputFilter,
    listing: Listing = "all",
    limit: int = 20,
    cursor: str = "",
) -> Page:
    """Return the outputs that match, or their sessions, or the feedback on them.

    A session is shown by its first output that matches; counts end at MOST_COUNTED + 1. Raises
    paging.CursorError, and TooSlowError.
    """
    scope = Scope(project=project, wanted=wanted)
    with time_limit(TIME_LIMIT_MS):
        sessions = Session.objects.filter(
            Exists(scope.outputs().filter(session=OuterRef("pk"))), project=project
        )
        outputs, feedback = scope.outputs(), scope.feedback()
        counts: dict[Listing, int] = {
            "all": _count(outputs),
            "session": _count(sessions),
            "output": 0,
            "feedback": _count(feedback),
        }
        counts["output"] = counts["all"]
        if listing == "session":
            found, hits = _sessions(scope, sessions, limit, cursor)
        else:
            rows: QuerySet[Any] = feedback if listing == "feedback" else outputs
            found = paging.page(_read(rows), order=["-at", "-id"], size=limit, cursor=cursor)
            hits = [_hit(row, "") for row in found.rows]
    return Page(hits, found.next_cursor, counts, num_words=0, num_meaning=0)


def count_by_words(*, project: Project, wanted: OutputFilter) -> dict[Listing, int]:
    """How many outputs and feedback have the filter's words themselves, and sessions with either.

    Counts of each end at MOST_COUNTED + 1. Raises TooSlowError.
    """
    scope = Scope(project=project, wanted=wanted)
    with time_limit(TIME_LIMIT_MS):
        outputs, feedback = scope.outputs(), scope.feedback()
        counts: dict[Listing, int] = {
            "all": 0,
            "session": _count(outputs.values("session").union(feedback.values("session"))),
            "output": _count(outputs),
            "feedback": _count(feedback),
        }
    counts["all"] = counts["output"] + counts["feedback"]
    return counts


def _sessions(
    scope: Scope, sessions: QuerySet[Session], limit: int, cursor: str
) -> tuple[paging.Page[Session], list[Hit]]:
    found = paging.page(sessions, order=["-started_at", "-id"], size=limit, cursor=cursor)
    firsts = (
        _read(scope.outputs().filter(session__in=found.rows))
        .order_by("session", "at", "id")
        .distinct("session")
    )
    first = {output.session_id: output for output in firsts}
    return found, [_hit(first[one.pk], "query") for one in found.rows if one.pk in first]


def _count(rows: QuerySet[Any]) -> int:
    return rows.order_by()[: MOST_COUNTED + 1].count()


def _read(rows: QuerySet[Any]) -> QuerySet[Any]:
    if rows.model.__name__ == "Output":
        return rows.select_related("session").defer("documents", "messages", "tools", "metadata")
    return rows.select_related("session", "output").prefetch_related("reasons")


def _hit(row: Any, part: str) -> Hit:
    return Hit(target=row, part=part, words=None, meaning=None)
