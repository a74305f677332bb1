"""Makes and changes queues: what they take in, and how it is handed out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Left
from django.utils.text import slugify

from feedback.filters import FilterError
from feedback.models import Output, Project, User
from feedback.timeouts import time_limit
from review import intake, reviewers
from review.filters import ReviewFilter
from review.models import Claim, Event, Queue, QueueItem, Review, Stratum
from review.queues import QueueError, hold_form
from review.staleness import is_stale

# What a new queue is given at once; the rest comes when the queues are fed next.
FIRST_ROWS = 500
# How long a lease may be, in seconds: a minute to a day.
SHORTEST_LEASE, LONGEST_LEASE = 60, 86_400
MOST_REVIEWERS = 20
LONGEST_NAME, LONGEST_STRATUM_NAME = 120, 60
# A year.
MOST_DUE_HOURS = 8_784
MOST_STRATA = 6
# How long a preview may take, how many answers it shows, and how much of each.
PREVIEW_MS, PREVIEW_ROWS, PREVIEW_LENGTH = 2_000, 5, 160


@dataclass(frozen=True, kw_only=True)
class StratumRule:
    """A part of what a queue takes in: the share `rate` (above 0, up to 1) of what matches."""

    name: str
    filter: Mapping[str, object] = field(default_factory=dict)
    rate: float = 1
    is_audit: bool = False


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a queue takes in and how it hands it out.

    An output that matches the filter belongs to the first of the strata that it matches too; to
    none when there are some and it matches none. Without strata everything is taken in.
    `reviewers` are the members that review it, by their e-mail addresses; None for everybody.
    """

    name: str
    filter: Mapping[str, object] = field(default_factory=dict)
    strata: Sequence[StratumRule] = ()
    reviewers_per_item: int = 1
    required: Sequence[str] = ()
    lease_seconds: int = 900
    due_hours: int | None = None
    order: str = Queue.Order.PRIORITY
    reviewers: Sequence[str] | None = None


@transaction.atomic
def create_queue(
    *,
    project: Project,
    rules: Rules,
    by: User | None,
    now: datetime,
    request_key: UUID | None = None,
) -> Queue:
    """Create a queue by these rules, and put the first outputs into it.

    The slug follows from the name. Asked again with the `request_key` of a queue of theirs, it
    returns that one. Raises QueueError naming the field that is not valid; a filter's field is
    named as ReviewFilter names it, a stratum's as `strata.0.name`.
    """
    checked = check(rules)
    # Two queues made at once must not choose one slug.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if request_key is not None:
        known = Queue.objects.filter(project=project, created_by=by, request_key=request_key)
        if before := known.first():
            return before
    queue = Queue(
        project=project,
        slug=_free_slug(project, checked.name),
        created_by=by,
        request_key=request_key,
    )
    _set(queue, checked)
    queue.save()
    _set_strata(queue, checked.strata)
    _log(queue, "created", by, now)
    reviewers.name(queue=queue, wanted=checked.reviewers, by=by, now=now)
    _feed_first(queue, now)
    return queue


@transaction.atomic
def edit_queue(
    *, queue: Queue, rules: Rules, by: User, now: datetime, seen: str | None = None
) -> None:
    """Change the queue's rules; what they draw comes in, and what nobody began or put in may leave.

    The slug stays. Raises QueueError naming the field that is not valid: once the first review
    is in, what the queue asks of its reviewers stays as it is. Who they are may change at any
    time. With `seen`, the mark of the rules that these were written over, those have to be there
    still: what somebody changed meanwhile, such as who sees the queue, is not undone unseen.
    """
    checked = check(rules)
    hold_form(queue_id=queue.pk, may_change=True)
    queue = Queue.objects.select_for_update(no_key=True).get(pk=queue.pk)
    there = rules_of(queue=queue)
    if is_stale(seen=seen, there=there, wanted=checked):
        raise QueueError(
            "rules",
            "Somebody has changed these rules meanwhile. Save again to put yours in their place.",
        )
    _check_form(queue, checked, there)
    is_changed = reviewers.name(queue=queue, wanted=checked.reviewers, by=by, now=now)
    if is_changed and replace(checked, reviewers=there.reviewers) == there:
        return
    if checked.reviewers_per_item != queue.reviewers_per_item:
        _change_places(queue, checked.reviewers_per_item, now)
    _set(queue, checked)
    queue.is_unswept |= _draws(checked) != _draws(there)
    queue.save()
    _set_strata(queue, checked.strata)
    # A forgotten version has them ranked anew, by another order or stratum: those that are not open
    # now, once they are again.
    due = intake.waits_since() + timedelta(hours=queue.due_hours) if queue.due_hours else None
    queue.items.update(due_at=due, priority_version="")
    _log(queue, "edited", by, now)
    _feed_first(queue, now)


def check(rules: Rules) -> Rules:
    """The rules as they are kept. Raises QueueError naming the field that is not valid."""
    if not SHORTEST_LEASE <= rules.lease_seconds <= LONGEST_LEASE:
        raise QueueError(
            "lease_seconds", f"Give {SHORTEST_LEASE} to {LONGEST_LEASE} seconds to review an item."
        )
    if not 1 <= rules.reviewers_per_item <= MOST_REVIEWERS:
        raise QueueError("reviewers_per_item", f"Give 1 to {MOST_REVIEWERS} reviewers per item.")
    if unknown := set(rules.required) - set(Queue.Required.values):
        raise QueueError("required", f"There is no field {min(unknown)} to ask for.")
    if rules.due_hours is not None and not 1 <= rules.due_hours <= MOST_DUE_HOURS:
        raise QueueError("due_hours", f"Give 1 to {MOST_DUE_HOURS:,} hours.")
    if rules.order not in Queue.Order.values:
        raise QueueError("order", f"Give one of {', '.join(Queue.Order.values)}.")
    if len(rules.strata) > MOST_STRATA:
        raise QueueError("strata", f"Give at most {MOST_STRATA} strata.")
    return Rules(
        name=_name("name", rules.name, LONGEST_NAME, "Give the queue a name."),
        filter=_filter("", rules.filter),
        strata=[_check_stratum(f"strata.{n}.", one) for n, one in enumerate(rules.strata)],
        reviewers_per_item=rules.reviewers_per_item,
        required=tuple(one for one in Queue.Required.values if one in rules.required),
        lease_seconds=rules.lease_seconds,
        due_hours=rules.due_hours,
        order=rules.order,
        reviewers=rules.reviewers,
    )


@dataclass(frozen=True, kw_only=True)
class Preview:
    """How many answers rules match, and some of them; `parts` are the strata with their sizes.

    The answers have a `question` and an `answer` cut short.
    """

    size: int
    parts: Sequence[tuple[StratumRule, int]]
    outputs: Sequence[Output]

    @property
    def num_drawn(self) -> int:
        """About how many come in."""
        if not self.parts:
            return self.size
        return round(sum(rule.rate * size for rule, size in self.parts))


def preview(*, project: Project, rules: Rules) -> Preview:
    """Look at what the rules would take in now. Two queries, and one more for each stratum.

    Names may be missing. Raises QueueError naming the field that is not valid, and TooSlowError.
    """
    checked = check(
        replace(
            rules,
            name=rules.name.strip() or "–",
            strata=[replace(one, name=one.name.strip() or "–") for one in rules.strata],
        )
    )
    wanted = ReviewFilter.from_json(checked.filter)
    filters = [ReviewFilter.from_json(one.filter) for one in checked.strata]
    outputs = Output.objects.filter(project=project)
    with time_limit(PREVIEW_MS):
        sizes = [
            intake.in_stratum(outputs, queue_filter=wanted, own=own, before=filters[:place]).count()
            for place, own in enumerate(filters)
        ]
        matching = wanted.apply(outputs)
        newest = matching.order_by("-at", "-pk").annotate(
            question=Left("query", PREVIEW_LENGTH), answer=Left("text", PREVIEW_LENGTH)
        )
        return Preview(
            size=matching.count(),
            parts=list(zip(rules.strata, sizes, strict=True)),
            outputs=list(newest.only("external_id", "at")[:PREVIEW_ROWS]),
        )


def rules_of(*, queue: Queue) -> Rules:
    """The rules that the queue follows. One query, and two more where it names people."""
    return Rules(
        name=queue.name,
        filter=queue.filter,
        strata=[
            StratumRule(name=one.name, filter=one.filter, rate=one.rate, is_audit=one.is_audit)
            for one in queue.strata.order_by("position")
        ],
        reviewers_per_item=queue.reviewers_per_item,
        required=tuple(queue.required),
        lease_seconds=queue.lease_seconds,
        due_hours=queue.due_hours,
        order=queue.order,
        reviewers=reviewers.named(queue=queue),
    )


def _draws(rules: Rules) -> object:
    """What decides on what comes in: not what a part is called, nor the order of its items."""
    return rules.filter, [(one.filter, one.rate) for one in rules.strata]


def _check_stratum(path: str, rule: StratumRule) -> StratumRule:
    if not 0 < rule.rate <= 1:
        raise QueueError(f"{path}rate", "Give more than 0 % and at most 100 %.")
    return StratumRule(
        name=_name(f"{path}name", rule.name, LONGEST_STRATUM_NAME, "Give the part a name."),
        filter=_filter(f"{path}filter.", rule.filter),
        rate=rule.rate,
        is_audit=rule.is_audit,
    )


def _filter(path: str, wanted: Mapping[str, object]) -> dict[str, object]:
    try:
        return ReviewFilter.from_json(wanted).to_json()
    except FilterError as error:
        raise QueueError(f"{path}{error.path}", error.message) from error


def _name(path: str, text: str, longest: int, missing: str) -> str:
    text = text.strip()
    if not text:
        raise QueueError(path, missing)
    if len(text) > longest or "\x00" in text:
        raise QueueError(path, f"Give at most {longest} printable characters.")
    return text


def _set(queue: Queue, checked: Rules) -> None:
    queue.name, queue.filter = checked.name, dict(checked.filter)
    queue.reviewers_per_item = checked.reviewers_per_item
    queue.required = list(checked.required)
    queue.lease_seconds, queue.due_hours = checked.lease_seconds, checked.due_hours
    queue.order = checked.order


def _set_strata(queue: Queue, wanted: Sequence[StratumRule]) -> None:
    """Write the strata in order; one that stays at its place stays the row it was."""
    there = {one.position: one for one in queue.strata.all()}
    for position, rule in enumerate(wanted, start=1):
        stratum = there.pop(position, None) or Stratum(queue=queue, position=position)
        stratum.name, stratum.filter = rule.name, dict(rule.filter)
        stratum.rate, stratum.is_audit = rule.rate, rule.is_audit
        stratum.save()
    Stratum.objects.filter(pk__in=[one.pk for one in there.values()]).delete()


def _check_form(queue: Queue, checked: Rules, there: Rules) -> None:
    """Raise QueueError when what is asked of reviewers would change after the first review.

    Decisions that answer different questions cannot be counted together.
    """
    form = ("reviewers_per_item", "required")
    changed = [name for name in form if getattr(checked, name) != getattr(there, name)]
    if changed and Review.objects.filter(item__queue=queue).exists():
        raise QueueError(
            changed[0],
            "The first review is in, so this stays as it is. Make a new queue to ask otherwise.",
        )


def _change_places(queue: Queue, number: int, now: datetime) -> None:
    """Give every item so many places. Raises QueueError when somebody holds one that would go."""
    surplus = Claim.objects.filter(item__queue=queue, place__gt=number)
    if surplus.filter(lease_until__gt=now).exists():
        raise QueueError("reviewers_per_item", "Somebody holds a place that would go.")
    surplus.delete()
    there = QueueItem.objects.filter(queue=queue).exclude(status=QueueItem.Status.OUT)
    items = there.values_list("pk", flat=True)
    Claim.objects.bulk_create(
        (
            Claim(item_id=item, place=place)
            for item in items.iterator()
            for place in range(queue.reviewers_per_item + 1, number + 1)
        ),
        batch_size=2_000,
    )


def _feed_first(queue: Queue, now: datetime) -> None:
    left = FIRST_ROWS
    for stratum in intake.strata(queue=queue):
        left -= len(
            intake.feed_rows(queue=queue, stratum=stratum, after=0, limit=left, now=now)
            if left
            else ()
        )


def _free_slug(project: Project, name: str) -> str:
    stem = slugify(name)[:50].strip("-") or "queue"
    taken = set(
        Queue.objects.filter(project=project, slug__startswith=stem).values_list("slug", flat=True)
    )
    slug, number = stem, 2
    while slug in taken:
        slug, number = f"{stem}-{number}", number + 1
    return slug


def _log(queue: Queue, verb: str, by: User | None, now: datetime) -> None:
    Event.objects.create(
        project_id=queue.project_id,
        actor=by,
        verb=verb,
        target_type="queue",
        target_id=queue.pk,
        at=now,
    )
