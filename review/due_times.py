"""Says by when what decisions ask for is to be done, by route and by rule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import (
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    OuterRef,
    Subquery,
    Value,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from feedback.models import Project, User
from review.models import Escalation, Event, Handover, Review, RouteTerm
from review.models.escalation import EscalationQuerySet
from review.models.handover import HandoverQuerySet
from review.models.routing import MOST_HOURS


class TermError(ValueError):
    """Hours that cannot be given; `path` names the route."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


@transaction.atomic
def set_terms(
    *, project: Project, hours: Mapping[str, int | None], by: User, now: datetime
) -> None:
    """Give each route these hours, or none; what is not named stays. What waits is dated anew.

    A decision that is made at this very moment may still be dated by the hours of before. Raises
    TermError.
    """
    for route, given in hours.items():
        if route not in Review.Route.values:
            raise TermError(route, "There is no such route.")
        if given is not None and not 1 <= given <= MOST_HOURS:
            raise TermError(route, f"Give 1 to {MOST_HOURS:,} hours.")
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    before = terms(project=project)
    for route, given in hours.items():
        if given is None:
            RouteTerm.objects.filter(project=project, route=route).delete()
        else:
            RouteTerm.objects.update_or_create(
                project=project, route=route, defaults={"due_hours": given}
            )
    after = terms(project=project)
    if after == before:
        return
    redate(project=project)
    Event.objects.create(
        project=project,
        actor=by,
        verb="set_due_hours",
        target_type="project",
        target_id=project.pk,
        data=after,
        at=now,
    )


def terms(*, project: Project) -> dict[str, int]:
    """The routes that have hours of their own, and how many. One query."""
    return dict(RouteTerm.objects.filter(project=project).values_list("route", "due_hours"))


def redate(*, project: Project) -> None:
    """Date what waits on the project's routes by the hours as they are now."""
    date_handovers(found=Handover.objects.waiting().filter(project=project))
    date_escalations(found=Escalation.objects.open().filter(project=project))


def date_handovers(*, found: HandoverQuerySet) -> None:
    """Date these by the hours as they are now.

    The hours are those of the rule that proposed the route, where it has any, else the route's.
    They count from when it was opened.
    """
    found.update(due_at=_due("opened_at", OuterRef("route")))


def date_escalations(*, found: EscalationQuerySet) -> None:
    """Date these by the hours as they are now, from when they were raised."""
    found.update(due_at=_due("raised_at", Value(Review.Route.ESCALATE.value)))


def _due(since: str, route: OuterRef | Value) -> Combinable:
    """When a row of a review on a route is due; null without hours."""
    by_rule = Review.objects.filter(pk=OuterRef("review"), proposed_routes__contains=[route])
    by_route = RouteTerm.objects.filter(project=OuterRef("project"), route=route)
    hours = Coalesce(
        Subquery(by_rule.values("routing_rule__due_hours")),
        Subquery(by_route.values("due_hours")),
    )
    length = ExpressionWrapper(
        hours * Value(timedelta(hours=1), output_field=DurationField()),
        output_field=DurationField(),
    )
    return ExpressionWrapper(F(since) + length, output_field=DateTimeField())
