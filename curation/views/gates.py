"""The gates of a training set: what holds its release up, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import Q, QuerySet
from django.db.models.functions import Left
from django.http import Http404, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from curation import gating, tasks
from curation.gate_forms import GateRulesForm, PassForm
from curation.gate_runs import rules_of
from curation.gates import FEWEST_FOR_SHARES, LABELS, Gate
from curation.models import GateFinding, GatePass, TrainingSet
from feedback.embedding import model_id
from feedback.models import Membership
from feedback.paging import CursorError, page
from feedback.ringing import ring
from review.http import ProjectRequest, project_view
from review.models import QueueItem

PAGE_SIZE = 25
# Code points of a question that a row shows.
TITLE = 240


@dataclass(frozen=True)
class Line:
    """One gate as a line of the panel; `tone` is ok, warn or bad."""

    gate: str
    label: str
    tone: str
    result: gating.Result


@dataclass(frozen=True)
class Failing:
    """A row that fails, and the pass that it was given."""

    finding: GateFinding
    passed: GatePass | None


@require_safe
@project_view(Membership.Role.VIEWER)
def training_set_gates(request: ProjectRequest, training_set: str) -> HttpResponse:
    """Every member: what the gates found, and the rows that fail the one that ?gate= names."""
    return _page(request, _find(request, training_set))


@require_POST
@project_view(Membership.Role.CURATOR)
def gates_check(request: ProjectRequest, training_set: str) -> HttpResponseBase:
    """Curators: hold the examples to the gates, at once where they are few."""
    shown = _find(request, training_set)
    try:
        asked = gating.ask(training_set=shown, by=request.user, now=timezone.now())
    except gating.GateError as error:
        return _page(request, shown, refusal=str(error))
    if asked.num_examples <= gating.MOST_AT_ONCE:
        gating.run(check=asked, vectors=model_id(), clock=timezone.now)
    else:
        ring(tasks.check_gates)
    return redirect("training_set_gates", request.project.slug, shown.slug)


@require_POST
@project_view(Membership.Role.CURATOR)
def gates_stop(request: ProjectRequest, training_set: str) -> HttpResponseBase:
    """Curators: end the check that waits or runs."""
    shown = _find(request, training_set)
    running = shown.gate_checks.unfinished().first()
    if running is not None:
        gating.stop(check=running, by=request.user, now=timezone.now())
        messages.success(request, "Check stopped.")
    return redirect("training_set_gates", request.project.slug, shown.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@project_view(Membership.Role.CURATOR)
def gates_rules(request: ProjectRequest, training_set: str) -> HttpResponseBase:
    """Curators: what the set is held to, and which gates hold a release up."""
    shown = _find(request, training_set)
    form = GateRulesForm.of(rules_of(training_set=shown), request.POST or None)
    if request.method == "POST" and form.is_valid():
        gating.set_rules(
            training_set=shown, rules=form.rules(), by=request.user, now=timezone.now()
        )
        messages.success(request, "Rules saved. Check the examples by them.")
        return redirect("training_set_gates", request.project.slug, shown.slug)
    return render(
        request,
        "curation/training_sets/rules.html",
        {"training_set": shown, "form": form},
        status=422 if form.errors else 200,
    )


@require_POST
@project_view(Membership.Role.CURATOR)
def finding_pass(request: ProjectRequest, training_set: str, finding: int) -> HttpResponseBase:
    """Curators: let a row pass the gate it fails, with a reason."""
    shown = _find(request, training_set)
    failing = _finding(shown, finding)
    form = PassForm(request.POST)
    if not form.is_valid():
        return _page(request, shown, refused=failing, form=form)
    gating.let_pass(
        finding=failing, reason=form.cleaned_data["reason"], by=request.user, now=timezone.now()
    )
    messages.success(request, f"X-{failing.example_id} may pass.")
    return _to(request, shown, failing.gate)


@require_POST
@project_view(Membership.Role.CURATOR)
def gate_pass_all(request: ProjectRequest, training_set: str) -> HttpResponseBase:
    """Curators: let all rows pass that fail the gate in ?gate=, for one reason."""
    shown = _find(request, training_set)
    last = shown.gate_checks.done().order_by("-pk").first()
    gate = request.GET.get("gate", "")
    if last is None or gate not in set(Gate):
        raise Http404
    try:
        num = gating.let_all_pass(
            check=last,
            gate=gate,
            reason=request.POST.get("reason", "")[:500],
            by=request.user,
            now=timezone.now(),
        )
    except gating.GateError as error:
        return _page(request, shown, refusal=str(error))
    messages.success(request, f"{num:,} may pass.")
    return _to(request, shown, gate)


@require_POST
@project_view(Membership.Role.CURATOR)
def finding_take_back(request: ProjectRequest, training_set: str, finding: int) -> HttpResponseBase:
    """Curators: have a row that was let pass fail again."""
    shown = _find(request, training_set)
    failing = _finding(shown, finding)
    passed = GatePass.objects.filter(
        example=failing.example, gate=failing.gate, key=failing.key
    ).first()
    if passed is not None:
        gating.take_back(gate_pass=passed, by=request.user, now=timezone.now())
        messages.success(request, f"X-{failing.example_id} fails again.")
    return _to(request, shown, failing.gate)


def lines_of(report: gating.Report) -> list[Line]:
    """The gates as lines of the panel."""
    return [
        Line(
            gate=result.gate.value,
            label=LABELS[result.gate],
            tone=("bad" if result.is_blocking else "warn") if result.num_open else "ok",
            result=result,
        )
        for result in report.results
    ]


def _page(
    request: ProjectRequest,
    shown: TrainingSet,
    *,
    refusal: str = "",
    refused: GateFinding | None = None,
    form: PassForm | None = None,
) -> HttpResponse:
    report = gating.report(training_set=shown)
    lines = lines_of(report)
    gate = refused.gate if refused else _gate(request, lines)
    failing, next_cursor = _failing(request, report, gate)
    context = {
        "training_set": shown,
        "report": report,
        "rules": rules_of(training_set=shown),
        "fewest": FEWEST_FOR_SHARES,
        "lines": lines,
        "line": next((line for line in lines if line.gate == gate), None),
        "failing": failing,
        "next_cursor": next_cursor,
        "refusal": refusal,
        "refused": refused,
        "form": form,
        "may_curate": request.membership.may(Membership.Role.CURATOR),
    }
    status = 409 if refusal else 422 if refused else 200
    return render(request, "curation/training_sets/gates.html", context, status=status)


def _gate(request: ProjectRequest, lines: list[Line]) -> str:
    """The gate that ?gate= names; else the first that some row fails."""
    asked = request.GET.get("gate", "")
    if asked:
        if asked not in set(Gate):
            raise BadRequest("There is no such gate.")
        return asked
    failed = sorted((line for line in lines if line.tone != "ok"), key=lambda one: one.tone)
    return failed[0].gate if failed else ""


def _failing(
    request: ProjectRequest, report: gating.Report, gate: str
) -> tuple[list[Failing], str | None]:
    if report.last is None or not gate:
        return [], None
    rows = report.last.findings.still_there().filter(gate=gate)
    if gate == Gate.AGREEMENT:
        # What others said of an answer is hidden from who is to judge it, also if that came later.
        blind = QueueItem.objects.blind_to(request.user).values("output")
        rows = rows.exclude(Q(example__output__in=blind) | Q(example__rejected_output__in=blind))
    try:
        found = page(
            _listed(rows), order=["id"], size=PAGE_SIZE, cursor=request.GET.get("cursor", "")
        )
    except CursorError as error:
        raise BadRequest(str(error)) from error
    passes = GatePass.objects.filter(gate=gate, example__in=[one.example_id for one in found.rows])
    passed = {(one.example_id, one.key): one for one in passes.select_related("passed_by")}
    return [
        Failing(one, passed.get((one.example_id, one.key))) for one in found.rows
    ], found.next_cursor


def _listed(rows: QuerySet[GateFinding]) -> QuerySet[GateFinding]:
    """What a row shows, without long texts."""
    texts = ("prompt", "tools", "chosen", "rejected")
    rows = rows.select_related("example", "other__training_set").defer(
        *(f"{row}__{name}" for row in ("example", "other") for name in texts)
    )
    return rows.annotate(
        question=Left("example__output__query", TITLE),
        answer=Left("example__chosen", TITLE),
        other_question=Left("other__output__query", TITLE),
    )


def _finding(shown: TrainingSet, pk: int) -> GateFinding:
    rows = GateFinding.objects.filter(check_run__training_set=shown)
    return get_object_or_404(rows.select_related("example__training_set"), pk=pk)


def _find(request: ProjectRequest, slug: str) -> TrainingSet:
    found = request.project.training_sets.filter(slug=slug).first()
    if found is None:
        raise Http404
    return found


def _to(request: ProjectRequest, shown: TrainingSet, gate: str) -> HttpResponseRedirect:
    address = reverse("training_set_gates", args=[request.project.slug, shown.slug])
    return HttpResponseRedirect(f"{address}?{urlencode({'gate': gate})}")
