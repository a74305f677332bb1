"""Promotes many reviews at once: in chunks, with a row for each place, and undone exactly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Max, Q
from django.urls import reverse

from curation.models import EntryKind, Placing, PromotionJob
from curation.placing import Places, place, take_back
from curation.promotion import unpromoted
from feedback import stepping
from feedback.filters import FilterError
from feedback.models import Membership, Output, Project, User
from review.filters import ReviewFilter
from review.models import Event, Notification, Review
from review.models.review import ReviewQuerySet
from review.notifications import notify_of

# Reviews looked at in one transaction; each takes some queries for each place.
CHUNK = 50
# How often a chunk may raise until its job has failed.
MOST_TRIES = 3
MOST_PICKED = 1_000
LONGEST_WHY = 2_000


class JobError(ValueError):
    """A bulk promotion that cannot be as asked for; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class NotAllowedError(Exception):
    """Only curators promote."""


class OverError(Exception):
    """It is too late: the job has ended, or is undone."""


@transaction.atomic
def start(
    *,
    project: Project,
    wanted: ReviewFilter,
    places: Places,
    by: User,
    now: datetime,
    reviews: Sequence[int] | None = None,
    only_unpromoted: bool = False,
    request_key: UUID | None = None,
) -> PromotionJob:
    """Have a worker promote every review that counts by now, of outputs that match the filter.

    `reviews` picks some of them, by their ids. With `only_unpromoted` those that are in a library
    or set already are left out. The same `request_key` again gives the same job. Raises JobError
    naming the field, NotAllowedError.
    """
    _check(project, by)
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if request_key and (
        before := PromotionJob.objects.filter(
            project=project, created_by=by, request_key=request_key
        ).first()
    ):
        return before
    if reviews is not None and not 0 < len(set(reviews)) <= MOST_PICKED:
        raise JobError("reviews", f"Pick 1 to {MOST_PICKED:,} reviews.")
    if not places:
        raise JobError("into", "Choose at least one library or training set.")
    projects = {one.project_id for one in places.libraries}
    if (projects | {one.project_id for one in places.training_sets}) != {project.pk}:
        raise JobError("into", "Choose libraries and training sets of this project.")
    if places.kind not in EntryKind.values:
        raise JobError("kind", "There is no such kind of entry.")
    if len(places.why) > LONGEST_WHY or "\0" in places.why:
        raise JobError("why", f"Say why in at most {LONGEST_WHY:,} characters.")
    job = PromotionJob(
        project=project,
        filter=wanted.to_json(),
        only_unpromoted=only_unpromoted,
        picked_reviews=None if reviews is None else sorted(set(reviews)),
        kind=places.kind,
        why=places.why,
        request_key=request_key,
        created_by=by,
        created_at=now,
    )
    last = Review.objects.filter(project=project).aggregate(last=Max("pk"))["last"]
    job.until = last or 0
    job.num_matching = meant(job=job).count()
    job.save()
    job.libraries.set(places.libraries)
    job.training_sets.set(places.training_sets)
    _log(job, "started", by, now)
    return job


def do_now(*, review: Review, places: Places, by: User, now: datetime) -> PromotionJob:
    """Promote one review, within the caller's transaction, and return the job that is done by that.

    Raises JobError naming the field, NotAllowedError.
    """
    job = start(
        project=review.project,
        wanted=ReviewFilter(),
        reviews=[review.pk],
        places=places,
        by=by,
        now=now,
    )
    placings = place(review=review, places=places, job=job, by=by, now=now)
    Placing.objects.bulk_create(placings)
    job.is_of_candidate = True
    job.num_seen = 1
    job.num_refused = sum(bool(one.problem) for one in placings)
    job.num_made = len(placings) - job.num_refused
    job.status, job.ended_at = PromotionJob.Status.DONE, now
    job.save()
    return job


def undo_now(*, job: PromotionJob, by: User, now: datetime) -> list[Placing]:
    """Take back what a job made, within the caller's transaction; return what had to stay."""
    rows = job.placings.in_force().select_related("review").select_for_update(of=("self",))
    placings = list(rows)
    take_back(placings=placings, by=by, now=now)
    left = [one for one in placings if one.conflict]
    job.num_conflicts, job.num_undone = len(left), len(placings) - len(left)
    job.status, job.undone_by, job.undone_at = PromotionJob.Status.UNDONE, by, now
    job.save()
    return left


def meant(*, job: PromotionJob) -> ReviewQuerySet:
    """The reviews that the job is about."""
    reviews = chosen(
        project=job.project,
        wanted=ReviewFilter.from_json(job.filter),
        reviews=job.picked_reviews,
        only_unpromoted=job.only_unpromoted,
    )
    return reviews.filter(pk__lte=job.until)


def chosen(
    *,
    project: Project,
    wanted: ReviewFilter,
    reviews: Sequence[int] | None = None,
    only_unpromoted: bool = False,
) -> ReviewQuerySet:
    """Reviews that count and that nobody is to be kept from, of outputs that match the filter."""
    found = Review.objects.authoritative().revealed().filter(project=project)
    if wanted.to_json():
        found = found.filter(output__in=wanted.apply(Output.objects.filter(project=project)))
    if reviews is not None:
        found = found.filter(pk__in=reviews)
    return unpromoted(found) if only_unpromoted else found


def counted(reviews: ReviewQuerySet) -> dict[str, int]:
    """How many there are: in `all`, `settled` with an answer, `unlearnt` alone, and `open`."""
    settles = Q(verdict=Review.Verdict.ACCEPT) | ~Q(correction="")
    rejects = Q(verdict=Review.Verdict.REJECT, correction="")
    return reviews.aggregate(
        all=Count("pk"),
        settled=Count("pk", filter=settles),
        unlearnt=Count("pk", filter=rejects),
        open=Count("pk", filter=~settles & ~rejects),
    )


def of_outputs(
    *, project: Project, outputs: Sequence[int], sessions: Sequence[int] = ()
) -> list[int]:
    """Return the ids of the reviews that count of these outputs and of those of the sessions."""
    found = Review.objects.authoritative().revealed().filter(project=project)
    found = found.filter(Q(output__in=outputs) | Q(output__session__in=sessions))
    return list(found.order_by("pk").values_list("pk", flat=True)[: MOST_PICKED + 1])


def work_off(*, now: datetime, most: int = 200) -> bool:
    """Do up to so many chunks of what waits, the oldest first; return whether more is left.

    Raises what a chunk raises. That one is tried again when the others are done, and so often that
    its job has failed.
    """
    active = PromotionJob.objects.filter(status__in=PromotionJob.ACTIVE)
    active = active.select_related("project", "created_by", "undone_by")
    return all(
        stepping.advance(
            active=active, step=_chunk, give_up=_give_up, most_tries=MOST_TRIES, now=now
        )
        for _ in range(most)
    )


def cancel(*, job: PromotionJob, by: User, now: datetime) -> None:
    """Stop before the next chunk. What was made stays, and can be undone. Raises OverError."""
    _check(job.project, by)
    with transaction.atomic():
        job = PromotionJob.objects.select_for_update().get(pk=job.pk)
        if job.status not in {PromotionJob.Status.WAITING, PromotionJob.Status.RUNNING}:
            raise OverError("This has ended already.")
        job.status, job.ended_at = PromotionJob.Status.CANCELLED, now
        job.save(update_fields=["status", "ended_at"])
        _log(job, "cancelled", by, now)


def undo(*, job: PromotionJob, by: User, now: datetime) -> None:
    """Have a worker take back what the job made. Raises OverError, NotAllowedError.

    What somebody changed, published or released since is left as it is, and says so.
    """
    _check(job.project, by)
    with transaction.atomic():
        job = PromotionJob.objects.select_for_update().get(pk=job.pk)
        if not job.is_undoable:
            raise OverError("This is undone already, or has not ended yet.")
        job.status, job.undone_by, job.undone_at = PromotionJob.Status.UNDOING, by, now
        job.problem, job.num_failures = "", 0
        job.save(update_fields=["status", "undone_by", "undone_at", "problem", "num_failures"])
        _log(job, "undone", by, now)


def _check(project: Project, by: User) -> None:
    membership = Membership.objects.filter(project=project, user=by).first()
    if membership is None or not membership.may(Membership.Role.CURATOR):
        raise NotAllowedError("You may not promote in this project.")


def _give_up(job: PromotionJob, error: Exception, now: datetime) -> None:
    """Say that what a chunk raised was too often."""
    what = str(error) if isinstance(error, FilterError) else type(error).__name__
    job.problem = (
        f"It stopped after {job.num_seen:,} of {job.num_matching:,} reviews: {what[:120]}, "
        f"{MOST_TRIES} times in the same place. The log of the worker says more."
    )
    job.status, job.ended_at = PromotionJob.Status.FAILED, job.ended_at or now
    _log(job, "failed", None, now)
    _tell(job, now)


def _chunk(job: PromotionJob, now: datetime) -> None:
    """Do one chunk: what it makes, its rows and how far it came."""
    if job.status == PromotionJob.Status.UNDOING:
        _undo_chunk(job, now)
        return
    places = Places(
        libraries=list(job.libraries.select_related("project").order_by("pk")),
        training_sets=list(job.training_sets.select_related("project").order_by("pk")),
        kind=job.kind,
        why=job.why,
    )
    rows = meant(job=job).filter(pk__gt=job.after).select_related("output__session", "project")
    chunk = list(rows.order_by("pk")[:CHUNK])
    placings = [
        one
        for review in chunk
        for one in place(review=review, places=places, job=job, by=job.created_by, now=now)
    ]
    Placing.objects.bulk_create(placings)
    num_refused = sum(bool(one.problem) for one in placings)
    job.num_seen += len(chunk)
    # What matches may have become more since it was counted.
    job.num_matching = max(job.num_matching, job.num_seen)
    job.num_refused += num_refused
    job.num_made += len(placings) - num_refused
    job.status = PromotionJob.Status.RUNNING
    if chunk:
        job.after = chunk[-1].pk
    if len(chunk) < CHUNK:
        job.status, job.ended_at = PromotionJob.Status.DONE, now
        _log(job, "finished", job.created_by, now)
        _tell(job, now)


def _undo_chunk(job: PromotionJob, now: datetime) -> None:
    """Take back some of what was made, the latest first."""
    rows = job.placings.in_force().select_related("review").select_for_update(of=("self",))
    placings = list(rows.order_by("-pk")[:CHUNK])
    take_back(placings=placings, by=job.undone_by or job.created_by, now=now)
    num_conflicts = sum(bool(one.conflict) for one in placings)
    job.num_conflicts += num_conflicts
    job.num_undone += len(placings) - num_conflicts
    if len(placings) < CHUNK:
        job.status = PromotionJob.Status.UNDONE


def _tell(job: PromotionJob, now: datetime) -> None:
    """Tell who started it that it is through, or has failed. Needs a transaction."""
    places = [*job.libraries.order_by("name", "pk"), *job.training_sets.order_by("name", "pk")]
    notify_of(
        project=job.project,
        kind=Notification.Kind.PROMOTED,
        subject=f"promotion {job.pk}",
        title=f"{job.num_made:,} into {', '.join(one.name for one in places)}"[:120],
        path=reverse("promotion_job", args=[job.project.slug, job.pk]),
        to=[job.created_by_id],
        by=None,
        now=now,
    )


def _log(job: PromotionJob, verb: str, by: User | None, now: datetime) -> None:
    Event.objects.create(
        project_id=job.project_id,
        actor=by,
        verb=verb,
        target_type="promotion_job",
        target_id=job.pk,
        data={"seen": job.num_seen, "made": job.num_made},
        at=now,
    )
