from __future__ import annotations

from datetime import datetime

import pytest
from kombu.exceptions import OperationalError

from feedback import ringing
from feedback.tasks import join_waiting


class TestRing:
    def test_asks_for_the_task_once_and_soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[dict[str, object]] = []
        monkeypatch.setattr(join_waiting, "apply_async", lambda **how: asked.append(how))
        ringing.ring(join_waiting)
        assert asked == [{"retry": False, "expires": 60}]

    def test_without_a_broker_nothing_breaks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(**_: object) -> None:
            asked.append("refused")
            raise OperationalError

        asked: list[str] = []
        monkeypatch.setattr(join_waiting, "apply_async", refuse)
        ringing.ring(join_waiting)
        assert asked == ["refused"]


class TestWorkSome:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        asked: list[str] = []
        monkeypatch.setattr(join_waiting, "delay", lambda: asked.append("again"))
        return asked

    @pytest.mark.parametrize(("is_more_left", "again"), [(True, ["again"]), (False, [])])
    def test_comes_back_while_something_is_left(
        self, asked: list[str], is_more_left: bool, again: list[str]
    ) -> None:
        given: list[int] = []

        def some(*, now: datetime, most: int) -> bool:
            given.append(most)
            return is_more_left

        ringing.work_some(join_waiting, some)
        assert (given, asked) == ([ringing.STEPS_AT_ONCE], again)

    def test_comes_back_for_what_waits_behind_one_that_raised(self, asked: list[str]) -> None:
        def fail(*, now: datetime, most: int) -> bool:
            raise TimeoutError

        with pytest.raises(TimeoutError):
            ringing.work_some(join_waiting, fail)
        assert asked == ["again"]
