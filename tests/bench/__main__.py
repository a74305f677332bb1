"""Runs the benchmarks: `python -m tests.bench [name]`.

Each prints what it measured beside its yardstick, and ends in one line `<name>: <figure>`. The
exit status is 1 when a figure misses its bar.
"""

from __future__ import annotations

import importlib
import sys

NAMES = [
    *["ingest", "pages", "anchoring", "search", "desk", "triage", "claims", "effects"],
    *["context", "exports", "gates"],
]
# Those take so long that they have to be named.
LONG = ["search-million"]


def main(wanted: list[str]) -> int:
    unknown = [name for name in wanted if name not in NAMES + LONG]
    if unknown:
        print(f"There is no benchmark {unknown[0]}. There are: {', '.join(NAMES + LONG)}.")
        return 2
    missed = []
    for name in wanted or NAMES:
        figure, is_met = importlib.import_module(f"tests.bench.{name.replace('-', '_')}").run()
        print(f"{name}: {figure}", flush=True)
        if not is_met:
            missed.append(name)
    if missed:
        print(f"missed their bar: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
