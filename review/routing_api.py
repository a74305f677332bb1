"""/api/v1: the rules of what closes the loop, with a person's own key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Path, Router, Status
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.filters import FilterError
from feedback.models import Membership
from feedback.problems import Problem, invalid
from feedback.timeouts import TooSlowError
from review import routing
from review.filters import ReviewFilter
from review.models import RoutingRule

router = Router(tags=["review"])

ERRORS = frozenset({401, 403, 404, 422})
RuleId = Annotated[int, Path(description="The rule's number.")]
Verdict = Literal["accept", "fix", "reject"]
Severity = Literal["minor", "major", "critical"]
RouteName = Literal["library", "training", "issue", "escalate"]


class RoutingRuleReply(BaseModel):
    """A rule, asked after those of a lower `position`.

    It speaks for decisions on answers that match its filter, of one of its verdicts, severities and
    reasons; of any, where there are none. Without routes it says that nothing is to be done.
    Since `changed_at` it `spoke` so many times, and reviewers `overruled` it so many times.
    """

    rule: int
    name: str
    position: int
    is_active: bool
    filter: dict[str, object]
    verdicts: list[Verdict]
    severities: list[Severity]
    reasons: list[str]
    routes: list[RouteName]
    due_hours: int | None
    changed_at: datetime
    spoke: int
    overruled: int


class RoutingRulesReply(BaseModel):
    rules: list[RoutingRuleReply]


class RoutingRuleChangeRequest(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"due_hours": 24}}
    )

    name: str = ""
    filter: Annotated[
        str | dict[str, Any], Field(description="As in `model:a,b -tag:x`, or as JSON.")
    ] = ""
    verdicts: list[Verdict] = []
    severities: list[Severity] = []
    reasons: Annotated[
        list[str], Field(max_length=50, description="Slugs of the current taxonomy.")
    ] = []
    routes: list[RouteName] = []
    due_hours: Annotated[
        int | None, Field(description="Within which it is to be done; null: as the routes say.")
    ] = None


class RoutingRuleRequest(RoutingRuleChangeRequest):
    """Where decisions go that it speaks for; asked after all others."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "Unsafe",
                "filter": "environment:production",
                "verdicts": ["fix", "reject"],
                "severities": ["critical"],
                "routes": ["escalate"],
                "due_hours": 4,
            }
        }
    )

    name: str


class MoveRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"to": "up"}}
    )

    to: Annotated[Literal["up", "down"], Field(description="Before or after its neighbour.")]


class SwitchRequest(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"example": {"is_active": False}}
    )

    is_active: bool


class PastReply(BaseModel):
    """On how many past decisions a rule would have spoken; rules before it speak first on
    `earlier` more, and on `same` of its own the reviewers chose the routes that it proposes.
    """

    spoken: int
    earlier: int
    same: int


@router.get(
    "/routing-rules",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: RoutingRulesReply, frozenset({401, 403}): Problem},
    summary="List routing rules",
)
def list_rules(request: HttpRequest) -> RoutingRulesReply:
    """Return the project's rules, at most 100, in the order in which they are asked."""
    found = routing.listed(project=member_of(request).project)
    return RoutingRulesReply(rules=[_reply(*one) for one in found])


@router.post(
    "/routing-rules",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={201: RoutingRuleReply, frozenset({401, 403, 422}): Problem},
    summary="Make a routing rule",
)
def create_rule(request: HttpRequest, payload: RoutingRuleRequest) -> Status[RoutingRuleReply]:
    """Make a rule, to be asked after all others."""
    member = member_of(request)
    with _refusing():
        made = routing.create_rule(
            project=member.project,
            rule=routing.Rule(**_given(payload)),
            by=member.user,
            now=timezone.now(),
        )
    return Status(201, _told(made))


@router.post(
    "/routing-rules/preview",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: PastReply, frozenset({401, 403, 422, 503}): Problem},
    summary="Preview a routing rule",
)
def preview_rule(request: HttpRequest, payload: RoutingRuleChangeRequest) -> PastReply:
    """Hold a rule that is not made yet against the decisions that count."""
    try:
        with _refusing():
            found = routing.preview(
                project=member_of(request).project,
                rule=routing.Rule(**{"name": ""} | _given(payload)),
            )
    except TooSlowError as error:
        raise HttpError(503, "This takes too long to count. Narrow the filter.") from error
    return PastReply(spoken=found.num, earlier=found.num_before, same=found.num_same)


@router.post(
    "/routing-rules/{int:rule}",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: RoutingRuleReply, ERRORS: Problem},
    summary="Change a routing rule",
)
def change_rule(
    request: HttpRequest, rule: RuleId, payload: RoutingRuleChangeRequest
) -> RoutingRuleReply:
    """Have a rule say something else from now on; its place stays."""
    found = _rule(request, rule)
    with _refusing():
        routing.edit_rule(
            edited=found,
            changes=_given(payload),
            by=member_of(request).user,
            now=timezone.now(),
        )
    return _told(found)


@router.post(
    "/routing-rules/{int:rule}/move",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: RoutingRuleReply, ERRORS: Problem},
    summary="Move a routing rule",
)
def move_rule(request: HttpRequest, rule: RuleId, payload: MoveRequest) -> RoutingRuleReply:
    """Let a rule and its neighbour change places; the first stays first, the last last."""
    found = _rule(request, rule)
    routing.move_rule(
        rule=found, is_up=payload.to == "up", by=member_of(request).user, now=timezone.now()
    )
    return _told(found)


@router.post(
    "/routing-rules/{int:rule}/switch",
    auth=OwnKeyAuth(Membership.Role.MODERATOR),
    response={200: RoutingRuleReply, ERRORS: Problem},
    summary="Switch a routing rule",
)
def switch_rule(request: HttpRequest, rule: RuleId, payload: SwitchRequest) -> RoutingRuleReply:
    """Have a rule asked from now on, or not any more. None is ever deleted."""
    found = _rule(request, rule)
    routing.switch_rule(
        rule=found, is_on=payload.is_active, by=member_of(request).user, now=timezone.now()
    )
    return _told(found)


@contextmanager
def _refusing() -> Iterator[None]:
    """Tell what cannot be."""
    try:
        yield
    except routing.RoutingError as error:
        raise invalid(error.path, error.message) from error
    except FilterError as error:
        raise invalid("filter", str(error)) from error


def _given(sent: RoutingRuleChangeRequest) -> dict[str, Any]:
    """The fields of a rule that were sent. Raises FilterError."""
    given = {name: getattr(sent, name) for name in sent.model_fields_set}
    if "filter" in given:
        wanted = (
            ReviewFilter.parse(sent.filter)
            if isinstance(sent.filter, str)
            else ReviewFilter.from_json(sent.filter)
        )
        given["filter"] = wanted.to_json()
    return given


def _rule(request: HttpRequest, pk: int) -> RoutingRule:
    rules = RoutingRule.objects.filter(project=member_of(request).project)
    found = rules.select_related("project").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such rule.")
    return found


def _told(rule: RoutingRule) -> RoutingRuleReply:
    """The rule as it is now, with how often it spoke."""
    return next(
        _reply(*one) for one in routing.listed(project=rule.project) if one[0].pk == rule.pk
    )


def _reply(rule: RoutingRule, spoke: int, overruled: int) -> RoutingRuleReply:
    return RoutingRuleReply(
        rule=rule.pk,
        name=rule.name,
        position=rule.position,
        is_active=rule.is_active,
        filter=rule.filter,
        verdicts=cast("list[Verdict]", rule.verdicts),
        severities=cast("list[Severity]", rule.severities),
        reasons=rule.reasons,
        routes=cast("list[RouteName]", rule.routes),
        due_hours=rule.due_hours,
        changed_at=rule.changed_at,
        spoke=spoke,
        overruled=overruled,
    )
