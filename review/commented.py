"""Finds what reviewers wrote beside answers."""

from __future__ import annotations

from django.contrib.postgres.search import SearchQuery, SearchVector

from feedback.filters import OutputFilter
from feedback.models import Output, Project, User
from feedback.paging import Page, page
from feedback.search import TIME_LIMIT_MS
from feedback.timeouts import time_limit
from review.models import Annotation
from review.models.annotation import AnnotationQuerySet

# The index is on this very expression.
WORDS = SearchVector("comment", "exact", "replacement", config="english")


def commented(
    *, project: Project, wanted: OutputFilter, query: str, by: User
) -> AnnotationQuerySet:
    """Comments and suggestions that the person may see and that have every word of the query.

    Words may be in what was written, marked or proposed. Only those on outputs that satisfy the
    filter's terms.
    """
    found = Annotation.objects.filter(project=project, deleted_at=None).seen_by(by)
    if query.strip():
        has = SearchQuery(query, config="english", search_type="plain")
        found = found.alias(words=WORDS).filter(words=has)
    if wanted.terms:
        outputs = OutputFilter.apply(
            type(wanted)(terms=wanted.terms), Output.objects.filter(project=project)
        )
        found = found.filter(output__in=outputs.values("pk"))
    return found


def commented_page(
    *,
    project: Project,
    wanted: OutputFilter,
    query: str,
    by: User,
    limit: int,
    cursor: str = "",
) -> Page[Annotation]:
    """The newest of them. Raises paging.CursorError, and TooSlowError."""
    found = commented(project=project, wanted=wanted, query=query, by=by)
    with time_limit(TIME_LIMIT_MS):
        return page(
            found.select_related("output", "author", "reason"),
            order=["-created_at", "-id"],
            size=limit,
            cursor=cursor,
        )
