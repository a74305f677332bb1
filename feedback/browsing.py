"""Lists what matches a filter and is not ranked, the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from django.db.models import QuerySet

from feedback import paging
from feedback.filters import OutputFilter, has_words
from feedback.models import Project, Session
from feedback.scope import Scope
from feedback.search import TIME_LIMIT_MS, Hit, Listing, Page
from feedback.timeouts import time_limit

# Rows that are counted; beyond there are just more.
MOST_COUNTED = 10_000
NEWEST = ("-at", "-id")
# Above every id.
_BEYOND = 2**63 - 1


def browse(
    *,
    project: Project,
    wanted: OutputFilter,
    by_words: bool = False,
    listing: Listing = "all",
    limit: int = 20,
    cursor: str = "",
) -> Page:
    """Return the outputs that match, or their sessions, or the feedback on them, the newest first.

    `by_words` feedback that has the filter's words itself is found as outputs are, and nothing
    where it has none. A session is shown by its first output that matches, else by its first
    feedback; counts of each kind end at MOST_COUNTED + 1. Raises paging.CursorError, and
    TooSlowError.
    """
    if by_words and not any(has_words(one.text) for one in wanted.words if not one.is_excluded):
        none: dict[Listing, int] = {"all": 0, "session": 0, "output": 0, "feedback": 0}
        return Page([], None, none, num_words=0, num_meaning=0)
    scope = Scope(project=project, wanted=wanted)
    found: paging.Page[Any]
    with time_limit(TIME_LIMIT_MS):
        kinds = _kinds(scope, by_words=by_words)
        if listing == "session":
            found = _sessions(project, kinds, limit, cursor)
        elif listing == "all" and by_words:
            found = _newest(kinds, limit, cursor)
        else:
            rows: QuerySet[Any] = scope.feedback() if listing == "feedback" else scope.outputs()
            found = paging.page(_read(rows), order=NEWEST, size=limit, cursor=cursor)
        counts = _counts(scope, by_words=by_words)
    part = "query" if listing == "session" and not by_words else ""
    words = 1.0 if by_words else None
    hits = [Hit(target=row, part=part, words=words, meaning=None) for row in found.rows]
    return Page(hits, found.next_cursor, counts, num_words=0, num_meaning=0)


def count_by_words(*, project: Project, wanted: OutputFilter) -> dict[Listing, int]:
    """How many there are in each listing of `browse` by words. Raises TooSlowError."""
    with time_limit(TIME_LIMIT_MS):
        return _counts(Scope(project=project, wanted=wanted), by_words=True)


def _kinds(scope: Scope, *, by_words: bool) -> list[QuerySet[Any]]:
    return [scope.outputs(), scope.feedback()] if by_words else [scope.outputs()]


def _counts(scope: Scope, *, by_words: bool) -> dict[Listing, int]:
    outputs, feedback = _count(scope.outputs()), _count(scope.feedback())
    return {
        "all": outputs + feedback if by_words else outputs,
        "session": _count(_having(scope.project, _kinds(scope, by_words=by_words))),
        "output": outputs,
        "feedback": feedback,
    }


def _having(project: Project, kinds: Sequence[QuerySet[Any]]) -> QuerySet[Session]:
    """Sessions with a row of one of the kinds."""
    [there, *others] = [rows.values("session") for rows in kinds]
    return Session.objects.filter(project=project, pk__in=there.union(*others) if others else there)


def _newest(kinds: Sequence[QuerySet[Any]], limit: int, cursor: str) -> paging.Page[Any]:
    """Rows of all the kinds, the newest first, of one time those of an earlier kind."""
    starts = [""] * len(kinds)
    if cursor:
        at, last, pk = paging.read_cursor(cursor, 3)
        if not isinstance(last, int) or last not in range(len(kinds)):
            raise paging.CursorError("This is no cursor that the list gave.")
        ids = [0] * last + [pk] + [_BEYOND] * (len(kinds) - last - 1)
        starts = [paging.write_cursor([at, one]) for one in ids]
    pages = [
        paging.page(_read(rows), order=NEWEST, size=limit, cursor=start)
        for rows, start in zip(kinds, starts, strict=True)
    ]
    found = sorted(
        ((row.at, -kind, row.pk, row) for kind, page in enumerate(pages) for row in page.rows),
        key=itemgetter(0, 1, 2),
        reverse=True,
    )
    rows = [row for *_, row in found[:limit]]
    if len(found) <= limit and not any(page.next_cursor for page in pages):
        return paging.Page(rows, None)
    at, kind, pk, _ = found[limit - 1]
    return paging.Page(rows, paging.write_cursor([at, -kind, pk]))


def _sessions(
    project: Project, kinds: Sequence[QuerySet[Any]], limit: int, cursor: str
) -> paging.Page[Any]:
    """The first row of each session, of the first kind it has any of."""
    sessions = _having(project, kinds)
    found = paging.page(sessions, order=["-started_at", "-id"], size=limit, cursor=cursor)
    first: dict[int, Any] = {}
    for rows in kinds:
        firsts = _read(rows.filter(session__in=found.rows)).order_by("session", "at", "id")
        first = {row.session_id: row for row in firsts.distinct("session")} | first
    return paging.Page([first[one.pk] for one in found.rows if one.pk in first], found.next_cursor)


def _count(rows: QuerySet[Any]) -> int:
    return rows.order_by()[: MOST_COUNTED + 1].count()


def _read(rows: QuerySet[Any]) -> QuerySet[Any]:
    if rows.model.__name__ == "Output":
        return rows.select_related("session").defer("documents", "messages", "tools", "metadata")
    return rows.select_related("session", "output").prefetch_related("reasons")
