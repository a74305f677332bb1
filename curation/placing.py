"""Puts what one review settled into several libraries and sets, and takes it back as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import transaction
from django.db.models import Model

from curation import context_libraries, pairing, promotion
from curation.models import (
    ContextEntry,
    ContextLibrary,
    Example,
    Placing,
    PromotionJob,
    PublishedEntry,
    Release,
    ReleasedExample,
    Revocation,
    TrainingSet,
)
from feedback.models import Project, User
from review.models import Event, Handover, Review
from review.stored_rows import told

# What a worker adds to what was made, or what others decide for all handovers: no change of it.
_NOT_SAID = frozenset({"vector", "embedded_with"})
_DUE = frozenset({"due_at", "due_order"})


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where reviews go: libraries and training sets of one project, and as what.

    `query` and `answer` replace what entries would say, where they are not None; a training
    set takes the answer as it was reviewed.
    """

    libraries: Sequence[ContextLibrary] = ()
    training_sets: Sequence[TrainingSet] = ()
    kind: str = "example"
    why: str = ""
    query: str | None = None
    answer: str | None = None

    def __bool__(self) -> bool:
        return bool(self.libraries or self.training_sets)


def find_places(
    *, project: Project, libraries: Iterable[str], training_sets: Iterable[str]
) -> tuple[list[ContextLibrary], list[TrainingSet]]:
    """Return the project's libraries and sets with these slugs, by name; others are left out."""
    slugs, sets = ([one.replace("\0", "") for one in names] for names in (libraries, training_sets))
    return (
        list(project.context_libraries.filter(slug__in=slugs).order_by("name", "pk")),
        list(project.training_sets.filter(slug__in=sets).order_by("name", "pk")),
    )


def place(
    *, review: Review, places: Places, job: PromotionJob, by: User, now: datetime
) -> list[Placing]:
    """Promote a review into each place; return, not stored, what became of it in each.

    A place that has it, or cannot hold it, says so in `problem`; the others get it. Needs a
    transaction.
    """
    made = [_place(review, library, places, job, by, now) for library in places.libraries]
    return made + [_place(review, one, places, job, by, now) for one in places.training_sets]


def _place(
    review: Review,
    into: ContextLibrary | TrainingSet,
    places: Places,
    job: PromotionJob,
    by: User,
    now: datetime,
) -> Placing:
    if isinstance(into, ContextLibrary):
        placing = Placing(job=job, review=review, library=into)
        route = Review.Route.LIBRARY
    else:
        placing = Placing(job=job, review=review, training_set=into)
        route = Review.Route.TRAINING
    placing.before = _handover(review, route)
    try:
        # What could not be edited is not made either.
        with transaction.atomic():
            _make(placing, into, places, by, now)
    except promotion.PromotionError as error:
        placing.problem, placing.before = str(error)[:300], {}
        placing.entry = placing.example = None
        placing.made_sha256 = ""
    else:
        placing.after = _handover(review, route)
    return placing


def _make(
    placing: Placing,
    into: ContextLibrary | TrainingSet,
    places: Places,
    by: User,
    now: datetime,
) -> None:
    """Promote the placing's review, and set what was made. Raises PromotionError."""
    review = placing.review
    if isinstance(into, ContextLibrary):
        placing.entry = promotion.promote_to_library(
            review=review, library=into, kind=places.kind, why=places.why, by=by, now=now
        )
        _edit(placing.entry, places, by, now)
        placing.made_sha256 = _sha256(ContextEntry, placing.entry.pk)
    else:
        placing.example = promotion.promote_to_training_set(
            review=review, training_set=into, by=by, now=now
        )
        placing.made_sha256 = _sha256(Example, placing.example.pk)


def _edit(entry: ContextEntry, places: Places, by: User, now: datetime) -> None:
    """Have an entry say what a curator wrote. Raises PromotionError."""
    query = entry.query if places.query is None else places.query
    answer = entry.answer if places.answer is None else places.answer
    if (query, answer) == (entry.query, entry.answer):
        return
    try:
        context_libraries.edit_entry(
            entry=entry,
            kind=entry.kind,
            query=query,
            answer=answer,
            why=entry.why,
            roles=[],
            environments=[],
            models=[],
            by=by,
            now=now,
        )
    except context_libraries.LibraryError as error:
        raise promotion.PromotionError(str(error)) from error


def take_back(*, placings: Sequence[Placing], by: User, now: datetime) -> None:
    """Delete what these made, the latest first, and have their handovers as they were.

    What was edited, removed, published or released since stays; the placing's `conflict` says so.
    Needs a transaction.
    """
    # A version or a release that is begun meanwhile waits for this, or this for it.
    libraries = {one.library_id for one in placings if one.library_id}
    sets = {one.training_set_id for one in placings if one.training_set_id}
    for rows in (
        ContextLibrary.objects.filter(pk__in=libraries),
        TrainingSet.objects.filter(pk__in=sets),
    ):
        list(rows.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    for placing in sorted(placings, key=lambda one: -one.pk):
        placing.conflict = _take_back(placing, by, now)
        placing.outcome = Placing.Outcome.CONFLICT if placing.conflict else Placing.Outcome.UNDONE
    Placing.objects.bulk_update(placings, ["outcome", "conflict"])


def _take_back(placing: Placing, by: User, now: datetime) -> str:
    """Take one back; why it stays, or "" when it is gone."""
    model: type[ContextEntry] | type[Example] = ContextEntry if placing.library_id else Example
    # What is gone has left no id; no row has 0.
    pk = placing.entry_id or placing.example_id or 0
    row: ContextEntry | Example | None = (
        model._default_manager.select_for_update(of=("self",)).filter(pk=pk).first()
    )
    if row is None:
        return "It is gone."
    if row.removed_at is not None:
        return "Somebody removed it since."
    if _sha256(model, row.pk) != placing.made_sha256:
        return "Somebody edited it since."
    if why := _held(row):
        return why
    if isinstance(row, Example):
        pairing.delete_with(example=row)
    row.delete()
    Event.objects.create(
        project_id=placing.review.project_id,
        actor=by,
        verb="took_back",
        target_type="context_entry" if placing.library_id else "example",
        target_id=pk,
        data={"review": placing.review_id, "job": placing.job_id},
        at=now,
    )
    _reopen(placing)
    return ""


def _held(row: ContextEntry | Example) -> str:
    """Why a row that nobody changed cannot go; "" when it can."""
    if isinstance(row, ContextEntry):
        if PublishedEntry.objects.filter(entry=row).exists():
            return "It has been published since. Remove it from the draft."
        return "A test question expects it." if row.probes.exists() else ""
    if ReleasedExample.objects.filter(example=row).exists():
        return "It has been released since. Remove it from the set."
    if Release.objects.active().filter(training_set=row.training_set_id).exists():
        return "A release is being made. Remove it from the set."
    return "It has been revoked since." if Revocation.objects.filter(example=row).exists() else ""


def _reopen(placing: Placing) -> None:
    """Write back the handover that this closed, unless it changed since or is closed elsewhere."""
    was, left = placing.before, placing.after
    if not was or was == left:
        return
    found = Handover.objects.select_for_update().filter(pk=was["id"])
    if not found.exists():
        return
    current = told(Handover, [was["id"]])[was["id"]]
    if any(current[name] != value for name, value in left.items() if name not in _DUE):
        return
    if promotion.holding(was["route"]).filter(review=placing.review_id).exists():
        return
    names = ("status", "opened_at", "taken_by_id", "taken_at", "done_by_id", "done_at")
    Handover.objects.filter(pk=was["id"]).update(
        is_promoted=was["is_promoted"], **{name: was[name] for name in names}
    )


def _handover(review: Review, route: str) -> dict[str, Any]:
    """The review's handover on a route as it is stored, locked; empty where there is none."""
    rows = Handover.objects.select_for_update().filter(review=review, route=route)
    found = list(rows.values_list("pk", flat=True))
    return told(Handover, found)[found[0]] if found else {}


def _sha256(model: type[Model], pk: int) -> str:
    row = told(model, [pk])[pk]
    said = {name: value for name, value in row.items() if name not in _NOT_SAID}
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
