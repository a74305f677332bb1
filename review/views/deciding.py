"""The form of a decision, and the desk around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone

from feedback.models import Membership
from review import desk, disputes, escalations, routing, triage
from review.http import ProjectRequest
from review.models import QueueItem, Review
from review.splicing import render_spliced
from review.views.pieces import card_context
from review.views.selecting import selection, whole
from review.views.showing import showing
from review.views.trails import trailing

# What is often the reason to skip an item.
SKIPS = ["Not my field", "Not my language", "Too little context", "I know the person"]
ROUTE_ICONS = {
    Review.Route.LIBRARY: "library",
    Review.Route.TRAINING: "database",
    Review.Route.ISSUE: "bug",
    Review.Route.ESCALATE: "flag",
}
# What a page without a script sends for no action.
NO_ROUTE = "none"
CONFIDENCES = [(0.25, "Unsure"), (0.5, "Fairly sure"), (0.75, "Sure"), (1.0, "Certain")]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What was typed into the form of a decision, as it was sent.

    `routes_by` is "rule" while the routes are those that the rules propose, and "person" once the
    reviewer chose some. A page without a script does not say: there, none ticked are the rules'.
    """

    verdict: str = ""
    severity: str = ""
    confidence: str = ""
    comment: str = ""
    correction: str = ""
    reasons: list[str] = field(default_factory=list)
    routes: list[str] = field(default_factory=list)
    routes_by: str = ""

    @classmethod
    def read(cls, sent: QueryDict) -> Decision:
        """Read a posted form; what is missing stays empty."""
        return cls(
            verdict=sent.get("verdict", ""),
            severity=sent.get("severity", ""),
            confidence=sent.get("confidence", ""),
            comment=sent.get("comment", "").replace("\r\n", "\n"),
            correction=sent.get("correction", "").replace("\r\n", "\n"),
            reasons=sent.getlist("reasons"),
            routes=sent.getlist("routes"),
            routes_by=sent.get("routes_by", ""),
        )

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Decision:
        """Read the fields of a draft; names that the form does not have any more are left out."""
        return cls(**{one.name: kept[one.name] for one in fields(cls) if one.name in kept})

    @property
    def is_routed_by_rule(self) -> bool:
        """Whether the routes are to be those that the rules propose."""
        return self.routes_by == "rule" or (self.routes_by != "person" and not self.routes)

    @property
    def chosen_routes(self) -> list[str] | None:
        """The routes that the reviewer chose; None where the rules are to say."""
        if self.is_routed_by_rule:
            return None
        return [route for route in self.routes if route != NO_ROUTE]

    @property
    def has_more(self) -> bool:
        """Whether anything was typed beside the row of the verdict; ticked reasons are counted."""
        return bool(self.comment or self.correction or self.confidence)


def desk_page(
    request: ProjectRequest,
    item: QueueItem,
    typed: Decision | None = None,
    *,
    status: int = 200,
    **more: object,
) -> HttpResponse:
    """Render the whole desk, with what was typed so far."""
    now = timezone.now()
    opened = desk.open_desk(item=item, by=request.user, now=now)
    context = {
        "desk": opened,
        "sheet": opened.sheet,
        **showing(request, opened.sheet),
        "selection": selection(request.GET, opened.sheet.rendered.canonical),
        **_form(request, opened.hold, item, typed, now),
        "reasons": opened.reasons,
        **card_context(request),
        "choices": opened.reasons,
        "may_curate": request.membership.may(Membership.Role.CURATOR),
        **trailing(request, output=item.output, item=item, theme=item.theme),
        **more,
    }
    return render_spliced(request, "review/desk/page.html", context, status=status)


def decide_form(
    request: ProjectRequest,
    item: QueueItem,
    typed: Decision | None,
    *,
    problem: str = "",
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    """Render the form of the decision alone for htmx, else the page around it."""
    more = {"problem": problem, "errors": errors or {}}
    if not request.htmx:
        return desk_page(request, item, typed, status=status, **more)
    now = timezone.now()
    held = desk.hold(item=item, by=request.user, now=now)
    context = {
        **_form(request, held, item, typed, now),
        "reasons": desk.reasons(output=item.output),
        # The answer beside the form is still the one that was decided on.
        "version": whole(request.POST.get("version", "")),
        **more,
    }
    return render(request, "review/desk/_decide.html", context, status=status)


def lease(request: ProjectRequest, item: QueueItem, *, status: int = 200) -> HttpResponse:
    """Who holds the item, and for how long yet."""
    now = timezone.now()
    held = desk.hold(item=item, by=request.user, now=now)
    context = {"item": item, **_hold(held, now)}
    return render(request, "review/desk/_lease.html", context, status=status)


def _hold(hold: desk.Hold, now: datetime) -> dict[str, object]:
    until = hold.claim.lease_until if hold.claim else None
    return {"hold": hold, "seconds_left": round((until - now).total_seconds()) if until else None}


def _form(
    request: ProjectRequest,
    hold: desk.Hold,
    item: QueueItem,
    typed: Decision | None,
    now: datetime,
) -> dict[str, object]:
    entry = desk.entry(item=item, by=request.user)
    if typed is None:
        kept = entry.draft.fields if entry.draft else {"reasons": list(entry.marked)}
        typed = Decision.of(kept)
    proposal = proposed(item, typed)
    if typed.is_routed_by_rule:
        typed = replace(typed, routes=list(proposal.routes) if proposal else [])
    is_reviewed = hold.standing == desk.Standing.REVIEWED
    is_disputed = item.status == QueueItem.Status.DISPUTED
    return {
        "item": item,
        **_hold(hold, now),
        "is_disputed": is_disputed,
        "sides": disputes.sides(item=item, to=request.user) if is_disputed else None,
        "raised": _raised(request, item, now),
        "entry": entry,
        "typed": typed,
        "proposal": proposal,
        "undoable": is_reviewed and triage.undoable(item=item, by=request.user, now=now),
        "may_review": request.membership.may(Membership.Role.EXPERT),
        "may_moderate": request.membership.may(Membership.Role.MODERATOR),
        "verdicts": Review.Verdict,
        "severities": Review.Severity,
        "routes": [(one.value, one.label, ROUTE_ICONS[one]) for one in Review.Route],
        "confidences": CONFIDENCES,
        "skips": SKIPS,
    }


def _raised(request: ProjectRequest, item: QueueItem, now: datetime) -> escalations.Raised | None:
    if item.status != QueueItem.Status.ESCALATED:
        return None
    return escalations.of_item(item=item, to=request.user, now=now)


def proposed(item: QueueItem, typed: Decision) -> routing.Proposal | None:
    """What the rules propose for what was typed; None while there is no verdict."""
    if not typed.verdict:
        return None
    return routing.propose(
        output=item.output, verdict=typed.verdict, severity=typed.severity, reasons=typed.reasons
    )
