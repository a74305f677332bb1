"""Workers forget what was erased, as web processes do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache, caches
from redis.exceptions import RedisError

from curation import erasing, forgetting, tasks
from review.rendering import _kept


@pytest.fixture(autouse=True)
def asked_each_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(forgetting, "ASKS_EVERY", 0.0)
    monkeypatch.setattr(tasks, "_asking", forgetting.Asking())
    yield
    cache.delete(erasing.FORGET_KEY)


def work() -> None:
    """Do a task as a worker does, with Celery's own signals around it."""
    assert tasks.watch_experiments.apply().successful()


def keep() -> None:
    caches["cards"].set("card", "text")
    _kept("What was said.")


def is_kept() -> bool:
    held = {caches["cards"].get("card") is not None, bool(_kept.cache_info().currsize)}
    assert len(held) == 1
    return held.pop()


@pytest.mark.django_db
class TestWorker:
    def test_forgets_before_its_next_task_and_then_keeps_again(self) -> None:
        work()
        keep()
        work()
        assert is_kept()
        erasing.forget()
        work()
        assert not is_kept()
        keep()
        work()
        assert is_kept()

    def test_asks_again_when_redis_was_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        work()
        keep()
        erasing.forget()

        class Away:
            def get(self, _: str) -> None:
                raise RedisError

        with monkeypatch.context() as patch:
            patch.setattr(forgetting, "cache", Away())
            work()
        assert is_kept()
        work()
        assert not is_kept()

    def test_asks_not_more_often_than_it_has_to(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(forgetting, "ASKS_EVERY", 60.0)
        monkeypatch.setattr(tasks, "_asking", forgetting.Asking())
        work()
        keep()
        erasing.forget()
        work()
        assert is_kept()
