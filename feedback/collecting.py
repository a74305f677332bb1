"""Takes what the users of a product say and do about one answer, straight from their browsers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from django.core.cache import cache
from redis.exceptions import RedisError

from feedback import tokens
from feedback.ingestion import Report, ingest
from feedback.models import Project, Reason

RECORDS_A_MINUTE = 60


class OriginError(PermissionError):
    """The page that sent this is not one the project takes feedback from."""


class TooManyRecordsError(RuntimeError):
    """The token's holder sends faster than a person can; try again after `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many records; try again in {retry_after} s.")
        self.retry_after = retry_after


def collect(*, token: str, records: Sequence[object], origin: str | None, now: datetime) -> Report:
    """Store feedback and signals about the output that the token names; see ingestion.ingest.

    `origin` is what the browser says about the page, None when it says nothing (no browser, no
    cross-origin request). Raises TokenError, OriginError and TooManyRecordsError.
    """
    project, output = _admit(token, origin, now, cost=len(records))
    return ingest(project=project, records=records, now=now, collected_for=output)


def reasons_for(*, token: str, origin: str | None, now: datetime) -> list[Reason]:
    """The current reasons of the token's project; see collect for what is raised."""
    project, _ = _admit(token, origin, now, cost=1)
    return list(Reason.objects.current().filter(taxonomy__project=project))


def is_known_origin(origin: str) -> bool:
    """Whether some project takes feedback from the origin: a preflight carries no token."""
    return (
        "\x00" not in origin and Project.objects.filter(allowed_origins__contains=[origin]).exists()
    )


def _admit(token: str, origin: str | None, now: datetime, *, cost: int) -> tuple[Project, str]:
    claims = tokens.verify(token, now=now)
    project = Project.objects.filter(pk=claims.project_id).first()
    if project is None:
        raise tokens.TokenError("This feedback token is wrong.")
    if origin is not None and origin not in project.allowed_origins:
        raise OriginError(f"The project does not take feedback from {origin}.")
    _count(token, max(1, cost), now)
    return project, claims.output


def _count(token: str, cost: int, now: datetime) -> None:
    """Count what the token was used for this minute. Without Redis all is let in."""
    minute = int(now.timestamp()) // 60
    key = f"collect:{hashlib.sha256(token.encode()).hexdigest()}:{minute}"
    try:
        cache.add(key, 0, timeout=120)
        sent = cache.incr(key, cost)
    except (RedisError, ValueError):
        return
    if sent > RECORDS_A_MINUTE:
        raise TooManyRecordsError(60 - int(now.timestamp()) % 60)
