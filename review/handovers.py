"""Follows decisions on their routes: who takes them up, and when they are done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, Min, OuterRef, Q
from django.db.models.functions import Left

from feedback.models import Project, User
from feedback.paging import Page, page
from review.models import Claim, Escalation, Event, Handover, Review

LONGEST_COMMENT = 2_000
# Code points of a question that a line shows.
QUESTION = 240
# What was done so lately is counted on the board.
LATELY = timedelta(days=30)
ROUTES = [route for route in Review.Route if route != Review.Route.ESCALATE]


class HandoverError(ValueError):
    """What cannot be done with it now; the message says why."""


def hand_over(*, review: Review) -> None:
    """Open what the review's routes ask for. Needs a transaction."""
    Handover.objects.bulk_create(
        Handover(
            project_id=review.project_id,
            review=review,
            route=route,
            opened_at=review.created_at,
        )
        for route in ROUTES
        if route in review.routes
    )


def is_begun(*, review: Review) -> bool:
    """Whether somebody took up, or is through with, what the review asked for."""
    return Handover.objects.filter(review=review).exclude(status=Handover.Status.OPEN).exists()


@transaction.atomic
def take(*, handover: Handover, by: User, now: datetime) -> None:
    """Say that the person is at it. Raises HandoverError when somebody else is, or it is done."""
    found = _locked(handover)
    if found.status != Handover.Status.OPEN and found.taken_by_id != by.pk:
        raise HandoverError("Somebody has taken this.")
    found.status, found.taken_by, found.taken_at = Handover.Status.TAKEN, by, now
    found.save()
    _log(found, "took_up", by, now)


@transaction.atomic
def give_back(*, handover: Handover, by: User, now: datetime) -> None:
    """Open it again, whoever has taken it. Raises HandoverError when it is done."""
    found = _locked(handover)
    found.status, found.taken_by, found.taken_at = Handover.Status.OPEN, None, None
    found.save()
    _log(found, "gave_back", by, now)


@transaction.atomic
def close(*, handover: Handover, by: User, comment: str, now: datetime) -> None:
    """Be through with it without a promotion. Raises HandoverError without a word of why."""
    comment = comment.replace("\r\n", "\n").strip()
    if not comment or len(comment) > LONGEST_COMMENT or "\x00" in comment:
        raise HandoverError(
            f"Say why, or where it went, in at most {LONGEST_COMMENT:,} characters."
        )
    found = _locked(handover)
    found.comment = comment
    _finish(found, by, now)


def on_route(*, review: Review, route: str) -> Handover | None:
    """What the review asked for on the route, locked: who promotes and removes goes in turn.

    Needs a transaction.
    """
    found = Handover.objects.select_for_update(of=("self",)).filter(review=review, route=route)
    return found.select_related("review").first()


def promoted(*, review: Review, route: str, by: User, now: datetime) -> None:
    """What the review settled is where its route leads. Needs a transaction."""
    one = on_route(review=review, route=route)
    if one and one.status != Handover.Status.DONE:
        one.is_promoted = True
        _finish(one, by, now)


def reopen(*, handover: Handover, by: User, now: datetime) -> None:
    """Have it wait anew from now on: what was promoted is gone. Needs its row locked.

    One that is not done, or was closed with why, stays as it is.
    """
    if not handover.is_promoted:
        return
    handover.status, handover.is_promoted, handover.opened_at = Handover.Status.OPEN, False, now
    handover.taken_by = handover.taken_at = handover.done_by = handover.done_at = None
    handover.save()
    _log(handover, "reopened", by, now)


@dataclass(frozen=True, kw_only=True)
class OnRoute:
    """How much waits on a route, is being seen to, and was done in the last 30 days."""

    route: Review.Route
    num_open: int = 0
    num_taken: int = 0
    num_done: int = 0
    oldest: datetime | None = None


def on_routes(*, project: Project, now: datetime) -> list[OnRoute]:
    """Each route with what is on it. Two queries."""
    done = Q(status=Handover.Status.DONE, done_at__gt=now - LATELY)
    is_open = Q(status=Handover.Status.OPEN)
    rows: dict[str, dict[str, Any]] = {
        row["route"]: {name: value for name, value in row.items() if name != "route"}
        for row in Handover.objects.counting()
        .filter(project=project)
        .values("route")
        .annotate(
            num_open=Count("pk", filter=is_open),
            num_taken=Count("pk", filter=Q(status=Handover.Status.TAKEN)),
            num_done=Count("pk", filter=done),
            oldest=Min("opened_at", filter=is_open),
        )
    }
    found = [OnRoute(route=route, **rows.get(route.value, {})) for route in ROUTES]
    return [*found, _escalated(project, now)]


def listed(*, project: Project, route: str, status: str, size: int, cursor: str) -> Page[Handover]:
    """A page of what is on a route, the oldest first; done, the newest first.

    `question` is cut short. Raises CursorError.
    """
    found = (
        Handover.objects.counting()
        .filter(project=project, route=route, status=status)
        .select_related("review__reviewer", "taken_by", "done_by")
        .annotate(question=Left("review__output__query", QUESTION))
    )
    order = ["-done_at", "-id"] if status == Handover.Status.DONE else ["opened_at", "id"]
    return page(found, order=order, size=size, cursor=cursor)


def _escalated(project: Project, now: datetime) -> OnRoute:
    held = Claim.objects.filter(
        item=OuterRef("item"), place=Claim.ADJUDICATION, finished_at=None, lease_until__gt=now
    )
    is_open = Q(status=Escalation.Status.OPEN)
    counts = (
        Escalation.objects.filter(project=project)
        .annotate(is_held=Exists(held))
        .aggregate(
            num_open=Count("pk", filter=is_open & Q(is_held=False)),
            num_taken=Count("pk", filter=is_open & Q(is_held=True)),
            num_done=Count("pk", filter=Q(settled_at__gt=now - LATELY)),
            oldest=Min("raised_at", filter=is_open & Q(is_held=False)),
        )
    )
    return OnRoute(route=Review.Route.ESCALATE, **counts)


def _locked(handover: Handover) -> Handover:
    """The row, locked, if it is not done. Raises HandoverError."""
    found = Handover.objects.select_for_update(of=("self",)).filter(pk=handover.pk)
    one = found.exclude(status=Handover.Status.DONE).select_related("review").first()
    if one is None:
        raise HandoverError("This is done.")
    return one


def _finish(one: Handover, by: User, now: datetime) -> None:
    one.status, one.done_by, one.done_at = Handover.Status.DONE, by, now
    one.save()
    _log(one, "closed_the_loop", by, now)


def _log(one: Handover, verb: str, by: User, now: datetime) -> None:
    Event.objects.create(
        project_id=one.project_id,
        output_id=one.review.output_id,
        actor=by,
        verb=verb,
        target_type="handover",
        target_id=one.pk,
        data={"route": one.route, "review": one.review_id},
        at=now,
    )
