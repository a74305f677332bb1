"""Keeps work lists filled by their rules, and ranked by what is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Q, Subquery
from django.db.models.expressions import Combinable
from django.db.models.functions import Greatest
from structlog import get_logger

from feedback.filters import FilterError
from feedback.models import Output
from feedback.models.output import OutputQuerySet
from review import scoring
from review.evidence import themes_of
from review.filters import ReviewFilter
from review.models import (
    BulkChange,
    BulkJob,
    Claim,
    Draft,
    Escalation,
    Queue,
    QueueItem,
    Review,
    Skip,
    Stratum,
)
from review.models.queue import QueueItemQuerySet
from review.models.stratum import Draw
from review.sampling import LOTS, draw, lot

# Rows written in one transaction.
FEED_ROWS = 2_000
# Decisions of so long ago were counted when an item was last ranked: each is once a day.
REMEMBERED = timedelta(hours=25)

# In an audit, what its own turn decided. What was escalated is decided; who answers for it may
# overrule that.
DECIDED = [QueueItem.Status.DONE, QueueItem.Status.ESCALATED]
# Ranked by lot: an audit's, unless its queue goes by age.
BY_LOT = Q(fixed_rank__range=LOTS)
# What of an audit was decided by another rank: by age, as one of another stratum, or before it was
# an audit.
CHOSEN = Q(stratum__is_audit=True, status__in=DECIDED) & ~BY_LOT

log = get_logger()


def feed(*, queue: Queue, now: datetime) -> int:
    """Put every output that the queue's rules draw and that is not yet in it into it.

    Returns how many were put in. The work list is what the tables say, never a message: scores
    that come late count like those that came at once. Each chunk of FEED_ROWS is one transaction,
    so a stopped feed goes on where it was. Safe to run twice at once: the second waits and finds
    nothing.
    """
    num_fed = 0
    for stratum in strata(queue=queue):
        after = 0
        while ids := feed_rows(queue=queue, stratum=stratum, after=after, limit=FEED_ROWS, now=now):
            num_fed += len(ids)
            after = ids[-1]
    return num_fed


def restratify(*, queue: Queue) -> int:
    """Move items to the stratum that their output belongs to by now; return how many moved.

    An item's probability of being in the queue is the highest rate it was ever drawn at.
    """
    return sum(_move_rows(queue, stratum) for stratum in queue.strata.order_by("position"))


def sweep(*, queue: Queue) -> int:
    """Take out what the queue's rules do not draw any more and nobody has begun or put in.

    What came in by a stratum at a lower rate counts as drawn by the one it has now. To be run when
    they changed; returns how many items left.
    """
    wanted = Q(pk__in=())
    for stratum in strata(queue=queue):
        theirs = Q(output__in=drawn(queue=queue, stratum=stratum).values("pk"))
        if stratum is not None:
            less_likely = queue.items.filter(theirs, stratum=stratum, inclusion__lt=stratum.rate)
            less_likely.exclude(CHOSEN).update(inclusion=stratum.rate)
        wanted |= theirs
    num_left = 0
    while ids := _sweep_rows(queue, wanted):
        num_left += ids
    Queue.objects.filter(pk=queue.pk).update(is_unswept=False)
    return num_left


def rerank(*, queue: Queue, now: datetime) -> int:
    """Rank open items anew about which something is new; return how many changed place."""
    num_changed, after = 0, 0
    decided = _decided_lately(queue, now)
    while True:
        ids, changed = _rerank_rows(queue, decided, after=after, limit=FEED_ROWS, now=now)
        if not ids:
            return num_changed
        num_changed, after = num_changed + changed, ids[-1]


def feed_all(*, now: datetime) -> int:
    """Feed every queue and rank anew what there is news of; return how many items came in.

    A queue that cannot be read is logged and holds no other up.
    """
    num_fed = 0
    for queue in Queue.objects.select_related("project").order_by("pk"):
        try:
            if queue.is_unswept:
                sweep(queue=queue)
            num_fed += feed(queue=queue, now=now)
            restratify(queue=queue)
            rerank(queue=queue, now=now)
        except FilterError as error:
            log.warning("unfed", queue=queue.pk, path=error.path)
    return num_fed


def num_outdated(*, queue: Queue) -> int:
    """How many open items are still ranked by a former version of the scoring."""
    version = scoring.version(project=queue.project)
    return queue.items.open().exclude(priority_version=version).count()


def strata(*, queue: Queue) -> list[Stratum | None]:
    """The queue's strata in order; one None when it has none and takes everything in."""
    return list(queue.strata.order_by("position")) or [None]


def matching(*, queue: Queue, stratum: Stratum | None) -> OutputQuerySet:
    """The outputs that match the queue's filter and belong to the stratum."""
    outputs = Output.objects.filter(project=queue.project_id)
    before = [] if stratum is None else queue.strata.filter(position__lt=stratum.position)
    return in_stratum(
        outputs,
        queue_filter=ReviewFilter.from_json(queue.filter),
        own=ReviewFilter() if stratum is None else ReviewFilter.from_json(stratum.filter),
        before=[ReviewFilter.from_json(one.filter) for one in before],
    )


def in_stratum(
    outputs: OutputQuerySet,
    *,
    queue_filter: ReviewFilter,
    own: ReviewFilter,
    before: list[ReviewFilter],
) -> OutputQuerySet:
    """Narrow outputs to those that match the queue's filter and, first of all, the stratum's own.

    `before` are the filters of the strata that come first.
    """
    outputs = own.apply(queue_filter.apply(outputs))
    for other in before:
        outputs = outputs.filter(~Exists(other.apply(Output.objects.filter(pk=OuterRef("pk")))))
    return outputs


def drawn(*, queue: Queue, stratum: Stratum | None) -> OutputQuerySet:
    """The outputs of the stratum that its rate draws."""
    outputs = matching(queue=queue, stratum=stratum)
    if stratum is None or stratum.rate == 1:
        return outputs
    return outputs.alias(draw=Draw(queue.pk)).filter(draw__lt=stratum.rate)


@transaction.atomic
def feed_rows(
    *, queue: Queue, stratum: Stratum | None, after: int, limit: int, now: datetime
) -> list[int]:
    """Feed up to `limit` outputs of one stratum with a greater id; return their ids in order."""
    Queue.objects.select_for_update(no_key=True).get(pk=queue.pk)
    there = QueueItem.objects.filter(queue=queue, output=OuterRef("pk"))
    wanted = drawn(queue=queue, stratum=stratum).filter(~Exists(there), pk__gt=after)
    outputs = list(wanted.order_by("pk").only("pk", "at", "confidence")[:limit])
    put(queue=queue, stratum=stratum, outputs=outputs, now=now)
    return [output.pk for output in outputs]


def put(
    *, queue: Queue, stratum: Stratum | None, outputs: Sequence[Output], now: datetime
) -> list[QueueItem]:
    """Put outputs into the queue that are not there; needs the queue locked, in a transaction."""
    nearest = themes_of(outputs=outputs)
    told = scoring.scores(project=queue.project, outputs=outputs, now=now)
    items = [
        QueueItem(
            queue=queue,
            output=output,
            theme_id=nearest.get(output.pk),
            stratum=stratum,
            draw=draw(queue=queue.pk, output=output.pk),
            inclusion=1 if stratum is None else stratum.rate,
            entered_at=now,
            due_at=due_at(queue=queue, entered_at=now),
        )
        for output in outputs
    ]
    for item in items:
        _rank(item, told[item.output_id], queue, now)
    QueueItem.objects.bulk_create(items)
    places = range(1, queue.reviewers_per_item + 1)
    Claim.objects.bulk_create(Claim(item=item, place=place) for item in items for place in places)
    return items


def begun() -> Q:
    """What items have in common that somebody holds, reviewed, skipped or wrote a draft of."""
    held = Claim.objects.filter(item=OuterRef("pk"), reviewer__isnull=False)
    of_item = [model.objects.filter(item=OuterRef("pk")) for model in (Skip, Draft, Review)]
    return Q(*[Exists(rows) for rows in (held, *of_item)], _connector=Q.OR)


def put_in() -> Q:
    """What items have in common that people put in: by an act in force, or by sending them back.

    An act is in force, too, where undoing it left the item as it is.
    """
    added = BulkChange.objects.filter(
        output=OuterRef("output"),
        job__queue=OuterRef("queue"),
        job__act=BulkJob.Act.QUEUE_ADD,
    ).exclude(outcome=BulkChange.Outcome.UNDONE)
    returned = Escalation.objects.filter(output=OuterRef("output"), returned_to=OuterRef("queue"))
    return Q(Exists(added)) | Q(Exists(returned))


def due_at(*, queue: Queue, entered_at: datetime) -> datetime | None:
    """When an item that entered then should be done; None when the queue sets no time."""
    return entered_at + timedelta(hours=queue.due_hours) if queue.due_hours else None


def waits_since() -> Combinable:
    """From when an item's due time counts: it entered, or was last sent back there."""
    returned = Escalation.objects.filter(output=OuterRef("output"), returned_to=OuterRef("queue"))
    last = returned.order_by("-settled_at").values("settled_at")[:1]
    return Greatest(F("entered_at"), Subquery(last))


def _rank(item: QueueItem, score: scoring.Score, queue: Queue, now: datetime) -> None:
    """Set what follows from the score, and the rank that the queue's order gives."""
    item.priority, item.priority_parts = score.points, score.parts
    item.priority_version, item.look_again_at = score.version, score.look_again_at
    item.ranked_at = now
    if queue.order == Queue.Order.OLDEST:
        item.fixed_rank = -item.output.at.timestamp()
    elif queue.order == Queue.Order.NEWEST:
        item.fixed_rank = item.output.at.timestamp()
    elif item.stratum is not None and item.stratum.is_audit:
        item.fixed_rank = lot(draw=item.draw, rate=item.stratum.rate)
    else:
        item.fixed_rank = None


def _decided_lately(queue: Queue, now: datetime) -> Q:
    """The items in whose theme something was decided after they were ranked."""
    rows = (
        Review.objects.authoritative()
        .filter(project=queue.project_id, created_at__gt=now - REMEMBERED)
        .filter(output__feedback__theme_membership__isnull=False)
        .values_list("output__feedback__theme_membership__theme")
        .annotate(Max("created_at"))
    )
    told = Q(pk__in=())
    for theme, decided_at in rows:
        told |= Q(theme=theme, ranked_at__lt=decided_at)
    return told


@transaction.atomic
def _rerank_rows(
    queue: Queue, decided: Q, *, after: int, limit: int, now: datetime
) -> tuple[list[int], int]:
    """Rank up to `limit` stale items with a greater id; return their ids and how many changed."""
    version = scoring.version(project=queue.project)
    open_items: QueueItemQuerySet = queue.items.open().filter(pk__gt=after)
    # What another worker ranks at the moment is left to it.
    items = list(
        open_items.stale(version=version, at=now, besides=decided)
        .select_related("stratum", "output")
        .only(
            "draw",
            "stratum",
            "priority",
            "priority_parts",
            "priority_version",
            "fixed_rank",
            "look_again_at",
            "output__at",
            "output__confidence",
        )
        .order_by("pk")
        .select_for_update(skip_locked=True, no_key=True, of=("self",))[:limit]
    )
    told = scoring.scores(project=queue.project, outputs=[item.output for item in items], now=now)
    changed = 0
    same: list[QueueItem] = []
    other: list[QueueItem] = []
    for item in items:
        was = (item.priority_version, item.look_again_at, item.priority_parts, item.fixed_rank)
        _rank(item, told[item.output_id], queue, now)
        is_now = (item.priority_version, item.look_again_at, item.priority_parts, item.fixed_rank)
        changed += was[2:] != is_now[2:]
        (same if was == is_now else other).append(item)
    # Most often nothing is different, and one statement says when that was seen.
    QueueItem.objects.filter(pk__in=[item.pk for item in same]).update(ranked_at=now)
    QueueItem.objects.bulk_update(
        other,
        [
            "priority",
            "priority_parts",
            "priority_version",
            "fixed_rank",
            "ranked_at",
            "look_again_at",
        ],
        batch_size=500,
    )
    return [item.pk for item in items], changed


@transaction.atomic
def _move_rows(queue: Queue, stratum: Stratum) -> int:
    """Move the queue's items of outputs that belong to the stratum into it."""
    strangers = queue.items.filter(~Q(stratum=stratum) | Q(stratum=None)).filter(
        output__in=matching(queue=queue, stratum=stratum).values("pk")
    )
    if stratum.is_audit:
        # Its lot passed over what people put in, which would stand for others and come last.
        strangers = strangers.exclude(stratum=None, draw__gte=stratum.rate)
    # A forgotten version has them ranked anew.
    raised = strangers.filter(inclusion__lt=stratum.rate).update(
        stratum=stratum, inclusion=stratum.rate, priority_version=""
    )
    return raised + strangers.update(stratum=stratum, priority_version="")


@transaction.atomic
def _sweep_rows(queue: Queue, wanted: Q) -> int:
    """Take out up to FEED_ROWS items that are not wanted and that nobody has begun or put in."""
    Queue.objects.select_for_update(no_key=True).get(pk=queue.pk)
    gone = list(
        queue.items.open()
        .filter(~begun(), ~put_in())
        .exclude(wanted)
        .select_for_update(skip_locked=True, of=("self",))
        .values_list("pk", flat=True)[:FEED_ROWS]
    )
    # Nobody who takes one at this moment loses it.
    places = Claim.objects.select_for_update().filter(item__in=gone)
    held = {place.item_id for place in places if place.reviewer_id}
    QueueItem.objects.filter(pk__in=set(gone) - held).delete()
    return len(gone) - len(held)
