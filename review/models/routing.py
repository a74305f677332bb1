"""Rules that say what closes the loop after a decision."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Deferrable, Q

from feedback.models import Project, User
from review.models.review import Review

# A year, leap years too.
MOST_HOURS = 8_784


class RoutingRuleQuerySet(models.QuerySet["RoutingRule"]):
    def active(self) -> RoutingRuleQuerySet:
        """Rules that are switched on, the first to be asked first."""
        return self.filter(is_active=True).order_by("position")


class RoutingRule(models.Model):
    """Where decisions of one kind on outputs of one kind go.

    The first active rule of a project whose condition holds speaks for a decision. Its condition is
    a filter over outputs together with verdicts, severities and slugs of reasons, one of each of
    which the decision has; where a list is empty, any will do. Without routes it says that nothing
    is to be done. `changed_at` is when it last came to say something else. What it sends
    somewhere is to be done there within `due_hours`; without them the route's own hold.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="routing_rules")
    name = models.CharField(max_length=60)
    position = models.PositiveIntegerField()
    filter = models.JSONField(default=dict, blank=True)
    verdicts = ArrayField(models.CharField(max_length=6), default=list, blank=True)
    severities = ArrayField(models.CharField(max_length=8), default=list, blank=True)
    reasons = ArrayField(models.SlugField(max_length=60), default=list, blank=True)
    routes = ArrayField(models.CharField(max_length=10), default=list, blank=True)
    due_hours = models.PositiveIntegerField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    objects = RoutingRuleQuerySet.as_manager()

    class Meta:
        constraints = [
            # At the end of a transaction: two rules change places in two statements.
            models.UniqueConstraint(
                fields=["project", "position"],
                deferrable=Deferrable.DEFERRED,
                name="%(app_label)s_%(class)s_position",
            ),
            models.UniqueConstraint(
                fields=["project", "name"], name="%(app_label)s_%(class)s_name"
            ),
            models.CheckConstraint(
                condition=Q(verdicts__contained_by=Review.Verdict.values),
                name="%(app_label)s_%(class)s_verdicts_known",
            ),
            models.CheckConstraint(
                condition=Q(severities__contained_by=Review.Severity.values),
                name="%(app_label)s_%(class)s_severities_known",
            ),
            models.CheckConstraint(
                condition=Q(routes__contained_by=Review.Route.values),
                name="%(app_label)s_%(class)s_routes_known",
            ),
            models.CheckConstraint(
                condition=Q(due_hours=None)
                | Q(due_hours__gte=1, due_hours__lte=MOST_HOURS, routes__len__gt=0),
                name="%(app_label)s_%(class)s_due_range",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def route_labels(self) -> list[str]:
        """What its routes are called."""
        return [Review.Route(route).label for route in self.routes]


class RouteTerm(models.Model):
    """Within how many hours what a project's decisions ask for on a route is to be done there."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="route_terms")
    route = models.CharField(max_length=10)
    due_hours = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "route"], name="%(app_label)s_%(class)s_once"
            ),
            models.CheckConstraint(
                condition=Q(route__in=Review.Route.values),
                name="%(app_label)s_%(class)s_route_known",
            ),
            models.CheckConstraint(
                condition=Q(due_hours__gte=1, due_hours__lte=MOST_HOURS),
                name="%(app_label)s_%(class)s_due_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.route} of {self.project_id} in {self.due_hours} h"
