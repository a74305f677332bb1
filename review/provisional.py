"""Carries a verdict over to look-alikes, and takes it back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from feedback.models import Output
from review.models import (
    BulkChange,
    BulkJob,
    Claim,
    Draft,
    DrawnItem,
    Event,
    Provisional,
    QueueItem,
    Review,
    Skip,
)
from review.stored_rows import told

LeftOut = DrawnItem.LeftOut


def decide_rows(*, job: BulkJob, chunk: Sequence[Output], now: datetime) -> list[BulkChange]:
    """Decide those outputs of a chunk that nobody holds, began or reviewed, as their sample is.

    Needs the job locked, in a transaction. The others are left out, and their rows say why.
    """
    rows = list(
        DrawnItem.objects.filter(
            check_of=job.spot_check_id, is_sampled=False, item__output__in=chunk
        ).select_related("check_of")
    )
    # Whoever reviews one of the outputs, in whichever queue, waits for these, and these for them.
    locked = Output.objects.select_for_update(no_key=True).filter(pk__in=[one.pk for one in chunk])
    versions = dict(locked.order_by("pk").values_list("pk", "version"))
    found = QueueItem.objects.select_for_update(of=("self",)).select_related("stratum")
    wanted = found.filter(pk__in=[row.item_id for row in rows]).order_by("pk")
    items = {item.pk: item for item in wanted}
    why = _left_out(rows, items, versions, now)
    for row in rows:
        row.left_out = why[row.item_id]
    DrawnItem.objects.bulk_update(rows, ["left_out"])
    free = [row for row in rows if not row.left_out]
    before = told(QueueItem, [row.item_id for row in free])
    QueueItem.objects.filter(pk__in=before).update(
        status=QueueItem.Status.PROVISIONAL, closed_at=now
    )
    made = Provisional.objects.bulk_create(
        Provisional(
            project_id=job.project_id,
            output_id=items[row.item_id].output_id,
            output_version=row.output_version,
            item_id=row.item_id,
            spot_check_id=row.check_of_id,
            verdict=row.check_of.verdict,
            decided_by=job.created_by,
            created_at=now,
        )
        for row in free
    )
    return [
        BulkChange(
            job=job, output_id=one.output_id, before=before[one.item_id], after={"id": one.pk}
        )
        for one in made
    ]


def take_back(changes: Sequence[BulkChange]) -> dict[int, str]:
    """Open again what was decided and nobody has reviewed since; return why not, by change."""
    outputs = [change.output_id for change in changes if change.output_id]
    list(Output.objects.select_for_update(no_key=True).filter(pk__in=outputs).order_by("pk"))
    rows = {change.after["id"]: change for change in changes}
    there = Provisional.objects.filter(pk__in=rows)
    found = dict(there.values_list("pk", "item"))
    there.delete()
    for pk, item in found.items():
        before = rows[pk].before
        QueueItem.objects.filter(pk=item).update(
            status=before["status"], closed_at=before["closed_at"]
        )
    return {
        change.pk: "Somebody has reviewed it since."
        for pk, change in rows.items()
        if pk not in found
    }


def replace(*, review: Review) -> None:
    """Take away what was carried over to the review's output: its item waits again.

    Needs the output locked, in a transaction; the review's own item is then finished by it.
    """
    decision = Provisional.objects.filter(output=review.output_id).first()
    if decision is None:
        return
    decision.delete()
    QueueItem.objects.filter(pk=decision.item_id).update(
        status=QueueItem.Status.OPEN, closed_at=None
    )
    Event.objects.create(
        project_id=review.project_id,
        output_id=review.output_id,
        actor=review.reviewer,
        verb="replaced",
        target_type="queue_item",
        target_id=decision.item_id,
        data={"verdict": decision.verdict, "check": decision.spot_check_id},
        at=review.created_at,
    )


def _left_out(
    rows: Sequence[DrawnItem],
    items: dict[int, QueueItem],
    versions: dict[int, int],
    now: datetime,
) -> dict[int, str]:
    """Why each item is left out, empty for those that are not."""
    reviewed = set(Review.objects.filter(item__in=items).values_list("item", flat=True))
    judged = set(
        Review.objects.authoritative().filter(output__in=versions).values_list("output", flat=True)
    )
    decided = set(Provisional.objects.filter(output__in=versions).values_list("output", flat=True))
    started = {
        item
        for model in (Skip, Draft)
        for item in model.objects.filter(item__in=items).values_list("item", flat=True)
    }
    # A place that another transaction has locked is being taken at this moment.
    places = Claim.objects.select_for_update(skip_locked=True).filter(item__in=items)
    free = {
        place.item_id
        for place in places
        if place.finished_at is None and (place.lease_until is None or place.lease_until <= now)
    }

    def why(row: DrawnItem) -> str:
        item = items[row.item_id]
        is_open = item.status == QueueItem.Status.OPEN
        is_audit = item.stratum is not None and item.stratum.is_audit
        is_same = (versions[item.output_id], item.group_id) == (
            row.output_version,
            row.check_of.group_id,
        )
        reasons = {
            LeftOut.OUT: item.status == QueueItem.Status.OUT,
            LeftOut.DECIDED: item.output_id in decided,
            LeftOut.REVIEWED: not is_open or item.pk in reviewed or item.output_id in judged,
            LeftOut.HELD: item.pk not in free,
            LeftOut.BEGUN: item.pk in started,
            LeftOut.CHANGED: is_audit or not is_same,
        }
        return next((reason for reason, holds in reasons.items() if holds), LeftOut.NONE)

    return {row.item_id: why(row) for row in rows}
