"""Remembering what was handed out: the same answer to the same request is one exposure, counted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db.models import F

from curation.formats import canonical
from curation.models import Exposure
from feedback import statements


def token_of(told: Mapping[str, object]) -> UUID:
    """Return what all of an answer follows from, as one number."""
    return UUID(bytes=hashlib.sha256(canonical(told)).digest()[:16], version=5)


def count_again(token: UUID, *, now: datetime) -> bool:
    """Count one more call for an exposure; False when there is none."""
    same = Exposure.objects.filter(token=token)
    return bool(same.update(num_calls=F("num_calls") + 1, last_served_at=now))


_NAMES = (
    *("token", "project_id", "version_id", "session_external_id", "entry_ids", "is_held_out"),
    *("num_tokens", "num_calls", "served_at", "last_served_at"),
)
_REMEMBER = (
    f"INSERT INTO {Exposure._meta.db_table} ({', '.join(_NAMES)}) "  # noqa: S608
    f"VALUES ({', '.join('%s' for _ in _NAMES)}) ON CONFLICT (token) DO UPDATE SET "
    f"num_calls = {Exposure._meta.db_table}.num_calls + 1, "
    "last_served_at = EXCLUDED.last_served_at RETURNING id"
)


def remember(exposure: Exposure) -> None:
    """Store an exposure, or count one more call where the same request came before."""
    statements.run(_REMEMBER, [getattr(exposure, name) for name in _NAMES])
