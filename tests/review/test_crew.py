"""A whole queue is worked off by a crew at once, while everything goes wrong that can."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.db import connection
from pytest_django.live_server_helper import LiveServer

from feedback.models import User
from review.models import Queue
from tests.crew import COUNTED, Crew, DeskOnConnection, DeskOverHttp, problems
from tests.factories import make_item, make_output, make_project, make_queue, make_user

pytestmark = pytest.mark.django_db(transaction=True)

NUM_REVIEWERS = 6


@pytest.fixture
def queue() -> Queue:
    project = make_project()
    return make_queue(project, reviewers_per_item=2, lease_seconds=1)


def fill(queue: Queue, num_items: int) -> None:
    for number in range(num_items):
        make_item(queue, make_output(queue.project), priority=number % 7)


@pytest.fixture
def reviewers(queue: Queue) -> list[User]:
    return [make_user(queue.project, "moderator") for _ in range(NUM_REVIEWERS)]


class TestCrew:
    def test_reviews_every_item_as_often_as_wanted_over_http(
        self, queue: Queue, reviewers: list[User], live_server: LiveServer
    ) -> None:
        """Complaints 1 to 4."""
        fill(queue, 80)
        where = urlsplit(live_server.url)
        desks = [
            DeskOverHttp(queue, one, host=str(where.hostname), port=int(where.port or 0))
            for one in reviewers
        ]
        ledger = Crew(queue, desks).work_off(within=60)
        assert problems(queue, ledger) == []
        assert ledger.refused
        assert all(ledger.happened[mishap] for mishap in COUNTED)
        assert ledger.happened["adjudicate"]

    def test_reviews_every_item_as_often_as_wanted_though_connections_are_killed(
        self, queue: Queue, reviewers: list[User]
    ) -> None:
        fill(queue, 120)
        ledger = Crew(queue, [DeskOnConnection(queue, one) for one in reviewers], seed=2).work_off(
            within=60, disturb=kill_connections, every=0.5
        )
        assert problems(queue, ledger) == []
        assert ledger.refused
        assert ledger.happened["disturbed"]
        assert ledger.happened["adjudicate"]


def kill_connections() -> None:
    """End what other connections do at this moment, in the midst of whatever it is."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
            " AND backend_type = 'client backend'"
        )
