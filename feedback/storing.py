"""Writes a batch of checked records."""

from __future__ import annotations

from datetime import datetime

from feedback.incoming import Incoming, of
from feedback.models import Project
from feedback.payloads import FeedbackRecord, OutputRecord, Record, SessionRecord, SignalRecord
from feedback.store_feedback import store_feedback
from feedback.store_outputs import store_outputs
from feedback.store_sessions import store_sessions


def store(*, project: Project, batch: list[Incoming[Record]], now: datetime) -> None:
    """Store records of which no two have one key; set each one's outcome, faults or waits_for.

    What waits is not kept here: see waiting.let_wait.

    Expects a transaction. Sessions go first, then outputs, then what is about them, each in the
    order of their keys, so that concurrent batches cannot lock each other out.
    """
    batch = sorted(batch, key=lambda item: item.key)
    store_sessions(project, of(batch, SessionRecord), now)
    store_outputs(project, of(batch, OutputRecord), now)
    store_feedback(project, of(batch, FeedbackRecord), of(batch, SignalRecord), now)
