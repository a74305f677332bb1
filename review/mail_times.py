"""When people are mailed."""

from __future__ import annotations

from datetime import datetime, timedelta


def next_mail(*, every: str, after: datetime, hour: int) -> datetime:
    """The first full `hour` of a day after the moment, in its time zone; of a Monday if weekly."""
    at = after.replace(hour=hour, minute=0, second=0, microsecond=0)
    if at <= after:
        at += timedelta(days=1)
    return at + timedelta(days=-at.weekday() % 7) if every == "weekly" else at
