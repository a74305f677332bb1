"""Where a comment is to be found."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from feedback.models import Membership
from review.http import ProjectRequest, project_view
from review.models import QueueItem
from review.places import places_of
from review.rendering import render
from review.views.acting import seen


@require_safe
@project_view(Membership.Role.VIEWER)
def annotation(request: ProjectRequest, annotation: int) -> HttpResponseBase:
    """Every member: go to a comment, on the version of the answer that has its words.

    Who may review goes to the open item of the answer, if they see one; ?view=list to the list.
    """
    found = seen(request, annotation)
    output = found.output
    page = reverse("output", args=[request.project.slug, output.external_id])
    if request.GET.get("view") == "list":
        return redirect(f"{page}?view=list#a{found.pk}")
    place = places_of(output, [found], render(output.text))[found.pk]
    if place.start is None and found.output_version != output.version:
        return redirect(f"{page}?v={found.output_version}#a{found.pk}")
    if request.membership.may(Membership.Role.EXPERT):
        items = QueueItem.objects.open().visible_to(request.user).filter(output=output)
        item = items.order_by("pk").first()
        if item:
            page = reverse("item", args=[request.project.slug, item.pk])
    return redirect(f"{page}#a{found.pk}")
