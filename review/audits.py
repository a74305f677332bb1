"""Tells from a queue's decisions what share of all answers that it is about has a fault."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, Subquery

from feedback.timeouts import TooSlowError, time_limit
from review import intake
from review.filters import ReviewFilter
from review.models import (
    BulkChange,
    BulkJob,
    Claim,
    Queue,
    QueueItem,
    Review,
    ReviewReason,
    Skip,
    Stratum,
)
from review.models.queue import QueueItemQuerySet
from review.prevalence import Counted, Share, share
from review.sampling import LOTS

TIME_LIMIT_MS = 2_000
# Fields of a filter that follow from reviews: what they choose is no sample of anything.
FOLLOW_FROM_REVIEWS = {"verdict", "severity", "state"}

FOLLOWS = "The filter asks for what reviews said, so it cannot tell how common something is."
TOO_SLOW = "There are too many answers to count at the moment."
NO_ANSWERS = "No answer matches the filter."


@dataclass(frozen=True, kw_only=True)
class StratumCount:
    """One stratum of the queue, None for the whole, with its numbers."""

    stratum: Stratum | None
    counted: Counted


@dataclass(frozen=True, kw_only=True)
class ReasonShare:
    """How common a reason is: in how many decisions it was given, and the share of all answers."""

    slug: str
    name: str
    num_given: int
    share: Share


@dataclass(frozen=True, kw_only=True)
class Audit:
    """How common faults are among all answers that the queue is about.

    `plain` is the share among those decided, which says nothing of the others. Where there is no
    share, `why` says why.
    """

    strata: Sequence[StratumCount] = ()
    faulty: Share | None = None
    plain: float | None = None
    reasons: Sequence[ReasonShare] = ()
    why: str = ""

    @property
    def size(self) -> int:
        """How many answers the queue is about."""
        return sum(one.counted.size for one in self.strata)

    @property
    def num_decided(self) -> int:
        """How many of them the share rests on."""
        return sum(one.counted.num_decided for one in self.strata)


def audit(*, queue: Queue) -> Audit:
    """Estimate the shares: three queries, and one more for each stratum.

    A fault is a decision to fix or to reject. Decisions count that are final and that nobody is
    still to make without knowing them. In a random audit that is worked off by lot, what waits and
    nobody has touched was left out by it; what else is not decided was left by its rank.
    """
    strata = intake.strata(queue=queue)
    if _follows(queue, strata):
        return Audit(why=FOLLOWS)
    try:
        with time_limit(TIME_LIMIT_MS):
            sizes = [intake.matching(queue=queue, stratum=one).count() for one in strata]
            sample = _sample(queue, strata)
            seen = _seen(sample)
            given = _given(sample)
    except TooSlowError:
        return Audit(why=TOO_SLOW)
    counts = [
        StratumCount(stratum=one, counted=_counted(size, seen[one.pk if one else None]))
        for one, size in zip(strata, sizes, strict=True)
    ]
    faulty = share([one.counted for one in counts])
    if faulty is None:
        return Audit(strata=counts, why=NO_ANSWERS)
    decided = sum(one.counted.num_decided for one in counts)
    num_faulty = sum(one.counted.num_faulty for one in counts)
    return Audit(
        strata=counts,
        faulty=faulty,
        plain=num_faulty / decided if decided else None,
        reasons=_reasons(given, counts),
    )


def _follows(queue: Queue, strata: Sequence[Stratum | None]) -> bool:
    filters = [queue.filter, *(one.filter for one in strata if one)]
    return any(
        term.name in FOLLOW_FROM_REVIEWS
        for wanted in filters
        for term in ReviewFilter.from_json(wanted).terms
    )


def _sample(queue: Queue, strata: Sequence[Stratum | None]) -> QueueItemQuerySet:
    """The items that their stratum draws now.

    What came in by another one, or by hand, or does not match any more does not stand for it.
    """
    drawn = Q(pk__in=[])
    for one in strata:
        there = intake.matching(queue=queue, stratum=one)
        by_lot = Q(draw__lt=one.rate) if one else Q()
        drawn |= by_lot & Q(stratum=one, output__in=there.values("pk"))
    return queue.items.filter(drawn)


# In an audit only what its own turn decided counts, not what another queue chose to decide. What
# was escalated is decided; who answers for it may overrule that.
_DECIDED = [QueueItem.Status.DONE, QueueItem.Status.ESCALATED]
_COUNTS = ~Q(stratum__is_audit=True) | Q(status__in=_DECIDED)


# Ranked by lot: an audit's, unless its queue goes by age.
_BY_LOT = Q(fixed_rank__range=LOTS)


def _seen(sample: QueueItemQuerySet) -> dict[int | None, dict[str, int]]:
    """By stratum: how many were decided, how many of those are faulty, and what is undecided."""
    decision = Review.objects.authoritative().revealed().filter(output=OuterRef("output"))
    # What was out for a while missed its turn, though it waits again.
    taken_out = BulkChange.objects.filter(
        output=OuterRef("output"),
        job__queue=OuterRef("queue"),
        job__act=BulkJob.Act.QUEUE_REMOVE,
    )
    touched = (
        Exists(Skip.objects.filter(item=OuterRef("pk")))
        | Exists(Claim.objects.filter(item=OuterRef("pk"), finished_at__isnull=False))
        | Exists(taken_out)
    )
    is_known = Q(verdict__isnull=False) & _COUNTS
    # What was taken out, or decided as one with others, was chosen by somebody.
    left_by_lot = _BY_LOT & Q(
        stratum__is_audit=True, status=QueueItem.Status.OPEN, is_touched=False
    )
    rows = (
        sample.annotate(verdict=Subquery(decision.values("verdict")[:1]), is_touched=touched)
        .values("stratum")
        .annotate(
            decided=Count("pk", filter=is_known),
            faulty=Count("pk", filter=is_known & ~Q(verdict=Review.Verdict.ACCEPT)),
            undecided=Count("pk", filter=~is_known & ~left_by_lot),
        )
    )
    found: dict[int | None, dict[str, int]] = defaultdict(Counter)
    for row in rows:
        found[row["stratum"]] = {name: row[name] for name in ("decided", "faulty", "undecided")}
    return found


def _counted(size: int, row: dict[str, int]) -> Counted:
    # What came in after the outputs were counted is left for the next time.
    looked_at = row["decided"] + row["undecided"]
    return Counted(
        size=max(size, looked_at),
        num_decided=row["decided"],
        num_faulty=row["faulty"],
        num_undecided=row["undecided"],
    )


def _given(sample: QueueItemQuerySet) -> dict[tuple[str, str], Counter[int | None]]:
    """How often each reason, by slug and name, was given in each stratum."""
    rows = (
        ReviewReason.objects.filter(
            review__in=Review.objects.authoritative().revealed(),
            review__output__queue_items__in=sample.filter(_COUNTS),
        )
        .values_list("reason__slug", "reason__name", "review__output__queue_items__stratum")
        .annotate(number=Count("review", distinct=True))
    )
    given: dict[tuple[str, str], Counter[int | None]] = defaultdict(Counter)
    for slug, name, stratum, number in rows:
        given[slug, name][stratum] += number
    return given


def _reasons(
    given: Mapping[tuple[str, str], Counter[int | None]], counts: Sequence[StratumCount]
) -> list[ReasonShare]:
    """The share of each reason that was given, the commonest first."""
    found = []
    for (slug, name), numbers in given.items():
        known = share(
            [
                Counted(
                    size=one.counted.size,
                    num_decided=one.counted.num_decided,
                    num_faulty=numbers[one.stratum.pk if one.stratum else None],
                    num_undecided=one.counted.num_undecided,
                )
                for one in counts
            ]
        )
        if known:
            found.append(ReasonShare(slug=slug, name=name, num_given=numbers.total(), share=known))
    return sorted(found, key=lambda one: (-(one.share.value or one.share.low), -one.num_given))
