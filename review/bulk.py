"""Acts on every output that matches a filter: in chunks, logged row by row, and undone exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Q

from feedback import stepping
from feedback.filters import FilterError
from feedback.models import Membership, Output, Project, Reason, User
from feedback.models.output import OutputQuerySet
from feedback.tag_names import named
from review import handovers
from review.additions import give_reason, give_route
from review.bulk_undo import undo_changes
from review.filters import ReviewFilter
from review.intake import begun, put
from review.models import BulkChange, BulkJob, Claim, DrawnItem, Event, Queue, QueueItem
from review.notifications import notify_done
from review.provisional import decide_rows
from review.stored_rows import told
from review.tags import TagError, checked, put_on, take_off

# Outputs looked at in one transaction.
CHUNK = 500
# How often a chunk may raise until its job has failed.
MOST_TRIES = 3
MOST_PICKED = 1_000

_ROLES = {
    BulkJob.Act.TAG_ADD: Membership.Role.TAGGER,
    BulkJob.Act.TAG_REMOVE: Membership.Role.TAGGER,
    BulkJob.Act.QUEUE_ADD: Membership.Role.MODERATOR,
    BulkJob.Act.QUEUE_REMOVE: Membership.Role.MODERATOR,
    BulkJob.Act.DECIDE: Membership.Role.MODERATOR,
    BulkJob.Act.REASON_ADD: Membership.Role.MODERATOR,
    BulkJob.Act.ROUTE_ADD: Membership.Role.MODERATOR,
}


class BulkError(ValueError):
    """A bulk act that cannot be as asked for; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class NotAllowedError(Exception):
    """The member's role does not reach this act."""


class OverError(Exception):
    """It is too late: the job has ended, or is undone."""


@transaction.atomic
def start(
    *,
    project: Project,
    wanted: ReviewFilter,
    act: str,
    by: User,
    now: datetime,
    queue: Queue | None = None,
    tags: Sequence[str] = (),
    reason: str = "",
    route: str = "",
    outputs: Sequence[int] | None = None,
    sessions: Sequence[int] = (),
    request_key: UUID | None = None,
) -> BulkJob:
    """Have a worker do something with every output that matches the filter by now.

    `outputs` and `sessions` pick some of those, by their ids, of which the filter's terms alone
    have to hold; without `outputs` all are meant. Tags go to the outputs' sessions; a `reason`, by
    its slug in the current taxonomy, and a `route` go to the decisions on the outputs that count.
    The same `request_key` again gives the same job. Raises BulkError naming the field,
    NotAllowedError.
    """
    membership = Membership.objects.filter(project=project, user=by).first()
    # What is decided as one starts from its sample: see review.spot_checks.
    if act not in _ROLES or act == BulkJob.Act.DECIDE:
        raise BulkError("act", "There is no such act.")
    if membership is None or not membership.may(_ROLES[BulkJob.Act(act)]):
        raise NotAllowedError("You may not do this in this project.")
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if request_key and (
        before := BulkJob.objects.filter(
            project=project, created_by=by, request_key=request_key
        ).first()
    ):
        return before
    if outputs is not None and not 0 < len(outputs) + len(sessions) <= MOST_PICKED:
        raise BulkError("output", f"Pick 1 to {MOST_PICKED:,} rows.")
    if outputs is not None:
        # A row may have been found by the words of what was said about it.
        wanted = replace(wanted, words=())
    job = BulkJob(
        project=project,
        act=act,
        filter=wanted.to_json(),
        picked_outputs=None if outputs is None else sorted(set(outputs)),
        picked_sessions=sorted(set(sessions)),
        request_key=request_key,
        created_by=by,
        created_at=now,
    )
    _name(job, queue, tags, reason, route)
    everything = Output.objects.filter(project=project)
    job.until = everything.aggregate(last=Max("pk"))["last"] or 0
    job.num_matching = meant(job=job).count()
    job.save()
    log(job=job, verb="started", by=by, now=now)
    return job


def meant(*, job: BulkJob) -> OutputQuerySet:
    """The outputs that the job is about: never one that its filter does not match."""
    outputs = Output.objects.filter(project=job.project_id, pk__lte=job.until)
    if job.spot_check_id is not None:
        rest = DrawnItem.objects.filter(check_of=job.spot_check_id, is_sampled=False)
        return outputs.filter(pk__in=rest.values("item__output"))
    if job.picked_outputs is not None:
        outputs = outputs.filter(Q(pk__in=job.picked_outputs) | Q(session__in=job.picked_sessions))
    return ReviewFilter.from_json(job.filter).apply(outputs)


def work_off(*, now: datetime, most: int = 200) -> bool:
    """Do up to so many chunks of what waits, the oldest first; return whether more is left.

    Raises what a chunk raises. That one is tried again when the others are done, and so often that
    its job has failed.
    """
    active = BulkJob.objects.filter(status__in=BulkJob.ACTIVE)
    return all(
        stepping.advance(
            active=active, step=_chunk, give_up=_give_up, most_tries=MOST_TRIES, now=now
        )
        for _ in range(most)
    )


def cancel(*, job: BulkJob, by: User, now: datetime) -> None:
    """Stop before the next chunk. What was done stays, and can be undone. Raises OverError."""
    with transaction.atomic():
        job = _mine(job, by)
        if job.status not in {BulkJob.Status.WAITING, BulkJob.Status.RUNNING}:
            raise OverError("This has ended already.")
        job.status, job.ended_at = BulkJob.Status.CANCELLED, now
        job.save(update_fields=["status", "ended_at"])
        log(job=job, verb="cancelled", by=by, now=now)


def undo(*, job: BulkJob, by: User, now: datetime) -> None:
    """Have a worker take back what the job really changed. Raises OverError, NotAllowedError.

    A row that somebody changed since is left as it is, and says so.
    """
    with transaction.atomic():
        job = _mine(job, by)
        if not job.is_undoable:
            raise OverError("This is undone already, or has not ended yet.")
        job.status, job.undone_by, job.undone_at = BulkJob.Status.UNDOING, by, now
        job.problem, job.num_failures = "", 0
        job.save(update_fields=["status", "undone_by", "undone_at", "problem", "num_failures"])
        log(job=job, verb="undone", by=by, now=now)


def may_act(*, job: BulkJob, membership: Membership) -> bool:
    """Whether the member may cancel and undo the job: who started it, and moderators."""
    is_theirs = job.created_by_id == membership.user_id
    allowed = membership.may(_ROLES[BulkJob.Act(job.act)])
    return allowed and (is_theirs or membership.may(Membership.Role.MODERATOR))


def _mine(job: BulkJob, by: User) -> BulkJob:
    job = BulkJob.objects.select_for_update().get(pk=job.pk)
    membership = Membership.objects.filter(project=job.project_id, user=by).first()
    if membership is None or not may_act(job=job, membership=membership):
        raise NotAllowedError("Only who started it and moderators may do this.")
    return job


def _give_up(job: BulkJob, error: Exception, now: datetime) -> None:
    """Say that what a chunk raised was too often."""
    is_undoing = job.status == BulkJob.Status.UNDOING
    done = job.num_undone + job.num_conflicts if is_undoing else job.num_seen
    whole = job.num_changed if is_undoing else job.num_matching
    what = str(error) if isinstance(error, FilterError) else type(error).__name__
    job.problem = (
        f"It stopped after {done:,} of {whole:,} {'changes' if is_undoing else 'answers'}: "
        f"{what[:120]}, {MOST_TRIES} times in the same place. The log of the worker says more."
    )
    job.status, job.ended_at = BulkJob.Status.FAILED, job.ended_at or now
    log(job=job, verb="failed", by=None, now=now)
    notify_done(job=job, now=now)


def _chunk(job: BulkJob, now: datetime) -> None:
    """Do one chunk: what it changes, its log and how far it came."""
    if job.status == BulkJob.Status.UNDOING:
        if not undo_changes(job=job, limit=CHUNK):
            job.status = BulkJob.Status.UNDONE
        return
    chunk = list(meant(job=job).filter(pk__gt=job.after).order_by("pk")[:CHUNK])
    changes = _act(job, chunk, now)
    BulkChange.objects.bulk_create(changes)
    job.num_seen += len(chunk)
    # What matches may have become more since it was counted.
    job.num_matching = max(job.num_matching, job.num_seen)
    job.num_changed += len(changes)
    job.status = BulkJob.Status.RUNNING
    if chunk:
        job.after = chunk[-1].pk
    if len(chunk) < CHUNK:
        job.status, job.ended_at = BulkJob.Status.DONE, now
        log(job=job, verb="finished", by=job.created_by, now=now)
        notify_done(job=job, now=now)


def _act(job: BulkJob, chunk: Sequence[Output], now: datetime) -> list[BulkChange]:
    if job.act == BulkJob.Act.QUEUE_ADD:
        return _enqueue(job, chunk, now)
    if job.act == BulkJob.Act.QUEUE_REMOVE:
        return _dequeue(job, chunk, now)
    if job.act == BulkJob.Act.DECIDE:
        return decide_rows(job=job, chunk=chunk, now=now)
    if job.act == BulkJob.Act.REASON_ADD:
        return give_reason(job=job, chunk=chunk, now=now)
    if job.act == BulkJob.Act.ROUTE_ADD:
        return give_route(job=job, chunk=chunk, now=now)
    sessions = sorted({output.session_id for output in chunk})
    rows = (
        put_on(sessions=sessions, tags=job.tag_ids, by=job.created_by, now=now)
        if job.act == BulkJob.Act.TAG_ADD
        else take_off(sessions=sessions, tags=job.tag_ids)
    )
    is_added = job.act == BulkJob.Act.TAG_ADD
    return [
        BulkChange(
            job=job,
            session_id=row["session_id"],
            before={} if is_added else row,
            after=row if is_added else {},
        )
        for row in rows
    ]


def _enqueue(job: BulkJob, chunk: Sequence[Output], now: datetime) -> list[BulkChange]:
    """Put outputs in that are not there, and those in again that were taken out."""
    queue = (
        Queue.objects.select_for_update(no_key=True).select_related("project").get(bulk_jobs=job)
    )
    there = QueueItem.objects.filter(queue=queue, output__in=chunk).select_for_update()
    known = {item.output_id: item for item in there}
    items = put(
        queue=queue, stratum=None, outputs=[one for one in chunk if one.pk not in known], now=now
    )
    out = [item for item in known.values() if item.status == QueueItem.Status.OUT]
    before = told(QueueItem, [item.pk for item in out])
    QueueItem.objects.filter(pk__in=before).update(status=QueueItem.Status.OPEN, closed_at=None)
    places = range(1, queue.reviewers_per_item + 1)
    Claim.objects.bulk_create(Claim(item=item, place=place) for item in out for place in places)
    return [
        BulkChange(
            job=job, output_id=item.output_id, before=before.get(item.pk, {}), after={"id": item.pk}
        )
        for item in (*items, *out)
    ]


def _dequeue(job: BulkJob, chunk: Sequence[Output], now: datetime) -> list[BulkChange]:
    """Take open items out that nobody has begun; they stay out when the queue is fed."""
    Queue.objects.select_for_update(no_key=True).get(bulk_jobs=job)
    waiting = QueueItem.objects.open().filter(queue=job.queue_id, output__in=chunk)
    items = list(waiting.filter(~begun()).select_for_update(of=("self",)))
    places = list(Claim.objects.select_for_update().filter(item__in=items))
    # One that is taken at this moment stays.
    held = {place.item_id for place in places if place.reviewer_id}
    items = [item for item in items if item.pk not in held]
    before = told(QueueItem, [item.pk for item in items])
    claims = told(Claim, [place.pk for place in places if place.item_id in before])
    Claim.objects.filter(pk__in=claims).delete()
    QueueItem.objects.filter(pk__in=before).update(status=QueueItem.Status.OUT, closed_at=now)
    return [
        BulkChange(
            job=job,
            output_id=item.output_id,
            before={
                **before[item.pk],
                "claims": [one for one in claims.values() if one["item_id"] == item.pk],
            },
        )
        for item in items
    ]


def _name(job: BulkJob, queue: Queue | None, tags: Sequence[str], reason: str, route: str) -> None:
    """Name what the job's act puts on, or puts where. Raises BulkError."""
    if job.act in {BulkJob.Act.TAG_ADD, BulkJob.Act.TAG_REMOVE}:
        _name_tags(job, tags)
    elif job.act == BulkJob.Act.REASON_ADD:
        known = Reason.objects.current().filter(taxonomy__project=job.project)
        job.reason = known.filter(slug=reason.replace("\x00", "")).first()
        if job.reason is None:
            raise BulkError("reason", "Choose a reason.")
    elif job.act == BulkJob.Act.ROUTE_ADD:
        if route not in handovers.ROUTES:
            raise BulkError("route", "Choose a route other than to escalate.")
        job.route = route
    elif queue is None or queue.project_id != job.project_id:
        raise BulkError("queue", "Choose a queue.")
    else:
        job.queue = queue


def _name_tags(job: BulkJob, tags: Sequence[str]) -> None:
    try:
        names = checked(tags)
    except TagError as error:
        raise BulkError("tags", error.message) from error
    if not names:
        raise BulkError("tags", "Name at least one tag.")
    is_adding = job.act == BulkJob.Act.TAG_ADD
    before = named(project=job.project, names=names)
    found = named(project=job.project, names=names, make=True) if is_adding else before
    job.made_tag_ids = sorted(set(found.values()) - set(before.values()))
    job.tags, job.tag_ids = names, sorted(set(found.values()))


def log(*, job: BulkJob, verb: str, by: User | None, now: datetime) -> None:
    """Write down what happened to the job."""
    Event.objects.create(
        project_id=job.project_id,
        actor=by,
        verb=verb,
        target_type="bulk_job",
        target_id=job.pk,
        data={"act": job.act, "seen": job.num_seen, "changed": job.num_changed},
        at=now,
    )
