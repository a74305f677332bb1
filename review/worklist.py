"""Reads work lists for their pages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, F, Max, Q, Window
from django.db.models.functions import Left, RowNumber

from feedback.models import Feedback, FeedbackReason, Output, Reason, User
from review.filters import ReviewFilter
from review.grouping import num_alike
from review.models import Claim, Queue, QueueItem, Theme
from review.models.queue import QueueItemQuerySet

# Code points of a question and an answer that a list shows.
QUESTION, ANSWER = 240, 480
# Items of a theme shown before "more in this theme".
ROWS_PER_THEME = 3


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many items of a queue are open, held, disputed, escalated, done, decided as one."""

    open: int = 0
    held: int = 0
    disputed: int = 0
    escalated: int = 0
    done: int = 0
    provisional: int = 0


@dataclass(frozen=True, kw_only=True)
class Row:
    """An item with what its line in a list says.

    `reasons` are those given in the feedback on its output, `signals` the kinds of implicit
    feedback plus "down" and "up" for ratings, `holders` who holds a place now. `num_alike` counts
    the open items of its queue that are nearly the same, with itself; 0 when it is alone.
    """

    item: QueueItem
    reasons: Sequence[Reason] = ()
    signals: Sequence[str] = ()
    holders: Sequence[User] = ()
    num_alike: int = 0


@dataclass(frozen=True, kw_only=True)
class ThemeRows:
    """The first rows of one theme, or of what has none, with how many there are in all."""

    theme: Theme | None
    num_items: int
    top: float
    num_lines: int = 0
    rows: list[Row] = field(default_factory=list)

    @property
    def num_more(self) -> int:
        """How many lines of a list are not among the rows; what is alike is one."""
        return self.num_lines - len(self.rows)


def counts(*, queues: Iterable[Queue], now: datetime) -> dict[int, Counts]:
    """The counts of each queue, by its id: two queries for any number of queues."""
    wanted = list(queues)
    held = dict(
        Claim.objects.filter(item__queue__in=wanted, lease_until__gt=now, finished_at=None)
        .values_list("item__queue")
        .annotate(Count("item", distinct=True))
    )
    statuses = {
        row["queue"]: row
        for row in QueueItem.objects.filter(queue__in=wanted)
        .values("queue")
        .annotate(
            open=Count("pk", filter=Q(status=QueueItem.Status.OPEN)),
            disputed=Count("pk", filter=Q(status=QueueItem.Status.DISPUTED)),
            escalated=Count("pk", filter=Q(status=QueueItem.Status.ESCALATED)),
            done=Count("pk", filter=Q(status=QueueItem.Status.DONE)),
            as_one=Count("pk", filter=Q(status=QueueItem.Status.PROVISIONAL)),
        )
    }
    return {
        pk: Counts(
            open=row["open"],
            disputed=row["disputed"],
            escalated=row["escalated"],
            done=row["done"],
            provisional=row["as_one"],
            held=held.get(pk, 0),
        )
        for pk, row in statuses.items()
    }


def open_items(
    *, queue: Queue, narrowed: ReviewFilter, theme: Theme | None = None, themeless: bool = False
) -> QueueItemQuerySet:
    """The queue's open items whose output matches; of one theme, or of none, when asked for."""
    items = queue.items.open()
    if narrowed.to_json():
        outputs = narrowed.apply(Output.objects.filter(project=queue.project_id))
        items = items.filter(output__in=outputs)
    if theme or themeless:
        items = items.filter(theme=theme)
    return items


def listed(items: QueueItemQuerySet) -> QueueItemQuerySet:
    """The items with what a line shows: `question` and `answer` are cut short."""
    return (
        items.select_related("output", "output__session", "theme", "stratum")
        .annotate(question=Left("output__query", QUESTION), answer=Left("output__text", ANSWER))
        .only(
            "queue",
            "status",
            "group",
            "priority",
            "rank",
            "fixed_rank",
            "priority_parts",
            "entered_at",
            "due_at",
            "priority_version",
            "inclusion",
            "stratum__name",
            "stratum__is_audit",
            "theme__number",
            "theme__name",
            "output__external_id",
            "output__at",
            "output__model",
            "output__model_version",
            "output__confidence",
            "output__session__external_id",
            "output__session__environment",
            "output__session__user_role",
        )
    )


def rows(*, items: Iterable[QueueItem], now: datetime) -> list[Row]:
    """A row for each item, in order: three queries for any number of items.

    One more when some are nearly the same as others.
    """
    found = list(items)
    outputs = [item.output_id for item in found]
    reasons: dict[int, list[Reason]] = defaultdict(list)
    given = FeedbackReason.objects.filter(feedback__output__in=outputs)
    for one in (
        given.order_by("feedback__output", "reason__position", "reason")
        .distinct("feedback__output", "reason__position", "reason")
        .select_related("reason", "feedback")
        .only(
            "reason__slug",
            "reason__name",
            "reason__position",
            "reason__definition",
            "feedback__output",
        )
    ):
        reasons[one.feedback.output_id or 0].append(one.reason)
    signals = _signals(outputs)
    holders: dict[int, list[User]] = defaultdict(list)
    for claim in Claim.objects.filter(
        item__in=found, lease_until__gt=now, finished_at=None, reviewer__isnull=False
    ).select_related("reviewer"):
        if claim.reviewer:
            holders[claim.item_id].append(claim.reviewer)
    groups = {item.group_id for item in found if item.group_id}
    alike = num_alike(groups=groups) if groups else {}
    return [
        Row(
            item=item,
            reasons=reasons[item.output_id],
            signals=signals.get(item.output_id, ()),
            holders=holders[item.pk],
            num_alike=number if (number := alike.get(item.group_id or 0, 0)) > 1 else 0,
        )
        for item in found
    ]


def by_theme(
    *, items: QueueItemQuerySet, after: tuple[float, int] | None, size: int, now: datetime
) -> tuple[list[ThemeRows], tuple[float, int] | None]:
    """Up to `size` themes of the items, those with the most urgent item first.

    Themeless items count as one more theme. `after` is the key that a former call returned with
    its themes; the second value is the key for the next call, None at the end.
    """
    groups = sorted(
        (-row["top"], row["theme"] or 0, row["number"])
        for row in items.values("theme").annotate(top=Max("rank"), number=Count("pk"))
    )
    if after is not None:
        groups = [group for group in groups if group[:2] > (-after[0], after[1])]
    shown = groups[:size]
    themes = Theme.objects.defer("centroid").in_bulk([pk for _, pk, _ in shown if pk])
    wanted = Q(theme__in=themes)
    if any(pk == 0 for _, pk, _ in shown):
        wanted |= Q(theme=None)
    lines = items.collapsed(by_theme=True).filter(wanted)
    numbered = lines.annotate(
        place=Window(RowNumber(), partition_by=F("theme"), order_by=[F("rank").desc(), F("id")]),
        num_lines=Window(Count("pk"), partition_by=F("theme")),
    ).filter(place__lte=ROWS_PER_THEME)
    first = {
        pk: (theme, num) for pk, theme, num in numbered.values_list("pk", "theme", "num_lines")
    }
    num_lines: dict[int | None, int] = dict(first.values())
    top_items = listed(QueueItem.objects.filter(pk__in=first)).order_by("-rank", "pk")
    of_theme: dict[int, list[Row]] = defaultdict(list)
    for row in rows(items=top_items, now=now):
        of_theme[row.item.theme_id or 0].append(row)
    found = [
        ThemeRows(
            theme=themes.get(pk),
            num_items=number,
            top=-top,
            num_lines=num_lines[pk or None],
            rows=of_theme[pk],
        )
        for top, pk, number in shown
        # The last of a theme may be through, or in another, since the themes were read.
        if (pk or None) in num_lines
    ]
    more = len(groups) > size
    return found, (-shown[-1][0], shown[-1][1]) if more else None


# What is seen of a user, the most telling first.
SIGNALS = (
    "down",
    "rephrase",
    "abandon",
    "regenerate",
    "edit",
    "follow_up",
    "up",
    "accept",
    "copy",
    "dwell",
)


def _signals(outputs: Sequence[int]) -> dict[int, list[str]]:
    seen: dict[int, set[str]] = defaultdict(set)
    kinds = Feedback.objects.filter(output__in=outputs).values_list(
        "output", "is_implicit", "name", "score"
    )
    for output, is_implicit, name, score in kinds.filter(
        Q(is_implicit=True) | Q(score__isnull=False)
    ):
        if is_implicit:
            seen[output or 0].add(name)
        elif score:
            seen[output or 0].add("down" if score < 0 else "up")
    return {output: sorted(found, key=SIGNALS.index) for output, found in seen.items()}
