"""The training sets, the page of one, and its releases."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import Case, Count, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Left
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from curation import gating, releasing, tasks, training_sets
from curation.formats import Row
from curation.forms import FilterForm, TrainingSetForm
from curation.models import Example, Release, Revocation, TrainingSet
from curation.models.training import ExampleQuerySet
from curation.views.gates import lines_of
from curation.views.libraries import noted_for, reviewed_for
from curation.writers import FORMATS, sound
from feedback.embedding import model_id
from feedback.models import Membership, Output, Reason
from feedback.paging import page
from feedback.ringing import ring
from review.filters import ReviewFilter
from review.http import ProjectRequest, project_view
from review.models import Review

PAGE_SIZE = 25
RELEASES_SHOWN = 20
# Files of a release that the set's page offers; its own page has all.
USUAL = "^(openai|trl|evaluation)/"
HUGGINGFACE = {releasing.HUGGINGFACE: "Hugging Face data set, Parquet"}
# Code points of a question that the list shows.
TITLE = 240


@require_safe
@project_view(Membership.Role.VIEWER)
def training_set_list(request: ProjectRequest) -> HttpResponse:
    """Every member: the project's training sets with their examples and last release."""
    last = Release.objects.done().filter(training_set=OuterRef("pk")).order_by("-number")
    sets = request.project.training_sets.annotate(
        num_examples=Count("examples", filter=Q(examples__removed_at=None)),
        last_number=Subquery(last.values("number")[:1]),
        last_released_at=Subquery(last.values("released_at")[:1]),
    ).order_by("name", "pk")
    return render(
        request, "curation/training_sets/list.html", {"training_sets": sets, **_may(request)}
    )


@require_http_methods(["GET", "HEAD", "POST"])
@project_view(Membership.Role.CURATOR)
def training_set_create(request: ProjectRequest) -> HttpResponseBase:
    """Curators: the form of a new training set, and its making."""
    form = TrainingSetForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = training_sets.create_training_set(
                project=request.project, **form.cleaned_data, by=request.user, now=timezone.now()
            )
        except training_sets.TrainingSetError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, "Training set created. Promote reviews into it.")
            return redirect("training_set", request.project.slug, made.slug)
    return render(
        request,
        "curation/training_sets/create.html",
        {"form": form},
        status=422 if form.errors else 200,
    )


@require_safe
@project_view(Membership.Role.VIEWER)
def training_set(request: ProjectRequest, training_set: str) -> HttpResponse:
    """Every member: the examples, one of them as a line of a file, and the releases."""
    return _page(request, _find(request, training_set))


@require_POST
@project_view(Membership.Role.CURATOR)
def training_set_release(request: ProjectRequest, training_set: str) -> HttpResponseBase:
    """Curators: have the examples frozen as the next release, in the formats that are ticked."""
    shown = _find(request, training_set)
    gating.check_few(training_set=shown, by=request.user, vectors=model_id(), clock=timezone.now)
    try:
        made = releasing.start(
            training_set=shown,
            by=request.user,
            now=timezone.now(),
            formats=request.POST.getlist("format"),
        )
    except training_sets.TrainingSetError as error:
        return _page(request, shown, refusal=str(error))
    ring(tasks.work_releases)
    return redirect("release", request.project.slug, shown.slug, made.number)


@require_POST
@project_view(Membership.Role.CURATOR)
def training_set_filter(request: ProjectRequest, training_set: str) -> HttpResponseBase:
    """Curators: say which decisions each release takes in by itself, or that none are."""
    shown = _find(request, training_set)
    form = FilterForm(request.POST)
    if not form.is_valid():
        return _page(request, shown, form=form)
    wanted = None if "none" in request.POST else form.cleaned_data["filter"]
    releasing.set_filter(training_set=shown, wanted=wanted, by=request.user, now=timezone.now())
    messages.success(
        request,
        "Releases hold what is promoted by hand."
        if wanted is None
        else "The next release takes in what the filter matches.",
    )
    return redirect("training_set", request.project.slug, shown.slug)


@require_POST
@project_view(Membership.Role.CURATOR)
def example_revoke(request: ProjectRequest, training_set: str, example: int) -> HttpResponseBase:
    """Curators: say that an example is not to be used any more, also where it was released."""
    shown = _find(request, training_set)
    revoked = get_object_or_404(shown.examples, pk=example)
    try:
        is_new = releasing.revoke(
            example=revoked,
            reason=request.POST.get("reason", ""),
            by=request.user,
            now=timezone.now(),
        )
    except training_sets.TrainingSetError as error:
        raise BadRequest(str(error)) from error
    done = "Example revoked." if is_new else f"X-{revoked.pk} is revoked already."
    messages.success(request, f"{done} It is on the list of each release that holds it.")
    return redirect("training_set", request.project.slug, shown.slug)


@require_POST
@project_view(Membership.Role.CURATOR)
def example_remove(request: ProjectRequest, training_set: str, example: int) -> HttpResponseBase:
    """Curators: take an example out of the next release."""
    shown = _find(request, training_set)
    removed = get_object_or_404(shown.examples, pk=example)
    training_sets.remove_example(example=removed, by=request.user, now=timezone.now())
    messages.success(request, "Example removed. Releases that hold it stay as they are.")
    return redirect("training_set", request.project.slug, shown.slug)


def _find(request: ProjectRequest, slug: str) -> TrainingSet:
    return get_object_or_404(request.project.training_sets, slug=slug)


def _may(request: ProjectRequest) -> dict[str, bool]:
    return {"may_curate": request.membership.may(Membership.Role.CURATOR)}


def _page(
    request: ProjectRequest,
    shown: TrainingSet,
    *,
    refusal: str = "",
    form: FilterForm | None = None,
) -> HttpResponse:
    examples = shown.examples.kept()
    found = page(
        _listed(examples), order=["-id"], size=PAGE_SIZE, cursor=request.GET.get("cursor", "")
    )
    example = _chosen(request, shown, found.rows)
    format_ = request.GET.get("format", "")
    format_ = format_ if format_ in FORMATS else "openai-sft"
    releases = list(_releases(shown))
    latest = next((one for one in releases if one.status == Release.Status.DONE), None)
    wanted = None if shown.filter is None else ReviewFilter.from_json(shown.filter)
    counts = shown.examples.kept().aggregate(
        num=Count("pk"),
        num_corrected=Count("pk", filter=~Q(rejected="") & ~Q(chosen="") & Q(is_pair=False)),
        num_pairs=Count("pk", filter=Q(is_pair=True)),
        num_sessions=Count("output__session", distinct=True),
    )
    report = gating.report(training_set=shown)
    context = {
        "training_set": shown,
        "examples": found,
        "example": example,
        "turns": _turns(example) if example else [],
        "reasons": _reasons(example),
        "sides": _sides(example) if example and example.is_pair else [],
        "line": _line(example, format_) if example else "",
        "formats": {name: one.label for name, one in FORMATS.items()},
        "format": format_,
        "release_formats": {**{name: one.label for name, one in FORMATS.items()}, **HUGGINGFACE},
        "ticked": releasing.usual_formats(training_set=shown),
        "counts": counts,
        "releases": releases,
        "latest": latest,
        "files": latest.files.filter(path__regex=USUAL).order_by("path") if latest else [],
        "building": next((one for one in releases if one.is_unfinished), None),
        "wanted": wanted,
        "num_matching": releasing.matching(training_set=shown, wanted=wanted),
        "filter_form": form or FilterForm(initial={"filter": str(wanted or "")}),
        "revocation_reasons": Revocation.Reason.choices,
        "report": report,
        "failing": [line for line in lines_of(report) if line.tone != "ok"],
        "refusal": refusal,
        **_may(request),
    }
    status = 409 if refusal else 422 if form else 200
    return render(request, "curation/training_sets/page.html", context, status=status)


def _chosen(request: ProjectRequest, shown: TrainingSet, rows: list[Example]) -> Example | None:
    """The example that ?example= names, also a removed one; else the first of the list.

    One that is revoked is shown no more.
    """
    asked = request.GET.get("example", "")
    examples = shown.examples.filter(revocation=None)
    whole = examples.select_related(
        "output__session", "created_by", "rejected_output"
    ).prefetch_related(
        reviewed_for(request.user, "review"),
        reviewed_for(request.user, "chosen_review"),
        reviewed_for(request.user, "rejected_review"),
        *("review__reasons", "review__added_reasons__reason", "feedback__reasons"),
        noted_for(request.user),
    )
    if asked.isascii() and asked.isdecimal() and len(asked) < 19:
        return get_object_or_404(whole, pk=int(asked))
    return whole.filter(pk=rows[0].pk).first() if rows else None


def _reasons(example: Example | None) -> list[Reason]:
    """The reasons that the example's reviewer gave, and those that were added."""
    if example is None or example.review is None:
        return []
    added = [one.reason for one in example.review.added_reasons.all()]
    return [*example.review.reasons.all(), *added]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One answer of a pair, with the decision on it and how it was ranked, in words."""

    label: str
    output: Output | None
    review: Review | None
    ranks: Sequence[str]


def _sides(pair: Example) -> list[Side]:
    said = list(pair.feedback.all())
    return [
        Side(
            label=label,
            output=output,
            review=review,
            ranks=[
                f"{one.author_role or 'Somebody'}: {one.rank_in_words}"
                for one in said
                if output and one.output_id == output.pk and one.is_rank
            ],
        )
        for label, output, review in (
            ("Chosen", pair.output, pair.chosen_review),
            ("Rejected", pair.rejected_output, pair.rejected_review),
        )
    ]


def _listed(examples: ExampleQuerySet) -> ExampleQuerySet:
    """What a line of the list shows, without long texts."""
    return examples.annotate(
        question=Left("output__query", TITLE),
        answer=Left(Case(When(chosen="", then="rejected"), default="chosen"), TITLE),
    ).defer("prompt", "tools")


def _turns(example: Example) -> list[dict[str, object]]:
    """The messages before the answer, with calls of tools as they are read."""
    return [
        {
            "role": turn["role"],
            "content": turn["content"],
            "calls": [
                f"{call['function']['name']} "
                f"{json.dumps(call['function']['arguments'], ensure_ascii=False)}"
                for call in turn.get("tool_calls", ())
            ],
        }
        for turn in example.prompt
    ]


def _line(example: Example, format_: str) -> str:
    """The example as the next release writes it, spread over lines; "" when it leaves it out."""
    row = Row(
        *(example.prompt, example.chosen, example.rejected, example.tools),
        is_pair=example.is_pair,
    )
    written = sound(row, format_, Counter())
    return "\n".join(json.dumps(one, ensure_ascii=False, indent=2) for one in written)


def _releases(training_set: TrainingSet) -> QuerySet[Release]:
    releases = training_set.releases.select_related("released_by")
    return releases.order_by("-number")[:RELEASES_SHOWN]
