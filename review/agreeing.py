"""Reads how far the reviewers of a project agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from django.db.models import Count, Exists, F, OuterRef

from feedback.models import Project, Reason
from review.agreement import Agreement, cohen, krippendorff
from review.models import Claim, Queue, QueueItem, Review, ReviewReason

# The latest reviews that are compared, and pairs that are listed.
MOST_REVIEWS = 20_000
MOST_PAIRS = 50


@dataclass(frozen=True, kw_only=True)
class OfQueue:
    """Agreement on the verdict within one queue; `num_disputed` of its items are undecided."""

    queue: Queue
    agreement: Agreement
    num_disputed: int


@dataclass(frozen=True, kw_only=True)
class OfReason:
    """Agreement on whether to give one reason; `num_given` reviews gave it."""

    reason: Reason
    agreement: Agreement
    num_given: int


@dataclass(frozen=True, kw_only=True)
class OfPair:
    """Agreement of two reviewers on the verdict."""

    first: str
    second: str
    agreement: Agreement


@dataclass(frozen=True, kw_only=True)
class Report:
    """Agreement by queue, reason and pair; `is_cut` says that only the latest reviews are in."""

    queues: Sequence[OfQueue]
    reasons: Sequence[OfReason]
    pairs: Sequence[OfPair]
    is_cut: bool = False


@dataclass(frozen=True)
class _Judgement:
    review: int
    queue: int
    reviewer: str
    verdict: str


def report(*, project: Project, queue: Queue | None = None) -> Report:
    """Compare what reviewers decided on the same version of the same item. Five queries.

    Only items that nobody is still to judge blindly, and never the third person's decision, who
    saw the others'. The table of queues is of the whole project whatever `queue` is.
    """
    judged = _units(_compared(project))
    num = sum(map(len, judged))
    units = [unit for unit in judged if queue is None or unit[0].queue == queue.pk]
    return Report(
        queues=_by_queue(project, judged),
        reasons=_by_reason(project, units),
        pairs=_by_pair(units),
        is_cut=num >= MOST_REVIEWS,
    )


def _compared(project: Project) -> Iterable[tuple[int, int, _Judgement]]:
    """The latest reviews with the item and the version they are of."""
    peers = Review.objects.filter(item=OuterRef("item"), output_version=OuterRef("output_version"))
    closed = [QueueItem.Status.DISPUTED, QueueItem.Status.ESCALATED, QueueItem.Status.DONE]
    found = Review.objects.filter(
        Exists(peers.exclude(pk=OuterRef("pk")).exclude(place=Claim.ADJUDICATION)),
        project=project,
        item__status__in=closed,
        item__queue__reviewers_per_item__gt=1,
    ).exclude(place=Claim.ADJUDICATION)
    rows = found.order_by("-created_at", "-pk").values_list(
        "item", "output_version", "pk", "item__queue", F("reviewer__username"), "verdict"
    )
    for item, version, pk, queue, reviewer, verdict in rows[:MOST_REVIEWS]:
        yield item or 0, version, _Judgement(pk, queue or 0, reviewer, verdict)


def _units(rows: Iterable[tuple[int, int, _Judgement]]) -> list[list[_Judgement]]:
    units: dict[tuple[int, int], list[_Judgement]] = defaultdict(list)
    for item, version, one in rows:
        units[item, version].append(one)
    return [sorted(unit, key=lambda one: one.reviewer) for unit in units.values() if len(unit) > 1]


def _by_queue(project: Project, units: Sequence[Sequence[_Judgement]]) -> list[OfQueue]:
    of_queue: dict[int, list[list[str]]] = defaultdict(list)
    for unit in units:
        of_queue[unit[0].queue].append([one.verdict for one in unit])
    disputed = dict(
        QueueItem.objects.disputed()
        .filter(queue__project=project)
        .values_list("queue")
        .annotate(Count("pk"))
    )
    wanted = Queue.objects.filter(project=project, reviewers_per_item__gt=1)
    return [
        OfQueue(
            queue=queue,
            agreement=krippendorff(of_queue[queue.pk]),
            num_disputed=disputed.get(queue.pk, 0),
        )
        for queue in wanted.order_by("name", "pk")
    ]


def _by_reason(project: Project, units: Sequence[Sequence[_Judgement]]) -> list[OfReason]:
    compared = {one.review for unit in units for one in unit}
    given: dict[int, set[int]] = defaultdict(set)
    rows = ReviewReason.objects.filter(
        review__project=project, review__item__queue__reviewers_per_item__gt=1
    )
    for reason, review in rows.values_list("reason", "review"):
        if review in compared:
            given[reason].add(review)
    known = Reason.objects.filter(pk__in=given).order_by("-taxonomy", "position")
    return [
        OfReason(
            reason=reason,
            agreement=krippendorff([one.review in given[reason.pk] for one in u] for u in units),
            num_given=len(given[reason.pk]),
        )
        for reason in known
    ]


def _by_pair(units: Sequence[Sequence[_Judgement]]) -> list[OfPair]:
    """The pairs that judged most together, first."""
    both: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for unit in units:
        for left, right in combinations(unit, 2):
            both[left.reviewer, right.reviewer].append((left.verdict, right.verdict))
    most = sorted(both, key=lambda pair: (-len(both[pair]), pair))[:MOST_PAIRS]
    return [OfPair(first=one, second=two, agreement=cohen(both[one, two])) for one, two in most]
