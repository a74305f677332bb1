"""The context libraries, the page of one, and its versions."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count, F, Prefetch, Q, QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from curation import context_libraries, drafts, serving, tokens
from curation.forms import NameForm, TryForm
from curation.models import ContextEntry, ContextLibrary, EntryKind, Experiment, LibraryVersion
from curation.models.context import ContextEntryQuerySet
from curation.shelves import Audience
from curation.snippets import snippets
from feedback.embedding import get_encoder, model_id
from feedback.models import Membership, User
from feedback.paging import page
from review.http import ProjectRequest, project_view
from review.models import Annotation, Review
from review.models.annotation import AnnotationQuerySet
from review.models.review import ReviewQuerySet

PAGE_SIZE = 50
VERSIONS_SHOWN = 20


@require_safe
@project_view(Membership.Role.VIEWER)
def library_list(request: ProjectRequest) -> HttpResponse:
    """Every member: the project's libraries with what is drafted and what is live."""
    libraries = request.project.context_libraries.annotate(
        num_entries=Count("entries", filter=Q(entries__removed_at=None)),
        live_number=F("live__number"),
        live_status=F("live__experiment__status"),
        live_since=F("live__published_at"),
    ).order_by("name", "pk")
    return render(request, "curation/libraries/list.html", {"libraries": libraries, **may(request)})


@require_http_methods(["GET", "HEAD", "POST"])
@project_view(Membership.Role.CURATOR)
def library_create(request: ProjectRequest) -> HttpResponseBase:
    """Curators: the form of a new library, and its making."""
    form = NameForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            library = context_libraries.create_library(
                project=request.project, **form.cleaned_data, by=request.user, now=timezone.now()
            )
        except context_libraries.LibraryError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, "Library created. Promote reviews into it.")
            return redirect("library", request.project.slug, library.slug)
    return render(
        request,
        "curation/libraries/create.html",
        {"form": form},
        status=422 if form.errors else 200,
    )


@require_safe
@project_view(Membership.Role.VIEWER)
def library(request: ProjectRequest, library: str) -> HttpResponse:
    """Every member: the draft's entries, one of them in full, the versions, and a trial."""
    shown = find_library(request, library)
    return render(request, "curation/libraries/page.html", _page(request, shown, TryForm()))


@require_POST
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def library_try(request: ProjectRequest, library: str) -> HttpResponse:
    """Every member: what a question would get, from the draft or live. Nothing is recorded."""
    shown = find_library(request, library)
    form = TryForm(request.POST)
    tried: serving.Prompt | None = None
    if form.is_valid():
        given = form.cleaned_data
        options: dict[str, Any] = {
            "messages": [{"role": "user", "content": given["question"]}],
            "encoder": get_encoder(),
            "audience": Audience(role=given["role"]),
            "today": timezone.now().date(),
            "k": given["k"],
            "token_budget": given["token_budget"],
        }
        live = serving.live_version(shown)
        if given["of"] == "draft":
            tried = serving.preview_draft(library=shown, **options)
        elif live is None:
            form.add_error("of", "Nothing is published yet. Try the draft.")
        elif _stopped(shown).filter(version=live).exists():
            form.add_error("of", f"v{live.number} was stopped: nothing is served. Try the draft.")
        else:
            try:
                tried = serving.preview_version(version=live, **options)
            except serving.NothingPublishedError as error:
                form.add_error("of", str(error))
    status = 200 if tried else 422
    context: dict[str, object] = {
        "library": shown,
        "tried": tried,
        "form": form,
        **may(request),
    }
    if request.htmx:
        return render(request, "curation/libraries/_try.html", context, status=status)
    context |= _page(request, shown, form)
    return render(request, "curation/libraries/page.html", context, status=status)


@require_safe
@project_view(Membership.Role.VIEWER)
def library_connect(request: ProjectRequest, library: str) -> HttpResponse:
    """Every member: code that puts the library's context into prompts."""
    shown = find_library(request, library)
    site = f"{request.scheme}://{request.get_host()}"
    context = {"library": shown, "snippets": snippets(site=site, library=shown.slug)}
    return render(request, "curation/libraries/connect.html", context)


@require_safe
@project_view(Membership.Role.VIEWER)
def library_version(request: ProjectRequest, library: str, number: int) -> HttpResponse:
    """Every member: what a version serves, as it was published, and what it changed."""
    shown = find_library(request, library)
    version = get_object_or_404(
        shown.versions.select_related("published_by", "approved_by"), number=number
    )
    former = shown.versions.filter(number__lt=number).order_by("-number").first()
    only = request.GET.get("only")
    listed = version.entries.compared_to(former).defer("vector")
    gone = drafts.gone(former=former, version=version)
    if only == "changes":
        listed = listed.filter(~Q(state=ContextEntry.State.UNCHANGED))
    elif only == "removed":
        listed = gone
    entries = page(listed, order=["position"], size=PAGE_SIZE, cursor=request.GET.get("cursor", ""))
    rows, removed_cursor = entries.rows, None
    if only == "changes" and entries.next_cursor is None:
        # What it took out comes after what it changed, and goes on on pages of its own.
        removed = page(gone, order=["position"], size=PAGE_SIZE)
        rows, removed_cursor = [*rows, *removed.rows], removed.next_cursor
    context = {
        "library": shown,
        "version": version,
        "former": former,
        "counts": drafts.count_between(former=former, version=version),
        "only": only,
        "comparisons": drafts.compare_between(entries=rows, former=former),
        "next_cursor": entries.next_cursor,
        "removed_cursor": removed_cursor,
    }
    return render(request, "curation/libraries/version.html", context)


def find_library(request: ProjectRequest, slug: str) -> ContextLibrary:
    """Return the project's library of that slug, or raise Http404."""
    return get_object_or_404(request.project.context_libraries.select_related("live"), slug=slug)


def may(request: ProjectRequest) -> dict[str, bool]:
    """What templates offer; the views check it themselves."""
    return {"may_curate": request.membership.may(Membership.Role.CURATOR)}


def with_sources(entries: ContextEntryQuerySet, *, reader: User) -> ContextEntryQuerySet:
    """Entries with the people, session, output, review and annotations that they come from.

    Expects that they are only read: the review is None where the reader may not see it.
    """
    return entries.select_related("created_by", "owner", "output__session").prefetch_related(
        "feedback__reasons", reviewed_for(reader), noted_for(reader)
    )


def reviewed_for(reader: User, name: str = "review") -> Prefetch[str, ReviewQuerySet, str]:
    """The review that an entry or an example comes from, if the reader may see it."""
    return Prefetch(name, Review.objects.seen_by(reader).select_related("reviewer"))


def noted_for(reader: User) -> Prefetch[str, AnnotationQuerySet, str]:
    """What the reader may see of the annotations that an entry or an example comes from."""
    seen = Annotation.objects.seen_by(reader).filter(deleted_at=None)
    return Prefetch("annotations", seen.select_related("author", "reason").order_by("start", "pk"))


def _page(request: ProjectRequest, library: ContextLibrary, form: TryForm) -> dict[str, object]:
    live = serving.live_version(library)
    entries = library.entries.compared_to(live).defer("vector")
    kinds = dict(
        entries.filter(removed_at=None).values_list("kind").annotate(Count("pk")).order_by()
    )
    kind = request.GET.get("kind", "")
    words = request.GET.get("words", "").replace("\x00", "").strip()[:200]
    listed = entries.filter(kind=kind) if kind in EntryKind.values else entries
    if words:
        listed = listed.filter(Q(query__icontains=words) | Q(answer__icontains=words))
    found = page(listed, order=["-id"], size=PAGE_SIZE, cursor=request.GET.get("cursor", ""))
    entry = _chosen(request, library, entries, found.rows)
    return {
        "library": library,
        "live": live,
        "is_outdated": live is not None and not live.can_be_served_with(model_id()),
        "counts": drafts.count(library=library, version=live),
        "next_number": context_libraries.next_number(library),
        "kinds": [(value, label, kinds.get(value, 0)) for value, label in EntryKind.choices],
        "kind": kind,
        "words": words,
        "entries": found,
        "entry": entry,
        "comparison": drafts.compare(entries=[entry], version=live)[0] if entry else None,
        "num_tokens": tokens.count(entry.answer) if entry else 0,
        "history": entry.published.select_related("version")
        .defer("vector")
        .order_by("-version__number")[:VERSIONS_SHOWN]
        if entry
        else [],
        "versions": _versions(library),
        "experiment": Experiment.objects.running()
        .filter(version=live)
        .select_related("baseline")
        .first(),
        # A version that follows a stopped one without what was erased has the same time.
        "stopped": _stopped(library)
        .select_related("version")
        .order_by("-ended_at", "-version__number")
        .first(),
        "waiting": library.proposals.filter(status="waiting").exists(),
        "form": form,
        **may(request),
    }


def _chosen(
    request: ProjectRequest,
    library: ContextLibrary,
    entries: ContextEntryQuerySet,
    rows: list[ContextEntry],
) -> ContextEntry | None:
    """The entry that ?entry= names; else the first of the list."""
    asked = request.GET.get("entry", "")
    known = with_sources(entries, reader=request.user)
    if asked.isascii() and asked.isdecimal() and len(asked) < 19:
        # A former version leads to entries that are neither in the draft nor live any more.
        former = with_sources(library.entries.defer("vector"), reader=request.user)
        return known.filter(pk=asked).first() or get_object_or_404(former, pk=asked)
    return known.filter(pk=rows[0].pk).first() if rows else None


def _stopped(library: ContextLibrary) -> QuerySet[Experiment]:
    return Experiment.objects.filter(version__library=library, status=Experiment.Status.STOPPED)


def _versions(library: ContextLibrary) -> QuerySet[LibraryVersion]:
    return (
        library.versions.select_related("published_by", "approved_by", "experiment")
        .annotate(num_entries=Count("entries"))
        .order_by("-number")[:VERSIONS_SHOWN]
    )
