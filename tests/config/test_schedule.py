"""What waits for a worker is not held up by what goes on for long."""

from __future__ import annotations

from typing import Any

from celery import Task
from django.conf import settings

from config.celery import app
from config.up import WORKERS

# What people wait for, and how many seconds they may.
PROMPT = {
    "review.tasks.feed_queues": 60,
    "review.tasks.group_items": 60,
    "review.tasks.work_bulk": 60,
    "feedback.tasks.join_waiting": 60,
    "curation.tasks.work_promotions": 60,
    "curation.tasks.work_erasures": 60,
    "curation.tasks.hand_over_issues": 60,
}


def queue_of(task: str) -> str:
    return str(app.amqp.router.route({}, task)["queue"].name)


def scheduled() -> dict[str, float]:
    schedule: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    return {one["task"]: one["schedule"] for one in schedule.values()}


def test_what_people_wait_for_is_begun_within_its_time() -> None:
    for name, within in PROMPT.items():
        assert scheduled()[name] <= within / 2


def test_no_task_that_may_take_long_shares_a_worker_with_what_people_wait_for() -> None:
    app.loader.import_default_modules()
    tasks: dict[str, Task] = {name: app.tasks[name] for name in scheduled()}
    long = [name for name, task in tasks.items() if (task.time_limit or 0) > 600]
    assert len(long) >= 3
    shared = {queue_of(name) for name in long} & {queue_of(name) for name in PROMPT}
    assert not shared


def test_every_task_has_a_worker() -> None:
    assert {queue_of(name) for name in scheduled()} == set(WORKERS.values())
