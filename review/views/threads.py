"""Threads under comments, over HTTP, and what happened on an answer meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from feedback.models import Membership, Output
from review import threads
from review.http import ProjectRequest, project_view
from review.models import Comment
from review.news import changes as changes_of
from review.sheets import Stamp
from review.views.acting import acted, request_key, seen
from review.views.pieces import render_changes


@require_safe
@project_view(Membership.Role.VIEWER)
def changed(request: ProjectRequest, answer: int) -> HttpResponse:
    """Every member: what happened on an answer since the page's stamp; 204 when nothing did."""
    output = get_object_or_404(Output.objects.filter(project=request.project), pk=answer)
    since = Stamp.read(request.GET.get("since", ""))
    if since is None:
        return HttpResponse(status=204)
    return render_changes(request, changes_of(output=output, to=request.user, since=since))


@require_POST
@project_view(Membership.Role.EXPERT)
def reply_create(request: ProjectRequest, annotation: int) -> HttpResponseBase:
    """Experts and above: reply to a comment."""
    found = seen(request, annotation)

    def act() -> None:
        threads.reply(
            annotation=found,
            by=request.user,
            text=request.POST.get("text", ""),
            request_key=request_key(request),
            now=timezone.now(),
        )

    return acted(request, found, act, did="replied", said="Reply added")


@require_POST
@project_view(Membership.Role.EXPERT)
def reply_edit(request: ProjectRequest, reply: int) -> HttpResponseBase:
    """Authors: change the words of a reply."""
    found = _reply(request, reply)

    def act() -> None:
        text = request.POST.get("text", "")
        threads.edit_reply(reply=found, by=request.user, text=text, now=timezone.now())

    return acted(request, found.annotation, act, did="edited", said="Reply changed")


@require_POST
@project_view(Membership.Role.EXPERT)
def reply_delete(request: ProjectRequest, reply: int) -> HttpResponseBase:
    """Authors and moderators: take a reply back."""
    found = _reply(request, reply)

    def act() -> None:
        threads.remove_reply(reply=found, by=request.user, now=timezone.now())

    return acted(request, found.annotation, act, did="edited", said="Reply removed")


@require_POST
@project_view(Membership.Role.EXPERT)
def resolve(request: ProjectRequest, annotation: int) -> HttpResponseBase:
    """Experts and above: settle a thread; 409 with its present state when somebody else did."""
    return _on_thread(request, annotation, threads.resolve, did="resolved", said="Resolved")


@require_POST
@project_view(Membership.Role.EXPERT)
def reopen(request: ProjectRequest, annotation: int) -> HttpResponseBase:
    """Experts and above: take a settled thread up again."""
    return _on_thread(request, annotation, threads.reopen, did="reopened", said="Re-opened")


def _on_thread(
    request: ProjectRequest,
    annotation: int,
    operation: Callable[..., None],
    *,
    did: str,
    said: str,
) -> HttpResponseBase:
    found = seen(request, annotation)

    def act() -> None:
        operation(annotation=found, by=request.user, now=timezone.now())

    return acted(request, found, act, did=did, said=said)


def _reply(request: ProjectRequest, pk: int) -> Comment:
    replies = Comment.objects.filter(annotation__project=request.project).seen_by(request.user)
    return get_object_or_404(replies.select_related("annotation", "annotation__output"), pk=pk)
