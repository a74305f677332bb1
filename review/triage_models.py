"""Learns from a project's verdicts which answers to look at first."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef

from feedback.models import Feedback, Output, Project
from review import learned, priority, yields
from review.evidence import evidence_on
from review.examples import VERSION, examples_on
from review.models import Event, Review, TriageModel
from review.models.review import ReviewQuerySet

# Only so many of the newest verdicts are learned from.
MOST_VERDICTS = 5_000
# Learned anew when so many were made since, or there are so many more or fewer, and at least this
# share.
NEWS, NEWS_SHARE = 20, 0.1
FAULTY = [Review.Verdict.FIX, Review.Verdict.REJECT]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a project is: its verdicts to learn from, and of them the faulty ones."""

    num_verdicts: int
    num_faulty: int


def standing(*, project: Project) -> Standing:
    """Count what could be learned from. Two queries."""
    found = _verdicts(project)
    return Standing(num_verdicts=found.count(), num_faulty=found.filter(verdict__in=FAULTY).count())


@transaction.atomic
def retrain(*, project: Project, vectors: str, now: datetime) -> TriageModel | None:
    """Learn from the project's verdicts, measure it on held-out ones, and keep both.

    `vectors` names the model whose vectors are used. What was learned orders the items if on
    held-out verdicts its average precision beats the rules' beyond chance. Does nothing, and
    returns None, while there are too few verdicts, too few new ones, or another worker is at it.
    """
    if not _alone(project):
        return None
    verdicts = list(
        _verdicts(project)
        .order_by("-created_at", "-pk")
        .values_list("pk", "output", "output__session", "verdict")[:MOST_VERDICTS]
    )
    last = TriageModel.objects.newest(project)
    digest = hashlib.sha256(f"{VERSION}\n{vectors}\n{sorted(verdicts)}".encode()).hexdigest()
    faulty = [verdict in FAULTY for *_, verdict in verdicts]
    sessions = [session for _, _, session, _ in verdicts]
    if not learned.can_learn(faulty, sessions) or not _is_news(
        last, digest, len(verdicts), vectors
    ):
        return None
    made = _learn(project, [output for _, output, *_ in verdicts], faulty, vectors, now)
    made.number = last.number + 1 if last else 1
    made.digest = digest
    made.save()
    Event.objects.create(
        project=project,
        verb="trained",
        target_type="triage_model",
        target_id=made.pk,
        data={"number": made.number, "verdicts": made.num_verdicts, "used": made.is_used},
        at=now,
    )
    return made


def retrain_all(*, vectors: str, now: datetime) -> int:
    """Learn anew for every project with enough news; return for how many."""
    made = [
        retrain(project=project, vectors=vectors, now=now)
        for project in Project.objects.order_by("pk")
    ]
    return sum(one is not None for one in made)


def _learn(
    project: Project, outputs: Sequence[int], faulty: Sequence[bool], vectors: str, now: datetime
) -> TriageModel:
    rows = Output.objects.filter(pk__in=outputs).only("pk", "at", "confidence")
    evidence = evidence_on(outputs=rows, now=now)
    known = examples_on(evidence=evidence, vectors=vectors)
    examples = [known[pk] for pk in outputs]
    quality = yields.compare(
        faulty,
        learned=learned.held_out(examples, faulty),
        rules=[priority.total(priority.parts(evidence[pk])) for pk in outputs],
        groups=[one.group for one in examples],
    )
    return TriageModel(
        project=project,
        algorithm=VERSION,
        vectors=vectors,
        num_verdicts=len(faulty),
        num_faulty=sum(faulty),
        parameters=learned.fit(examples, faulty).to_json(),
        quality=quality.to_json(),
        is_used=quality.beats_rules,
        trained_at=now,
    )


def _verdicts(project: Project) -> ReviewQuerySet:
    """Decisions of people that count, on the answer as it is now.

    Without those after which something more was said of the answer: neither order could have
    known it when the answer was looked at.
    """
    later = Feedback.objects.filter(
        output=OuterRef("output"), received_at__gt=OuterRef("created_at")
    )
    return (
        Review.objects.authoritative()
        .revealed()
        .filter(~Exists(later), project=project, output_version=F("output__version"))
    )


def _is_news(last: TriageModel | None, digest: str, number: int, vectors: str) -> bool:
    if last is None or (last.algorithm, last.vectors) != (VERSION, vectors):
        return True
    # Forgotten since, because it was learned from what was erased.
    if not last.parameters:
        return True
    if last.digest == digest:
        return False
    # What is learned from does not grow beyond MOST_VERDICTS, whatever comes in.
    made = _verdicts(last.project).filter(created_at__gt=last.trained_at).count()
    enough = max(NEWS, NEWS_SHARE * last.num_verdicts)
    return max(made, abs(number - last.num_verdicts)) >= enough


def _alone(project: Project) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"triage:{project.pk}"]
        )
        row = cursor.fetchone()
    return bool(row and row[0])
