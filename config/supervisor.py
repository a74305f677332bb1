"""Keeps the processes of one Postil running, and their output apart."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

from config.embedded import Server, die_with_parent

# A process that ends this often within a minute is broken, and restarting it hides that.
MAX_ENDS = 5
WINDOW = 60.0
STOP_WITHIN = 15.0


class Stopped(Exception):  # noqa: N818  (no error: somebody asked for it)
    """Somebody asked the whole to stop."""


class BrokenError(RuntimeError):
    """A process keeps ending, or a server it needs is gone."""


@dataclass
class Program:
    """One process to keep running."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    process: subprocess.Popen[str] | None = None
    ends: list[float] = field(default_factory=list)

    def start(self, log: Callable[[str, str], None]) -> None:
        """Start it; its output goes to the log line by line."""
        self.process = subprocess.Popen(  # noqa: S603
            self.command,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=functools.partial(die_with_parent, signal.SIGTERM),  # noqa: PLW1509
        )
        threading.Thread(target=self._copy, args=(log,), daemon=True).start()

    def _copy(self, log: Callable[[str, str], None]) -> None:
        if self.process is not None and self.process.stdout is not None:
            for line in self.process.stdout:
                log(self.name, line.rstrip("\n"))


_printing = threading.Lock()


def log(name: str, line: str) -> None:
    """Print one line behind the name of who said it."""
    with _printing:
        sys.stdout.write(f"{name:>9} | {line}\n")
        sys.stdout.flush()


def stop_on_signals() -> None:
    """From now on SIGINT and SIGTERM raise Stopped in the main thread, once."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stopped

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def keep_running(
    programs: Sequence[Program], *, servers: Sequence[Server], ready: Callable[[], bool]
) -> None:
    """Start the programs and restart what ends, until Stopped is raised; then stop them all.

    `ready` is asked until it says yes. Raises BrokenError when a program keeps ending or a server
    is gone.
    """
    is_ready = False
    try:
        for program in programs:
            program.start(log)
        while True:
            for server in servers:
                if server.process.poll() is not None:
                    raise BrokenError(
                        f"{server.name} has ended. Start Postil again: it recovers its data."
                    )
            for program in programs:
                _restart_if_ended(program)
            is_ready = is_ready or ready()
            time.sleep(0.2)
    finally:
        stop_all(programs)


def _restart_if_ended(program: Program) -> None:
    if program.process is None or program.process.poll() is None:
        return
    now = time.monotonic()
    program.ends = [end for end in program.ends if now - end < WINDOW] + [now]
    status = program.process.returncode
    if len(program.ends) >= MAX_ENDS:
        raise BrokenError(
            f"{program.name} ended {MAX_ENDS} times within a minute (last with status {status}); "
            "its last lines are above."
        )
    log(program.name, f"ended with status {status}; starting it again")
    program.start(log)


def stop_all(programs: Sequence[Program]) -> None:
    """Ask all to stop at once, and kill those that do not within STOP_WITHIN seconds."""
    for program in programs:
        if program.process is not None and program.process.poll() is None:
            program.process.terminate()
    until = time.monotonic() + STOP_WITHIN
    for program in programs:
        if program.process is None:
            continue
        try:
            program.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            log(program.name, "does not stop; killing it")
            # Each is the leader of a group of its own, with its workers in it.
            os.killpg(program.process.pid, signal.SIGKILL)
            program.process.wait()
