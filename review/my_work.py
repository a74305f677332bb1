"""Reads what one person holds, is told of, and has decided, in one project."""

from __future__ import annotations

from datetime import datetime

from django.db.models.functions import Left

from feedback.models import Project, User
from feedback.paging import Page, page
from review.models import Claim, Notification, Review

# Code points of a question that a line shows.
QUESTION = 240
# Items held and lines of the inbox that are shown; there are more only where something is wrong.
MOST = 20


def held(*, project: Project, by: User, now: datetime) -> list[Claim]:
    """What the person holds, the lease that ends first at the top; `question` is cut short."""
    mine = Claim.objects.held_by(by, at=now).filter(item__queue__project=project)
    return list(
        mine.select_related("item__queue")
        .annotate(question=Left("item__output__query", QUESTION))
        .order_by("lease_until", "pk")[:MOST]
    )


def news(*, project: Project, to: User) -> list[Notification]:
    """What is new to the person in the project, the last first; `question` is cut short."""
    unread = Notification.objects.unread().seen_by(to).filter(project=project)
    return list(
        unread.select_related("actor", "project")
        .annotate(question=Left("output__query", QUESTION))
        .order_by("-happened_at", "-pk")[:MOST]
    )


def decided(*, project: Project, by: User, verdict: str, size: int, cursor: str) -> Page[Review]:
    """A page of the person's decisions, newest first; of one verdict, unless that is empty.

    `question` is cut short. Raises CursorError.
    """
    mine = Review.objects.filter(project=project, reviewer=by)
    if verdict:
        mine = mine.filter(verdict=verdict)
    mine = (
        mine.select_related("item__queue")
        .annotate(question=Left("output__query", QUESTION))
        .defer("comment", "correction", "edits")
        .prefetch_related("reasons")
    )
    return page(mine, order=["-created_at", "-id"], size=size, cursor=cursor)


def first_with_any(*, of: User, now: datetime) -> Project | None:
    """Their first project, by name, in which they hold something or something is new to them."""
    claims = Claim.objects.held_by(of, at=now).values("item__queue__project")
    told = Notification.objects.unread().seen_by(of).values("project")
    mine = Project.objects.visible_to(of)
    found = mine.filter(pk__in=claims) | mine.filter(pk__in=told)
    return found.order_by("name", "id").first()
