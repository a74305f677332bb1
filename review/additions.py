"""Adds to many decisions at once what their reviewers did not say.

A decision is what its reviewer said, and nobody writes into it: agreement, how common a fault is,
what rules are held against and whether it was sent before are all read from it. What is added lies
beside it (docs/adr/0020), and goes with it when it is taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from feedback.models import Output, Reason
from review import handovers
from review.models import AddedReason, BulkChange, BulkJob, Handover, Review, ReviewReason
from review.stored_rows import told


def give_reason(*, job: BulkJob, chunk: Sequence[Output], now: datetime) -> list[BulkChange]:
    """Give the job's reason to those decisions on the outputs that count and do not have it.

    One of a former taxonomy with its slug is the same. Needs the job locked, in a transaction.
    """
    reviews = _decisions(chunk)
    reason = Reason.objects.get(pk=job.reason_id or 0)
    given: set[int] = set()
    for model in (ReviewReason, AddedReason):
        same = model.objects.filter(review__in=reviews, reason__slug=reason.slug)
        given.update(same.values_list("review", flat=True))
    made = AddedReason.objects.bulk_create(
        AddedReason(review=review, reason=reason, added_by=job.created_by, added_at=now)
        for review in reviews
        if review.pk not in given
    )
    return _changes(job, made)


def give_route(*, job: BulkJob, chunk: Sequence[Output], now: datetime) -> list[BulkChange]:
    """Ask for the job's route for those decisions on the outputs that count and do not ask for it.

    What is on the route already, or was done there, stays. Needs the job locked, in a transaction.
    """
    made = handovers.add(reviews=_decisions(chunk), route=job.route, by=job.created_by, now=now)
    return _changes(job, made)


def _decisions(chunk: Sequence[Output]) -> list[Review]:
    """The decisions that count, less those that somebody is not to know before their own.

    With the outputs locked as a submit and a take-back lock them, none comes or goes.
    """
    outputs = [one.pk for one in chunk]
    list(Output.objects.select_for_update(no_key=True).filter(pk__in=outputs).order_by("pk"))
    reviews = Review.objects.authoritative().revealed().filter(output__in=outputs)
    return list(reviews.only("output", "project").order_by("pk"))


def _changes(job: BulkJob, made: Sequence[AddedReason] | Sequence[Handover]) -> list[BulkChange]:
    rows = told(type(made[0]), [one.pk for one in made]) if made else {}
    return [BulkChange(job=job, output_id=one.review.output_id, after=rows[one.pk]) for one in made]
