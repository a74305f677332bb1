"""PURE. Draws by lot what a session gets of an experiment, always the same."""

from __future__ import annotations

import hashlib
from enum import StrEnum


class Arm(StrEnum):
    """What a session gets: the new version, nothing, or what there was before."""

    SERVED = "served"
    HELD_OUT = "held_out"
    BEFORE = "before"


def lot(*, salt: str, session: str) -> float:
    """Return a session's number, from 0 up to but without 1: uniform, and independent by the salt.

    The first 53 bits of a SHA-256, as many as a float holds exactly.
    """
    digest = hashlib.sha256(f"{salt}\x00{session}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def draw(*, salt: str, session: str, served: float, held_out: float) -> Arm:
    """Return the arm of a session when the shares `served` and `held_out`, 0 to 1, are in it.

    Those served have the lowest numbers and those held out the highest, so that neither changes for
    a session when the other share grows, and whoever was served goes on to be. Where both shares
    overlap, the held-out ones are.
    """
    number = lot(salt=salt, session=session)
    if number >= 1 - held_out:
        return Arm.HELD_OUT
    return Arm.SERVED if number < served else Arm.BEFORE
