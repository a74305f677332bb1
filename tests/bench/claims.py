"""Claims: a crew works a queue off while everything goes wrong, and what a claim takes.

Sixteen reviewers do it twice: by the operations, each on a connection of their own, some of which
are killed in the midst of a statement; and over HTTP against the web server, which is killed too.
Leases run out, items are given back, skipped and taken over meanwhile, and where two disagree a
third person decides. `CLAIMS_ITEMS` and `CLAIMS_OPEN` make it smaller, to try it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import psycopg

from config.up import HOST
from tests.bench.requesting import p95
from tests.bench.server import Web, services

if TYPE_CHECKING:
    from feedback.models import User
    from review.models import Queue
    from tests.crew import Ledger

NUM_ITEMS = int(os.environ.get("CLAIMS_ITEMS", "5_000"))
NUM_OPEN = int(os.environ.get("CLAIMS_OPEN", "100_000"))
NUM_REVIEWERS = 16
REVIEWERS_PER_ITEM = 2
LEASE_SECONDS = 2
# Milliseconds, nineteen times of twenty, with one claim at a time.
BAR = 15.0
NUM_CLAIMS = 300
# Reviews that a reviewer has given to items which still wait for somebody else's.
NUM_REVIEWED = 2_000
# What a crew may take for an item before something is stuck.
MOST_SECONDS = 0.5


def run() -> tuple[str, bool]:
    with services() as urls:
        import django

        django.setup()
        wrong = _on_connections() + _over_http()
        slowest = _speed(urls.database)
    for one in wrong[:20]:
        print(f"  WRONG: {one}")
    figure = (
        f"{len(wrong)} wrong of 2 × {NUM_ITEMS:,} items, "
        f"claim p95 {slowest:.1f} ms at {NUM_OPEN:,} open, bar {BAR:.0f} ms"
    )
    return figure, not wrong and slowest < BAR


def _on_connections() -> list[str]:
    from tests.crew import Crew, DeskOnConnection

    queue = _queue(NUM_ITEMS)
    desks = [DeskOnConnection(queue, one) for one in _reviewers(queue)]
    ledger = Crew(queue, desks).work_off(
        within=60 + NUM_ITEMS * MOST_SECONDS, disturb=_kill_connections, every=3
    )
    return _told("own connections", queue, ledger)


def _over_http() -> list[str]:
    from tests.crew import Crew, DeskOverHttp

    queue = _queue(NUM_ITEMS)
    kills = iter(range(3))

    with Web() as web:

        def kill() -> None:
            if next(kills, None) is not None:
                web.end(signal.SIGKILL)
                web.start()

        desks = [
            DeskOverHttp(queue, one, host=HOST, port=web.port) for one in _reviewers(queue)
        ]  # fmt: skip
        ledger = Crew(queue, desks).work_off(
            within=60 + NUM_ITEMS * MOST_SECONDS, disturb=kill, every=5
        )
    return _told("over HTTP", queue, ledger)


def _told(name: str, queue: Queue, ledger: Ledger) -> list[str]:
    """Print what happened, and return what was wrong of it."""
    from tests.crew import problems

    times = sorted(ledger.claim_times)
    print(
        f"{name}: {NUM_REVIEWERS} reviewers, {NUM_ITEMS:,} items of {REVIEWERS_PER_ITEM} reviews: "
        f"{NUM_ITEMS * REVIEWERS_PER_ITEM / ledger.seconds:,.0f} reviews/s; "
        f"claims among all of them p50 {times[len(times) // 2]:.0f} ms, p95 {p95(times):.0f} ms"
    )
    happened = ", ".join(f"{number:,} {what}" for what, number in sorted(ledger.happened.items()))
    print(f"  {happened}", flush=True)
    found = problems(queue, ledger)
    if not ledger.refused:
        found.append("no stale fence was tried")
    if not ledger.happened["adjudicate"]:
        found.append("nothing was disputed")
    return [f"{name}: {one}" for one in found]


def _kill_connections() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
            " AND backend_type = 'client backend'"
        )


def _reviewers(queue: Queue) -> list[User]:
    from tests.factories import make_user

    return [make_user(queue.project, "moderator") for _ in range(NUM_REVIEWERS)]


def _queue(num_items: int, *, lease_seconds: int = LEASE_SECONDS) -> Queue:
    """A queue of so many open items of a project of its own, each with a rank."""
    from django.db import connection

    from tests.factories import make_project, make_queue, make_session

    project = make_project()
    queue = make_queue(project, reviewers_per_item=REVIEWERS_PER_ITEM, lease_seconds=lease_seconds)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH output AS (
                INSERT INTO feedback_output (project_id, session_id, external_id, at, query, text,
                    system, documents, messages, tools, version, usage, metadata, trace_id, span_id,
                    received_at, embedded_with, model, model_version, prompt_version)
                SELECT %(project)s, %(session)s, 'answer-' || n, now(), 'When did Bloom come out?',
                    'On 31 August 2018.', '', '[]', '[]', '[]', 1, '{}', '{}', '', '', now(), '',
                    '', '', ''
                FROM generate_series(1, %(items)s) n RETURNING id
            ), item AS (
                INSERT INTO review_queueitem (queue_id, output_id, draw, inclusion, status,
                    priority, priority_parts, priority_version, entered_at, ranked_at)
                SELECT %(queue)s, id, 0, 1, 'open', floor(random() * 100), '[]', '', now(), now()
                FROM output RETURNING id
            )
            INSERT INTO review_claim (item_id, place, fence)
            SELECT id, place, 0 FROM item, generate_series(1, %(places)s) place
            """,
            {
                "project": project.pk,
                "session": make_session(project).pk,
                "queue": queue.pk,
                "items": num_items,
                "places": REVIEWERS_PER_ITEM,
            },
        )
        cursor.execute("ANALYZE")
    return queue


def _speed(database: str) -> float:
    """Print what a claim takes beside bare SQL; return the operation's slowest 95th percentile."""
    from tests.crew import DeskOverHttp

    queue = _queue(NUM_OPEN, lease_seconds=900)
    fresh, steady, bare, scripted = _reviewers(queue)[:4]
    _review_first(queue, steady)
    _vacuum()
    _shown("bare SQL", _bare(database, queue, bare))
    slowest = max(
        _shown("claim_next", _operation(queue, fresh)),
        _shown(f"claim_next after {NUM_REVIEWED:,} own reviews", _operation(queue, steady)),
    )
    # Only now: its processes load a model as they begin.
    with Web() as web:
        over_http = DeskOverHttp(queue, scripted, host=HOST, port=web.port)
        _shown("over HTTP", _timed(over_http.claim, lambda: _finish(scripted)))
        over_http.close()
    return slowest


def _shown(name: str, times: Iterator[float]) -> float:
    """Print the median of so many times, and return the 95th percentile."""
    kept = sorted(islice(times, 10, NUM_CLAIMS))
    slow = p95(kept)
    print(f"  {name:<40} p50 {kept[len(kept) // 2]:>6.1f} ms  p95 {slow:>6.1f} ms", flush=True)
    return slow


def _review_first(queue: Queue, reviewer: User) -> None:
    """Let them have reviewed the first items of the queue, which wait for others still."""
    from django.db import connection

    from review.models import QueueItem
    from tests.factories import NOW, make_review

    first = QueueItem.objects.filter(queue=queue).order_by("-rank", "pk").select_related("output")
    items = list(first[:NUM_REVIEWED])
    for item in items:
        make_review(item.output, reviewer, item=item, place=1)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE review_claim SET reviewer_id = %s, fence = 1, claimed_at = %s,"
            " lease_until = %s, finished_at = %s WHERE place = 1 AND item_id = ANY(%s)",
            [reviewer.pk, NOW, NOW, NOW, [item.pk for item in items]],
        )


def _vacuum() -> None:
    """As PostgreSQL does by itself a minute after so many rows came, and would in the midst."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _operation(queue: Queue, by: User) -> Iterator[float]:
    from django.utils import timezone

    from review import queues

    return _timed(
        lambda: queues.claim_next(queue=queue, by=by, now=timezone.now()), lambda: _finish(by)
    )


def _finish(by: User) -> None:
    """Let the reviewer be done with what they hold, and the item with its last place."""
    from django.utils import timezone

    from review.models import Claim, QueueItem

    now = timezone.now()
    mine = Claim.objects.filter(reviewer=by, finished_at=None)
    held = list(mine.values_list("item", flat=True))
    mine.update(finished_at=now)
    waiting = Claim.objects.filter(item__in=held, finished_at=None)
    QueueItem.objects.filter(pk__in=held).exclude(pk__in=waiting.values("item")).update(
        status=QueueItem.Status.DONE, closed_at=now
    )


def _bare(database: str, queue: Queue, by: User) -> Iterator[float]:
    """The least that SQL has to do for it: pick, lock and hold a place."""
    with psycopg.connect(database) as connection:

        def claim() -> object:
            picked = connection.execute(
                "SELECT c.id FROM review_claim c JOIN review_queueitem i ON i.id = c.item_id"
                " WHERE i.queue_id = %(queue)s AND i.status = 'open' AND c.finished_at IS NULL"
                " AND (c.lease_until IS NULL OR c.lease_until <= now())"
                " AND NOT EXISTS (SELECT FROM review_claim o WHERE o.item_id = c.item_id"
                " AND o.reviewer_id = %(by)s)"
                " ORDER BY i.rank DESC, i.id, c.place LIMIT 1 FOR UPDATE OF c SKIP LOCKED",
                {"queue": queue.pk, "by": by.pk},
            ).fetchone() or (None,)
            connection.execute(
                "UPDATE review_claim SET reviewer_id = %s, fence = fence + 1, claimed_at = now(),"
                " lease_until = now() + interval '15 minutes' WHERE id = %s",
                [by.pk, picked[0]],
            )
            connection.commit()
            return picked[0]

        yield from _timed(claim, lambda: _finish(by))


def _timed(claim: Callable[[], object], finish: Callable[[], None]) -> Iterator[float]:
    """Milliseconds of one claim after the other."""
    while True:
        started = time.monotonic()
        if claim() is None:
            raise RuntimeError("Nothing is left.")
        yield (time.monotonic() - started) * 1_000
        finish()
