"""Says in words what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from curation.rates import Change
from curation.sequential import Looked

Kind = Literal["works", "worse", "inconclusive", "no change", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a comparison shows, and how it is said; `why` adds what it rests on."""

    kind: Kind
    words: str
    why: str = ""


NOTHING_YET = "Nothing was served yet that answers came back for."
NONE_HELD_OUT = "No answers came from sessions held out, so that there is nothing to compare with."
NONE_SERVED = "Answers came only from sessions held out, and from none that were served."


def nothing_to_compare(*, num_served: int, num_held_out: int) -> str:
    """Why served outputs cannot be held against held-out ones; "" when they can."""
    if num_served and num_held_out:
        return ""
    if num_served:
        return NONE_HELD_OUT
    return NONE_SERVED if num_held_out else NOTHING_YET


def of_held_out(looked: Looked, *, num_served: int, num_held_out: int) -> Reading:
    """What served outputs show beside held-out ones; the numbers are of outputs."""
    if why := nothing_to_compare(num_served=num_served, num_held_out=num_held_out):
        return Reading(kind="unknown", words="not measured", why=why)
    if looked.is_better:
        return Reading(kind="works", words="works", why=_points(looked.change))
    if looked.is_worse:
        return Reading(kind="worse", words="made it worse", why=_points(looked.change))
    if looked.needed is None:
        return Reading(kind="inconclusive", words="inconclusive", why="Nobody complained so far.")
    if looked.needed:
        why = _points(looked.change)
        return Reading(kind="inconclusive", words=_needed(looked.needed), why=why)
    return Reading(
        kind="no change",
        words="no change by half",
        why=f"A change by half would have shown four times of five. {_points(looked.change)}",
    )


def of_entry(looked: Looked, *, is_told: bool) -> Reading:
    """What one of many entries does; `is_told` when it is no chance find among them."""
    why = _points(looked.change)
    if is_told and looked.is_better:
        return Reading(kind="works", words="helps", why=why)
    if is_told and looked.is_worse:
        return Reading(kind="worse", words="harms", why=why)
    return Reading(kind="inconclusive", words="cannot be told", why=why)


def of_before_and_after(
    plain: Change | None,
    corrected: Change | None,
    *,
    daily: Change | None,
    needed: int | None = 0,
    is_over: bool = False,
) -> Reading:
    """What the days after show beside those before; `corrected` by how other complaints went.

    It is looked at every day, and so told by `daily`, the same with the wide interval for that.
    `needed` is how many more sessions show a change by half; with `is_over` none are added.
    """
    if plain is None:
        why = "There are no outputs before or since."
        return Reading(kind="unknown", words="not measured", why=why)
    if corrected is None or daily is None:
        return Reading(
            kind="unknown",
            words="cannot be told",
            why="There are too few other complaints to tell what else changed meanwhile.",
        )
    if daily.high < 0:
        return Reading(kind="works", words="fewer than expected", why=_points(corrected))
    if daily.low > 0:
        return Reading(kind="worse", words="more than expected", why=_points(corrected))
    why = _points(corrected)
    is_seen = corrected.high < 0 or corrected.low > 0
    if is_seen:
        why = f"{why} Of looks on many days one shows as much by chance too often."
    words = "not certain" if is_seen else "as expected"
    if needed:
        words = "inconclusive" if is_over else _needed(needed)
        if is_over:
            why = f"{why} It would have taken {needed:,} more sessions in those days."
    return Reading(kind="inconclusive", words=words, why=why)


def _needed(number: int) -> str:
    return f"inconclusive: {number:,} more session{'s'[: number != 1]} needed"


def _points(change: Change | None) -> str:
    """The change in points of a hundred answers, with its interval."""
    if change is None:
        return ""
    value, low, high = (signed(part) for part in (change.value, change.low, change.high))
    return f"{value} complaints in 100 answers ({low} to {high})."


def signed(share: float) -> str:
    """A difference of shares in points of a hundred, with its sign."""
    text = f"{100 * share:+.1f}".replace("-", "−")
    return "0.0" if text in {"+0.0", "−0.0"} else text
