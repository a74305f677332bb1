"""Finds reviewed answers worth promoting, and proposes them to curators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Count, Exists, IntegerField, Max, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from curation import pii, screening
from curation.asked import asked_in, said
from curation.formats import chat_prompt
from curation.models import Candidate, ContextEntry, Example
from curation.nominating import Kept, Nominee, Outcome, nominate
from curation.pairing import reviewed_text
from curation.promotion import PromotionError, settled_answer, unpromoted
from feedback.models import Embedding, Output, Project
from review.models import Event, Review
from review.models.review import ReviewQuerySet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# So many wait for curators at most, and so many reviews are looked at in one go.
MOST_WAITING = 50
BATCH = 200
# What is compared with: the newest of each kind, which bounds memory to some 60 MB.
MOST_COMPARED = 20_000
_AS_CANDIDATE = {"waiting": "a candidate that waits", "rejected": "a candidate that was rejected"}


@dataclass(frozen=True)
class _Nearby:
    """Something kept: an entry, an example, or the review of another candidate."""

    entry: int | None = None
    example: int | None = None
    words: str = ""


def propose_all(*, model: str, now: datetime) -> int:
    """Look through what is confirmed in each project, and return how many became candidates."""
    return sum(
        propose(project=project, model=model, now=now) for project in Project.objects.order_by("pk")
    )


def unexamined(*, project: Project, model: str) -> ReviewQuerySet:
    """Reviews that enough people confirm and no worker has looked at, with `num_reviewers`.

    Confirmed is a verdict by those who gave the same on the same version. They count, settle an
    answer, are in no library or set, nobody is still to judge unaware of them, and their question
    has a vector of the model.
    """
    same = (
        Review.objects.filter(
            output=OuterRef("output"),
            output_version=OuterRef("output_version"),
            verdict=OuterRef("verdict"),
        )
        .order_by()
        .values("output")
        .annotate(num=Count("reviewer", distinct=True))
        .values("num")
    )
    embedded = Embedding.objects.filter(
        output=OuterRef("output"), part=Embedding.Part.QUERY, model=model
    )
    counting = Review.objects.authoritative().revealed()
    settled = counting.filter(
        Q(verdict=Review.Verdict.ACCEPT) | ~Q(correction=""), project=project, candidate=None
    )
    return (
        unpromoted(settled)
        .filter(~Q(output__query=""), Exists(embedded))
        .annotate(num_reviewers=Coalesce(Subquery(same, output_field=IntegerField()), 0))
        .filter(num_reviewers__gte=project.confirmations)
    )


def propose(*, project: Project, model: str, now: datetime) -> int:
    """Propose some of what is confirmed in a project; return how many.

    What has personal data, injected commands or a near duplicate is passed over, with why. What
    there is no room for is looked at again when curators have decided on some.
    """
    # Nobody can decide on one that is hidden for now, so it keeps no other one out.
    waiting = Candidate.objects.waiting().revealed().filter(project=project)
    room = MOST_WAITING - waiting.count()
    if room <= 0:
        return 0
    last = _last(project)
    rows = unexamined(project=project, model=model).select_related("output", "project")
    reviews = list(rows.order_by("pk")[:BATCH])
    if not reviews:
        return 0
    made = [*_examined(project, reviews, model, room)]
    for one in made:
        one.proposed_at = now
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        # Another worker was here meanwhile: what it proposed was not compared with.
        if _last(project) != last:
            return 0
        Candidate.objects.bulk_create(made)
        proposed = [one for one in made if one.status == Candidate.Status.WAITING]
        Event.objects.bulk_create(
            Event(
                project=project,
                output_id=one.review.output_id,
                verb="proposed",
                target_type="candidate",
                target_id=one.pk,
                data={"review": one.review_id},
                at=now,
            )
            for one in proposed
        )
    return len(proposed)


def _last(project: Project) -> int:
    found = Candidate.objects.filter(project=project).aggregate(last=Max("pk"))
    return found["last"] or 0


def _examined(
    project: Project, reviews: list[Review], model: str, room: int
) -> Iterator[Candidate]:
    """A candidate, not stored, for each review that something is said of; the best first."""
    vectors = _vectors({one.output_id for one in reviews}, model)
    of_id = {one.pk: one for one in reviews}
    nominees, unfit = [], []
    for review in reviews:
        if why := fault(review):
            unfit.append(_candidate(review, unfit_why=why))
        else:
            nominees.append(
                Nominee(
                    id=review.pk,
                    asked=asked_in(_prompt(review.output)),
                    vector=vectors[review.output_id],
                    num_reviewers=review.num_reviewers,  # type: ignore[attr-defined]
                )
            )
    nearby, kept = _kept(project, model)
    for one in nominate(nominees=nominees, kept=kept, most=room):
        near = nearby[one.nearest] if one.nearest is not None else _Nearby()
        yield _candidate(
            of_id[one.nominee],
            unfit_why=_why_double(one, nearby),
            similarity=one.similarity,
            nearest_entry_id=near.entry,
            nearest_example_id=near.example,
        )
    yield from unfit


def _candidate(review: Review, *, unfit_why: str, **fields: object) -> Candidate:
    return Candidate(
        project_id=review.project_id,
        review=review,
        status=Candidate.Status.UNFIT if unfit_why else Candidate.Status.WAITING,
        unfit_why=unfit_why,
        num_reviewers=review.num_reviewers,  # type: ignore[attr-defined]
        **fields,
    )


def _why_double(one: Outcome, nearby: list[_Nearby]) -> str:
    if one.double is not None:
        return f"It asks nearly the same as {nearby[one.double].words}."
    return "It asks nearly the same as a better candidate." if one.twin is not None else ""


def fault(review: Review) -> str:
    """Why a review is not proposed for what it says; "" when nothing speaks against it."""
    try:
        answer = settled_answer(review=review, into=review.project)
    except PromotionError as error:
        return str(error)[:300]
    for name, text in (("question", review.output.query), ("answer", answer)):
        if personal := pii.find(text):
            return f"Its {name} has {pii.LABELS[personal[0].kind]}."
        if noticed := screening.screen(text):
            return f"Its {name} {screening.LABELS[noticed[0].danger]}."
    # What else a training set would hold of users: what the system says is the team's own.
    prompt = chat_prompt(system="", messages=review.output.messages, query="")
    turns = said(turn for turn in prompt if turn["role"] != "system")
    for name, texts in (("answer as it was given", [reviewed_text(review)]), ("session", turns)):
        for text in texts:
            if personal := pii.find(text):
                return f"Its {name} has {pii.LABELS[personal[0].kind]}."
    return ""


def _prompt(output: Output) -> list[dict[str, object]]:
    return chat_prompt(system="", messages=output.messages, query=output.query)


def _kept(project: Project, model: str) -> tuple[list[_Nearby], list[Kept]]:
    """What candidates must not repeat; an id is a place in the first list."""
    import numpy as np

    nearby: list[_Nearby] = []
    kept: list[Kept] = []

    def add(near: _Nearby, prompt: list[dict[str, object]], vector: NDArray[np.float32]) -> None:
        kept.append(Kept(id=len(nearby), asked=asked_in(prompt), vector=vector))
        nearby.append(near)

    entries = ContextEntry.objects.kept().filter(library__project=project)
    lone = entries.filter(embedded_with=model, vector__isnull=False).exclude(query="")
    for pk, query, library, vector in lone.order_by("-pk").values_list(
        "pk", "query", "library__name", "vector"
    )[:MOST_COMPARED]:
        unit = np.asarray(vector, dtype=np.float32)
        norm = float(np.linalg.norm(unit)) or 1.0
        add(
            _Nearby(entry=pk, words=f"an entry of {library}"),
            [{"role": "user", "content": query}],
            unit / norm,
        )
    rows: list[tuple[int, _Nearby]] = [
        (output, _Nearby(entry=pk, words=f"an entry of {library}"))
        for pk, output, library in entries.exclude(embedded_with=model)
        .filter(output__isnull=False)
        .order_by("-pk")
        .values_list("pk", "output", "library__name")[:MOST_COMPARED]
    ]
    rows += [
        (output, _Nearby(example=pk, words=f"an example of {name}"))
        for pk, output, name in Example.objects.kept()
        .filter(training_set__project=project, output__isnull=False)
        .order_by("-pk")
        .values_list("pk", "output", "training_set__name")[:MOST_COMPARED]
    ]
    others = Candidate.objects.filter(
        project=project, status__in=[Candidate.Status.WAITING, Candidate.Status.REJECTED]
    )
    rows += [
        (
            output,
            _Nearby(words=_AS_CANDIDATE[status]),
        )
        for output, status in others.order_by("-pk").values_list("review__output", "status")[
            :MOST_COMPARED
        ]
    ]
    wanted = {output for output, _ in rows}
    vectors = _vectors(wanted, model)
    outputs = Output.objects.filter(pk__in=vectors).only("messages", "query").in_bulk()
    for output, near in rows:
        if output in outputs and output in vectors:
            add(near, _prompt(outputs[output]), vectors[output])
    return nearby, kept


def _vectors(outputs: set[int], model: str) -> dict[int, NDArray[np.float32]]:
    import numpy as np

    found = Embedding.objects.filter(output__in=outputs, part=Embedding.Part.QUERY, model=model)
    return {
        output or 0: np.asarray(vector, dtype=np.float32)
        for output, vector in found.values_list("output", "vector")
    }
