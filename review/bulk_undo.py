"""Takes back what a bulk act changed, row by row, and leaves alone what changed since."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from django.db.models import Model

from feedback.models import SessionTag, Tag
from review.intake import begun
from review.models import (
    AddedReason,
    BulkChange,
    BulkJob,
    Claim,
    Escalation,
    Handover,
    Queue,
    QueueItem,
)
from review.provisional import take_back
from review.stored_rows import put_back, told


def undo_changes(*, job: BulkJob, limit: int) -> int:
    """Take back up to so many changes, the latest first; return how many there were.

    Needs the job locked, in a transaction; counts on it. After the last, tags that the job made
    and nobody uses go too.
    """
    changes = list(job.changes.filter(outcome="").order_by("-pk").select_for_update()[:limit])
    if not changes:
        # A former name means another tag, and one that has former names was given them by people.
        unused = Tag.objects.filter(alias_of=None, aliases=None, session_tags=None)
        unused.filter(pk__in=job.made_tag_ids).delete()
        return 0
    undos: dict[str, Callable[[Sequence[BulkChange]], dict[int, str]]] = {
        BulkJob.Act.TAG_ADD: partial(
            _take_off,
            SessionTag,
            gone="Somebody took the tag off since, or merged another into it.",
            changed="The tag was renamed or merged since.",
        ),
        BulkJob.Act.TAG_REMOVE: _put_on,
        BulkJob.Act.QUEUE_ADD: partial(_take_out, job),
        BulkJob.Act.QUEUE_REMOVE: partial(_put_in, job),
        BulkJob.Act.DECIDE: take_back,
        BulkJob.Act.REASON_ADD: partial(
            _take_off,
            AddedReason,
            gone="The decision was taken back since.",
            changed="Who added it is no user any more.",
        ),
        BulkJob.Act.ROUTE_ADD: partial(
            _take_off,
            Handover,
            gone="The decision was taken back since.",
            changed="Somebody has taken it up since.",
            # By when it is due follows from hours that others set.
            but=("due_at", "due_order"),
        ),
    }
    conflicts = undos[job.act](changes)
    for change in changes:
        change.conflict = conflicts.get(change.pk, "")
        change.outcome = "conflict" if change.conflict else "undone"
    BulkChange.objects.bulk_update(changes, ["outcome", "conflict"])
    job.num_conflicts += len(conflicts)
    job.num_undone += len(changes) - len(conflicts)
    return len(changes)


def _take_off(
    model: type[Model],
    changes: Sequence[BulkChange],
    *,
    gone: str,
    changed: str,
    but: Collection[str] = (),
) -> dict[int, str]:
    """Delete the rows that are as the act made them; `gone` and `changed` say why others stay.

    What stands in the columns of `but` does not matter.
    """
    rows = {change.after["id"]: change for change in changes}
    manager = model._default_manager
    list(manager.select_for_update().filter(pk__in=rows).order_by("pk"))
    now_there = told(model, list(rows))
    conflicts = {}
    for pk, change in rows.items():
        if pk not in now_there:
            conflicts[change.pk] = gone
        elif any(
            now_there[pk][name] != was for name, was in change.after.items() if name not in but
        ):
            conflicts[change.pk] = changed
    manager.filter(
        pk__in=[pk for pk, change in rows.items() if change.pk not in conflicts]
    ).delete()
    return conflicts


def _put_on(changes: Sequence[BulkChange]) -> dict[int, str]:
    former = set(
        Tag.objects.filter(pk__in={change.before["tag_id"] for change in changes})
        .exclude(alias_of=None)
        .select_for_update(no_key=True)
        .values_list("pk", flat=True)
    )
    rows = [change.before for change in changes if change.before["tag_id"] not in former]
    back = put_back(SessionTag, rows)
    return {
        change.pk: "The tag was merged since."
        if change.before["tag_id"] in former
        else "Somebody put the tag on since, or it is gone."
        for change in changes
        if change.before["id"] not in back
    }


def _take_out(job: BulkJob, changes: Sequence[BulkChange]) -> dict[int, str]:
    rows = {change.after["id"]: change for change in changes}
    items = QueueItem.objects.open().filter(pk__in=rows).select_for_update(of=("self",))
    free = {item.pk for item in items.filter(~begun())}
    places = Claim.objects.select_for_update().filter(item__in=free)
    free -= {place.item_id for place in places if place.reviewer_id}
    # Asked once the items are locked: sending one back locks it too.
    returned = Escalation.objects.filter(returned_to=job.queue_id, settled_at__gte=job.created_at)
    sent_back = set(returned.values_list("output", flat=True))
    free -= {pk for pk in free if rows[pk].output_id in sent_back}
    was_out = [pk for pk in free if rows[pk].before]
    Claim.objects.filter(item__in=was_out).delete()
    for pk in was_out:
        _as_it_was(rows[pk].before)
    QueueItem.objects.filter(pk__in=free - set(was_out)).delete()
    return {
        change.pk: "It was sent back here since."
        if change.output_id in sent_back
        else "Somebody has begun to review it since, or took it out."
        for pk, change in rows.items()
        if pk not in free
    }


def _put_in(job: BulkJob, changes: Sequence[BulkChange]) -> dict[int, str]:
    queue = Queue.objects.select_for_update(no_key=True).get(bulk_jobs=job)
    rows = {change.before["id"]: change for change in changes}
    out = QueueItem.objects.filter(pk__in=rows, status=QueueItem.Status.OUT)
    found = {item.pk for item in out.select_for_update(of=("self",))}
    for pk in found:
        _as_it_was(rows[pk].before)
    # The queue may have asked for another number of reviewers since.
    places = range(1, queue.reviewers_per_item + 1)
    former = [claim for pk in found for claim in rows[pk].before["claims"]]
    put_back(Claim, [claim for claim in former if claim["place"] in places])
    Claim.objects.bulk_create(
        (Claim(item_id=pk, place=place) for pk in found for place in places), ignore_conflicts=True
    )
    return {
        change.pk: "Somebody put it in again since, or it is gone."
        for pk, change in rows.items()
        if pk not in found
    }


def _as_it_was(before: dict[str, Any]) -> None:
    QueueItem.objects.filter(pk=before["id"]).update(
        status=before["status"], closed_at=before["closed_at"]
    )
