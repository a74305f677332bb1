"""Marking words of a document as evidence for an annotation."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from django_htmx.http import reswap, retarget, trigger_client_event

from feedback.models import Membership, Output
from review.annotations import NotYoursError
from review.evidencing import EvidenceError, add_evidence, remove_evidence
from review.http import ProjectRequest, project_view
from review.models import Annotation, Evidence, QueueItem
from review.views.selecting import whole
from review.views.trails import passage_of


@require_POST
@project_view(Membership.Role.EXPERT)
def evidence_create(request: ProjectRequest, answer: int) -> HttpResponseBase:
    """Experts and above: rest one of an answer's comments on words of one of its documents."""
    output = get_object_or_404(Output.objects.filter(project=request.project), pk=answer)
    annotation = (
        Annotation.objects.filter(output=output, pk=whole(request.POST.get("annotation", "")))
        .seen_by(request.user)
        .select_related("output", "output__session")
        .first()
    )
    if annotation is None:
        return _refused("Choose a comment first.")
    try:
        added = add_evidence(
            annotation=annotation,
            document=whole(request.POST.get("document", "")),
            start=whole(request.POST.get("start", "")),
            end=whole(request.POST.get("end", "")),
            exact=request.POST.get("exact", ""),
            by=request.user,
            now=timezone.now(),
        )
    except EvidenceError as error:
        return _refused(error.message)
    if request.htmx:
        return _shown(request, annotation, added, is_new=True)
    messages.success(request, "Marked as evidence.")
    return redirect(f"{_back(request, annotation)}#e{added.pk}")


@require_POST
@project_view(Membership.Role.EXPERT)
def evidence_remove(request: ProjectRequest, evidence: int) -> HttpResponseBase:
    """Who added it, and moderators: take the words off the comment."""
    mark = get_object_or_404(
        Evidence.objects.seen_by(request.user)
        .filter(
            annotation__in=Annotation.objects.filter(project=request.project).seen_by(request.user)
        )
        .select_related("annotation__output__session"),
        pk=evidence,
    )
    found = mark.annotation
    try:
        remove_evidence(evidence=mark, by=request.user, now=timezone.now())
    except NotYoursError as error:
        return HttpResponse(str(error), status=403, content_type="text/plain; charset=utf-8")
    if request.htmx:
        return _shown(request, found, mark, is_new=False)
    messages.info(request, "Removed.")
    return redirect(f"{_back(request, found)}#a{found.pk}")


def _refused(message: str) -> HttpResponse:
    response = HttpResponse(message, status=422, content_type="text/plain; charset=utf-8")
    return reswap(retarget(response, "#evidence-errors"), "innerHTML")


def _shown(
    request: ProjectRequest, annotation: Annotation, changed: Evidence, *, is_new: bool
) -> HttpResponse:
    """The list of the card and the words of the document, both swapped out of band."""
    output = annotation.output
    passage = passage_of(request, output, str(changed.document))
    context = {
        "annotation": annotation,
        "evidence": annotation.evidence.seen_by(request.user).order_by("id"),
        "passage": passage,
        "source": output,
        "is_swap": True,
        "may_review": True,
        "may_moderate": request.membership.may(Membership.Role.MODERATOR),
    }
    response = render(request, "review/desk/_rests.html", context)
    detail = {"added": f"e{changed.pk}" if is_new else ""}
    return trigger_client_event(response, "evidence", detail, after="settle")


def _back(request: ProjectRequest, annotation: Annotation) -> str:
    """The page the form was on: an item of this answer, or the answer's own."""
    items = QueueItem.objects.visible_to(request.user).filter(output=annotation.output_id)
    item = items.filter(pk=whole(request.POST.get("item", ""))).first()
    if item:
        return reverse("item", args=[request.project.slug, item.pk])
    return reverse("output", args=[request.project.slug, annotation.output.external_id])
