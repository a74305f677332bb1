"""A pytest plugin: throw-away PostgreSQL and Redis, up before Django reads its settings.

With DATABASE_URL and REDIS_URL set, those servers are used instead. Processes that tests are spread
over share the servers of the one that started them; each has databases of its own on both. The one
that started them migrates a database meanwhile, of which each takes a copy.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from config import embedded

ROOT = Path(__file__).resolve().parent.parent
# Names a file that is locked until the database to copy is migrated.
MIGRATING = "POSTIL_TEST_MIGRATING"

_stack = ExitStack()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    os.environ["POSTIL_TESTING"] = "1"
    # Each process has databases of its own, so the same ids mean other releases there.
    os.environ["RELEASES_DIR"] = _stack.enter_context(
        tempfile.TemporaryDirectory(prefix="postil-releases-")
    )
    os.environ.setdefault("SECRET_KEY", "only-for-tests-only-for-tests-only-for-tests")
    # A new connection to the database costs as much as a small request.
    os.environ.setdefault("DATABASE_POOL_SIZE", "40")
    # Threads that share the encoding of a text wait ten times as long where others have the cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
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
    if getattr(early_config.known_args_namespace, "numprocesses", None):
        _migrate(directory / "migrating")


def _migrate(lock: Path) -> None:
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        command = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity=0"]
        # The lock is let go when the last that has the file open ends.
        _stack.enter_context(subprocess.Popen(command, pass_fds=[held.fileno()]))
    os.environ[MIGRATING] = str(lock)


def migrated() -> str | None:
    """The name of a migrated database to copy, once it is; None where none was made."""
    if MIGRATING not in os.environ:
        return None
    with Path(os.environ[MIGRATING]).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
    return os.environ["DATABASE_URL"].rpartition("/")[2]


def pytest_unconfigure() -> None:
    _stack.close()
