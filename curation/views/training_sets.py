"""The training sets, the page of one, and its releases."""

from __future__ import annotations

import json

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Left
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from curation import training_sets
from curation.formats import WRITERS, Row
from curation.forms import NameForm
from curation.http import release_download
from curation.models import Example, Release, ReleasedExample, TrainingSet
from curation.models.training import ExampleQuerySet
from feedback.models import Membership, Reason
from feedback.paging import page
from review.http import ProjectRequest, project_view

PAGE_SIZE = 25
RELEASES_SHOWN = 20
# Code points of a question that the list shows.
TITLE = 240
FORMATS = {"openai-sft": "OpenAI SFT", "openai-dpo": "OpenAI DPO"}


@require_safe
@project_view(Membership.Role.VIEWER)
def training_set_list(request: ProjectRequest) -> HttpResponse:
    """Every member: the project's training sets with their examples and last release."""
    last = Release.objects.filter(training_set=OuterRef("pk")).order_by("-number")
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
    form = NameForm(request.POST or None)
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
    """Curators: freeze the examples as the next release."""
    shown = _find(request, training_set)
    try:
        made = training_sets.release(training_set=shown, by=request.user, now=timezone.now())
    except training_sets.TrainingSetError as error:
        return _page(request, shown, refusal=str(error))
    messages.success(request, f"Release {made.number} is ready to download.")
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


@require_safe
@project_view(Membership.Role.CURATOR)
def release_file(
    request: ProjectRequest, training_set: str, number: int, split: str
) -> HttpResponseBase:
    """Curators: one split of a release as a file, in the format that ?format= names."""
    format_ = request.GET.get("format", "openai-sft")
    release = training_sets.find_release(project=request.project, slug=training_set, number=number)
    if release is None or split not in ReleasedExample.Split.values:
        raise Http404
    if format_ not in WRITERS:
        raise BadRequest(f"The format is one of {', '.join(WRITERS)}.")
    return release_download(release, split=split, format_=format_)


def _find(request: ProjectRequest, slug: str) -> TrainingSet:
    return get_object_or_404(request.project.training_sets, slug=slug)


def _may(request: ProjectRequest) -> dict[str, bool]:
    return {"may_curate": request.membership.may(Membership.Role.CURATOR)}


def _page(request: ProjectRequest, shown: TrainingSet, *, refusal: str = "") -> HttpResponse:
    examples = shown.examples.kept()
    found = page(
        _listed(examples), order=["-id"], size=PAGE_SIZE, cursor=request.GET.get("cursor", "")
    )
    example = _chosen(request, examples, found.rows)
    format_ = request.GET.get("format", "")
    format_ = format_ if format_ in WRITERS else "openai-sft"
    releases = list(_releases(shown))
    counts = shown.examples.kept().aggregate(
        num=Count("pk"),
        num_corrected=Count("pk", filter=~Q(rejected="")),
        num_sessions=Count("output__session", distinct=True),
    )
    context = {
        "training_set": shown,
        "examples": found,
        "example": example,
        "reasons": _reasons(example),
        "line": _line(example, format_) if example else "",
        "formats": FORMATS,
        "format": format_,
        "counts": counts,
        "releases": releases,
        "latest": releases[0] if releases else None,
        "refusal": refusal,
        **_may(request),
    }
    status = 409 if refusal else 200
    return render(request, "curation/training_sets/page.html", context, status=status)


def _chosen(
    request: ProjectRequest, examples: ExampleQuerySet, rows: list[Example]
) -> Example | None:
    """The example that ?example= names; else the first of the list."""
    asked = request.GET.get("example", "")
    whole = examples.select_related(
        "output__session", "review__reviewer", "created_by"
    ).prefetch_related("review__reasons", "review__added_reasons__reason", "feedback__reasons")
    if asked.isascii() and asked.isdecimal() and len(asked) < 19:
        return get_object_or_404(whole, pk=int(asked))
    return whole.filter(pk=rows[0].pk).first() if rows else None


def _reasons(example: Example | None) -> list[Reason]:
    """The reasons that the example's reviewer gave, and those that were added."""
    if example is None or example.review is None:
        return []
    added = [one.reason for one in example.review.added_reasons.all()]
    return [*example.review.reasons.all(), *added]


def _listed(examples: ExampleQuerySet) -> ExampleQuerySet:
    """What a line of the list shows, without long texts."""
    return examples.annotate(
        question=Left("output__query", TITLE), answer=Left("chosen", TITLE)
    ).defer("prompt", "chosen")


def _line(example: Example, format_: str) -> str:
    """The example as the next release writes it, spread over lines; "" when it leaves it out."""
    row = Row(prompt=example.prompt, chosen=example.chosen, rejected=example.rejected)
    written = WRITERS[format_](row)
    return "" if written is None else json.dumps(written, ensure_ascii=False, indent=2)


def _releases(training_set: TrainingSet) -> QuerySet[Release]:
    corrected = ~Q(examples__rejected="")
    split = Q(examples__split=ReleasedExample.Split.TRAIN)
    return (
        training_set.releases.select_related("released_by")
        .annotate(
            num_train_pairs=Count("examples", filter=corrected & split),
            num_validation_pairs=Count("examples", filter=corrected & ~split),
        )
        .order_by("-number")[:RELEASES_SHOWN]
    )
