"""Reads what one person holds, is told of, has decided and skipped, in one project.

Of queues that they see no more nothing is listed.
Rows have the beginning of the `question` and the `external_id` of their output.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Prefetch, Q
from django.db.models.functions import Left

from feedback.models import Project, User
from feedback.paging import Page, page
from review import notifications
from review.models import (
    AddedReason,
    Claim,
    Escalation,
    Notification,
    Queue,
    QueueItem,
    Review,
    Skip,
)
from review.models.queue import QueueQuerySet
from review.triage import why_it_stands

# Code points of a question that a line shows.
QUESTION = 240
# Items held and lines of the inbox that are shown; there are more only where something is wrong.
MOST = 20
# How long what became of an escalation is shown to who raised it.
LATELY = timedelta(days=14)


def held(*, project: Project, by: User, now: datetime) -> list[Claim]:
    """What the person holds, the lease that ends first at the top; `question` is cut short."""
    mine = Claim.objects.held_by(by, at=now).filter(item__queue__in=_queues(project, by))
    return list(
        mine.select_related("item__queue")
        .annotate(
            question=Left("item__output__query", QUESTION),
            external_id=F("item__output__external_id"),
        )
        .order_by("lease_until", "pk")[:MOST]
    )


def to_decide(*, project: Project, by: User) -> tuple[int, int]:
    """How many disputes and how many escalations wait for the person. Two queries.

    Those of items that they have reviewed wait for others.
    """
    reviewed = Review.objects.filter(item=OuterRef("pk"), reviewer=by)
    disputes = QueueItem.objects.disputed().filter(
        ~Exists(reviewed), queue__in=_queues(project, by)
    )
    own = Review.objects.filter(item=OuterRef("item"), reviewer=by)
    raised = Escalation.objects.open().filter(~Exists(own), project=project)
    return disputes.count(), raised.count()


def escalated(*, project: Project, by: User, now: datetime) -> list[Escalation]:
    """What the person escalated: open, or settled lately, the last first; `question` is short."""
    queues = _queues(project, by)
    mine = Escalation.objects.filter(item__queue__in=queues, review__reviewer=by)
    lately = Q(status=Escalation.Status.OPEN) | Q(settled_at__gt=now - LATELY)
    return list(
        mine.filter(lately)
        .select_related("settled_by", "decision")
        .prefetch_related(Prefetch("returned_to", queues))
        .annotate(question=Left("output__query", QUESTION), external_id=F("output__external_id"))
        .order_by("-raised_at", "-pk")[:MOST]
    )


def news(*, project: Project, to: User) -> list[Notification]:
    """What is new to the person in the project, the last first; `question` is cut short."""
    return notifications.listed(to=to, project=project, is_unread=True, size=MOST).rows


def decided(
    *, project: Project, by: User, verdict: str, size: int, cursor: str, now: datetime
) -> Page[Review]:
    """A page of the person's decisions, newest first; of one verdict, unless that is empty.

    `question` is cut short; `why` says why one cannot be taken back, and is empty where it can.
    Raises CursorError.
    """
    seen = Q(item=None) | Q(item__queue__in=_queues(project, by))
    mine = Review.objects.filter(seen, project=project, reviewer=by)
    if verdict:
        mine = mine.filter(verdict=verdict)
    mine = (
        mine.select_related("item__queue")
        .annotate(
            question=Left("output__query", QUESTION),
            external_id=F("output__external_id"),
            why=why_it_stands(now=now),
        )
        .defer("comment", "correction", "edits")
        .prefetch_related("reasons", Prefetch("added_reasons", AddedReason.objects.told()))
    )
    return page(mine, order=["-created_at", "-id"], size=size, cursor=cursor)


def skipped(*, project: Project, by: User, size: int, cursor: str) -> Page[Skip]:
    """A page of what the person skipped, the last first. Raises CursorError.

    `question` is cut short.
    """
    mine = (
        Skip.objects.filter(item__queue__in=_queues(project, by), reviewer=by)
        .select_related("item__queue")
        .annotate(
            question=Left("item__output__query", QUESTION),
            external_id=F("item__output__external_id"),
        )
    )
    return page(mine, order=["-skipped_at", "-id"], size=size, cursor=cursor)


def first_with_any(*, of: User, now: datetime) -> Project | None:
    """Their first project, by name, in which they hold something or something is new to them."""
    claims = Claim.objects.held_by(of, at=now).values("item__queue__project")
    told = Notification.objects.unread().seen_by(of).values("project")
    mine = Project.objects.visible_to(of)
    found = mine.filter(pk__in=claims) | mine.filter(pk__in=told)
    return found.order_by("name", "id").first()


def _queues(project: Project, user: User) -> QueueQuerySet:
    return Queue.objects.visible_to(user).filter(project=project)
