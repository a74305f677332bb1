"""Tells from a queue's decisions what share of all answers that it is about has a fault."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from django.db.models import Case, Count, Exists, OuterRef, Q, Subquery, Value, When

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
    Skip,
    Stratum,
)
from review.models.queue import QueueItemQuerySet
from review.prevalence import Counted, Share, share

TIME_LIMIT_MS = 2_000
# Fields of a filter that follow from reviews: what they choose is no sample of anything.
FOLLOW_FROM_REVIEWS = {"verdict", "severity", "state"}

FOLLOWS = "The filter asks for what reviews said, so it cannot tell how common something is."
TOO_SLOW = "There are too many answers to count at the moment."
NO_ANSWERS = "No answer matches the filter."


@dataclass(frozen=True, kw_only=True)
class StratumCount:
    """One stratum of the queue, None for the whole, with its numbers.

    Those in `alone` stand for themselves, those in `others` for all the rest of it.
    """

    stratum: Stratum | None
    alone: Counted
    others: Counted

    @property
    def counted(self) -> Counted:
        """The numbers of both."""
        return Counted(
            size=self.alone.size + self.others.size,
            num_decided=self.alone.num_decided + self.others.num_decided,
            num_faulty=self.alone.num_faulty + self.others.num_faulty,
            num_undecided=self.alone.num_undecided + self.others.num_undecided,
        )


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
    nobody has touched was left out by it; what else is not decided was left by its rank. What of
    it was decided otherwise, such as before it was an audit, stands for itself alone.
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
    counts = [_count(one, size, seen) for one, size in zip(strata, sizes, strict=True)]
    faulty = share([part for one in counts for part in (one.alone, one.others)])
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


# In an audit only what its own turn decided counts, not what another queue chose to decide.
_COUNTS = ~Q(stratum__is_audit=True) | Q(status__in=intake.DECIDED)
# Of what was chosen, all that were sure to come in are known, and the lot was among the others.
_ALONE = intake.CHOSEN & Q(inclusion=1)
_IS_ALONE = Case(When(_ALONE, then=Value(value=True)), default=Value(value=False))

# By stratum, and whether what stands for itself alone.
Key = tuple[int | None, bool]


def _sample(queue: Queue, strata: Sequence[Stratum | None]) -> QueueItemQuerySet:
    """The items that their stratum draws now, and those of it that stand for themselves alone.

    What came in by another one, or by hand, or does not match any more does not stand for it.
    """
    drawn = Q(pk__in=[])
    for one in strata:
        there = intake.matching(queue=queue, stratum=one)
        by_lot = Q(draw__lt=one.rate) | _ALONE if one else Q()
        drawn |= by_lot & Q(stratum=one, output__in=there.values("pk"))
    return queue.items.filter(drawn)


def _seen(sample: QueueItemQuerySet) -> dict[Key, dict[str, int]]:
    """How many were decided, how many of those are faulty, and what is undecided."""
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
    left_by_lot = intake.BY_LOT & Q(
        stratum__is_audit=True, status=QueueItem.Status.OPEN, is_touched=False
    )
    rows = (
        sample.annotate(
            verdict=Subquery(decision.values("verdict")[:1]),
            is_touched=touched,
            is_alone=_IS_ALONE,
        )
        .values("stratum", "is_alone")
        .annotate(
            decided=Count("pk", filter=is_known),
            faulty=Count("pk", filter=is_known & ~Q(verdict=Review.Verdict.ACCEPT)),
            undecided=Count("pk", filter=~is_known & ~left_by_lot),
            left=Count("pk", filter=~is_known & left_by_lot),
            chosen=Count("pk", filter=intake.CHOSEN),
        )
    )
    found: dict[Key, dict[str, int]] = defaultdict(Counter)
    for row in rows:
        # Of what was not drawn nothing was chosen: the lot among the rest does not stand for it.
        left = row["left"] if row["chosen"] else 0
        found[row["stratum"], row["is_alone"]] = {
            "decided": row["decided"],
            "faulty": row["faulty"],
            "undecided": row["undecided"] + left,
        }
    return found


def _count(
    stratum: Stratum | None, size: int, seen: Mapping[Key, Mapping[str, int]]
) -> StratumCount:
    key = stratum.pk if stratum else None
    alone = _counted(0, seen[key, True])
    return StratumCount(
        stratum=stratum, alone=alone, others=_counted(size - alone.size, seen[key, False])
    )


def _counted(size: int, row: Mapping[str, int]) -> Counted:
    # What came in after the outputs were counted is left for the next time.
    looked_at = row["decided"] + row["undecided"]
    return Counted(
        size=max(size, looked_at),
        num_decided=row["decided"],
        num_faulty=row["faulty"],
        num_undecided=row["undecided"],
    )


def _given(sample: QueueItemQuerySet) -> dict[tuple[str, str], Counter[Key]]:
    """How often each reason was given, by its slug and name."""
    rows = (
        sample.filter(
            _COUNTS,
            output__reviews__in=Review.objects.authoritative().revealed(),
            output__reviews__reasons__isnull=False,
        )
        .annotate(is_alone=_IS_ALONE)
        .values_list(
            "output__reviews__reasons__slug",
            "output__reviews__reasons__name",
            "stratum",
            "is_alone",
        )
        .annotate(number=Count("output__reviews", distinct=True))
    )
    given: dict[tuple[str, str], Counter[Key]] = defaultdict(Counter)
    for slug, name, stratum, is_alone, number in rows:
        given[slug, name][stratum, is_alone] += number
    return given


def _reasons(
    given: Mapping[tuple[str, str], Counter[Key]], counts: Sequence[StratumCount]
) -> list[ReasonShare]:
    """The share of each reason that was given, the commonest first."""
    found = []
    for (slug, name), numbers in given.items():
        known = share(
            [
                replace(part, num_faulty=numbers[one.stratum.pk if one.stratum else None, is_alone])
                for one in counts
                for part, is_alone in ((one.alone, True), (one.others, False))
            ]
        )
        if known:
            found.append(ReasonShare(slug=slug, name=name, num_given=numbers.total(), share=known))
    return sorted(found, key=lambda one: (-(one.share.value or one.share.low), -one.num_given))
