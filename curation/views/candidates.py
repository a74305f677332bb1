"""The candidates for promotion, decided on one after the other."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from curation import candidates, pairing, promotion
from curation.forms import CandidateForm, PlacesForm
from curation.models import Candidate, Placing
from curation.models.candidate import CandidateQuerySet
from curation.placing import Places, find_places
from feedback.models import Membership
from review.http import ProjectRequest, project_view

PAGE_SIZE = 20


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def candidate_list(request: ProjectRequest) -> HttpResponse:
    """Every member: what workers propose, the best first; ?show=decided or passed-over."""
    return _list(request, request.GET)


@require_POST
@vary_on_headers("HX-Request")
@project_view(Membership.Role.CURATOR)
def candidate_decide(request: ProjectRequest) -> HttpResponseBase:
    """Curators: accept a candidate into the chosen places, reject it for a reason, or undo that.

    The button says which: `accept` and `undo` a candidate, `reject` one and why, as in `7:said`.
    """
    sent = request.POST
    try:
        found = _decide(request)
    except candidates.NotAllowedError as error:
        raise PermissionDenied from error
    except candidates.CandidateError as error:
        return _list(request, sent, error=error, status=422)
    except candidates.DecidedError as error:
        return _list(request, sent, refusal=str(error), status=409)
    if request.htmx:
        return _list(request, sent, done=found)
    kept = [(name, sent.get(name, "")) for name in ("show", "cursor")]
    back = urlencode([*((name, value) for name, value in kept if value), ("done", found.pk)])
    return redirect(f"{reverse('candidate_list', args=[request.project.slug])}?{back}")


@require_http_methods(["GET", "HEAD", "POST"])
@project_view(Membership.Role.CURATOR)
def candidate_edit(request: ProjectRequest, candidate: int) -> HttpResponseBase:
    """Curators: change what entries are to say of a candidate, and accept it so."""
    found = _candidate(request, candidate)
    if found.status != Candidate.Status.WAITING:
        return redirect("candidate_list", request.project.slug)
    try:
        answer = promotion.settled_answer(review=found.review, into=request.project)
    except promotion.PromotionError as error:
        messages.warning(request, str(error))
        return redirect("candidate_list", request.project.slug)
    form = CandidateForm(
        request.POST if request.method == "POST" else None,
        project=request.project,
        initial={
            "into": _remembered(request),
            "query": found.review.output.query,
            "answer": answer,
        },
    )
    if form.is_bound and form.is_valid():
        given = form.cleaned_data
        try:
            candidates.accept(
                candidate=found,
                places=_places(request, form, kind=given["kind"], why=given["why"]),
                query=given["query"],
                answer=given["answer"],
                by=request.user,
                now=timezone.now(),
            )
        except candidates.CandidateError as error:
            form.add_error(error.path if error.path in form.fields else None, error.message)
        except candidates.DecidedError as error:
            form.add_error(None, str(error))
        else:
            back = urlencode({"done": found.pk})
            return redirect(f"{reverse('candidate_list', args=[request.project.slug])}?{back}")
    status = 422 if form.is_bound else 200
    context = {"candidate": found, "form": form, "output": found.review.output}
    return render(request, "curation/candidates/edit.html", context, status=status)


def _decide(request: ProjectRequest) -> Candidate:
    """Do what the button says. Raises as the operations, and 404."""
    sent, now = request.POST, timezone.now()
    if "undo" in sent:
        found = _candidate(request, sent["undo"])
        candidates.undo(candidate=found, by=request.user, now=now)
    elif "reject" in sent:
        pk, _, reason = sent["reject"].partition(":")
        found = _candidate(request, pk)
        candidates.reject(
            candidate=found,
            reason=reason,
            note=sent.get(f"note-{found.pk}", ""),
            by=request.user,
            now=now,
        )
    else:
        found = _candidate(request, sent.get("accept", ""))
        form = PlacesForm(sent, project=request.project)
        if not form.is_valid():
            path, faults = next(iter(form.errors.items()))
            raise candidates.CandidateError(path, str(faults[0]))
        request.session[_session_key(request)] = form.cleaned_data["into"]
        given = form.cleaned_data
        candidates.accept(
            candidate=found,
            places=_places(request, form, kind=given["kind"], why=given["why"]),
            by=request.user,
            now=now,
        )
    return _candidate(request, found.pk)


def _list(
    request: ProjectRequest,
    asked: QueryDict,
    *,
    done: Candidate | None = None,
    error: candidates.CandidateError | None = None,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    which = asked.get("show", "")
    if which not in candidates.LISTS:
        which = "waiting"
    cursor = asked.get("cursor", "")
    found = candidates.listed(project=request.project, which=which, size=PAGE_SIZE, cursor=cursor)
    number = asked.get("done", "")
    if done is None and number.isascii() and number.isdecimal() and len(number) <= 18:
        done = _found(request).filter(pk=number).first()
    form = PlacesForm(None, project=request.project, initial={"into": _remembered(request)})
    if error is not None and request.method == "POST":
        form = PlacesForm(asked, project=request.project)
        form.is_valid()
    context = {
        "candidates": found.rows,
        "answers": {one.pk: _answer(one) for one in found.rows},
        "which": which,
        "cursor": cursor,
        "more": f"?{urlencode({'show': which, 'cursor': found.next_cursor})}"
        if found.next_cursor
        else "",
        "form": form,
        "reasons": Candidate.Reason.choices,
        "done": done,
        "placings": _placings(done),
        "error": error,
        "error_of": _numbered(asked.get("reject", "")) if error else 0,
        "refusal": refusal,
        "may_curate": request.membership.may(Membership.Role.CURATOR),
        "confirmations": request.project.confirmations,
    }
    name = "curation/candidates/_list.html" if request.htmx else "curation/candidates/list.html"
    return render(request, name, context, status=status)


def _numbered(button: str) -> int:
    """The candidate that a button to reject is about; 0 for none."""
    number = button.partition(":")[0]
    return int(number) if number.isascii() and number.isdecimal() else 0


def _answer(one: Candidate) -> str:
    """What would be kept; a candidate always settles something, unless its review changed."""
    if one.review.correction.strip() or one.review.output_version != one.review.output.version:
        return one.review.correction or pairing.reviewed_text(one.review)
    return one.review.output.text


def _placings(done: Candidate | None) -> list[Placing]:
    if done is None or done.job is None:
        return []
    return list(done.job.placings.select_related("library", "training_set").order_by("pk"))


def _places(request: ProjectRequest, form: PlacesForm, *, kind: str, why: str) -> Places:
    libraries, training_sets = find_places(
        project=request.project,
        libraries=form.slugs("library"),
        training_sets=form.slugs("training"),
    )
    return Places(libraries=libraries, training_sets=training_sets, kind=kind, why=why)


def _remembered(request: ProjectRequest) -> list[str]:
    """Where the curator promoted to last; the only library where there is one."""
    kept: list[str] | None = request.session.get(_session_key(request))
    if kept is not None:
        return kept
    slugs = list(request.project.context_libraries.values_list("slug", flat=True)[:2])
    return [f"library:{slugs[0]}"] if len(slugs) == 1 else []


def _session_key(request: ProjectRequest) -> str:
    return f"promoted-into-{request.project.pk}"


def _candidate(request: ProjectRequest, pk: int | str) -> Candidate:
    text = str(pk)
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else 0
    return get_object_or_404(_found(request), pk=number)


def _found(request: ProjectRequest) -> CandidateQuerySet:
    return candidates.told(Candidate.objects.filter(project=request.project))
