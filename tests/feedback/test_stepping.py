from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from feedback import stepping
from feedback.models import Erasure, Project
from tests.factories import NOW, make_project, make_user
from tests.threads import at_once

MOST_TRIES = 3


@pytest.fixture
def first(project: Project) -> Erasure:
    return asked(project, "first")


@pytest.fixture
def second(project: Project, first: Erasure) -> Erasure:
    return asked(project, "second")


def asked(project: Project, subject: str) -> Erasure:
    return Erasure.objects.create(
        project=project,
        scope="user",
        subject=subject,
        subject_hash=subject,
        asked_by=make_user(project, "admin"),
        asked_at=NOW,
    )


def count(row: Erasure, now: datetime) -> None:
    row.counts = {"steps": row.counts.get("steps", 0) + 1}


def breaks(row: Erasure, now: datetime) -> None:
    count(row, now)
    row.project.name = "Half done"
    row.project.save()
    raise ZeroDivisionError


def fail(row: Erasure, error: Exception, now: datetime) -> None:
    row.status, row.ended_at, row.problem = "failed", now, type(error).__name__


def advance(
    step: Callable[[Erasure, datetime], None] = count,
    give_up: Callable[[Erasure, Exception, datetime], None] = fail,
) -> Erasure | None:
    """One step of what is active, by a worker."""
    return stepping.advance(
        active=Erasure.objects.active(),
        step=step,
        give_up=give_up,
        most_tries=MOST_TRIES,
        now=NOW,
    )


def advanced(*rows: Erasure) -> list[int]:
    """How many steps each has behind it."""
    for row in rows:
        row.refresh_from_db()
    return [row.counts.get("steps", 0) for row in rows]


@pytest.mark.django_db
class TestAdvance:
    def test_does_one_step_of_the_oldest(self, first: Erasure, second: Erasure) -> None:
        assert advance() == first
        assert advanced(first, second) == [1, 0]

    def test_does_nothing_where_none_is_active(self, first: Erasure) -> None:
        fail(first, ValueError(), NOW)
        first.save()
        assert advance() is None
        assert advanced(first) == [0]

    def test_keeps_nothing_of_a_step_that_raises_but_its_count(
        self, project: Project, first: Erasure
    ) -> None:
        before = project.name
        with pytest.raises(ZeroDivisionError):
            advance(breaks)
        project.refresh_from_db()
        assert (project.name, advanced(first)) == (before, [0])
        assert (first.status, first.num_failures) == ("waiting", 1)

    def test_lets_others_go_first_after_one_that_raised(
        self, first: Erasure, second: Erasure
    ) -> None:
        with pytest.raises(ZeroDivisionError):
            advance(breaks)
        assert advance() == second
        assert advanced(first, second) == [0, 1]

    def test_counts_only_failures_in_a_row(self, first: Erasure) -> None:
        for _ in range(2 * MOST_TRIES):
            with pytest.raises(ZeroDivisionError):
                advance(breaks)
            advance()
        assert advanced(first) == [2 * MOST_TRIES]
        assert (first.status, first.num_failures) == ("waiting", 0)

    def test_gives_up_after_so_many(self, first: Erasure) -> None:
        for _ in range(MOST_TRIES):
            assert advanced(first) == [0]
            assert first.status == "waiting"
            with pytest.raises(ZeroDivisionError):
                advance(breaks)
        first.refresh_from_db()
        assert (first.status, first.problem) == ("failed", "ZeroDivisionError")
        assert advance() is None

    def test_tries_for_ever_what_is_not_given_up(
        self, first: Erasure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stepping, "MOST_COUNTED", MOST_TRIES + 1)
        for _ in range(MOST_TRIES + 3):
            with pytest.raises(ZeroDivisionError):
                advance(breaks, lambda *_: None)
        first.refresh_from_db()
        assert (first.status, first.num_failures) == ("waiting", MOST_TRIES + 1)
        assert advance() == first

    def test_counts_nothing_where_somebody_ended_it_meanwhile(
        self, first: Erasure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        count_failure = stepping._failed

        def ended(*given: Any) -> None:
            Erasure.objects.update(status="failed", ended_at=NOW)
            count_failure(*given)

        monkeypatch.setattr(stepping, "_failed", ended)
        with pytest.raises(ZeroDivisionError):
            advance(breaks)
        first.refresh_from_db()
        assert (first.status, first.num_failures, first.problem) == ("failed", 0, "")


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_passes_over_what_another_connection_holds(self) -> None:
        project = make_project()
        rows = [asked(project, subject) for subject in ("first", "second")]
        meanwhile: list[Erasure | None] = []

        def held(row: Erasure, now: datetime) -> None:
            meanwhile.extend(at_once(advance))
            count(row, now)

        assert advance(held) == rows[0]
        assert meanwhile == [rows[1]]
        assert advanced(*rows) == [1, 1]

    def test_finds_nothing_where_another_connection_holds_all(self) -> None:
        row = asked(make_project(), "only")
        meanwhile: list[Erasure | None] = []

        def held(row: Erasure, now: datetime) -> None:
            meanwhile.extend(at_once(advance))

        assert advance(held) == row
        assert meanwhile == [None]
        assert advanced(row) == [0]

    def test_a_worker_that_is_killed_leaves_nothing(self) -> None:
        row = asked(make_project(), "only")

        def killed(row: Erasure, now: datetime) -> None:
            count(row, now)
            row.save()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            advance(killed)
        assert (advanced(row), row.num_failures) == ([0], 0)
        assert advance() == row
