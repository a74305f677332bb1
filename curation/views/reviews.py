"""The reviewed outputs, and their promotion."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.db.models import BooleanField, ExpressionWrapper, F, Prefetch, Q
from django.db.models.functions import Left
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from curation import diffs, issues, pairing, promotion
from curation.formats import Row
from curation.forms import LibraryPromotionForm, TrainingPromotionForm
from curation.models import ContextEntry, EntryKind, Example, Issue
from feedback.models import Membership, Reason
from feedback.paging import page
from review.http import ProjectRequest, project_view
from review.models import AddedReason, Handover, Review
from review.models.review import ReviewQuerySet

PAGE_SIZE = 50
# Code points of a question that the list shows.
QUESTION = 240


@require_safe
@project_view(Membership.Role.VIEWER)
def review_list(request: ProjectRequest) -> HttpResponse:
    """Every member: reviewed outputs, newest first; ?verdict= and ?promoted=no narrow."""
    reviews = Review.objects.authoritative().revealed().filter(project=request.project)
    verdict = request.GET.get("verdict", "")
    if verdict in Review.Verdict.values:
        reviews = reviews.filter(verdict=verdict)
    only_unpromoted = request.GET.get("promoted") == "no"
    if only_unpromoted:
        reviews = promotion.unpromoted(reviews)
    found = page(
        _listed(reviews),
        order=["-created_at", "-id"],
        size=PAGE_SIZE,
        cursor=request.GET.get("cursor", ""),
    )
    context = {
        "reviews": found,
        "verdicts": Review.Verdict.choices,
        "verdict": verdict,
        "only_unpromoted": only_unpromoted,
        **_may(request),
    }
    return render(request, "curation/reviews/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@project_view(Membership.Role.CURATOR)
def promote(request: ProjectRequest, review: int) -> HttpResponseBase:
    """Curators: what a review settles, and where it can go: library, training set, issue."""
    shown = get_object_or_404(
        Review.objects.seen_by(request.user)
        .filter(project=request.project)
        .select_related("output__session", "output__project", "reviewer", "project"),
        pk=review,
    )
    choice = _choice(request, shown)
    refusal = ""
    if request.method == "POST":
        try:
            done = _promote(request, shown, choice)
        except promotion.PromotionError as error:
            refusal = str(error)
        else:
            if done is not None:
                return done
    context = {
        "review": shown,
        "output": shown.output,
        "choice": choice,
        "refusal": refusal,
        "into": request.POST.get("into", ""),
        **_issue(shown),
        **_settled(shown),
    }
    status = 200 if request.method != "POST" else 409 if refusal else 422
    return render(request, "curation/reviews/promote.html", context, status=status)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Where a review is, and the forms of where it may go; None where there is nowhere."""

    entries: list[ContextEntry]
    examples: list[Example]
    library: LibraryPromotionForm | None
    training: TrainingPromotionForm | None
    has_libraries: bool
    has_training_sets: bool


def _choice(request: ProjectRequest, review: Review) -> Choice:
    into = request.POST.get("into", "")
    entries = list(review.context_entries.kept().select_related("library").defer("vector"))
    examples = list(review.training_examples.kept().select_related("training_set"))
    libraries = list(request.project.context_libraries.order_by("name", "pk"))
    sets = list(request.project.training_sets.order_by("name", "pk"))
    free_libraries = [
        one for one in libraries if one.pk not in {entry.library_id for entry in entries}
    ]
    free_sets = [
        one for one in sets if one.pk not in {example.training_set_id for example in examples}
    ]
    has_question = bool(review.output.query.strip())
    return Choice(
        entries=entries,
        examples=examples,
        library=LibraryPromotionForm(
            request.POST if into == "library" else None,
            libraries=libraries if into == "library" else free_libraries,
            kind=EntryKind.EXAMPLE if has_question else EntryKind.INSTRUCTION,
        )
        if free_libraries or into == "library"
        else None,
        training=TrainingPromotionForm(
            request.POST if into == "training" else None,
            training_sets=sets if into == "training" else free_sets,
        )
        if free_sets or into == "training"
        else None,
        has_libraries=bool(libraries),
        has_training_sets=bool(sets),
    )


def _issue(review: Review) -> dict[str, object]:
    """The issue that the decision led to, or else what one can be made of, or is of its theme."""
    asked = Handover.objects.filter(review=review, route=Review.Route.ISSUE).first()
    made = Issue.objects.filter(sources__handover=asked).first() if asked else None
    theme = issues.theme_of(review=review)
    return {
        "issue": made,
        "asked": asked if asked and asked.status != Handover.Status.DONE else None,
        "theme": theme,
        "issue_of_theme": theme and theme.issues.unsettled().first(),
    }


def _promote(request: ProjectRequest, review: Review, choice: Choice) -> HttpResponseBase | None:
    """Promote into what was chosen; None when the form does not say where. May raise."""
    slug = request.project.slug
    if choice.library is not None and choice.library.is_bound and choice.library.is_valid():
        given = choice.library.cleaned_data
        library = get_object_or_404(request.project.context_libraries, slug=given["library"])
        promotion.promote_to_library(
            review=review,
            library=library,
            kind=given["kind"],
            why=given["why"],
            by=request.user,
            now=timezone.now(),
        )
        messages.success(request, f"Added to the draft of {library}. Publish it to serve it.")
        return redirect("promote", slug, review.pk)
    if choice.training is not None and choice.training.is_bound and choice.training.is_valid():
        chosen = choice.training.cleaned_data["training_set"]
        training_set = get_object_or_404(request.project.training_sets, slug=chosen)
        promotion.promote_to_training_set(
            review=review, training_set=training_set, by=request.user, now=timezone.now()
        )
        messages.success(request, f"Added to {training_set}. It is in the next release.")
        return redirect("promote", slug, review.pk)
    return None


def _settled(review: Review) -> dict[str, object]:
    """What would be stored, or why nothing can be."""
    row: Row | None = None
    untrainable = ""
    try:
        row = promotion.training_row(review=review, into=review.project)
    except promotion.PromotionError as error:
        untrainable = str(error)
    try:
        answer = promotion.settled_answer(review=review, into=review.project)
    except promotion.PromotionError as error:
        return {
            "unsettled": str(error),
            "original": pairing.reviewed_text(review),
            "is_unlearnt": row is not None,
        }
    before, after = diffs.compare(row.rejected, answer) if row and row.rejected else ([], [])
    return {
        "answer": answer,
        "before": before,
        "after": after,
        "num_earlier": len(row.prompt) - 1 if row else 0,
        "untrainable": untrainable,
        "said": pairing.said_about(review.output),
        "noted": pairing.noted_on(review),
    }


def _listed(reviews: ReviewQuerySet) -> ReviewQuerySet:
    """What a line of the list shows: no long texts, no query for each row."""
    entries = ContextEntry.objects.kept().select_related("library").only("review", "library")
    examples = Example.objects.kept().select_related("training_set").only("review", "training_set")
    return (
        reviews.annotate(
            question=Left("output__query", QUESTION),
            output_ref=F("output__external_id"),
            has_correction=ExpressionWrapper(~Q(correction=""), output_field=BooleanField()),
        )
        .select_related("reviewer")
        .defer("correction", "comment")
        .prefetch_related(
            Prefetch("reasons", Reason.objects.order_by("position")),
            Prefetch("added_reasons", AddedReason.objects.told()),
            Prefetch(
                "handovers",
                Handover.objects.waiting().order_by("pk"),
                to_attr="waiting",
            ),
            Prefetch("context_entries", entries, to_attr="kept_entries"),
            Prefetch("training_examples", examples, to_attr="kept_examples"),
        )
    )


def _may(request: ProjectRequest) -> dict[str, bool]:
    return {"may_curate": request.membership.may(Membership.Role.CURATOR)}
