"""A pytest plugin: throw-away PostgreSQL and Redis, up before Django reads its settings.

With DATABASE_URL and REDIS_URL set, those servers are used instead. Processes that tests are spread
over share the servers of the one that started them; each has databases of its own on both.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from config import embedded

_stack = ExitStack()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    os.environ["POSTIL_TESTING"] = "1"
    # Each process has databases of its own, so the same ids mean other releases there.
    os.environ["RELEASES_DIR"] = _stack.enter_context(
        tempfile.TemporaryDirectory(prefix="postil-releases-")
    )
    os.environ.setdefault("SECRET_KEY", "only-for-tests-only-for-tests-only-for-tests")
    if "DATABASE_URL" in os.environ and "REDIS_URL" in os.environ:
        # pytest-django names the PostgreSQL database after the process, "gw0" and so on.
        if process := os.environ.get("PYTEST_XDIST_WORKER"):
            server, _, _ = os.environ["REDIS_URL"].rpartition("/")
            os.environ["REDIS_URL"] = f"{server}/{int(process.removeprefix('gw')) + 1}"
        return
    directory = Path(_stack.enter_context(tempfile.TemporaryDirectory(prefix="postil-test-")))
    # PostgreSQL runs as another user when root tests, and has to get in.
    directory.chmod(0o711)
    running = _stack.enter_context(
        embedded.services(directory=directory / "data", log=lambda _: None, durable=False)
    )
    urls = running.urls
    os.environ["DATABASE_URL"] = urls.database
    os.environ["REDIS_URL"] = urls.redis


def pytest_unconfigure() -> None:
    _stack.close()
