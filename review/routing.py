"""Makes and orders the rules of what closes the loop, and asks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Q, Value

from feedback.filters import FilterError
from feedback.models import Output, Project, Reason, User
from feedback.timeouts import time_limit
from review.due_times import redate
from review.filters import ReviewFilter
from review.models import Event, Review, ReviewReason, RoutingRule
from review.models.review import ReviewQuerySet
from review.models.routing import MOST_HOURS
from review.routes import Condition, Decided, speaking
from review.staleness import is_stale

MOST_RULES = 100
LONGEST_NAME = 60
PREVIEW_MS = 2_000
# They follow from decisions: a rule about one asks for them beside its filter.
DECIDED_FIELDS = {"verdict", "severity", "state"}


class RoutingError(ValueError):
    """A rule that cannot be as asked for; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a rule says: where decisions go whose condition holds. Nowhere, without routes.

    `due_hours` are those within which it is to be done there, the route's own where there are none.
    """

    name: str
    filter: Mapping[str, object] = field(default_factory=dict)
    verdicts: Sequence[str] = ()
    severities: Sequence[str] = ()
    reasons: Sequence[str] = ()
    routes: Sequence[str] = ()
    due_hours: int | None = None


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a rule says on a decision."""

    rule: RoutingRule
    routes: Sequence[str]

    @property
    def labels(self) -> list[str]:
        """What its routes are called."""
        return [Review.Route(route).label for route in self.routes]


def propose(
    *, output: Output, verdict: str, severity: str = "", reasons: Sequence[str] = ()
) -> Proposal | None:
    """What the project's rules say on such a decision; None when none speaks. Two queries."""
    decided = Decided(verdict=verdict, severity=severity, reasons=reasons)
    asked = [
        (rule, _condition(rule))
        for rule in RoutingRule.objects.active().filter(project=output.project_id)
    ]
    asked = [(rule, condition) for rule, condition in asked if condition.holds(decided)]
    by_pk = [(rule.pk, condition) for rule, condition in asked]
    matching = _matching(output, [rule for rule, _ in asked])
    spoke = speaking(by_pk, decided=decided, matching=matching)
    rule = next((rule for rule, _ in asked if rule.pk == spoke), None)
    return Proposal(rule=rule, routes=tuple(rule.routes)) if rule else None


@transaction.atomic
def create_rule(*, project: Project, rule: Rule, by: User, now: datetime) -> RoutingRule:
    """Add a rule, to be asked after all others. Raises RoutingError naming the field."""
    # Two rules made or moved at once must not choose one place.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    there = RoutingRule.objects.filter(project=project)
    if there.count() >= MOST_RULES:
        raise RoutingError("name", f"A project has at most {MOST_RULES} rules.")
    checked = check(project=project, rule=rule)
    last = there.aggregate(last=Max("position"))["last"] or 0
    made = RoutingRule(
        project=project, position=last + 1, created_by=by, created_at=now, changed_at=now
    )
    _set(made, checked)
    _log(made, "created", by, now)
    return made


@transaction.atomic
def edit_rule(
    *,
    edited: RoutingRule,
    changes: Mapping[str, Any],
    by: User,
    now: datetime,
    seen: str | None = None,
) -> None:
    """Have the rule say something else from now on; its place stays. Raises RoutingError.

    The changes are fields of a Rule by their names; what is left out stays. What it sent before
    goes by its new hours. With `seen`, the mark of what the rule said when these were written, it
    has to say that still: what somebody changed meanwhile is not undone unseen.
    """
    _hold(edited)
    before = rule_of(rule=edited)
    checked = check(project=edited.project, rule=replace(before, **changes), edited=edited)
    if is_stale(seen=seen, there=before, wanted=checked):
        raise RoutingError(
            "rule",
            "Somebody has changed this rule meanwhile. Save again to put yours in its place.",
        )
    if replace(checked, name=before.name, due_hours=before.due_hours) != before:
        edited.changed_at = now
    _set(edited, checked)
    if checked.due_hours != before.due_hours:
        redate(project=edited.project)
    _log(edited, "edited", by, now)


@transaction.atomic
def move_rule(*, rule: RoutingRule, is_up: bool, by: User, now: datetime) -> None:
    """Let the rule and its neighbour change places; the first stays first, the last last."""
    _hold(rule)
    others = RoutingRule.objects.filter(project=rule.project_id)
    if is_up:
        other = others.filter(position__lt=rule.position).order_by("-position").first()
    else:
        other = others.filter(position__gt=rule.position).order_by("position").first()
    if other is None:
        return
    rule.position, other.position = other.position, rule.position
    rule.save(update_fields=["position"])
    other.save(update_fields=["position"])
    _log(rule, "moved", by, now)


@transaction.atomic
def switch_rule(*, rule: RoutingRule, is_on: bool, by: User, now: datetime) -> None:
    """Have the rule asked from now on, or not any more; what it said stays with its reviews."""
    _hold(rule)
    if rule.is_active != is_on:
        rule.is_active = is_on
        rule.save(update_fields=["is_active"])
        _log(rule, "switched_on" if is_on else "switched_off", by, now)


def check(*, project: Project, rule: Rule, edited: RoutingRule | None = None) -> Rule:
    """The rule as it is kept. Raises RoutingError naming the field that is not valid."""
    name = rule.name.strip()
    if not name or len(name) > LONGEST_NAME or "\x00" in name:
        raise RoutingError("name", f"Give a name of at most {LONGEST_NAME} printable characters.")
    named = RoutingRule.objects.filter(project=project, name=name)
    if (named.exclude(pk=edited.pk) if edited else named).exists():
        raise RoutingError("name", "Another rule has this name.")
    known = set(
        Reason.objects.current().filter(taxonomy__project=project).values_list("slug", flat=True)
    )
    # A reason that the taxonomy had when the rule was made may stay in it.
    known |= set(edited.reasons if edited else ())
    return Rule(
        name=name,
        filter=_filter(rule.filter),
        verdicts=_some("verdicts", rule.verdicts, Review.Verdict.values),
        severities=_some("severities", rule.severities, Review.Severity.values),
        reasons=_some("reasons", rule.reasons, sorted(known)),
        routes=_some("routes", rule.routes, Review.Route.values),
        due_hours=_hours(rule),
    )


def rule_of(*, rule: RoutingRule) -> Rule:
    """What the rule says."""
    return Rule(
        name=rule.name,
        filter=rule.filter,
        verdicts=tuple(rule.verdicts),
        severities=tuple(rule.severities),
        reasons=tuple(rule.reasons),
        routes=tuple(rule.routes),
        due_hours=rule.due_hours,
    )


@dataclass(frozen=True, kw_only=True)
class Past:
    """How many past decisions a rule would have spoken on.

    `num_before` more match, but rules before it speak first; on `num_same` of its own the
    reviewers chose the routes that it proposes.
    """

    num: int
    num_before: int
    num_same: int


def preview(*, project: Project, rule: Rule, edited: RoutingRule | None = None) -> Past:
    """Hold a rule against the decisions that count, as their outputs are now. Three queries.

    A name may be missing. Raises RoutingError naming the field, and TooSlowError.
    """
    checked = check(
        project=project, rule=replace(rule, name=rule.name.strip() or "–"), edited=edited
    )
    before = RoutingRule.objects.active().filter(project=project)
    if edited:
        before = before.filter(position__lt=edited.position)
    spoken = Q(pk__in=())
    for other in before:
        spoken |= _decided(project, rule_of(rule=other))
    reviews = Review.objects.filter(project=project).authoritative().revealed()
    routes = list(checked.routes)
    with time_limit(PREVIEW_MS):
        counts = reviews.filter(_decided(project, checked)).aggregate(
            all=Count("pk"),
            own=Count("pk", filter=~spoken),
            same=Count(
                "pk",
                filter=~spoken & Q(routes__contains=routes, routes__contained_by=routes),
            ),
        )
    return Past(
        num=counts["own"], num_before=counts["all"] - counts["own"], num_same=counts["same"]
    )


def listed(*, project: Project) -> list[tuple[RoutingRule, int, int]]:
    """The project's rules in their order, each with how often it spoke, and was overruled.

    Both since it last changed. Three queries.
    """
    reviews = Review.objects.filter(
        routing_rule__project=project, created_at__gte=F("routing_rule__changed_at")
    )

    def counted(found: ReviewQuerySet) -> dict[int, int]:
        return dict(found.order_by().values_list("routing_rule").annotate(Count("pk")))

    spoken, overruled = counted(reviews), counted(reviews.overruled())
    return [
        (rule, spoken.get(rule.pk, 0), overruled.get(rule.pk, 0))
        for rule in RoutingRule.objects.filter(project=project).order_by("position")
    ]


def _hold(rule: RoutingRule) -> None:
    """Let nobody else change the project's rules, and have the rule as the last of them left it."""
    Project.objects.select_for_update(no_key=True).get(pk=rule.project_id)
    rule.refresh_from_db()


def _condition(rule: RoutingRule) -> Condition:
    return Condition(verdicts=rule.verdicts, severities=rule.severities, reasons=rule.reasons)


def _matching(output: Output, rules: Sequence[RoutingRule]) -> set[int]:
    """Ids of the rules whose filter the output matches. One query, none for plain rules."""
    plain = {rule.pk for rule in rules if not rule.filter}
    this = Output.objects.filter(pk=output.pk)
    asked = [
        ReviewFilter.from_json(rule.filter)
        .apply(this)
        .order_by()
        .annotate(rule=Value(rule.pk))
        .values_list("rule", flat=True)
        for rule in rules
        if rule.filter
    ]
    return plain | set(asked[0].union(*asked[1:], all=True) if asked else ())


def _decided(project: Project, rule: Rule) -> Q:
    """What reviews have in common on which the rule would speak, if it was asked."""
    wanted = Q()
    if rule.verdicts:
        wanted &= Q(verdict__in=rule.verdicts)
    if rule.severities:
        wanted &= Q(severity__in=rule.severities)
    if rule.reasons:
        given = ReviewReason.objects.filter(review=OuterRef("pk"), reason__slug__in=rule.reasons)
        wanted &= Q(Exists(given))
    if rule.filter:
        outputs = Output.objects.filter(project=project)
        found = ReviewFilter.from_json(rule.filter).apply(outputs)
        wanted &= Q(output__in=found.values("pk"))
    return wanted


def _filter(wanted: Mapping[str, object]) -> dict[str, object]:
    try:
        found = ReviewFilter.from_json(wanted)
    except FilterError as error:
        raise RoutingError("filter", str(error)) from error
    if decided := DECIDED_FIELDS & {term.name for term in found.terms}:
        raise RoutingError("filter", f"{min(decided)} follows from the decision: choose it below.")
    return found.to_json()


def _some(path: str, values: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The values in the order of the known ones. Raises RoutingError for another."""
    if unknown := set(values) - set(known):
        raise RoutingError(path, f"There is no {min(unknown)} to choose.")
    return tuple(one for one in known if one in values)


def _hours(rule: Rule) -> int | None:
    if rule.due_hours is None:
        return None
    if not 1 <= rule.due_hours <= MOST_HOURS:
        raise RoutingError("due_hours", f"Give 1 to {MOST_HOURS:,} hours.")
    if not rule.routes:
        raise RoutingError("due_hours", "Where nothing is to be done, nothing is due.")
    return rule.due_hours


def _set(row: RoutingRule, rule: Rule) -> None:
    row.name, row.filter = rule.name, dict(rule.filter)
    row.verdicts, row.severities = list(rule.verdicts), list(rule.severities)
    row.reasons, row.routes = list(rule.reasons), list(rule.routes)
    row.due_hours = rule.due_hours
    row.save()


def _log(rule: RoutingRule, verb: str, by: User, now: datetime) -> None:
    Event.objects.create(
        project_id=rule.project_id,
        actor=by,
        verb=verb,
        target_type="routing_rule",
        target_id=rule.pk,
        data={"routes": rule.routes, "position": rule.position},
        at=now,
    )
