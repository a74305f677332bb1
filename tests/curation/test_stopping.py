from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from curation.stopping import Step, decide

SINCE = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("is_worse", "is_at_last_stage", "hours", "step"),
    [
        (True, False, 0, Step.STOP),
        (True, True, 1_000, Step.STOP),
        (True, False, 24, Step.STOP),
        (False, False, 23.9, Step.GO_ON),
        (False, False, 24, Step.NEXT_STAGE),
        (False, True, 1_000, Step.GO_ON),
    ],
)
def test_stops_what_does_harm_and_widens_what_did_none(
    is_worse: bool, is_at_last_stage: bool, hours: float, step: Step
) -> None:
    assert step == decide(
        is_worse=is_worse,
        is_at_last_stage=is_at_last_stage,
        stage_since=SINCE,
        hours_per_stage=24,
        now=SINCE + timedelta(hours=hours),
    )
