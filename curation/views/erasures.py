"""Erasing a user or a session: what it would take, the confirmation, and what was erased."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from curation import erasing, tasks
from feedback.models import Erasure, Membership
from feedback.paging import page
from feedback.ringing import ring
from review.http import ProjectRequest, project_view

PAGE_SIZE = 50


class ErasureForm(forms.Form):
    """Whose data: one user's, or that of one session."""

    scope = forms.ChoiceField(
        label="What", choices=[("user", "All of one user"), ("session", "One session")]
    )
    subject = forms.CharField(
        label="Id",
        max_length=200,
        strip=False,
        help_text="As your product sends it: the user's id, or the session's.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class ConfirmForm(ErasureForm):
    """The same, with the id typed once more."""

    confirm = forms.CharField(
        label="Type the id once more",
        max_length=200,
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    may_return = forms.BooleanField(
        label="Take the same records in again when they are sent again", required=False
    )


@require_safe
@project_view(Membership.Role.ADMIN)
def erasure_list(request: ProjectRequest) -> HttpResponse:
    """Admins: what was erased of the project, and the form to erase more."""
    return _list(request, ErasureForm())


@require_POST
@project_view(Membership.Role.ADMIN)
def erasure_preview(request: ProjectRequest) -> HttpResponse:
    """Admins: what an erasure would take. The id is sent, so that no log of addresses has it."""
    form = ErasureForm(request.POST)
    if not form.is_valid():
        return _list(request, form, status=422)
    given = form.cleaned_data
    return _confirm(request, ConfirmForm(initial=given), given["scope"], given["subject"])


@require_POST
@project_view(Membership.Role.ADMIN)
def erasure_start(request: ProjectRequest) -> HttpResponseBase:
    """Admins: erase a user or a session, once the id is typed again."""
    form = ConfirmForm(request.POST)
    scope, subject = request.POST.get("scope", ""), request.POST.get("subject", "")
    if not form.is_valid():
        if "subject" in form.errors or "scope" in form.errors:
            return _list(request, ErasureForm(request.POST), status=422)
        return _confirm(request, form, scope, subject, status=422)
    given = form.cleaned_data
    try:
        made = erasing.start(
            project=request.project,
            scope=given["scope"],
            subject=given["subject"],
            confirmed=given["confirm"],
            may_return=given["may_return"],
            by=request.user,
            now=timezone.now(),
        )
    except erasing.ErasureError as error:
        form.add_error(error.path, error.message)
        return _confirm(request, form, scope, subject, status=422)
    ring(tasks.work_erasures)
    return redirect("erasure", request.project.slug, made.pk)


@require_safe
@project_view(Membership.Role.ADMIN)
def erasure(request: ProjectRequest, erasure: int) -> HttpResponse:
    """Admins: how far an erasure is, or how much went."""
    shown = get_object_or_404(
        Erasure.objects.select_related("asked_by"), project=request.project, pk=erasure
    )
    return render(request, "curation/erasures/one.html", {"erasure": shown})


@require_POST
@project_view(Membership.Role.ADMIN)
def erasure_again(request: ProjectRequest, erasure: int) -> HttpResponseBase:
    """Admins: try an erasure again that has failed."""
    shown = get_object_or_404(Erasure, project=request.project, pk=erasure)
    try:
        erasing.try_again(erasure=shown, by=request.user, now=timezone.now())
    except erasing.ErasureError as error:
        messages.warning(request, error.message)
    else:
        ring(tasks.work_erasures)
    return redirect("erasure", request.project.slug, shown.pk)


def _list(request: ProjectRequest, form: ErasureForm, *, status: int = 200) -> HttpResponse:
    found = page(
        Erasure.objects.filter(project=request.project).select_related("asked_by"),
        order=["-asked_at", "-id"],
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor", ""),
    )
    context = {"form": form, "page": found}
    return render(request, "curation/erasures/list.html", context, status=status)


def _confirm(
    request: ProjectRequest, form: ConfirmForm, scope: str, subject: str, *, status: int = 200
) -> HttpResponse:
    try:
        found = erasing.preview(project=request.project, scope=scope, subject=subject)
    except erasing.ErasureError as error:
        again = ErasureForm(request.POST)
        again.add_error(error.path, error.message)
        return _list(request, again, status=422)
    if not found.num_rows:
        again = ErasureForm(request.POST)
        again.add_error("subject", f"There is nothing of this {scope} here.")
        return _list(request, again, status=422)
    context = {"form": form, "found": found, "scope": scope, "subject": subject}
    return render(request, "curation/erasures/confirm.html", context, status=status)
