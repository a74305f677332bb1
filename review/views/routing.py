"""The rules of what closes the loop after a decision."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from feedback.models import Membership, Reason
from feedback.timeouts import TooSlowError
from review import due_times, routing
from review.filters import ReviewFilter
from review.forms import RoutingForm, TermsForm
from review.http import ProjectRequest, project_view
from review.models import Review, RoutingRule
from review.routing import RoutingError, Rule
from review.staleness import mark


@require_safe
@project_view(Membership.Role.MODERATOR)
def rule_list(request: ProjectRequest) -> HttpResponse:
    """Moderators: the rules in their order, how often overruled, and the routes' due times."""
    return _list(request, TermsForm(initial=due_times.terms(project=request.project)))


@require_POST
@project_view(Membership.Role.MODERATOR)
def route_terms(request: ProjectRequest) -> HttpResponseBase:
    """Moderators: within how many hours what decisions ask for is to be done on each route."""
    form = TermsForm(request.POST)
    if not form.is_valid():
        return _list(request, form)
    due_times.set_terms(
        project=request.project, hours=form.cleaned_data, by=request.user, now=timezone.now()
    )
    messages.success(request, "Due times saved.")
    return redirect("rule_list", request.project.slug)


def _list(request: ProjectRequest, terms: TermsForm) -> HttpResponse:
    names = dict(_reasons(request))
    rows = [
        {
            "rule": rule,
            "words": str(ReviewFilter.from_json(rule.filter)),
            "verdicts": [Review.Verdict(one).label for one in rule.verdicts],
            "severities": [Review.Severity(one).label for one in rule.severities],
            "reasons": [names.get(one, one) for one in rule.reasons],
            "num": num,
            "num_overruled": overruled,
            "share": overruled / num if num else None,
        }
        for rule, num, overruled in routing.listed(project=request.project)
    ]
    status = 422 if terms.errors else 200
    return render(
        request, "review/routing/list.html", {"rows": rows, "terms": terms}, status=status
    )


@require_http_methods(["GET", "HEAD", "POST"])
@project_view(Membership.Role.MODERATOR)
def rule_create(request: ProjectRequest) -> HttpResponseBase:
    """Moderators: the form of a new rule, and its making."""
    form = _bound(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            routing.create_rule(
                project=request.project, rule=_rule(form), by=request.user, now=timezone.now()
            )
        except RoutingError as error:
            _add_error(form, error)
        else:
            return redirect("rule_list", request.project.slug)
    return _form(request, form)


@require_http_methods(["GET", "HEAD", "POST"])
@project_view(Membership.Role.MODERATOR)
def rule_edit(request: ProjectRequest, rule: int) -> HttpResponseBase:
    """Moderators: the form of a rule that is there, and its change."""
    edited = _there(request, rule)
    form = _bound(request, request.POST or None, edited)
    there = mark(routing.rule_of(rule=edited))
    seen = request.POST.get("seen", there)
    if request.method == "POST" and form.is_valid():
        try:
            routing.edit_rule(
                edited=edited,
                changes=vars(_rule(form)),
                by=request.user,
                now=timezone.now(),
                seen=seen,
            )
        except RoutingError as error:
            _add_error(form, error)
            if error.path == "rule":
                seen = there
        else:
            return redirect("rule_list", request.project.slug)
    return _form(request, form, edited, seen)


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.MODERATOR)
def rule_preview(request: ProjectRequest) -> HttpResponse:
    """Moderators: on how many past decisions the form's rule, or ?rule= so changed, would speak."""
    number = request.GET.get("rule", "")
    edited = _there(request, int(number)) if number.isdecimal() and len(number) < 19 else None
    form = _bound(request, request.GET, edited)
    form.fields["name"].required = False
    context: dict[str, Any] = {"past": None}
    if form.is_valid():
        try:
            context["past"] = routing.preview(
                project=request.project, rule=_rule(form), edited=edited
            )
        except RoutingError as error:
            _add_error(form, error)
        except TooSlowError:
            context["is_too_slow"] = True
    context["errors"] = {form[name].label: errors[0] for name, errors in form.errors.items()}
    name = "_preview" if request.htmx else "preview"
    status = 422 if form.errors else 200
    return render(request, f"review/routing/{name}.html", context, status=status)


@require_POST
@project_view(Membership.Role.MODERATOR)
def rule_move(request: ProjectRequest, rule: int) -> HttpResponseBase:
    """Moderators: ask a rule before (`to` is "up") or after ("down") its neighbour."""
    moved = _there(request, rule)
    to = request.POST.get("to")
    if to not in {"up", "down"}:
        raise BadRequest("Say up or down.")
    routing.move_rule(rule=moved, is_up=to == "up", by=request.user, now=timezone.now())
    return redirect("rule_list", request.project.slug)


@require_POST
@project_view(Membership.Role.MODERATOR)
def rule_switch(request: ProjectRequest, rule: int) -> HttpResponseBase:
    """Moderators: switch a rule on (`to` is "on") or off."""
    is_on = request.POST.get("to") == "on"
    routing.switch_rule(
        rule=_there(request, rule), is_on=is_on, by=request.user, now=timezone.now()
    )
    return redirect("rule_list", request.project.slug)


def _there(request: ProjectRequest, pk: int) -> RoutingRule:
    rules = RoutingRule.objects.filter(project=request.project).select_related("project")
    return get_object_or_404(rules, pk=pk)


def _reasons(request: ProjectRequest) -> list[tuple[str, str]]:
    found = Reason.objects.current().filter(taxonomy__project=request.project)
    return list(found.values_list("slug", "name"))


def _bound(
    request: ProjectRequest, data: QueryDict | None, edited: RoutingRule | None = None
) -> RoutingForm:
    reasons = _reasons(request)
    start: dict[str, Any] = {}
    if edited:
        known = {slug for slug, _ in reasons}
        reasons += [(slug, slug) for slug in edited.reasons if slug not in known]
        start = {
            **vars(routing.rule_of(rule=edited)),
            "words": str(ReviewFilter.from_json(edited.filter)),
        }
    return RoutingForm(data, reasons=reasons, initial=start)


def _rule(form: RoutingForm) -> Rule:
    given = form.cleaned_data
    return Rule(
        name=given["name"],
        filter=given["words"].to_json(),
        verdicts=given["verdicts"],
        severities=given["severities"],
        reasons=given["reasons"],
        routes=given["routes"],
        due_hours=given["due_hours"],
    )


def _add_error(form: RoutingForm, error: RoutingError) -> None:
    path = {"filter": "words"}.get(error.path, error.path)
    form.add_error(path if path in form.fields else None, error.message)


def _form(
    request: ProjectRequest,
    form: RoutingForm,
    edited: RoutingRule | None = None,
    seen: str = "",
) -> HttpResponse:
    boxes = [form[name] for name in ("verdicts", "severities", "reasons")]
    context = {"form": form, "rule": edited, "seen": seen, "boxes": boxes}
    status = 422 if form.errors else 200
    return render(request, "review/routing/form.html", context, status=status)
