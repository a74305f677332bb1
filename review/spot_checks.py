"""Decides a group of look-alikes as one, on a sample that people reviewed."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import floor
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Max

from feedback.models import Membership, Output, Project, User
from review import bulk
from review.models import (
    BulkJob,
    DrawnItem,
    Event,
    ItemGroup,
    Provisional,
    QueueItem,
    Review,
    SpotCheck,
)
from review.proof import lowest_share, sample_size, sure_of_draw
from review.sampling import numbers

# How sure one is of what a sample tells, of all samples of a group together.
SURE = 0.95
# A larger group is decided in several goes.
MOST_DRAWN = 5_000
# Reviewed, but not decided.
UNSETTLED = (QueueItem.Status.DISPUTED, QueueItem.Status.ESCALATED)

SEVERAL = "This queue asks several reviewers for each answer, so each is looked at."
TOO_FEW = "There are so few that each has to be looked at."
UNDER_WAY = "The sample that was drawn is being reviewed."
NOTHING_DRAWN = "Draw a sample first."
NOT_NEWEST = "Another sample was drawn since."


class SpotCheckError(Exception):
    """A sample that cannot be drawn, or does not allow to decide; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What sample deciding a group as one takes now.

    Of `size` of the `num_open` items `num_asked` have to be reviewed, with one verdict, to be sure
    that at least `share` of the `size` would get it. `why_not` says why there is no use in drawing,
    empty when there is.
    """

    num_open: int
    size: int
    num_asked: int
    share: float
    why_not: str = ""

    @property
    def percent(self) -> float:
        """The share in percent."""
        return round(100 * self.share, 1)


class State(StrEnum):
    """How far a sample is."""

    WAITING = "waiting"
    LOST = "lost"
    DISAGREES = "disagrees"
    LOW = "low"
    READY = "ready"
    DECIDED = "decided"


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """One of a sample with the review of it; None while there is none of that answer."""

    drawn: DrawnItem
    review: Review | None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a sample tells.

    The sample is in the order of its draw, those that disagree first. Of `num_reviewed` decisions
    `num_agreeing` are the commonest `verdict`. Once all are in, `bound` is the share of all
    `check.size` that has it at least, of which one may be sure. `num_rest` of them are not in the
    sample; once decided, `num_decided` still are so, and `left_out` counts the others by the
    reason.
    """

    check: SpotCheck
    state: State
    sample: Sequence[Sampled]
    num_reviewed: int
    num_agreeing: int
    verdict: str
    bound: float | None
    num_rest: int
    job: BulkJob | None = None
    num_decided: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def percent(self) -> float | None:
        """The bound in percent, rounded down to a tenth."""
        return None if self.bound is None else floor(1000 * self.bound) / 10

    @property
    def is_over(self) -> bool:
        """Whether another sample may be drawn."""
        return self.state not in {State.WAITING, State.READY}

    @property
    def verdict_label(self) -> str:
        """The commonest verdict in words."""
        return str(Review.Verdict(self.verdict).label) if self.verdict else ""

    @property
    def why_not(self) -> str:
        """Why the rest cannot be decided on it; empty when it can."""
        return {
            State.WAITING: f"{self.check.num_asked - self.num_reviewed} of the sample wait for"
            " a review.",
            State.LOST: "Some of the sample cannot be reviewed as drawn any more.",
            State.DISAGREES: "Not all of the sample got the same verdict.",
            State.LOW: "The sample proves too little.",
            State.DECIDED: "This was decided already.",
        }.get(self.state, "")


def plan(*, group: ItemGroup) -> Plan:
    """Say what sample it takes. Two queries."""
    project = _project(group)
    num_open = QueueItem.objects.alike().filter(group=group).count()
    size = min(num_open, MOST_DRAWN)
    share, sure = project.spot_check_share, sure_of_draw(_num_drawn(group) + 1, sure=SURE)
    asked = sample_size(size=size, share=share, sure=sure) if size else 0
    why_not = TOO_FEW if asked >= size else ""
    if group.queue.reviewers_per_item > 1:
        why_not = SEVERAL
    return Plan(num_open=num_open, size=size, num_asked=asked, share=share, why_not=why_not)


@transaction.atomic
def draw_sample(*, group: ItemGroup, by: User, now: datetime) -> SpotCheck:
    """Draw at random what of the group's open items is to be reviewed; write all of them down.

    Each further sample of a group has to prove more than the one before. Raises NotAllowedError,
    SpotCheckError while the one before is being reviewed, or with no use in drawing.
    """
    _moderator(group, by)
    group = _locked(group)
    former = newest(group=group)
    if former and not standing(check=former).is_over:
        raise SpotCheckError(UNDER_WAY)
    planned = plan(group=group)
    if planned.why_not:
        raise SpotCheckError(planned.why_not)
    items = QueueItem.objects.alike().filter(group=group).order_by("pk")
    rows = list(items.values_list("pk", "output__version")[: planned.size])
    check = SpotCheck.objects.create(
        group=group,
        number=_num_drawn(group) + 1,
        seed=secrets.randbits(63),
        size=len(rows),
        num_asked=planned.num_asked,
        share=planned.share,
        drawn_by=by,
        drawn_at=now,
    )
    drawn = numbers(seed=check.seed, rows=[pk for pk, _ in rows])
    sample = set(sorted(drawn, key=lambda pk: (drawn[pk], pk))[: check.num_asked])
    DrawnItem.objects.bulk_create(
        DrawnItem(
            check_of=check,
            item_id=pk,
            output_version=version,
            number=drawn[pk],
            is_sampled=pk in sample,
        )
        for pk, version in rows
    )
    Event.objects.create(
        project_id=group.queue.project_id,
        actor=by,
        verb="drew",
        target_type="spot_check",
        target_id=check.pk,
        data={"group": group.pk, "size": check.size, "asked": check.num_asked, "seed": check.seed},
        at=now,
    )
    return check


def newest(*, group: ItemGroup) -> SpotCheck | None:
    """The sample that was drawn last: the only one on which the group may be decided."""
    return group.checks.order_by("-number").first()


def standing(*, check: SpotCheck) -> Standing:
    """Say what a sample tells by now. Four queries, and two more when it was decided.

    What is disputed or escalated waits for who settles it; then the review that counts is told.
    """
    drawn = check.drawn.filter(is_sampled=True).select_related("item__output").order_by("number")
    rows = list(drawn.defer("item__output__text", "item__output__documents"))
    versions = {row.item_id: row.output_version for row in rows}
    found = Review.objects.filter(item__in=versions).exclude(item__status__in=UNSETTLED)
    reviews = {
        one.item_id: one
        for one in found.select_related("reviewer").order_by("is_authoritative", "-pk")
        if one.output_version == versions[one.item_id or 0]
    }
    sample = [Sampled(drawn=row, review=reviews.get(row.item_id)) for row in rows]
    counts = Counter(one.review.verdict for one in sample if one.review)
    verdict, agreeing = counts.most_common(1)[0] if counts else ("", 0)
    sample.sort(key=lambda one: one.review is None or one.review.verdict == verdict)
    reviewed = counts.total()
    bound = None
    if reviewed == check.num_asked:
        sure = sure_of_draw(check.number, sure=SURE)
        bound = lowest_share(size=check.size, sampled=reviewed, agreeing=agreeing, sure=sure)
    job = BulkJob.objects.filter(spot_check=check).first()
    told = _told(check) if job else {}
    return Standing(
        check=check,
        state=_state(check, sample, counts, bound, _project(check.group), job),
        sample=sample,
        num_reviewed=reviewed,
        num_agreeing=agreeing,
        verdict=verdict,
        bound=bound,
        num_rest=check.size - check.num_asked,
        job=job,
        num_decided=Provisional.objects.filter(spot_check=check).count() if job else 0,
        left_out=told,
    )


def is_hidden(*, check: SpotCheck, to: User) -> bool:
    """Whether the person is to judge any of a sample elsewhere without knowing what others said."""
    sampled = check.drawn.filter(is_sampled=True).values("item__output")
    return QueueItem.objects.blind_to(to).filter(output__in=sampled).exists()


@transaction.atomic
def decide(
    *, check: SpotCheck, by: User, now: datetime, request_key: UUID | None = None
) -> BulkJob:
    """Have a worker decide the rest as the sample was, and return the job, which can be undone.

    The reviews of the sample can no longer be taken back. The same `request_key` again gives the
    same job. Raises NotAllowedError, SpotCheckError when the sample does not allow it.
    """
    _moderator(check.group, by)
    group = _locked(check.group)
    if request_key and (
        before := BulkJob.objects.filter(
            spot_check=check, created_by=by, request_key=request_key
        ).first()
    ):
        return before
    if newest(group=group) != check:
        raise SpotCheckError(NOT_NEWEST)
    # Whoever wants to take one of these back waits, and is then refused.
    sampled = check.drawn.filter(is_sampled=True).values("item")
    list(Review.objects.select_for_update(no_key=True).filter(item__in=sampled).order_by("pk"))
    found = standing(check=check)
    if found.state != State.READY:
        raise SpotCheckError(found.why_not)
    for one in found.sample:
        one.drawn.review = one.review
    DrawnItem.objects.bulk_update([one.drawn for one in found.sample], ["review"])
    SpotCheck.objects.filter(pk=check.pk).update(verdict=found.verdict)
    project = _project(group)
    job = BulkJob(
        project=project,
        act=BulkJob.Act.DECIDE,
        queue=group.queue,
        spot_check=check,
        until=Output.objects.filter(project=project).aggregate(last=Max("pk"))["last"] or 0,
        request_key=request_key,
        created_by=by,
        created_at=now,
    )
    job.num_matching = bulk.meant(job=job).count()
    job.save()
    bulk.log(job=job, verb="started", by=by, now=now)
    return job


def _state(
    check: SpotCheck,
    sample: Sequence[Sampled],
    counts: Mapping[str, int],
    bound: float | None,
    project: Project,
    job: BulkJob | None,
) -> State:
    if job is not None:
        return State.DECIDED
    if len(counts) > 1:
        return State.DISAGREES
    if len(sample) < check.num_asked or any(_is_lost(one) for one in sample):
        return State.LOST
    if bound is None:
        return State.WAITING
    return State.READY if bound >= project.spot_check_share else State.LOW


def _is_lost(one: Sampled) -> bool:
    """Whether nobody can review the answer any more as it was drawn."""
    item = one.drawn.item
    is_same = item.output.version == one.drawn.output_version
    waits = {QueueItem.Status.OPEN, *UNSETTLED}
    return one.review is None and (item.status not in waits or not is_same)


def _told(check: SpotCheck) -> dict[str, int]:
    """How many of the rest were left out, by the reason in words."""
    left = check.drawn.exclude(left_out="").values_list("left_out").annotate(Count("pk"))
    labels = DrawnItem.LeftOut
    return {str(labels(code).label): number for code, number in left.order_by("left_out")}


def _num_drawn(group: ItemGroup) -> int:
    return group.checks.aggregate(last=Max("number"))["last"] or 0


def _project(group: ItemGroup) -> Project:
    return group.queue.project


def _locked(group: ItemGroup) -> ItemGroup:
    """The group, whose samples nobody else draws or decides on till the end of the transaction."""
    groups = ItemGroup.objects.select_related("queue__project")
    return groups.select_for_update(of=("self",), no_key=True).get(pk=group.pk)


def _moderator(group: ItemGroup, by: User) -> None:
    membership = Membership.objects.filter(project=group.queue.project_id, user=by).first()
    if membership is None or not membership.may(Membership.Role.MODERATOR):
        raise bulk.NotAllowedError("Only moderators decide as one.")
