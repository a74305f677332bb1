"""Search by meaning."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from feedback.embedding import get_encoder
from feedback.models import Membership
from feedback.search import CursorError, search
from review.http import ProjectRequest, project_view

PAGE_SIZE = 20


@require_safe
@project_view(Membership.Role.VIEWER)
def search_page(request: ProjectRequest) -> HttpResponse:
    """Every member: outputs and feedback of the project nearest in meaning to ?q=."""
    query = request.GET.get("q", "").strip()[:2_000]
    context: dict[str, object] = {"query": query}
    if query:
        try:
            context["page"] = search(
                project=request.project,
                query=query,
                encoder=get_encoder(),
                limit=PAGE_SIZE,
                cursor=request.GET.get("cursor", ""),
            )
        except CursorError as error:
            raise BadRequest(str(error)) from error
    return render(request, "review/search/page.html", context)
