"""Search by words and meaning."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from feedback.embedding import get_encoder
from feedback.marking import marked
from feedback.models import Membership
from feedback.search import CursorError, search
from feedback.timeouts import TooSlowError
from review.http import ProjectRequest, project_view

PAGE_SIZE = 20


@require_safe
@project_view(Membership.Role.VIEWER)
def search_page(request: ProjectRequest) -> HttpResponse:
    """Every member: what of the project shares words with ?q= or is near it in meaning."""
    query = request.GET.get("q", "").replace("\x00", " ").strip()[:2_000]
    context: dict[str, object] = {"query": query}
    if query:
        encoder = get_encoder()
        try:
            page = search(
                project=request.project,
                query=query,
                encoder=encoder,
                limit=PAGE_SIZE,
                cursor=request.GET.get("cursor", ""),
            )
            found = marked(hits=page.hits, query=query, encoder=encoder)
        except CursorError as error:
            raise BadRequest(str(error)) from error
        except TooSlowError:
            return render(request, "review/search/page.html", context | {"is_slow": True})
        context |= {"page": page, "found": found}
    return render(request, "review/search/page.html", context)
