"""The trail beside an answer: its session, what it was made from, and what resembles it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Prefetch
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from feedback.embedding import model_id
from feedback.models import Membership, Output
from review import charts, evidencing, resemblance, theme_reports
from review.anchoring import Mark
from review.grouping import num_alike
from review.http import ProjectRequest, project_view
from review.models import Annotation, Evidence, Provisional, Queue, QueueItem, Theme
from review.trail import (
    Passage,
    Trail,
    beyond,
    exposure_tokens,
    open_turn,
    trail,
    turns,
)
from review.views.chips import chips
from review.views.selecting import whole
from review.views.tags import tagging

# Code points of an exposure that is not one of Postil's own.
MOST_EXPOSURE = 2_000
# Comments that words can be marked for without a script, the newest.
MOST_CHOICES = 100


def trailing(
    request: ProjectRequest, *, output: Output, item: QueueItem | None, theme: Theme | None
) -> dict[str, object]:
    """What the trail beside an answer shows, as the query string of the page asks.

    ?find= words, ?before= and ?after= cursors, ?text= the key of a text to open, ?related=1 what
    resembles the answer, ?evidence= words of the document ?text= to be marked.
    """
    found = _trail(request, output)
    queue = item.queue if item else None
    group = item.group_id if item else None
    carried = Provisional.objects.filter(output=output)
    # Few have one, and who may see it is the longer question.
    if carried.exists():
        seen = carried.seen_by(request.user)
        provisional = seen.select_related("decided_by", "spot_check__group__queue").first()
    else:
        provisional = None
    at = reverse("queue", args=[request.project.slug, queue.slug]) if queue else ""
    asks_related = bool(request.GET.get("related"))
    return {
        "trail": found,
        "provisional": provisional,
        "sees_sample": provisional is not None
        and Queue.objects.visible_to(request.user)
        .filter(pk=provisional.spot_check.group.queue_id)
        .exists(),
        "num_alike": num_alike(groups=[group]).get(group, 0) if group else 0,
        "theme": theme,
        "spark": charts.spark(theme_reports.weekly(theme=theme, now=timezone.now()))
        if theme
        else "",
        "chips": chips(output, at=at),
        "tagging": tagging(request, output.session, names=found.tags, at=at),
        "exposures": exposure_tokens(output.exposure),
        "exposure_text": _exposure_text(output.exposure),
        "related": _related(request, output) if asks_related else None,
        "evidence": _choice(request, output),
    }


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def trail_turns(request: ProjectRequest, answer: int) -> HttpResponseBase:
    """Every member: the turns around an answer, or those that ?find= words; more by cursor."""
    output = _output(request, answer)
    if not request.htmx:
        return _page(request, output)
    found = _trail(request, output)
    if not {"before", "after"} & request.GET.keys():
        return render(request, "review/desk/_turns.html", {"trail": found, "output": output})
    context = {"trail": beyond(found, output), "output": output}
    return render(request, "review/desk/_rows.html", context)


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def turn(request: ProjectRequest, answer: int) -> HttpResponseBase:
    """Every member: one turn of a session with what its answer was made from."""
    output = _output(request, answer)
    if not request.htmx:
        return _page(request, output)
    [found] = turns(outputs=[output])
    context = {"opened": open_turn(turn=found), "is_former": True}
    return render(request, "review/desk/_opened.html", context)


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def turn_text(request: ProjectRequest, answer: int, text: str) -> HttpResponseBase:
    """Every member: a document, by its number, or the "system" context of an answer."""
    output = _output(request, answer)
    if not request.htmx:
        return _page(request, output, text=text)
    passage = passage_of(request, output, text)
    if passage is None:
        raise Http404
    return render(request, "review/desk/_text.html", {"passage": passage, "source": output})


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def related(request: ProjectRequest, answer: int) -> HttpResponseBase:
    """Every member: feedback like that on an answer, and decisions on answers just like it."""
    output = _output(request, answer)
    if not request.htmx:
        return _page(request, output, related="1")
    context = {"related": _related(request, output), "output": output}
    return render(request, "review/desk/_related.html", context)


def _output(request: ProjectRequest, pk: int) -> Output:
    outputs = Output.objects.filter(project=request.project).select_related("session")
    return get_object_or_404(outputs, pk=pk)


def _page(request: ProjectRequest, output: Output, **asked: str) -> HttpResponse:
    """The page of the answer that shows the same: a fragment alone is no page."""
    url = reverse("output", args=[request.project.slug, output.external_id])
    query = urlencode({**request.GET.dict(), **asked})
    return redirect(f"{url}?{query}" if query else url)


def _trail(request: ProjectRequest, output: Output) -> Trail:
    asked = request.GET
    return trail(
        output=output,
        marks=evidence_marks(request, output),
        opened=asked.get("text", ""),
        words=asked.get("find", ""),
        before=asked.get("before", ""),
        after=asked.get("after", ""),
    )


def evidence_marks(request: ProjectRequest, output: Output) -> Mapping[int, Sequence[Mark]]:
    """The marks in an output's documents of the annotations that this member may see."""
    if not output.documents:
        return {}
    annotations = (
        Annotation.objects.filter(
            pk__in=Evidence.objects.filter(annotation__output=output).values("annotation")
        )
        .seen_by(request.user)
        .select_related("reason")
        .prefetch_related(Prefetch("evidence", Evidence.objects.seen_by(request.user)))
        .order_by("pk")
    )
    return evidencing.passages(annotations=annotations, documents=output.documents)


def passage_of(request: ProjectRequest, output: Output, key: str) -> Passage | None:
    """A text behind an answer with its marks, by its key; None when there is none."""
    [found] = turns(outputs=[output])
    opened = open_turn(turn=found, marks=evidence_marks(request, output), opened=key)
    texts = [opened.system, *opened.documents]
    return next((one for one in texts if one and one.key == key), None)


def _related(request: ProjectRequest, output: Output) -> resemblance.Related:
    return resemblance.related(output=output, to=request.user, model=model_id())


def _exposure_text(exposure: object) -> str:
    """An exposure that is not one of Postil's own, as JSON cut at MOST_EXPOSURE."""
    if exposure is None or exposure_tokens(exposure):
        return ""
    return json.dumps(exposure, ensure_ascii=False, indent=1)[:MOST_EXPOSURE]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Words of a document that a page without a script is to mark; `error` when they are not there.

    `annotations` are the comments to choose from.
    """

    document: str
    words: str
    start: int = 0
    end: int = 0
    exact: str = ""
    error: str = ""
    annotations: Sequence[Annotation] = ()


def _choice(request: ProjectRequest, output: Output) -> Choice | None:
    """The words that ?evidence= names in the document ?text=; None when nothing is asked."""
    words = request.GET.get("evidence", "").replace("\r\n", "\n").strip()
    document = request.GET.get("text", "")
    if not words:
        return None
    number = whole(document) if document.isdecimal() else len(output.documents)
    if number >= len(output.documents):
        return Choice(document=document, words=words, error="The answer has no such document.")
    text = output.documents[number]["text"]
    start = text.find(words)
    if start < 0:
        return Choice(document=document, words=words, error="These words are not in the document.")
    annotations = (
        Annotation.objects.filter(output=output, deleted_at=None)
        .seen_by(request.user)
        .select_related("reason", "author")
        .order_by("-pk")[:MOST_CHOICES]
    )
    return Choice(
        document=document,
        words=words,
        start=start,
        end=start + len(words),
        exact=words,
        annotations=list(annotations),
    )
