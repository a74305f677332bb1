"""The reviewer's desk: one item to decide on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRedirect

from feedback.models import Membership
from review import desk, disputes, drafts, escalations, queues, routing, triage
from review.http import ProjectRequest, project_view
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


@require_safe
@never_cache
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def item(request: ProjectRequest, item: int) -> HttpResponse:
    """Every member: the desk. Experts and above may claim, comment and decide on it.

    ?select=start,end or ?words= opens the form of a comment on these words without a script.
    """
    return desk_page(request, _item(request, item))


@require_POST
@project_view(Membership.Role.EXPERT)
def item_claim(request: ProjectRequest, item: int) -> HttpResponseBase:
    """Experts and above: take the item, or take it again; what was typed is kept.

    A disputed or escalated item is for moderators to take.
    """
    found = _item(request, item)
    if found.needs_third_person and not request.membership.may(Membership.Role.MODERATOR):
        raise PermissionDenied
    sent = Decision.read(request.POST)
    typed = None if sent == Decision() else sent
    take = queues.adjudicate if found.needs_third_person else queues.claim
    try:
        take(item=found, by=request.user, now=timezone.now())
    except queues.HeldError as error:
        holder = error.claim.reviewer
        who = holder.get_username() if holder else "Somebody else"
        return _decide(request, found, typed, problem=f"{who} is reviewing this.", status=409)
    except queues.DoneError as error:
        return _decide(request, found, typed, problem=str(error), status=409)
    if request.htmx or typed:
        return _decide(request, found, typed)
    return redirect("item", request.project.slug, found.pk)


@require_POST
@project_view(Membership.Role.MODERATOR)
def item_steal(request: ProjectRequest, item: int) -> HttpResponseBase:
    """Moderators: take the item over from whoever holds it, who is told."""
    found = _item(request, item)
    try:
        queues.steal(item=found, by=request.user, now=timezone.now())
    except queues.DoneError as error:
        messages.warning(request, str(error))
    return redirect("item", request.project.slug, found.pk)


@require_POST
@project_view(Membership.Role.EXPERT)
def item_renew(request: ProjectRequest, item: int) -> HttpResponseBase:
    """Experts and above: start the lease anew; 409 when it was handed on."""
    found = _item(request, item)
    try:
        queues.renew(item=found, by=request.user, fence=_fence(request), now=timezone.now())
    except queues.LeaseLostError:
        return _lease(request, found, status=409)
    return _lease(request, found)


@require_POST
@project_view(Membership.Role.EXPERT)
def item_release(request: ProjectRequest, item: int) -> HttpResponseBase:
    """Experts and above: give the item back, and go to its queue."""
    found = _item(request, item)
    try:
        queues.release(item=found, by=request.user, fence=_fence(request), now=timezone.now())
    except queues.LeaseLostError:
        messages.warning(request, "You no longer held this item.")
    else:
        messages.info(request, "Released. Somebody else can take it.")
    return redirect("queue", request.project.slug, found.queue.slug)


@require_POST
@project_view(Membership.Role.EXPERT)
def item_skip(request: ProjectRequest, item: int) -> HttpResponseBase:
    """Experts and above: pass the item over for a common reason or another, and go to the next."""
    found = _item(request, item)
    reason = request.POST.get("common") or request.POST.get("reason", "")
    try:
        queues.skip(item=found, by=request.user, reason=reason, now=timezone.now())
    except queues.QueueError as error:
        return desk_page(request, found, skip_error=error.message, skip_reason=reason, status=422)
    undo = reverse("item_undo", args=[request.project.slug, found.pk])
    messages.success(request, "Skipped.", extra_tags=undo)
    return _go_on(request, found)


@require_POST
@project_view(Membership.Role.EXPERT)
def item_submit(request: ProjectRequest, item: int) -> HttpResponseBase:
    """Experts and above: store the decision, and go to the next item of the queue."""
    found = _item(request, item)
    typed = Decision.read(request.POST)
    try:
        review = triage.submit_review(
            item=found,
            by=request.user,
            fence=_fence(request),
            version=whole(request.POST.get("version", "")) or None,
            verdict=typed.verdict,
            severity=typed.severity,
            confidence=_share(typed.confidence),
            comment=typed.comment,
            correction=typed.correction,
            reasons=typed.reasons,
            routes=typed.chosen_routes,
            now=timezone.now(),
        )
    except triage.VerdictError as error:
        return _decide(request, found, typed, errors={error.path: error.message}, status=422)
    except triage.LeaseLostError:
        return _decide(
            request,
            found,
            typed,
            problem="Your lease ran out and the item went on. Nothing was stored.",
            status=409,
        )
    except triage.AlreadyReviewedError as error:
        if (error.review.verdict, error.review.comment) != (typed.verdict, typed.comment):
            problem = "You have reviewed this already. What you entered here was not stored."
            return _decide(request, found, typed, problem=problem, status=409)
        messages.info(request, "You have reviewed this item already.")
    else:
        undo = reverse("item_undo", args=[request.project.slug, found.pk])
        said = f"Submitted: {review.get_verdict_display()}."
        messages.success(request, said, extra_tags=undo)
    return _go_on(request, found)


@require_safe
@never_cache
@project_view(Membership.Role.EXPERT)
def item_routes(request: ProjectRequest, item: int) -> HttpResponse:
    """Experts and above: what the rules propose for a decision as it is entered so far."""
    found = _item(request, item)
    typed = Decision.read(request.GET)
    context = {"item": found, "proposal": _proposal(found, typed)}
    return render(request, "review/desk/_proposed.html", context)


@require_POST
@project_view(Membership.Role.EXPERT)
def item_draft(request: ProjectRequest, item: int) -> HttpResponse:
    """Experts and above: keep what was entered so far.

    Answers {"revision", "at"}, at 409 together with the "fields" that were saved elsewhere, or
    with "done" once the reviewer has submitted.
    """
    found = _item(request, item)
    try:
        draft = drafts.save(
            item=found,
            by=request.user,
            revision=whole(request.POST.get("revision", "")),
            fields=asdict(Decision.read(request.POST)),
            version=whole(request.POST.get("version", "")) or found.output.version,
            now=timezone.now(),
        )
    except drafts.StaleDraftError as error:
        stored = error.draft
        at = stored.updated_at.isoformat()
        answer = {"revision": stored.revision, "at": at, "fields": stored.fields}
        return JsonResponse(answer, status=409)
    except queues.DoneError:
        return JsonResponse({"done": True}, status=409)
    except drafts.DraftError as error:
        return JsonResponse({"error": str(error)}, status=422)
    return JsonResponse({"revision": draft.revision, "at": draft.updated_at.isoformat()})


@require_POST
@project_view(Membership.Role.EXPERT)
def item_undo(request: ProjectRequest, item: int) -> HttpResponseBase:
    """Experts and above: take one's own decision or skip back, and go to the item as it was."""
    found = _item(request, item)
    if queues.unskip(item=found, by=request.user, now=timezone.now()):
        messages.info(request, "Taken back. The item is yours again, unless somebody took it.")
    review = Review.objects.filter(item=found, reviewer=request.user).first()
    if review is not None:
        try:
            triage.undo_review(review=review, by=request.user, now=timezone.now())
        except triage.UndoError as error:
            messages.warning(request, str(error))
        else:
            messages.info(request, "Taken back. The item is yours again, as you left it.")
    return redirect("item", request.project.slug, found.pk)


def _item(request: ProjectRequest, pk: int) -> QueueItem:
    items = QueueItem.objects.filter(queue__project=request.project)
    return get_object_or_404(
        items.select_related("queue", "theme", "stratum", "output", "output__session"), pk=pk
    )


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
        **trailing(request, output=item.output, item=item, theme=item.theme),
        **more,
    }
    return render_spliced(request, "review/desk/page.html", context, status=status)


def _decide(
    request: ProjectRequest,
    item: QueueItem,
    typed: Decision | None,
    *,
    problem: str = "",
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    """The form of the decision alone for htmx, else the page around it."""
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


def _lease(request: ProjectRequest, item: QueueItem, *, status: int = 200) -> HttpResponse:
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
    proposal = _proposal(item, typed)
    if typed.is_routed_by_rule:
        typed = replace(typed, routes=list(proposal.routes) if proposal else [])
    is_reviewed = hold.standing == desk.Standing.REVIEWED
    is_disputed = item.status == QueueItem.Status.DISPUTED
    return {
        "item": item,
        **_hold(hold, now),
        "sides": disputes.sides(item=item) if is_disputed else None,
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


def _proposal(item: QueueItem, typed: Decision) -> routing.Proposal | None:
    if not typed.verdict:
        return None
    return routing.propose(
        output=item.output, verdict=typed.verdict, severity=typed.severity, reasons=typed.reasons
    )


def _go_on(request: ProjectRequest, item: QueueItem) -> HttpResponseBase:
    """Claim the next item of the queue and go there, or to the queue when none is left."""
    held = queues.claim_next(queue=item.queue, by=request.user, now=timezone.now())
    if held is None:
        messages.info(request, "Nothing is left for you in this queue.")
        response = redirect("queue", request.project.slug, item.queue.slug)
    else:
        response = redirect("item", request.project.slug, held.item_id)
    return HttpResponseClientRedirect(response.url) if request.htmx else response


def _fence(request: ProjectRequest) -> int:
    return whole(request.POST.get("fence", ""))


def _share(text: str) -> float | None:
    """A number, or nothing when nothing was given; no number at all fails the range check."""
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        return -1.0
