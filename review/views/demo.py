"""The demo product: recorded conversations, with the feedback widget under each answer."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from feedback import tokens
from feedback.models import Membership, Output
from review import rendering
from review.demo import conversation
from review.http import ProjectRequest, project_view


@require_safe
@project_view(Membership.Role.VIEWER)
def demo(request: ProjectRequest) -> HttpResponse:
    """Every member of the demo project: one session, ?session=, up to its turn ?turns=."""
    told = conversation(project=request.project, session=request.GET.get("session", ""))
    if told is None:
        raise Http404
    asked = request.GET.get("turns", "")
    num_told = min(
        max(1, int(asked)) if asked.isdecimal() and len(asked) < 4 else 1, len(told.turns)
    )
    turns = [_turn(request, output, before) for output, before in _with_former(told.turns)]
    context = {
        "session": told.session,
        "following": told.following,
        "told": turns[:num_told],
        "to_come": turns[num_told:],
        "num_next": num_told + 1,
    }
    return render(request, "review/demo/page.html", context)


def _with_former(outputs: list[Output]) -> list[tuple[Output, Output | None]]:
    return list(zip(outputs, [None, *outputs], strict=False))


def _turn(request: ProjectRequest, output: Output, before: Output | None) -> dict[str, object]:
    expires_at = timezone.now() + tokens.DEFAULT_LIFE
    return {
        "output": output,
        "is_again": before is not None and before.query == output.query,
        "html": mark_safe(rendering.render(output.text).html),  # noqa: S308  (sanitised there)
        "token": tokens.sign(
            project=request.project, output=output.external_id, expires_at=expires_at
        ),
    }
