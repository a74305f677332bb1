"""Ingestion over HTTP beside what the database and the web server do without it."""

from __future__ import annotations

import gzip
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.client import HTTPConnection, HTTPException
from itertools import islice
from typing import Any

import orjson
import psycopg

from config.up import HOST
from tests.bench.server import ROOT, Web, services

BATCH = 500
ROWS = 30_000
SINGLES = 4_000
CLIENTS = 8
BATCH_CLIENTS = 2
# At least a third of COPY, and two fifths of a bare view.
BAR_OF_COPY = 1 / 3
BAR_OF_BARE = 2 / 5

Record = dict[str, Any]


def run() -> tuple[str, bool]:
    with services() as urls:
        import django

        django.setup()
        records = real_records(ROWS)
        print(f"{len(records):,} real records, {len(orjson.dumps(records)) / 1e6:.0f} MB of JSON")
        with Web() as web:
            batched = batch_speed(web, records)
        copied = copy_speed(urls.database, len(records))
        with Web() as web:
            alone = single_speed(web, "/api/v1/ingest", singles("a"), new_key())
            survived = survives_kills(web)
        with psycopg.connect(urls.database, autocommit=True) as connection:
            from tests.bench.bare import TABLE

            connection.execute(TABLE)
        with Web("tests.bench.bare") as web:
            bare = single_speed(web, "/bare", singles("b"), "")
        with Web("tests.bench.bare", BARE_WITHOUT_MIDDLEWARE="1") as web:
            barest = single_speed(web, "/bare", singles("d"), "")
        committed = commit_speed(urls.database, singles("c"))
    of_copy, of_bare = batched / copied, alone / bare
    print(f"{BATCH} a request: {batched:,.0f} rows/s; COPY + INSERT … ON CONFLICT {copied:,.0f}/s")
    print(f"one a request, {CLIENTS} clients: {alone:,.0f}/s; bare view {bare:,.0f}/s,")
    print(f"  without Django's middleware {barest:,.0f}/s,")
    print(f"  bare commits on {CLIENTS} connections {committed:,.0f}/s")
    print(f"killed and started again while sending: {survived}")
    figure = (
        f"{of_copy:.2f} of COPY (bar {BAR_OF_COPY:.2f}), "
        f"{of_bare:.2f} of a bare view (bar {BAR_OF_BARE:.2f})"
    )
    return (
        figure,
        of_copy >= BAR_OF_COPY and of_bare >= BAR_OF_BARE and survived == "none lost, none double",
    )


def real_records(num: int) -> list[Record]:
    """Real records, the whole set again and again under new ids, in the order they were sent."""
    originals: list[Record] = []
    for name in ("qa-feedback", "oasst-trees"):
        lines = gzip.decompress((ROOT / f"feedback/demo/{name}.ndjson.gz").read_bytes())
        originals += [json.loads(line) for line in lines.splitlines()]
    copies = range(num // len(originals) + 1)
    return list(islice((_renamed(one, f"{copy}-") for copy in copies for one in originals), num))


def _renamed(record: Record, prefix: str) -> Record:
    return record | {
        name: prefix + record[name] for name in ("id", "session", "output") if record.get(name)
    }


def singles(name: str) -> list[Record]:
    """Sessions, the smallest record there is: what is measured is the way, not the load."""
    return [
        {"type": "session", "id": f"{name}{number}", "environment": "production"}
        for number in range(SINGLES)
    ]


def new_key() -> str:
    from tests.factories import make_key, make_project

    return make_key(make_project())


# Parents first. What ingestion fills for a batch of records.
TABLES = [
    "feedback_session",
    "feedback_tag",
    "feedback_sessiontag",
    "feedback_output",
    "feedback_feedback",
    "feedback_feedbackreason",
]


def copy_speed(url: str, num_records: int) -> float:
    """Records a second by COPY and INSERT … ON CONFLICT of the very rows that ingestion stored.

    They go into an empty copy of the database, with all its keys, indexes and foreign keys, one
    table after the other, BATCH rows a commit, by as many connections as there are senders.
    """
    from django.db import connections

    # A database that somebody is connected to cannot be copied.
    connections.close_all()
    with psycopg.connect(_database(url, "postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE copied TEMPLATE postil")
    with psycopg.connect(_database(url, "copied"), autocommit=True) as connection:
        connection.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
    seconds = 0.0
    for table in TABLES:
        left = iter(_stored_rows(url, table))
        seconds += _timed(partial(_copy, _database(url, "copied"), table, left), BATCH_CLIENTS)
    return num_records / seconds


def _database(url: str, name: str) -> str:
    return url.rsplit("/", 1)[0] + f"/{name}"


def _stored_rows(url: str, table: str) -> list[bytes]:
    """What is in the table, in COPY's words, BATCH rows at a time."""
    with (
        psycopg.connect(url) as connection,
        connection.cursor().copy(f"COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT") as copy,
    ):
        rows = [bytes(row) for row in copy]
    return [b"".join(rows[start : start + BATCH]) for start in range(0, len(rows), BATCH)]


def _copy(url: str, table: str, left: Iterator[bytes]) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE TEMP TABLE staging (LIKE {table}) ON COMMIT DELETE ROWS")
        connection.commit()
        # A list's iterator may be shared by threads.
        for rows in left:
            with connection.cursor().copy("COPY staging FROM STDIN") as copy:
                copy.write(rows)
            connection.execute(f"INSERT INTO {table} SELECT * FROM staging ON CONFLICT DO NOTHING")
            connection.commit()


def batch_speed(web: Web, records: Sequence[Record]) -> float:
    bodies = [
        orjson.dumps({"records": records[start : start + BATCH]})
        for start in range(0, len(records), BATCH)
    ]
    key = new_key()
    # The sweeper joins what two requests at once left waiting; here it must not come to that.
    replies, seconds = _send_all(web, "/api/v1/ingest", bodies, key, BATCH_CLIENTS)
    accepted = sum(reply["accepted"] for reply in replies)
    if accepted != len(records):
        raise RuntimeError(f"{accepted} of {len(records)} records were accepted.")
    return len(records) / seconds


def single_speed(web: Web, path: str, records: Sequence[Record], key: str) -> float:
    bodies = [orjson.dumps({"records": [record]}) for record in records]
    warm, rest = bodies[:400], bodies[400:]
    _send_all(web, path, warm, key, CLIENTS)
    _, seconds = _send_all(web, path, rest, key, CLIENTS)
    return len(rest) / seconds


def _send_all(
    web: Web, path: str, bodies: Sequence[bytes], key: str, num_clients: int
) -> tuple[list[Any], float]:
    """Send the bodies from so many clients, each over one connection; return replies, seconds."""
    left = iter(bodies)
    replies: list[Any] = []
    lock = threading.Lock()

    def client() -> None:
        connection = HTTPConnection(HOST, web.port, timeout=60)
        while True:
            with lock:
                body = next(left, None)
            if body is None:
                break
            reply = _send(connection, path, body, key)
            with lock:
                replies.append(reply)
        connection.close()

    return replies, _timed(client, num_clients)


def _send(connection: HTTPConnection, path: str, body: bytes, key: str) -> Any:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise RuntimeError(f"{response.status}: {content[:200]!r}")
    return orjson.loads(content)


def _timed(work: Callable[[], None], num: int) -> float:
    threads = [threading.Thread(target=work) for _ in range(num)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - started


def commit_speed(url: str, records: Sequence[Record]) -> float:
    """Rows a second with one INSERT and one commit each, on CLIENTS connections."""
    left = iter(records)
    lock = threading.Lock()

    def client() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while True:
                with lock:
                    record = next(left, None)
                if record is None:
                    return
                connection.execute(
                    "INSERT INTO bare (id, record) VALUES (%s, %s)",
                    [record["id"], orjson.dumps(record).decode()],
                )

    return len(records) / _timed(client, CLIENTS)


def survives_kills(web: Web) -> str:
    """Kill the server thrice while clients send and repeat what failed; say what came of it."""
    from feedback.models import Feedback, Project

    key = new_key()
    project = Project.objects.latest("pk")
    trail: list[Record] = [
        {"type": "session", "id": "s"},
        {"type": "output", "id": "o", "session": "s", "query": "q", "text": "t"},
    ]
    _send(HTTPConnection(HOST, web.port), "/api/v1/ingest", orjson.dumps({"records": trail}), key)
    told: list[str] = []
    left = iter(range(1_500))
    lock = threading.Lock()

    def client() -> None:
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                return
            record = {
                "type": "feedback",
                "id": f"f{number}",
                "output": "o",
                "name": "rating",
                "score": 1,
                "annotator_kind": "HUMAN",
            }
            _send_until_told(web, orjson.dumps({"records": [record]}), key)
            told.append(f"f{number}")

    def killer() -> None:
        for _ in range(3):
            time.sleep(0.4)
            web.end(signal.SIGKILL)
            web.start()

    killing = threading.Thread(target=killer)
    killing.start()
    _timed(client, CLIENTS)
    killing.join()
    stored = list(Feedback.objects.filter(project=project).values_list("external_id", flat=True))
    lost, double = len(set(told) - set(stored)), len(stored) - len(set(stored))
    return "none lost, none double" if not (lost or double) else f"{lost} lost, {double} double"


def _send_until_told(web: Web, body: bytes, key: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            _send(HTTPConnection(HOST, web.port, timeout=10), "/api/v1/ingest", body, key)
        except (OSError, HTTPException):
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("The server did not come back.")
