"""The whole app as `make run` starts it, once for all journeys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from config.embedded import free_port

ROOT = Path(__file__).resolve().parents[2]
# What the tests' own settings would otherwise hand down.
FOREIGN = {
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "DATABASE_POOL_SIZE",
    "POSTIL_TESTING",
    "DJANGO_SETTINGS_MODULE",
}

# A minute of two cores goes into the meaning of the demo project, of which no journey asks.
UNDERSTOOD = """
from feedback.embedding import model_id
from feedback.models import Feedback, Output

for model in (Output, Feedback):
    model.objects.update(embedded_with=model_id())
"""


@dataclass
class Postil:
    """A Postil on a directory of its own: its address, data and process."""

    directory: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] = field(init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def access(self) -> dict[str, str]:
        return dict(json.loads((self.directory / "access.json").read_text()))

    def output(self) -> str:
        return (self.directory / "output").read_text()

    def manage(self, *command: str) -> str:
        """Run manage.py on its database, as somebody in the checkout would."""
        environment = clean_environment() | json.loads(
            (self.directory / "environment.json").read_text()
        )
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *command],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def call(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> tuple[int, Any]:
        """Call the API; return the status and the JSON, or the bytes where it is none."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        is_json = "json" in response.headers.get_content_type().split("-")[0]
        return response.status, json.loads(content) if is_json else content

    def start(self) -> None:
        """Start it and wait until it serves; RuntimeError with its output when it does not."""
        self.directory.mkdir(exist_ok=True)
        where = [f"--port={self.port}", f"--data={self.directory}"]
        with (self.directory / "output").open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.up", *where],
                cwd=ROOT,
                env=clean_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        # The demo is made meanwhile, on a machine that other tests have, too.
        until = time.monotonic() + 480
        while f"running at {self.url}/" not in self.output():
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError(self.output())
            time.sleep(0.2)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in FOREIGN}


def eventually(ask: Any, *, within: float = 60) -> Any:
    """Ask until the answer is true, and return it; fail after so many seconds."""
    until = time.monotonic() + within
    while not (answer := ask()):
        assert time.monotonic() < until, f"{ask} stays false"
        time.sleep(0.3)
    return answer


# Gone before other tests are run: it looks at its work lists every few seconds.
@pytest.fixture(scope="package")
def postil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postil]:
    directory = tmp_path_factory.mktemp("postil")
    # Root's PostgreSQL runs as another user, and has to get in.
    for path in (directory, *list(directory.parents)[:2]):
        if path.owner() == Path.home().owner():
            path.chmod(0o711)
    running = Postil(directory / "data")
    running.start()
    running.manage("shell", "--verbosity=0", "--command", UNDERSTOOD)
    try:
        yield running
    finally:
        running.stop()
