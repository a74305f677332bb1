"""One command for the whole app: services, schema, demo project, web, workers, beat.

    python -m config.up [--port 8000] [--data .postil]

With DATABASE_URL and REDIS_URL set it uses those servers; without, it starts its own.
"""

from __future__ import annotations

import argparse
import fcntl
import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config import embedded, supervisor
from config.supervisor import Program, log

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
WEB_PROCESSES = 2
WEB_THREADS = 4
# The queue of tasks that each worker takes from, by its name.
WORKERS = {"worker": "celery", "embedder": "embeddings", "long-worker": "long"}


class StartError(RuntimeError):
    """Postil cannot start; the message says what to do."""


def main() -> int:
    """Run until Ctrl-C or SIGTERM; return the exit status."""
    arguments = _arguments()
    supervisor.stop_on_signals()
    try:
        _run(port=arguments.port, directory=arguments.data.resolve())
    except supervisor.Stopped:
        log("postil", "stopped; the data stays where it is")
        return 0
    except (StartError, embedded.ServiceError, supervisor.BrokenError) as error:
        sys.stderr.write(f"\nPostil: {error}\n")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="postil", description="Run the whole of Postil.")
    parser.add_argument("--port", type=int, default=8000, help="port of the web pages (8000)")
    parser.add_argument(
        "--data", type=Path, default=ROOT / ".postil", help="directory for data (.postil)"
    )
    return parser.parse_args()


def _run(*, port: int, directory: Path) -> None:
    _check_port(port)
    embedded.prepare(directory)
    with _only_one(directory), _servers(directory) as (urls, servers):
        environment = {
            **os.environ,
            "DATABASE_URL": urls.database,
            "REDIS_URL": urls.redis,
            "SECRET_KEY": os.environ.get("SECRET_KEY") or _secret(directory / "secret-key"),
            "STATIC_ROOT": str(directory / "static"),
            "RELEASES_DIR": os.environ.get("RELEASES_DIR") or str(directory / "releases"),
            "PYTHONUNBUFFERED": "1",
        }
        access = directory / "access.json"
        _set_up(environment, access)
        with _told(directory / "environment.json", environment):
            supervisor.keep_running(
                _programs(environment, port, directory),
                servers=servers,
                ready=lambda: _greet_when_ready(port, access),
            )


def _programs(environment: dict[str, str], port: int, directory: Path) -> list[Program]:
    celery = [sys.executable, "-m", "celery", "--quiet", "--app=config"]
    alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [
        Program(
            "web",
            [
                *[sys.executable, "-m", "gunicorn", "config.wsgi"],
                f"--bind={HOST}:{port}",
                *["--config=python:config.gunicorn", "--worker-class=gthread"],
                f"--workers={WEB_PROCESSES}",
                f"--threads={WEB_THREADS}",
            ],
            {"DATABASE_POOL_SIZE": str(WEB_THREADS), **environment},
        ),
        *[
            Program(
                name,
                [
                    *[*celery, "worker", f"--queues={queue}", "--concurrency=1"],
                    *["-n", f"{name}@%h", *alone],
                ],
                environment,
            )
            for name, queue in WORKERS.items()
        ],
        Program(
            "beat",
            [*celery, "beat", f"--schedule={directory / 'beat-schedule'}", "--pidfile="],
            environment,
        ),
    ]


@contextmanager
def _servers(directory: Path) -> Iterator[tuple[embedded.Urls, list[embedded.Server]]]:
    given = [os.environ.get(name, "") for name in ("DATABASE_URL", "REDIS_URL")]
    if all(given):
        yield embedded.Urls(database=given[0], redis=given[1]), []
    elif any(given):
        raise StartError("Set both DATABASE_URL and REDIS_URL, or neither.")
    else:
        with embedded.services(
            directory=directory, log=lambda line: log("services", line)
        ) as running:
            yield running.urls, running.servers


@contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """Hold the directory's lock, which ends with this process however it ends."""
    with (directory / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise StartError(
                f"Another Postil is running on {directory} (process {lock.read().strip()}). "
                "Stop it first, or choose another directory with --data."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def _told(path: Path, environment: dict[str, str]) -> Iterator[None]:
    """While it runs, let manage.py know where the servers are."""
    names = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")
    _write_private(path, json.dumps({name: environment[name] for name in names}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _set_up(environment: dict[str, str], access: Path) -> None:
    command = [sys.executable, "-m", "config.setting_up", str(access)]
    if subprocess.run(command, env=environment, check=False).returncode:  # noqa: S603
        raise StartError("Setting up failed; what it said is above.")


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise StartError(
                f"Port {port} cannot be used ({error}). Choose another: make run PORT=8123"
            ) from None


def _greet_when_ready(port: int, access: Path) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        if connection.getresponse().status != http.HTTPStatus.OK:
            return False
    except OSError:
        return False
    finally:
        connection.close()
    url = f"http://{HOST}:{port}/"
    lines = [f"Postil is running at {url}"]
    if access.exists():
        granted = json.loads(access.read_text()) | {"url": url}
        _write_private(access, json.dumps(granted, indent=2) + "\n")
        lines += [
            f"  sign in  {granted['username']}  with password  {granted['password']}",
            f"  API key  {granted['api_key']}",
            f"  (kept in {_shown(access)}; Ctrl-C stops everything)",
        ]
    for line in lines:
        log("postil", line)
    return True


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _secret(path: Path) -> str:
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(48))
    return path.read_text()


def _write_private(path: Path, text: str) -> None:
    """Replace the file as a whole, readable by its owner alone from the start."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    shutil.move(draft, path)


if __name__ == "__main__":
    sys.exit(main())
