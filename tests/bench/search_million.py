"""Search among 1,000,000 vectors: unit vectors strewn around those of real questions.

It takes the better part of an hour, so it runs only when it is named. `SEARCH_ROWS` makes it
smaller, to try it. Chroma stands beside it where `SEARCH_CHROMA` is set: it needs an hour more.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.bench import search
from tests.bench.server import services

NUM_ROWS = int(os.environ.get("SEARCH_ROWS", "1_000_000"))
# Comparing all takes seconds each time.
NUM_COMPARED = 20


def run() -> tuple[str, bool]:
    data = os.environ.get("POSTIL_DATA")
    if not data:
        return "POSTIL_DATA names no folder", False
    with services():
        import django

        django.setup()
        search.stored(search.banking(Path(data))[0])
        with_chroma = bool(os.environ.get("SEARCH_CHROMA"))
        worst = search.speed(NUM_ROWS, num_compared=NUM_COMPARED, with_chroma=with_chroma)
    figure = f"{NUM_ROWS:,} vectors, worst recall of exact {worst:.3f}, bar {search.MIN_RECALL}"
    return figure, worst >= search.MIN_RECALL
