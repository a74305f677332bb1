"""Comments on the words of an answer, over HTTP."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from django_htmx.http import reswap, retarget

from feedback.models import Membership, Output
from review.anchoring import AnchorError
from review.annotations import (
    AnnotationError,
    StaleVersionError,
    annotate,
    edit,
    remove,
)
from review.http import ProjectRequest, project_view
from review.models import QueueItem
from review.places import selected_before
from review.views.acting import acted, request_key, seen
from review.views.deciding import desk_page
from review.views.pieces import pieces
from review.views.selecting import Selection, whole


@require_POST
@project_view(Membership.Role.EXPERT)
def annotation_create(request: ProjectRequest, item: int) -> HttpResponseBase:
    """Experts and above: comment on words of the item's answer."""
    items = QueueItem.objects.visible_to(request.user).filter(queue__project=request.project)
    found = get_object_or_404(
        items.select_related("queue", "theme", "output", "output__session"), pk=item
    )
    sent = Selection(
        start=whole(request.POST.get("start", "")),
        end=whole(request.POST.get("end", "")),
        # Browsers send a field's line ends as CR LF.
        exact=request.POST.get("exact", "").replace("\r\n", "\n"),
        reason=request.POST.get("reason", ""),
        comment=request.POST.get("comment", ""),
        replacement=request.POST.get("replacement", ""),
        suggests="suggests" in request.POST,
    )
    try:
        written = annotate(
            output=found.output,
            version=whole(request.POST.get("version", "")),
            by=request.user,
            start=sent.start,
            end=sent.end,
            exact=sent.exact,
            reason=sent.reason,
            comment=sent.comment,
            replacement=sent.replacement if sent.suggests else None,
            is_sure="is_sure" in request.POST,
            request_key=request_key(request),
            now=timezone.now(),
        )
    except (AnchorError, AnnotationError) as error:
        return _refused(request, found, sent, {error.path: error.message}, status=422)
    except StaleVersionError as error:
        return _outdated(request, found, sent, error)
    if request.htmx:
        return pieces(
            request, found.output, did="annotated", card=f"a{written.pk}", said="Comment added"
        )
    url = reverse("item", args=[request.project.slug, found.pk])
    return redirect(f"{url}#a{written.pk}")


@require_POST
@project_view(Membership.Role.EXPERT)
def annotation_edit(request: ProjectRequest, annotation: int) -> HttpResponseBase:
    """Authors: change the words of a comment, its reason, and what it suggests."""
    found = seen(request, annotation)

    def act() -> None:
        edit(
            annotation=found,
            by=request.user,
            comment=request.POST.get("comment", ""),
            reason=request.POST.get("reason"),
            replacement=request.POST.get("replacement"),
            is_sure="is_sure" in request.POST,
            now=timezone.now(),
        )

    return acted(request, found, act, did="edited", said="Comment changed")


@require_POST
@project_view(Membership.Role.EXPERT)
def annotation_delete(request: ProjectRequest, annotation: int) -> HttpResponseBase:
    """Authors and moderators: remove a comment."""
    found = seen(request, annotation)

    def act() -> None:
        remove(annotation=found, by=request.user, now=timezone.now())

    return acted(request, found, act, did="removed", said="Comment removed")


def _outdated(
    request: ProjectRequest, item: QueueItem, sent: Selection, error: StaleVersionError
) -> HttpResponse:
    """The words in the new version of the answer, to be looked at and sent again."""
    output = Output.objects.get(pk=item.output_id)
    place, words = selected_before(
        output=output,
        version=whole(request.POST.get("version", "")),
        start=sent.start,
        end=sent.end,
        exact=sent.exact,
    )
    told = f"{error} Your selection could not be re-attached: select the words again."
    if place.start is not None and place.end is not None:
        told = f"{error} Your selection was re-attached. Send it again if these are the words."
        moved = {"start": place.start, "end": place.end, "exact": words}
        sent = Selection(**{**vars(sent), **moved})
    item.output = output
    return _refused(
        request, item, sent, {"version": told}, status=409, is_moved=place.start is not None
    )


def _refused(
    request: ProjectRequest,
    item: QueueItem,
    sent: Selection,
    errors: dict[str, str],
    *,
    status: int,
    is_moved: bool = False,
) -> HttpResponse:
    if request.htmx:
        context = {"errors": errors, "item": item, "moved": sent if is_moved else None}
        response = render(request, "review/desk/_refused.html", context, status=status)
        return reswap(retarget(response, "#pop-errors"), "innerHTML")
    typed = Selection(**{**vars(sent), "errors": errors})
    return desk_page(request, item, selection=typed, status=status)
