"""Tells whether what somebody wrote over is still there, so that no change is undone unseen."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict


def mark(said: object) -> str:
    """What tells a dataclass, or plain values, from any others, as 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=asdict).encode()).hexdigest()


def is_stale(*, seen: str | None, there: object, wanted: object) -> bool:
    """Whether `there` is other than what was `seen`, a mark; None asks nothing.

    Who sends what is there already, as by pressing twice, changes nothing unseen.
    """
    return seen not in {None, mark(there)} and mark(wanted) != mark(there)
