"""Finds which open items of a queue are nearly the same as each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.db.models import Count, Min

from feedback.models import Embedding
from feedback.nearest import nearest
from feedback.scope import Scope
from review.alike import stars
from review.filters import ReviewFilter
from review.models import ItemGroup, Queue, QueueItem
from review.resemblance import SAME

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Items placed in one transaction, and in one look at a queue.
BATCH, MOST = 500, 2_000
# Up to so many open items a queue's groups are all compared with, in a second or so.
MOST_COMPARED = 5_000
# In a longer queue, answers looked at by the question and by the answer of each item. Whom they are
# the same as is known already, so a few lead to every group nearby.
NEIGHBOURS = 30


def group_items(*, queue: Queue, model: str, now: datetime) -> int:
    """Place up to MOST open items that are new or changed among what is nearly the same.

    By the vectors of that model; items without both vectors stay alone. Each item is compared with
    the first of each group, in a long queue of those nearby, never with all of the queue. Returns
    how many were placed; none while another worker is at it.
    """
    num_placed, after = 0, 0
    while num_placed < MOST and (placed := _place(queue, model, now, after=after)):
        num_placed, after = num_placed + len(placed), placed[-1]
    return num_placed


def group_all(*, model: str, now: datetime) -> int:
    """Place what is new in every queue; return how many items."""
    queues = Queue.objects.select_related("project").order_by("pk")
    return sum(group_items(queue=queue, model=model, now=now) for queue in queues)


def num_alike(*, groups: Iterable[int]) -> dict[int, int]:
    """How many open items each of these groups has, by its id. One query."""
    rows = QueueItem.objects.alike().filter(group__in=set(groups))
    return dict(rows.order_by().values_list("group").annotate(Count("pk")))


@dataclass(frozen=True)
class _Vectors:
    """The unit vectors of what an item asks and answers."""

    asked: NDArray[np.float32]
    answered: NDArray[np.float32]


@transaction.atomic
def _place(queue: Queue, model: str, now: datetime, *, after: int) -> list[int]:
    """Place up to BATCH items with a greater id; return their ids."""
    if not _alone(queue):
        return []
    found = queue.items.ungrouped(model=model).filter(pk__gt=after).select_related("stratum")
    items = list(found.only("output", "stratum__is_audit", "group").order_by("pk")[:BATCH])
    new = {item.pk: item for item in items if not (item.stratum and item.stratum.is_audit)}
    vectors = _vectors({item.output_id for item in new.values()}, model)
    leads = _leads(queue, [*vectors.values()], model, besides=[item.pk for item in items])
    vectors |= _vectors({lead.output_id for lead in leads}, model)
    rows = [one for one in (*leads, *new.values()) if one.output_id in vectors]
    QueueItem.objects.filter(pk__in=[item.pk for item in items]).update(group=None, grouped_at=now)
    if rows:
        _join(queue, rows, new, [vectors[one.output_id] for one in rows], now)
    return [item.pk for item in items]


def _join(
    queue: Queue,
    rows: Sequence[QueueItem],
    new: Mapping[int, QueueItem],
    vectors: Sequence[_Vectors],
    now: datetime,
) -> None:
    """Write down which of the new rows are the same as a row before them."""
    import numpy as np

    first = stars(
        np.stack([one.asked for one in vectors]),
        np.stack([one.answered for one in vectors]),
        same=SAME,
    )
    # What was alone before it got company.
    groups: dict[int, int | None] = {row: one.group_id for row, one in enumerate(rows)}
    groups |= {row: None for row, one in enumerate(rows) if one.pk in new}
    joined: dict[int, list[int]] = {}
    for row, lead in enumerate(first):
        if row != lead and rows[row].pk in new:
            joined.setdefault(lead, []).append(rows[row].pk)
    for lead, members in joined.items():
        group = groups[lead] or ItemGroup.objects.create(queue=queue, created_at=now).pk
        QueueItem.objects.filter(pk__in=[rows[lead].pk, *members]).update(group=group)


def _leads(
    queue: Queue, vectors: Sequence[_Vectors], model: str, *, besides: Sequence[int]
) -> list[QueueItem]:
    """The first of each group near to one of the vectors, and what is near and alone."""
    placed = queue.items.exclude(pk__in=besides).exclude(grouped_at=None)
    there = placed.open().exclude(stratum__is_audit=True)
    if there[: MOST_COMPARED + 1].count() > MOST_COMPARED:
        there = there.filter(output__in=_nearby(queue, vectors, model))
    found = dict(there.values_list("pk", "group"))
    first = (
        placed.filter(group__in=set(found.values()) - {None})
        .order_by()
        .values("group")
        .annotate(first=Min("pk"))
        .values_list("first", flat=True)
    )
    alone = [pk for pk, group in found.items() if group is None]
    return list(QueueItem.objects.filter(pk__in=[*first, *alone]).order_by("pk"))


def _nearby(queue: Queue, vectors: Sequence[_Vectors], model: str) -> set[int]:
    """The answers that wait somewhere and are nearest to one of the vectors."""
    scope = Scope(project=queue.project, wanted=ReviewFilter.parse("state:open"))
    return {
        hit.pk
        for one in vectors
        for vector in (one.asked, one.answered)
        for hit in nearest(
            scope=scope, kind="output", vector=vector.tolist(), model=model, limit=NEIGHBOURS
        )
    }


def _vectors(outputs: Iterable[int], model: str) -> dict[int, _Vectors]:
    """The vectors of each output that has both."""
    import numpy as np

    parts: dict[str, dict[int, NDArray[np.float32]]] = {"query": {}, "answer": {}}
    rows = Embedding.objects.filter(output__in=set(outputs), model=model)
    for output, part, vector in rows.values_list("output", "part", "vector"):
        parts[part][output or 0] = np.array(vector, dtype=np.float32)
    asked, answered = parts["query"], parts["answer"]
    return {pk: _Vectors(asked[pk], answered[pk]) for pk in asked.keys() & answered.keys()}


def _alone(queue: Queue) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"alike:{queue.pk}"]
        )
        row = cursor.fetchone()
    return bool(row and row[0])
