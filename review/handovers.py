"""Follows decisions on their routes: who takes them up, and when they are done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import (
    BooleanField,
    Count,
    Exists,
    ExpressionWrapper,
    Min,
    OuterRef,
    Q,
    Value,
    When,
)
from django.db.models.functions import Left

from feedback.models import Project, User
from feedback.paging import Page, page
from review.due_times import date_handovers
from review.models import Claim, Escalation, Event, Handover, QueueItem, Review
from review.models.handover import HandoverQuerySet

LONGEST_COMMENT = 2_000
# Code points of a question that a line shows.
QUESTION = 240
# What was done so lately is counted on the board.
LATELY = timedelta(days=30)
ROUTES = [route for route in Review.Route if route != Review.Route.ESCALATE]


class HandoverError(ValueError):
    """What cannot be done with it now; the message says why."""


class UnsaidError(HandoverError):
    """It is closed by a word of why or where, and none was given that can be kept."""


def hand_over(*, review: Review) -> None:
    """Open what the review's routes ask for. Needs a transaction."""
    made = [
        Handover(
            project_id=review.project_id,
            review=review,
            route=route,
            opened_at=review.created_at,
        )
        for route in ROUTES
        if route in review.routes
    ]
    if made:
        Handover.objects.bulk_create(made)
        date_handovers(found=Handover.objects.filter(review=review))


def add(*, reviews: Sequence[Review], route: str, by: User | None, now: datetime) -> list[Handover]:
    """Open a route for those reviews that never were on it; return what was opened.

    Needs their outputs locked, in a transaction.
    """
    there = set(
        Handover.objects.filter(review__in=reviews, route=route).values_list("review", flat=True)
    )
    made = Handover.objects.bulk_create(
        Handover(
            project_id=review.project_id, review=review, route=route, added_by=by, opened_at=now
        )
        for review in reviews
        if review.pk not in there
    )
    date_handovers(found=Handover.objects.filter(pk__in=[one.pk for one in made]))
    return made


def why_it_stands() -> When:
    """The case of reviews that cannot be taken back because somebody is at what they asked for."""
    asked = Handover.objects.filter(review=OuterRef("pk"))
    return When(
        Exists(asked.exclude(status=Handover.Status.OPEN)),
        then=Value("Somebody has taken up what this decision asks for."),
    )


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
    """Be through with it without a promotion.

    Raises UnsaidError without a word of why, HandoverError when it is done.
    """
    comment = comment.replace("\r\n", "\n").strip()
    if not comment or len(comment) > LONGEST_COMMENT or "\x00" in comment:
        raise UnsaidError(f"Say why, or where it went, in at most {LONGEST_COMMENT:,} characters.")
    found = _locked(handover)
    found.comment = comment
    _finish(found, by, now)


def on_route(*, review: Review, route: str) -> Handover | None:
    """What the review asked for on the route, locked: who promotes and removes goes in turn.

    Needs a transaction.
    """
    found = Handover.objects.select_for_update(of=("self",)).filter(review=review, route=route)
    return found.select_related("review").first()


def promoted(*, review: Review, route: str, by: User, now: datetime, comment: str = "") -> None:
    """What the review settled is where its route leads; `comment` says where, where that is not
    told otherwise. Needs a transaction.
    """
    one = on_route(review=review, route=route)
    if one and one.status != Handover.Status.DONE:
        one.is_promoted, one.comment = True, comment or one.comment
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
    date_handovers(found=Handover.objects.filter(pk=handover.pk))
    _log(handover, "reopened", by, now)


@dataclass(frozen=True, kw_only=True)
class OnRoute:
    """How much waits on a route, is being seen to, and was done in the last 30 days.

    `num_overdue` of what is not done, taken or not, is past its due time; `next_due` is the
    earliest due time still to come, `oldest` since when what nobody has taken waits longest.
    """

    route: Review.Route
    num_open: int = 0
    num_taken: int = 0
    num_done: int = 0
    num_overdue: int = 0
    next_due: datetime | None = None
    oldest: datetime | None = None


def on_routes(*, project: Project, now: datetime) -> list[OnRoute]:
    """Each route with what is on it, the most overdue first. Two queries."""
    is_waiting = ~Q(status=Handover.Status.DONE)
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
            num_overdue=Count("pk", filter=is_waiting & Q(due_at__lte=now)),
            next_due=Min("due_at", filter=is_waiting & Q(due_at__gt=now)),
            oldest=Min("opened_at", filter=is_open),
        )
    }
    found = [OnRoute(route=route, **rows.get(route.value, {})) for route in ROUTES]
    return sorted([*found, _escalated(project, now)], key=lambda one: -one.num_overdue)


def listed(
    *,
    project: Project,
    to: User,
    route: str,
    status: str,
    size: int,
    cursor: str,
    now: datetime,
) -> Page[Handover]:
    """A page of what is on a route, what is due first; done, the newest first.

    What has no due time comes last, the oldest first. Raises CursorError. One query. The rows are
    as `told` has them.
    """
    found = Handover.objects.counting().filter(project=project, route=route, status=status)
    is_done = status == Handover.Status.DONE
    order = ["-done_at", "-id"] if is_done else ["due_order", "opened_at", "id"]
    return page(_told(found, to, now), order=order, size=size, cursor=cursor)


def told(*, handover: Handover, to: User, now: datetime) -> Handover:
    """One handover as its reader may see it.

    `question` is cut short, `is_overdue` says whether it waits and its due time is past,
    `is_hidden` whether the reader is to judge the answer without knowing the verdict.
    """
    return _told(Handover.objects.filter(pk=handover.pk), to, now).get()


def _told(found: HandoverQuerySet, to: User, now: datetime) -> HandoverQuerySet:
    blind = QueueItem.objects.blind_to(to).filter(output=OuterRef("review__output"))
    is_overdue = ~Q(status=Handover.Status.DONE) & Q(due_order__lte=now)
    return found.select_related(
        "review__reviewer", "review__output", "added_by", "taken_by", "done_by"
    ).annotate(
        question=Left("review__output__query", QUESTION),
        is_hidden=Exists(blind),
        is_overdue=ExpressionWrapper(is_overdue, output_field=BooleanField()),
    )


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
            num_overdue=Count("pk", filter=is_open & Q(due_at__lte=now)),
            next_due=Min("due_at", filter=is_open & Q(due_at__gt=now)),
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
