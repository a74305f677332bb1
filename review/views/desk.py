"""The reviewer's desk: one item to decide on."""

from __future__ import annotations

from dataclasses import asdict

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRedirect

from feedback.models import Membership
from review import drafts, queues, triage
from review.http import ProjectRequest, project_view
from review.models import QueueItem, Review
from review.views.deciding import Decision, decide_form, desk_page, lease, proposed
from review.views.selecting import whole


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
        return decide_form(request, found, typed, problem=f"{who} is reviewing this.", status=409)
    except queues.DoneError as error:
        return decide_form(request, found, typed, problem=str(error), status=409)
    if request.htmx or typed:
        return decide_form(request, found, typed)
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
        return lease(request, found, status=409)
    return lease(request, found)


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
    except queues.DoneError:
        messages.info(request, "You have reviewed this item already.")
    else:
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
        return decide_form(request, found, typed, errors={error.path: error.message}, status=422)
    except triage.LeaseLostError:
        return decide_form(
            request,
            found,
            typed,
            problem="Your lease ran out and the item went on. Nothing was stored.",
            status=409,
        )
    except triage.AlreadyReviewedError as error:
        if not error.is_same:
            problem = "You have reviewed this already. What you entered here was not stored."
            return decide_form(request, found, typed, problem=problem, status=409)
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
    context = {"item": found, "proposal": proposed(found, typed)}
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
    elif review := Review.objects.filter(item=found, reviewer=request.user).first():
        try:
            triage.undo_review(review=review, by=request.user, now=timezone.now())
        except triage.UndoError as error:
            messages.warning(request, str(error))
        else:
            messages.info(request, "Taken back. The item is yours again, as you left it.")
    return redirect("item", request.project.slug, found.pk)


def _item(request: ProjectRequest, pk: int) -> QueueItem:
    items = QueueItem.objects.filter(queue__project=request.project)
    found = get_object_or_404(
        items.select_related("queue", "theme", "stratum", "output", "output__session"), pk=pk
    )
    if not found.queue.is_seen_by(request.user):
        raise Http404
    return found


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
