"""Long works are done in steps: each is one transaction, tried again when it raised, given up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from django.db import transaction
from django.db.models import QuerySet

from feedback.models import Stepped

# More failures in a row are not told apart, where a work is never given up.
MOST_COUNTED = 1_000

Row = TypeVar("Row", bound=Stepped)


def advance(
    *,
    active: QuerySet[Row],
    step: Callable[[Row, datetime], object],
    give_up: Callable[[Row, Exception, datetime], None],
    most_tries: int,
    now: datetime,
) -> Row | None:
    """Do one step of one of the active rows and return it; None when there is none to be had.

    The turn is that of the oldest of those that failed the least; what another connection holds is
    passed over. What `step` does is one transaction with the row, which is saved after it. When it
    raises, nothing of it stays, the failure is counted, and the exception is raised again. From
    `most_tries` failures in a row on, `give_up` is to say on the row that it has failed, which is
    saved; a row that it leaves active is tried for ever.
    """
    row = None
    try:
        with transaction.atomic():
            row = (
                active.order_by("num_failures", "pk")
                .select_for_update(skip_locked=True, of=("self",))
                .first()
            )
            if row is not None:
                row.num_failures = 0
                step(row, now)
                row.save()
    except Exception as error:
        if row is not None:
            _failed(active.filter(pk=row.pk), error, give_up, most_tries, now)
        raise
    return row


@transaction.atomic
def _failed(
    active: QuerySet[Row],
    error: Exception,
    give_up: Callable[[Row, Exception, datetime], None],
    most_tries: int,
    now: datetime,
) -> None:
    """Count a failure of the row, unless somebody has ended it meanwhile."""
    row = active.select_for_update(of=("self",)).first()
    if row is None:
        return
    row.num_failures = min(row.num_failures + 1, MOST_COUNTED)
    if row.num_failures >= most_tries:
        give_up(row, error, now)
    row.save()
