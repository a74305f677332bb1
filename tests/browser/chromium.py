"""Find the Chromium that the browser tests drive: `python -m tests.browser.chromium`.

On Debian, as root, it is installed when missing. Anybody else is told what to do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

# Debian's, without windows to draw, first.
SHELL = "chromium-headless-shell"
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find() -> str | None:
    """The path of a Chromium: the one CHROMIUM names, else the first of the usual ones."""
    if named := os.environ.get("CHROMIUM"):
        return named if os.access(named, os.X_OK) else None
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def install() -> None:
    """Install Debian's package, or the whole browser where there is no such package.

    Raises CalledProcessError when apt-get fails.
    """
    _apt_get("update")
    try:
        _apt_get("install", SHELL)
    except subprocess.CalledProcessError:
        _apt_get("install", "chromium")


def _apt_get(*words: str) -> None:
    subprocess.run(
        ["apt-get", "--quiet", "--yes", "--no-install-recommends", *words],
        check=True,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdout=sys.stderr,
    )


def main() -> int:
    """Return 0 when there is a Chromium, 1 when somebody has to see to it."""
    if find():
        return 0
    named = os.environ.get("CHROMIUM")
    if named:
        print(f"CHROMIUM names {named}, which cannot be run.", file=sys.stderr)
        return 1
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("Installing Chromium for the browser tests.", file=sys.stderr)
        try:
            install()
        except subprocess.CalledProcessError as error:
            print(f"apt-get failed with status {error.returncode}.", file=sys.stderr)
        if find():
            return 0
    print(
        "The browser tests need Chromium. Install it (on Debian: apt-get install " + SHELL + ")",
        "or set CHROMIUM to the path of one, then run this again.",
        "To leave those tests out: make test ARGS=\"-m 'not browser'\"",
        sep="\n",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
