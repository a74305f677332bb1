from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import psutil
import pytest

from tests.journeys.conftest import ROOT, Postil, clean_environment, eventually


def up(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the start command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "config.up", *options],
        cwd=ROOT,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestRunning:
    def test_says_how_to_get_in_and_lets_in(self, postil: Postil) -> None:
        access = postil.access
        assert access["url"] == f"{postil.url}/"
        assert access.keys() == {"url", "username", "password", "api_key", "project"}
        mode = stat.S_IMODE((postil.directory / "access.json").stat().st_mode)
        assert mode == 0o600
        status, reply = postil.call("GET", "/api/v1/search?q=oven", key=access["api_key"])
        assert (status, type(reply)) == (200, dict)
        for secret in (access["password"], access["api_key"]):
            assert secret in postil.output()

    def test_sends_scripts_compressed(self, postil: Postil) -> None:
        asked = Request(
            f"{postil.url}/static/js/desk/margin.js", headers={"Accept-Encoding": "gzip"}
        )
        with urlopen(asked, timeout=60) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"

    def test_answers_when_a_process_was_killed(self, postil: Postil) -> None:
        web = next(
            child
            for child in psutil.Process(postil.process.pid).children()
            if "gunicorn" in " ".join(child.cmdline())
        )
        os.kill(web.pid, signal.SIGKILL)
        eventually(lambda: "web | ended with status -9; starting it again" in postil.output())
        eventually(lambda: _answers(postil))

    def test_refuses_the_port_and_the_data_of_another(self, postil: Postil, tmp_path: Path) -> None:
        taken = up(f"--port={postil.port}", f"--data={tmp_path}")
        assert taken.returncode == 1
        assert f"Port {postil.port} cannot be used" in taken.stderr
        twice = up("--port=0", f"--data={postil.directory}")
        assert twice.returncode == 1
        assert f"(process {postil.process.pid})" in twice.stderr

    def test_wants_both_servers_or_none(self, tmp_path: Path) -> None:
        half = up("--port=0", f"--data={tmp_path}", DATABASE_URL="postgresql://nowhere/x")
        assert "Set both DATABASE_URL and REDIS_URL" in half.stderr


class TestStopping:
    @pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
    def test_leaves_no_process_and_keeps_the_data(self, postil: Postil, by: signal.Signals) -> None:
        processes = psutil.Process(postil.process.pid).children(recursive=True)
        assert len(processes) > 6
        access = postil.access
        postil.process.send_signal(by)
        status = postil.process.wait(60)
        assert status == (0 if by == signal.SIGTERM else -by)
        eventually(lambda: not any(process.is_running() for process in processes))
        postil.start()
        assert postil.access == access
        status, found = postil.call("GET", "/api/v1/outputs?limit=1", key=access["api_key"])
        assert (status, len(found["outputs"])) == (200, 1)


def _answers(postil: Postil) -> bool:
    try:
        return postil.call("GET", "/healthz")[0] == 200
    except OSError:
        return False
