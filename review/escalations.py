"""Hands up what reviewers escalated, and settles it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Prefetch, Value, When
from django.db.models.functions import Left

from feedback.models import Output, Project, User
from feedback.paging import page
from review.due_times import date_escalations
from review.intake import due_at, put
from review.models import Claim, Escalation, Event, Notification, Queue, QueueItem, Review
from review.models.escalation import EscalationQuerySet
from review.notifications import notify_moderators, notify_settled, settle_item

LONGEST_COMMENT = 20_000
# Code points of a question that a line shows.
QUESTION = 240


class EscalationError(ValueError):
    """An escalation that cannot be settled so; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class SettledError(Exception):
    """Somebody has settled it, or is about to."""


def hand_up(*, review: Review, item: QueueItem) -> None:
    """Put a review before the moderators; needs its output locked, in a transaction.

    An output is escalated once at a time, however many of its reviewers ask for it.
    """
    if not Escalation.objects.open().filter(output=review.output_id).exists():
        _raise(review, item, review.created_at)
    _log(review.output, item.pk, "escalated", review.reviewer, review.created_at)


def waits(*, item: int) -> bool:
    """Whether an open escalation came from the item."""
    return Escalation.objects.open().filter(item=item).exists()


def decided(*, decision: Review) -> None:
    """Settle what is open on an item by a third person's review of it. Needs a transaction."""
    for one in Escalation.objects.open().select_for_update().filter(item=decision.item_id):
        one.decision = decision
        _settle(one, Escalation.Status.DECIDED, decision.reviewer, decision.created_at)


def undecided(*, decision: Review) -> None:
    """Open again what a review settled that is taken back. Needs a transaction."""
    Escalation.objects.filter(decision=decision).update(
        status=Escalation.Status.OPEN, settled_by=None, settled_at=None, decision=None
    )
    date_escalations(found=Escalation.objects.open().filter(item=decision.item_id))


def why_it_stands(*, now: datetime) -> list[When]:
    """Cases of reviews that cannot be taken back because they were escalated, with why."""
    raised = Escalation.objects.filter(review=OuterRef("pk"))
    decided = Escalation.objects.filter(decision=OuterRef("pk"))
    anew = Escalation.objects.open().filter(output=OuterRef("output"))
    deciding = Claim.objects.filter(
        item=OuterRef("item"), place=Claim.ADJUDICATION, lease_until__gt=now
    )
    return [
        When(
            Exists(raised.exclude(status=Escalation.Status.OPEN)),
            then=Value("A moderator has settled what you escalated."),
        ),
        When(
            Exists(raised) & Exists(deciding),
            then=Value("A moderator is deciding on what you escalated."),
        ),
        # An answer is escalated once at a time.
        When(
            Exists(decided) & Exists(anew),
            then=Value("The answer was escalated again since you decided."),
        ),
    ]


def take_down(*, review: Review, now: datetime) -> None:
    """Forget what a review that is taken back escalated; needs its output locked, in a transaction.

    Where another asked for the same meanwhile, of another item, the first of those stands for it.
    """
    found = Escalation.objects.filter(review=review).first()
    if found is None:
        return
    found.delete()
    Claim.objects.filter(item=review.item_id, place=Claim.ADJUDICATION).delete()
    settle_item(item=review.item_id or 0, now=review.created_at)
    asked = Review.objects.filter(
        output=review.output_id,
        item__isnull=False,
        routes__contains=[Review.Route.ESCALATE],
        created_at__gte=found.raised_at,
    )
    # What a third person decided is settled.
    decided = Review.objects.filter(item=OuterRef("item"), place=Claim.ADJUDICATION)
    others = asked.filter(~Exists(decided), escalations=None).exclude(pk=review.pk)
    following = others.select_related("item", "reviewer").order_by("created_at", "pk").first()
    if following is None or (item := following.item) is None:
        return
    _raise(following, item, now)
    done = QueueItem.objects.filter(pk=item.pk, status=QueueItem.Status.DONE)
    if done.update(status=QueueItem.Status.ESCALATED, closed_at=None):
        Claim.objects.create(item=item, place=Claim.ADJUDICATION)


@transaction.atomic
def close(*, escalation: Escalation, by: User, comment: str, now: datetime) -> None:
    """Settle it by a comment: the decision that counts goes on to count.

    Raises EscalationError without a comment, SettledError when somebody has settled it, or is
    deciding on it now.
    """
    comment = _comment(comment)
    found, item = _locked(escalation, by, now)
    if item.status == QueueItem.Status.ESCALATED:
        Claim.objects.filter(item=item, place=Claim.ADJUDICATION).delete()
        item.status, item.closed_at = QueueItem.Status.DONE, now
        item.save(update_fields=["status", "closed_at"])
    found.comment = comment
    _settle(found, Escalation.Status.CLOSED, by, now)


@transaction.atomic
def send_back(
    *, escalation: Escalation, queue: Queue, by: User, comment: str, now: datetime
) -> QueueItem:
    """Have the output reviewed once more, in this queue; until then no decision on it counts.

    In the queue it came from the item gets one more place. Who has reviewed the output before is
    not handed it there.

    Raises EscalationError when the queue cannot take it, or others are to decide on it first;
    SettledError when somebody has settled it, or is deciding on it now.
    """
    if len(comment) > LONGEST_COMMENT or "\x00" in comment:
        raise EscalationError("comment", f"Give at most {LONGEST_COMMENT:,} printable characters.")
    if queue.project_id != escalation.project_id:
        raise EscalationError("queue", "Choose a queue.")
    # First, as everything that takes a queue and then its items.
    queue = Queue.objects.select_for_update(no_key=True).select_related("project").get(pk=queue.pk)
    found, item = _locked(escalation, by, now)
    if item.status != QueueItem.Status.ESCALATED:
        raise EscalationError("queue", "Its reviewers are not through with it.")
    Claim.objects.filter(item=item, place=Claim.ADJUDICATION).delete()
    item.status, item.closed_at = QueueItem.Status.DONE, now
    item.save(update_fields=["status", "closed_at"])
    Review.objects.authoritative().filter(output=found.output_id).update(is_authoritative=False)
    target = _reopen(found.output, queue, now)
    found.returned_to, found.comment = queue, comment.strip()
    _settle(found, Escalation.Status.RETURNED, by, now)
    return target


@dataclass(frozen=True, kw_only=True)
class Raised:
    """An escalation for who may settle it.

    `is_hidden` while its reader is to judge the answer without knowing what others said. `holder`
    is deciding on it now; `is_party` says that its reader has reviewed the item, `is_overdue` that
    it is open past its due time.
    """

    escalation: Escalation
    is_hidden: bool
    holder: User | None
    is_party: bool
    is_overdue: bool

    @property
    def is_decidable(self) -> bool:
        """Whether its reader may decide on it."""
        return self.escalation.item.needs_third_person and not self.is_party


def listed(
    *, project: Project, to: User, is_open: bool, size: int, cursor: str, now: datetime
) -> tuple[list[Raised], str]:
    """A page of what is open, or settled, and the next cursor.

    Open, what is due comes first, and what has no due time last, the oldest first; settled, the
    newest. `question` is cut short. Raises CursorError. Three queries.
    """
    found = Escalation.objects.filter(project=project)
    found = found.open() if is_open else found.exclude(status=Escalation.Status.OPEN)
    order = ["due_order", "raised_at", "id"] if is_open else ["-raised_at", "-id"]
    rows = page(_told(found, to=to, now=now), order=order, size=size, cursor=cursor)
    return [_raised(one, now) for one in rows.rows], rows.next_cursor or ""


def of_item(*, item: QueueItem, to: User, now: datetime) -> Raised | None:
    """What is open on an item, or was settled last. Two queries."""
    found = _told(Escalation.objects.filter(item=item), to=to, now=now)
    one = found.order_by("-raised_at", "-pk").first()
    return _raised(one, now) if one else None


def told(*, escalation: Escalation, to: User, now: datetime) -> Raised:
    """One escalation as its reader may see it. Two queries."""
    found = _told(Escalation.objects.filter(pk=escalation.pk), to=to, now=now)
    return _raised(found.get(), now)


def _told(found: EscalationQuerySet, *, to: User, now: datetime) -> EscalationQuerySet:
    blind = QueueItem.objects.blind_to(to).filter(output=OuterRef("output"))
    reviewed = Review.objects.filter(item=OuterRef("item"), reviewer=to)
    deciding = Claim.objects.filter(
        place=Claim.ADJUDICATION, finished_at=None, lease_until__gt=now
    ).select_related("reviewer")
    return (
        found.select_related(
            "item__queue", "review__reviewer", "settled_by", "decision", "returned_to"
        )
        .prefetch_related(Prefetch("item__claims", deciding))
        .annotate(
            external_id=F("output__external_id"),
            question=Left("output__query", QUESTION),
            is_hidden=Exists(blind),
            is_party=Exists(reviewed),
        )
    )


def _raised(one: Escalation, now: datetime) -> Raised:
    return Raised(
        escalation=one,
        is_hidden=one.is_hidden,  # type: ignore[attr-defined]
        holder=next((place.reviewer for place in one.item.claims.all()), None),
        is_party=one.is_party,  # type: ignore[attr-defined]
        is_overdue=one.status == Escalation.Status.OPEN and bool(one.due_at and one.due_at <= now),
    )


def _raise(review: Review, item: QueueItem, now: datetime) -> None:
    """Make the open escalation of a review, and tell who may settle it."""
    made = Escalation.objects.create(
        project_id=review.project_id,
        output_id=review.output_id,
        item=item,
        review=review,
        raised_at=review.created_at,
    )
    date_escalations(found=Escalation.objects.filter(pk=made.pk))
    notify_moderators(item=item, kind=Notification.Kind.ESCALATED, by=review.reviewer, now=now)


def _locked(escalation: Escalation, by: User, now: datetime) -> tuple[Escalation, QueueItem]:
    """The open escalation and its item, locked in the order in which a submit locks.

    Raises SettledError when it is settled, or somebody else is deciding on it.
    """
    places = list(
        Claim.objects.select_for_update().filter(item=escalation.item_id).order_by("place")
    )
    Output.objects.select_for_update(no_key=True).get(pk=escalation.output_id)
    found = Escalation.objects.open().select_for_update(of=("self",)).filter(pk=escalation.pk)
    one = found.select_related("output").first()
    if one is None:
        raise SettledError("Somebody has settled this.")
    if any(
        place.place == Claim.ADJUDICATION
        and place.reviewer_id not in {None, by.pk}
        and place.lease_until
        and place.lease_until > now
        for place in places
    ):
        raise SettledError("Somebody is deciding on this.")
    return one, QueueItem.objects.select_for_update().get(pk=one.item_id)


def _reopen(output: Output, queue: Queue, now: datetime) -> QueueItem:
    """The output's item in the queue with a free place; needs the queue and the output locked."""
    item = QueueItem.objects.select_for_update().filter(queue=queue, output=output).first()
    if item is None:
        return put(queue=queue, stratum=None, outputs=[output], now=now)[0]
    if item.status == QueueItem.Status.OPEN:
        return item
    places = Claim.objects.filter(item=item)
    if item.needs_third_person or places.filter(place=Claim.ADJUDICATION).exists():
        raise EscalationError("queue", "There a third person decides. Choose another queue.")
    last = places.aggregate(last=Max("place"))["last"]
    wanted = range(1, queue.reviewers_per_item + 1) if last is None else [last + 1]
    Claim.objects.bulk_create(Claim(item=item, place=place) for place in wanted)
    item.status, item.closed_at = QueueItem.Status.OPEN, None
    item.due_at = due_at(queue=queue, entered_at=now)
    item.save(update_fields=["status", "closed_at", "due_at"])
    return item


def _settle(one: Escalation, status: str, by: User, now: datetime) -> None:
    one.status, one.settled_by, one.settled_at = status, by, now
    one.save()
    settle_item(item=one.item_id, now=now)
    notify_settled(item=one.item, to=one.review.reviewer_id, by=by, now=now)
    _log(one.output, one.item_id, f"{status}_escalation", by, now)


def _comment(text: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise EscalationError("comment", "Say why nothing more is to be done.")
    if len(text) > LONGEST_COMMENT or "\x00" in text:
        raise EscalationError("comment", f"Give at most {LONGEST_COMMENT:,} printable characters.")
    return text


def _log(output: Output, item: int, verb: str, by: User, now: datetime) -> None:
    Event.objects.create(
        project_id=output.project_id,
        output=output,
        actor=by,
        verb=verb,
        target_type="queue_item",
        target_id=item,
        at=now,
    )
