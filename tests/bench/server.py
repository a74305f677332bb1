"""The real servers and the real web process, for benchmarks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import psutil

from config import embedded
from config.up import HOST, WEB_PROCESSES, WEB_THREADS

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def services() -> Iterator[embedded.Urls]:
    """PostgreSQL and Redis as `make run` has them, fully durable, in a directory of their own.

    This process's settings are made to use them.
    """
    with tempfile.TemporaryDirectory(prefix="postil-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        with embedded.services(directory=directory / "data", log=print) as running:
            os.environ["DATABASE_URL"] = running.urls.database
            os.environ["REDIS_URL"] = running.urls.redis
            os.environ["SECRET_KEY"] = "only-for-benchmarks-only-for-benchmarks"
            os.environ["STATIC_ROOT"] = str(directory / "static")
            os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
            manage("collectstatic", "--noinput", "--verbosity=0")
            manage("migrate", "--noinput", "--verbosity=0")
            yield running.urls


def manage(*command: str) -> None:
    subprocess.run([sys.executable, str(ROOT / "manage.py"), *command], check=True)


class Web:
    """The web server, with the same settings as `make run`, on a free port."""

    def __init__(self, application: str = "config.wsgi", **environment: str) -> None:
        self._environment = environment
        self.port = embedded.free_port()
        self._command = [
            *[sys.executable, "-m", "gunicorn", application, f"--bind={HOST}:{self.port}"],
            *["--config=python:config.gunicorn", "--worker-class=gthread"],
            f"--workers={WEB_PROCESSES}",
            f"--threads={WEB_THREADS}",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Web:
        self.start()
        self.settle()
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGTERM)

    def start(self) -> None:
        environment = {
            **os.environ,
            "DATABASE_POOL_SIZE": str(WEB_THREADS),
            "LOG_LEVEL": "WARNING",
        } | self._environment
        self._process = subprocess.Popen(
            self._command,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
            preexec_fn=partial(embedded.die_with_parent, signal.SIGTERM),  # noqa: PLW1509
        )
        until = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > until or self._process.poll() is not None:
                raise RuntimeError("The web server does not start.")
            time.sleep(0.1)

    def settle(self) -> None:
        """Wait until the processes have loaded their models and rest."""
        processes = psutil.Process(self._process.pid if self._process else None).children(
            recursive=True
        )
        while sum(process.cpu_percent(0.5) for process in processes) > 10:
            time.sleep(0.2)

    def end(self, by: signal.Signals) -> None:
        """Signal the server and all its processes, and wait for the first."""
        if self._process is not None:
            os.killpg(self._process.pid, by)
            self._process.wait()

    def _answers(self) -> bool:
        connection = HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()
