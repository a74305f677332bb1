"""Where a theme stands: nobody has acted on it, somebody has, it is fixed, it has come back.

The state follows what is measured, in both directions. It counts as fixed when what was served is
shown to help and the complaints of the last days are certainly less than half as common as they
were; as back when they are certainly more. Between the two nothing changes, so that the state does
not flicker. Coming back is asked every day, and so asked for at the quantile of a chance of one in
two thousand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from curation.rates import Arm, interval

State = Literal["open", "acting", "fixed", "regressed"]

# The last so many days tell how common complaints are now.
RECENT_DAYS = 14
# Of how common they were before: less is fixed, more has come back.
FIXED_BELOW = 0.5
# The normal quantile that a return has to pass.
Z_BACK = 3.29
# Fewer complaints than this never open an issue again.
FEWEST_BACK = 5


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known of a theme today.

    `usual` is its rate before anything was served against it, `recent` the outputs of the last
    RECENT_DAYS days without those held out. `is_renewed` says that something was published against
    it, or an issue of it closed, since it came back; `has_reopened` that an issue of it was opened
    again since it has the state it has.
    """

    is_acted_on: bool
    is_better: bool = False
    is_renewed: bool = False
    has_reopened: bool = False
    usual: float = 0.0
    recent: Arm = field(default_factory=Arm)


def following(state: State, standing: Standing) -> State:
    """The state that comes after this one, given what is known; often the same."""
    if not standing.is_acted_on:
        return "open"
    if state != "regressed" and standing.has_reopened:
        return "regressed"
    if state in {"open", "acting"}:
        return "fixed" if standing.is_better and is_quiet(standing) else "acting"
    if state == "fixed":
        return "regressed" if is_back(standing) else "fixed"
    if is_quiet(standing):
        return "fixed"
    return "acting" if standing.is_renewed else "regressed"


def is_quiet(standing: Standing) -> bool:
    """Whether complaints are certainly less than half as common as they were."""
    return interval(standing.recent)[1] < FIXED_BELOW * standing.usual


def is_back(standing: Standing) -> bool:
    """Whether complaints are certainly more than half as common as they were."""
    return _is_above(standing.recent, standing.usual)


def has_returned(recent: Arm, *, usual: float) -> bool:
    """Whether what was closed as fixed is certainly back: more than half as common as it was.

    `usual` is the rate before it was closed. One or two complaints are no return, also where there
    were none in the weeks before.
    """
    return recent.complaints >= FEWEST_BACK and _is_above(recent, usual)


def _is_above(recent: Arm, usual: float) -> bool:
    return interval(recent, z=Z_BACK)[0] > FIXED_BELOW * usual
