"""Reads what waits in a project's queues, for those who see to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q

from feedback.models import Project, User
from review.models import Claim, Queue, QueueItem


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What waits in one queue.

    `num_overdue` of the open items are past their due time; `next_due` is the earliest due time
    still to come, `oldest` when the open item that waits longest came in. `holders` are names and
    how many items each holds now, most first.
    """

    queue: Queue
    num_open: int
    num_overdue: int
    next_due: datetime | None
    oldest: datetime | None
    holders: Sequence[tuple[str, int]]

    @property
    def num_held(self) -> int:
        """How many places are held."""
        return sum(number for _, number in self.holders)


def waiting(*, project: Project, to: User, now: datetime) -> list[Waiting]:
    """Each queue the user sees with what waits in it, the most overdue first: three queries."""
    seen = Queue.objects.visible_to(to).filter(project=project)
    queues = list(seen.order_by("name", "pk"))
    told: dict[int, Mapping[str, Any]] = {
        row["queue"]: row
        for row in QueueItem.objects.open()
        .filter(queue__in=queues)
        .values("queue")
        .annotate(
            num_open=Count("pk"),
            num_overdue=Count("pk", filter=Q(due_at__lte=now)),
            next_due=Min("due_at", filter=Q(due_at__gt=now)),
            oldest=Min("entered_at"),
        )
    }
    holders: dict[int, list[tuple[str, int]]] = defaultdict(list)
    held = Claim.objects.filter(
        item__queue__in=queues, reviewer__isnull=False, lease_until__gt=now, finished_at=None
    ).values_list("item__queue", "reviewer__username")
    for queue, name, number in held.annotate(number=Count("pk")).order_by(
        "-number", "reviewer__username"
    ):
        holders[queue].append((name, number))
    found = [
        Waiting(
            queue=queue,
            num_open=row.get("num_open", 0),
            num_overdue=row.get("num_overdue", 0),
            next_due=row.get("next_due"),
            oldest=row.get("oldest"),
            holders=holders[queue.pk],
        )
        for queue in queues
        for row in [told.get(queue.pk, {})]
    ]
    return sorted(found, key=lambda one: -one.num_overdue)
