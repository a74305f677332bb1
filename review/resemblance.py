"""What resembles an answer: feedback of the same meaning, decisions on answers just like it.

And the other answers to its question.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from pgvector.django import CosineDistance

from feedback.filters import OutputFilter
from feedback.models import Embedding, Feedback, Output, User
from feedback.nearest import Near, nearest
from feedback.scope import Scope
from review.models import Review
from review.models.ranks import without_peers

MOST_SIMILAR, MOST_PRECEDENTS, MOST_BESIDE = 8, 5, 20
# Texts of one output that others are compared with, the newest, and rows looked at for each: some
# are on the output itself, and several on one other.
MOST_OWN, MOST_SEEN = 4, 100

# Cosine from which a piece of feedback counts as similar: of unrelated questions of
# medical-question-pairs, one in a thousand reaches 0.52 with all-MiniLM-L6-v2.
SIMILAR = 0.5

# Cosine of both question and answer from which two outputs count as the same. Of the 1,942
# medical-question-pairs (half of them asked to sound the same and mean something else) all 58 that
# reach 0.92 mean the same; at 0.90 2 of 109 do not, at 0.85 3 %.
SAME = 0.92


@dataclass(frozen=True, kw_only=True)
class Similar:
    """Feedback on another output, its part that is nearest, and how near: a cosine."""

    feedback: Feedback
    part: str
    score: float

    @property
    def text(self) -> str:
        """The words of that part."""
        return str(getattr(self.feedback, self.part))


@dataclass(frozen=True, kw_only=True)
class Precedent:
    """A decision on an answer just like it, and the lower cosine of question and answer."""

    review: Review
    score: float


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Another answer to the same question, the decision on it, and what people ranked it.

    `review` is None where there is none, or somebody is still to judge without knowing it.
    """

    output: Output
    review: Review | None
    ranks: Sequence[Feedback]


@dataclass(frozen=True, kw_only=True)
class Related:
    """The most similar feedback and the nearest precedents, each the nearest first.

    `beside` are the other answers to the same question, and `own_ranks` how this one was ranked.

    `is_embedded` is false while the output has no vectors yet.
    """

    similar: Sequence[Similar]
    precedents: Sequence[Precedent]
    is_embedded: bool
    beside: Sequence[Beside] = ()
    own_ranks: Sequence[Feedback] = ()


def related(*, output: Output, to: User, model: str) -> Related:
    """Find what resembles an output, by the vectors of that model. A fixed number of queries.

    Decisions on outputs that somebody is still to judge without knowing them are left out, and so
    are others' ranks while the person is.
    """
    vectors = dict(
        Embedding.objects.filter(output=output, model=model).values_list("part", "vector")
    )
    ranks, beside = _beside(output, to)
    return Related(
        similar=_similar(output, model, list(vectors.values())),
        precedents=_precedents(output, model, vectors) if len(vectors) == 2 else [],
        is_embedded=bool(vectors),
        beside=beside,
        own_ranks=ranks,
    )


def _beside(output: Output, to: User) -> tuple[Sequence[Feedback], list[Beside]]:
    """How an output was ranked, and the first other answers to its question."""
    others = list(Output.objects.beside(output).order_by("at", "pk")[:MOST_BESIDE])
    if not others:
        return (), []
    reviews = {
        one.output_id: one
        for one in Review.objects.revealed()
        .authoritative()
        .filter(output__in=others)
        .select_related("reviewer")
    }
    ranks: dict[int | None, list[Feedback]] = defaultdict(list)
    said = Feedback.objects.explicit().filter(output__in=[output, *others], name=Feedback.RANK)
    for one in without_peers(said, to=to).order_by("at", "pk"):
        if one.is_rank:
            ranks[one.output_id].append(one)
    beside = [Beside(output=one, review=reviews.get(one.pk), ranks=ranks[one.pk]) for one in others]
    return ranks[output.pk], beside


@transaction.atomic
def _similar(output: Output, model: str, vectors: list[Any]) -> list[Similar]:
    """What is nearest to what was said on an output, else to its question and answer."""
    said = Embedding.objects.filter(feedback__output=output, model=model).order_by(
        "-feedback", "pk"
    )
    own = list(said.values_list("vector", flat=True)[:MOST_OWN]) or vectors
    scope = Scope(project=output.project, wanted=OutputFilter())
    best: dict[int, Near] = {}
    for vector in own:
        for near in nearest(
            scope=scope, kind="feedback", vector=vector, model=model, limit=MOST_SEEN
        ):
            if near.similarity >= max(SIMILAR, best[near.pk].similarity if near.pk in best else 0):
                best[near.pk] = near
    rows = (
        Feedback.objects.filter(pk__in=best)
        .exclude(output=output)
        .select_related("session", "output")
        .prefetch_related("reasons")
    )
    found: dict[object, Similar] = {}
    for row in sorted(rows, key=lambda row: (-best[row.pk].similarity, row.pk)):
        one = Similar(feedback=row, part=best[row.pk].part, score=best[row.pk].similarity)
        found.setdefault(row.output_id or f"session {row.session_id}", one)
    return list(found.values())[:MOST_SIMILAR]


def _precedents(output: Output, model: str, vectors: dict[str, object]) -> list[Precedent]:
    """Decisions that count, on outputs whose question and answer are both nearly the same."""
    decided = Review.objects.revealed().authoritative().filter(project=output.project_id)
    decided = decided.exclude(output=output)
    scores: dict[int, float] = {}
    outputs: QuerySet[Review, Any] | list[int] = decided.values("output")
    for part in (Embedding.Part.QUERY, Embedding.Part.ANSWER):
        found = dict(
            Embedding.objects.filter(
                project=output.project_id, model=model, part=part, output__in=outputs
            )
            .annotate(distance=CosineDistance("vector", vectors[part]))
            .filter(distance__lte=1 - SAME)
            .values_list("output", "distance")
        )
        scores = {pk: min(1 - distance, scores.get(pk, 1)) for pk, distance in found.items()}
        outputs = list(scores)
    nearest = sorted(scores, key=lambda pk: (-scores[pk], -pk))[:MOST_PRECEDENTS]
    reviews = (
        decided.filter(output__in=nearest)
        .select_related("reviewer", "output")
        .prefetch_related("reasons")
    )
    return sorted(
        (Precedent(review=one, score=scores[one.output_id]) for one in reviews),
        key=lambda one: (-one.score, -one.review.pk),
    )
