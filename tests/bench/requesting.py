"""How long a page takes over HTTP, beside the bare SQL that it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import psycopg

from config.up import HOST
from tests.bench.server import Web

if TYPE_CHECKING:
    from feedback.models import User

REPEATS = 60


@dataclass(frozen=True)
class Measured:
    """One page: its queries, milliseconds over HTTP, and the 95th percentile of its bare SQL."""

    name: str
    num_queries: int
    max_queries: int
    times: Sequence[float]
    sql: float

    @property
    def page(self) -> float:
        """The 95th percentile over HTTP."""
        return p95(self.times)


def measure(
    web: Web, database: str, user: User, name: str, path: str, max_queries: int
) -> Measured:
    """Ask for a page many times as one user. Raises RuntimeError when it does not answer 200."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    client.get(path)
    with CaptureQueriesContext(connection) as queries:
        response = client.get(path)
    if response.status_code != 200:
        raise RuntimeError(f"{path}: {response.status_code}")
    statements = [query["sql"] for query in queries]
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    return Measured(
        name=name,
        num_queries=len(statements),
        max_queries=max_queries,
        times=_warm(_page_times(web, path, cookie)),
        sql=p95(_warm(_sql_times(database, statements))),
    )


def p95(times: Sequence[float]) -> float:
    """The 95th percentile."""
    return sorted(times)[int(len(times) * 0.95)]


def _warm(times: Iterator[float]) -> list[float]:
    """All but the first five: those warm caches."""
    return list(times)[5:]


def _page_times(web: Web, path: str, cookie: str) -> Iterator[float]:
    connection = HTTPConnection(HOST, web.port, timeout=60)
    for _ in range(REPEATS):
        started = time.monotonic()
        connection.request("GET", path, headers={"Cookie": cookie})
        response = connection.getresponse()
        response.read()
        yield (time.monotonic() - started) * 1_000
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status}")
    connection.close()


def _sql_times(database: str, statements: list[str]) -> Iterator[float]:
    with psycopg.connect(database, autocommit=True) as connection:
        for _ in range(REPEATS):
            started = time.monotonic()
            for statement in statements:
                cursor = connection.execute(statement)
                if cursor.description is not None:
                    cursor.fetchall()
            yield (time.monotonic() - started) * 1_000
