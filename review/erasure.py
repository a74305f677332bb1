"""Erases what people said of somebody's sessions, and what was made of it here."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.text import Truncator

from feedback import erasure
from feedback.erasure import Part
from feedback.models import Embedding, Feedback, FeedbackReason, Project
from review import themes
from review.models import (
    Annotation,
    BulkJob,
    Claim,
    Comment,
    Event,
    Notification,
    Queue,
    QueueItem,
    Review,
    RoutingRule,
    SavedView,
    Stratum,
    Theme,
    ThemeMembership,
    TriageModel,
)


def count(part: Part) -> dict[str, int]:
    """How many rows of each kind this package erases with a part."""
    notes = Annotation.objects.filter(output__in=part.outputs)
    news = Notification.objects.filter(output__in=part.outputs)
    return {
        "annotations": notes.count(),
        "comments": Comment.objects.filter(annotation__in=notes).count(),
        "reviews": Review.objects.filter(output__in=part.outputs).count(),
        "queue items": QueueItem.objects.filter(output__in=part.outputs).count(),
        "notifications": news.count(),
    }


def hold(part: Part) -> None:
    """Wait for who decides on a part, or have them wait: they lock places before outputs.

    Expects a transaction.
    """
    places = Claim.objects.filter(item__output__in=part.outputs)
    list(places.select_for_update(of=("self",)).order_by("pk").values_list("pk"))


def erase(part: Part) -> list[int]:
    """Clear what does not go with the outputs and the feedback by itself; return themes to tidy.

    Expects the transaction that deletes the part afterwards.
    """
    touched = list(
        ThemeMembership.objects.filter(feedback__in=part.feedback)
        .order_by("theme")
        .values_list("theme", flat=True)
        .distinct()
    )
    # First, as whoever fills a queue or works at a job locks them before their items.
    for rows in _filters(part.project):
        clear_filters(rows, part.ids)
    Event.objects.filter(output__in=part.outputs).exclude(data={}).update(data={})
    if Review.objects.filter(output__in=part.outputs).exists():
        # Weights that were learned from a text tell of it; without them the rules order the items.
        TriageModel.objects.filter(project=part.project).exclude(parameters={}).update(
            parameters={}, is_used=False
        )
    # Their priority counts feedback that goes.
    QueueItem.objects.filter(output__feedback__in=part.feedback).update(
        priority_version="", priority_parts=[]
    )
    return touched


def _filters(project: Project) -> list[QuerySet[Any]]:
    """What keeps a filter, which can name a session or an output."""
    return [
        Queue.objects.filter(project=project),
        Stratum.objects.filter(queue__project=project),
        SavedView.objects.filter(project=project),
        RoutingRule.objects.filter(project=project),
        BulkJob.objects.filter(project=project),
    ]


def clear_filters(rows: QuerySet[Any], ids: frozenset[str]) -> None:
    """Take the ids out of what the rows keep as their `filter`."""
    for pk, kept in rows.exclude(filter={}).values_list("pk", "filter"):
        if erasure.mentions(kept, ids):
            rows.filter(pk=pk).update(filter=erasure.without(kept, ids))


def tidy_themes(*, project: Project, touched: Collection[int]) -> dict[str, str]:
    """Describe themes anew without what was erased, and drop those of which nothing is left.

    Returns the names that are no more, with what stands for each.

    Their middle is that of the vectors which remain. Those that nothing belongs to any more go too
    when they say a word that nobody says now: they may have it from what was erased. Expects a
    transaction, after the feedback is gone.
    """
    with connection.cursor() as cursor:
        # A run that goes on would write what it has read before.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"themes:{project.pk}"]
        )
    renamed: dict[str, str] = {}
    members = ThemeMembership.objects.filter(theme=OuterRef("pk"))
    for theme in Theme.objects.filter(~Exists(members), project=project):
        if theme.pk in touched or not all(_is_said(project, term) for term in theme.terms):
            renamed[theme.name] = f"Theme {theme.number}"
            theme.delete()
    for theme in Theme.objects.filter(pk__in=touched):
        former = theme.name
        _describe(theme)
        if theme.name != former:
            renamed[former] = theme.name
    themes.count(project=project)
    return renamed


def _is_said(project: Project, term: str) -> bool:
    said = Feedback.objects.filter(project=project)
    return said.filter(Q(comment__icontains=term) | Q(correction__icontains=term)).exists()


def _describe(theme: Theme) -> None:
    said = Feedback.objects.filter(theme_membership__theme=theme)
    texts = [
        (comment or correction).casefold()
        for comment, correction in said.values_list("comment", "correction")
    ]
    theme.size = len(texts)
    theme.terms = [term for term in theme.terms if any(term.casefold() in one for one in texts)]
    if theme.named_by_id is None:
        theme.name = _name(theme, said)
    vectors = list(
        Embedding.objects.filter(feedback__in=said, model=theme.model)
        .order_by("pk")
        .values_list("vector", flat=True)
    )
    if vectors:
        theme.centroid = _middle(vectors)
    theme.save(update_fields=["size", "terms", "name", "centroid"])


def _name(theme: Theme, said: QuerySet[Feedback]) -> str:
    """As a run names it: led by the reason that is given most, then by what sets it apart."""
    reasons = FeedbackReason.objects.filter(feedback__in=said).values_list(
        "reason__name", flat=True
    )
    given = sorted(reasons, key=lambda one: (-list(reasons).count(one), one))
    words = ", ".join(theme.terms[:2]) or f"theme {theme.number}"
    name = f"{given[0]}: {words}" if given else words
    return Truncator(name[:1].upper() + name[1:]).chars(themes.LONGEST_NAME)


def _middle(vectors: list[list[float]]) -> list[float]:
    import numpy as np

    middle = np.mean(vectors, axis=0)
    length = float(np.linalg.norm(middle)) or 1.0
    return [float(one) / length for one in middle]
