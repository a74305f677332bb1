"""The pages that make and change a queue, and what its audits tell."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.http import Http404, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from feedback.models import Membership, Project
from feedback.timeouts import TooSlowError
from review import audits, queues, reviewers, rules
from review.filters import ReviewFilter
from review.forms import FILTER_FIELDS, QueueForm, StratumForm, StratumForms
from review.http import ProjectRequest, project_view
from review.models import Queue
from review.rules import Rules, StratumRule
from review.staleness import mark

# Parts that a form has room for: those there are and one more, at least so many.
FEWEST_PARTS = 3


@require_http_methods(["GET", "HEAD", "POST"])
@project_view(Membership.Role.MODERATOR)
def queue_create(request: ProjectRequest) -> HttpResponseBase:
    """Moderators: the form of a new queue, with the filter of ?words=, and its making."""
    asked = _Asked(request.project, request.POST or None, words=request.GET.get("words", "")[:2000])
    if request.method == "POST" and asked.is_valid():
        try:
            made = rules.create_queue(
                project=request.project, rules=asked.rules(), by=request.user, now=timezone.now()
            )
        except queues.QueueError as error:
            asked.add_error(error)
        else:
            return redirect("queue", request.project.slug, made.slug)
    return _form(request, asked, None)


@require_http_methods(["GET", "HEAD", "POST"])
@project_view(Membership.Role.MODERATOR)
def queue_edit(request: ProjectRequest, queue: str) -> HttpResponseBase:
    """Moderators: the form of a queue that is there, and its change."""
    edited = _queue(request, queue)
    asked = _Asked(request.project, request.POST or None, there=rules.rules_of(queue=edited))
    there = asked.seen
    asked.seen = request.POST.get("seen", there)
    if request.method == "POST" and asked.is_valid():
        try:
            rules.edit_queue(
                queue=edited,
                rules=asked.rules(),
                by=request.user,
                now=timezone.now(),
                seen=asked.seen,
            )
        except queues.QueueError as error:
            asked.add_error(error)
            if error.path == "rules":
                asked.seen = there
        else:
            return redirect("queue", request.project.slug, edited.slug)
    return _form(request, asked, edited)


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.MODERATOR)
def queue_preview(request: ProjectRequest) -> HttpResponse:
    """Moderators: how many answers the form's rules match now, and the newest of them."""
    asked = _Asked(request.project, request.GET, is_named=False)
    context: dict[str, Any] = {"preview": None}
    if asked.is_valid():
        try:
            context["preview"] = rules.preview(project=request.project, rules=asked.rules())
        except queues.QueueError as error:
            asked.add_error(error)
        except TooSlowError:
            context["is_too_slow"] = True
    context["errors"] = asked.errors
    name = "_preview" if request.htmx else "preview"
    return render(
        request,
        f"review/queues/{name}.html",
        context,
        status=422 if asked.errors else 200,
    )


@require_safe
@vary_on_headers("HX-Request")
@project_view(Membership.Role.VIEWER)
def queue_shares(request: ProjectRequest, queue: str) -> HttpResponse:
    """Who sees the queue: how common faults are among all answers that the queue is about."""
    shown = _queue(request, queue)
    name = "_shares" if request.htmx else "shares"
    context = {"queue": shown, "audit": audits.audit(queue=shown)}
    return render(request, f"review/queues/{name}.html", context)


def _queue(request: ProjectRequest, slug: str) -> Queue:
    found = get_object_or_404(Queue, project=request.project, slug=slug)
    if not found.is_seen_by(request.user):
        raise Http404
    return found


def _form(request: ProjectRequest, asked: _Asked, queue: Queue | None) -> HttpResponse:
    return render(
        request,
        "review/queues/form.html",
        {
            "form": asked.form,
            "strata": asked.strata,
            "queue": queue,
            "seen": asked.seen,
            "members": reviewers.able(project=request.project),
            "filter_fields": [asked.form[name] for name in FILTER_FIELDS if name != "words"],
        },
        status=422 if asked.errors else 200,
    )


@dataclass
class _Asked:
    """What the form of a queue was given, or starts with."""

    form: QueueForm
    strata: forms.BaseFormSet[StratumForm]
    # The mark of the rules that were shown.
    seen: str

    def __init__(
        self,
        project: Project,
        data: QueryDict | None,
        *,
        words: str = "",
        there: Rules | None = None,
        is_named: bool = True,
    ) -> None:
        start: dict[str, Any] = {"words": words}
        parts: list[dict[str, Any]] = []
        if there:
            start = {
                "name": there.name,
                "words": str(ReviewFilter.from_json(there.filter)),
                "order": there.order,
                "reviewers_per_item": there.reviewers_per_item,
                "required": list(there.required),
                "minutes": f"{there.lease_seconds / 60:.6g}",
                "due_hours": there.due_hours,
                "for_whom": "all" if there.reviewers is None else "some",
                "reviewers": ", ".join(there.reviewers or ()),
            }
            parts = [
                {
                    "name": one.name,
                    "filter": str(ReviewFilter.from_json(one.filter)),
                    # Each digit, so that what is sent as it was shown is the share it was.
                    "percent": f"{Decimal(str(one.rate)).scaleb(2):f}",
                    "is_audit": one.is_audit,
                }
                for one in there.strata
            ]
        parts += [{}] * max(FEWEST_PARTS - len(parts), 1)
        self.seen = mark(there) if there else ""
        self.form = QueueForm(data, project=project, initial=start)
        if not is_named:
            self.form.fields["name"].required = False
        if data and not there and "strata-TOTAL_FORMS" not in data:
            data = data.copy()
            data.update({"strata-TOTAL_FORMS": "0", "strata-INITIAL_FORMS": "0"})
        # A part sent as it was is still a part: a form takes what equals its start for blank.
        start_parts = None if data else parts[: rules.MOST_STRATA]
        self.strata = StratumForms(data, prefix="strata", initial=start_parts)

    def is_valid(self) -> bool:
        """Whether both the form and its parts can be read."""
        are_valid = self.form.is_valid(), self.strata.is_valid()
        return all(are_valid)

    @property
    def errors(self) -> dict[str, str]:
        """The first error of each field, by what the field is called."""
        if not self.form.is_bound:
            return {}
        told = {
            str(form[name].label if name in form.fields else "Rules"): str(errors[0])
            for form in (self.form, *self.strata.forms)
            for name, errors in form.errors.items()
        }
        for error in self.strata.non_form_errors():
            told["Parts"] = str(error)
        return told

    def rules(self) -> Rules:
        """The rules that were entered; both have to be valid."""
        given = self.form.cleaned_data
        return Rules(
            name=given["name"],
            filter=self.form.output_filter.to_json(),
            strata=[
                StratumRule(
                    name=part.cleaned_data["name"],
                    filter=part.output_filter.to_json(),
                    rate=part.rate,
                    is_audit=part.cleaned_data["is_audit"],
                )
                for part in self._parts()
            ],
            reviewers_per_item=given["reviewers_per_item"],
            required=given["required"],
            lease_seconds=round(given["minutes"] * 60),
            due_hours=given["due_hours"],
            order=given["order"] or Queue.Order.PRIORITY,
            reviewers=given["reviewers"],
        )

    def add_error(self, error: queues.QueueError) -> None:
        """Say an error of the operation at its field."""
        head, _, rest = error.path.partition(".")
        number, _, name = rest.partition(".")
        if head == "strata" and number:
            path = {"rate": "percent"}.get(name, name.partition(".")[0])
            self._parts()[int(number)].add_error(path, error.message)
            return
        path = {"lease_seconds": "minutes"}.get(head, head)
        self.form.add_error(path if path in self.form.fields else None, error.message)

    def _parts(self) -> list[StratumForm]:
        return [part for part in self.strata.forms if part.has_content()]
