"""Context: how fast a library of 20,000 entries serves, and whether it finds the best of them.

The entries' vectors crowd around 400 topics, their texts are up to 400 words long. Beside it stands
bare SQL that compares every vector. `CONTEXT_ENTRIES` makes it smaller, to try it.

Then texts that try to take over a prompt are held against the checks and the layout, and ordinary
answers beside them, from the folder that POSTIL_DATA names.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from curation import prompts
from curation.prompts import Entry
from curation.screening import screen
from tests.bench.requesting import p95
from tests.bench.server import services
from tests.curation.injections import CORPUS, asked, shape

if TYPE_CHECKING:
    from curation.models import LibraryVersion

NUM_ENTRIES = int(os.environ.get("CONTEXT_ENTRIES", "20_000"))
NUM_ASKED = 200
# Milliseconds, nineteen times of twenty, without what the model takes to embed the question.
BAR = 50.0
MIN_RECALL = 0.99
TOP = 50
DIMENSIONS = 384
MODEL = "bench"


def run() -> tuple[str, bool]:
    with services():
        import django

        django.setup()
        slowest, recall, is_same = _serving()
    wrong = _injections()
    _ordinary()
    for one in wrong:
        print(f"  WRONG: {one}")
    figure = (
        f"p95 {slowest:.1f} ms at {NUM_ENTRIES:,} entries (bar {BAR:.0f}), "
        f"recall of the best {TOP} {recall:.4f} (bar {MIN_RECALL}), "
        f"same bytes {'always' if is_same else 'NOT ALWAYS'}, "
        f"{len(wrong)} wrong of {len(CORPUS)} injections (bar 0)"
    )
    return figure, slowest < BAR and recall >= MIN_RECALL and is_same and not wrong


def _injections() -> list[str]:
    """Print how the corpus fared; return what slipped through or changed the messages."""
    wrong = []
    num_stopped = 0
    for name, text in CORPUS.items():
        for kind in prompts.ORDER:
            if not screen(text, is_instruction=kind == "instruction"):
                wrong.append(f"{name} as {kind}: not noticed")
            if _shape(kind, text) != _shape(kind, "Plain."):
                wrong.append(f"{name} as {kind}: changes the messages")
        num_stopped += any(finding.is_stopped for finding in screen(text))
    print(f"  {len(CORPUS)} injections: {num_stopped} stopped, the others to be acknowledged")
    return wrong


def _shape(kind: str, text: str) -> tuple[object, ...]:
    entry = Entry(id=1, kind=kind, query=text, answer=text, why=text)
    question = asked("When does it open?")
    messages = prompts.compose(entries=[entry], messages=question)
    return *shape(kind, messages), messages[-1]


def _ordinary() -> None:
    """Print how often the checks notice something in answers that nobody meant harm with."""
    data = os.environ.get("POSTIL_DATA")
    if not data:
        return
    rows = json.loads((Path(data) / "pandalm-testset" / "testset-v1.json").read_text("utf-8"))
    texts = [str(row[name]) for row in rows for name in ("response1", "response2")]
    found = [screen(text) for text in texts]
    noticed, stopped = (
        sum(map(bool, found)),
        sum(any(one.is_stopped for one in findings) for findings in found),
    )
    print(f"  of {len(texts):,} ordinary answers {noticed} noticed, {stopped} stopped", flush=True)


class Known:
    """An encoder that knows the vector already: the model's own time is no part of serving."""

    model_id = MODEL
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self.vector: list[float] = []

    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        return [self.vector for _ in texts]


def _serving() -> tuple[float, float, bool]:
    """Print what serving takes; return its 95th percentile, recall, and whether bytes repeat."""
    from django.db import connection
    from django.test import Client

    from tests.factories import make_key

    version, asked = _published(NUM_ENTRIES)
    project = version.library.project
    client = Client(headers={"host": "localhost", "authorization": f"Bearer {make_key(project)}"})
    encoder = Known()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    etags: dict[int, str] = {}

    def ask(number: int, status: int, **headers: str) -> bytes:
        encoder.vector = asked[number]
        body = {"library": version.library.slug, "query": f"Question {number}?", "session": "s"}
        response = client.post(
            "/api/v1/context", json.dumps(body), content_type="application/json", headers=headers
        )
        if response.status_code != status:
            raise RuntimeError(f"{response.status_code}: {response.content!r}")
        etags[number] = response["ETag"]
        return response.content

    def serve(number: int) -> bytes:
        return ask(number, 200)

    def again(number: int) -> bytes:
        return ask(number, 304, if_none_match=etags[number])

    with patch("curation.api.get_encoder", lambda: encoder):
        started = time.monotonic()
        serve(0)
        print(f"  the first request of a process: {(time.monotonic() - started) * 1_000:.0f} ms")
        times, first = _timed(serve, len(asked))
        _, second = _timed(serve, len(asked))
        _told("whole request, without the model", times)
        _told("the same asked again, with its ETag", _timed(again, len(asked))[0])
    recall, sql_times = _recall(version, asked)
    _told(f"bare SQL that finds the best {TOP}", sql_times)
    return p95(times), recall, first == second


def _told(name: str, times: Sequence[float]) -> None:
    middle = sorted(times)[len(times) // 2]
    print(f"  {name:<36} p50 {middle:>6.1f} ms  p95 {p95(times):>6.1f} ms", flush=True)


def _recall(version: LibraryVersion, asked: Sequence[list[float]]) -> tuple[float, list[float]]:
    """Mean share of the TOP nearest entries that serving looks at; milliseconds of bare SQL."""
    from pgvector.django import CosineDistance

    from curation.shelves import Audience, shelf_of
    from tests.factories import NOW

    shelf = shelf_of(version)
    shares, times = [], []
    for vector in asked:
        found = shelf.nearest(vector, audience=Audience(), today=NOW.date(), limit=TOP)
        started = time.monotonic()
        nearest = version.entries.order_by(CosineDistance("vector", vector), "entry_id")
        exact = set(nearest.values_list("entry_id", flat=True)[:TOP])
        times.append((time.monotonic() - started) * 1_000)
        shares.append(len(exact.intersection(found)) / len(exact))
    return sum(shares) / len(shares), times


def _timed(serve: Callable[[int], bytes], number: int) -> tuple[list[float], list[str]]:
    times, digests = [], []
    for place in range(number):
        started = time.monotonic()
        reply = serve(place)
        times.append((time.monotonic() - started) * 1_000)
        digests.append(hashlib.sha256(reply).hexdigest())
    return times, digests


def _published(number: int) -> tuple[LibraryVersion, list[list[float]]]:
    """A version of so many entries, and unit vectors of questions near some of them."""
    import numpy as np

    from curation import tokens
    from curation.models import ContextEntry, LibraryVersion, PublishedEntry
    from curation.prompts import tokens_of
    from tests.factories import NOW, make_library, make_project, make_user

    project = make_project()
    user = make_user(project)
    library = make_library(project)
    source = np.random.default_rng(7)
    # Questions of a product crowd around what it is asked about.
    topics = source.normal(size=(400, DIMENSIONS))
    vectors = topics[source.integers(len(topics), size=number)] + 0.6 * source.normal(
        size=(number, DIMENSIONS)
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    words = random.Random(7)  # noqa: S311
    entries = ContextEntry.objects.bulk_create(
        (
            ContextEntry(
                library=library,
                query=f"Question {place} about the matter?",
                answer=" ".join(words.choices(_WORDS, k=words.randint(20, 400))),
                created_by=user,
                created_at=NOW,
            )
            for place in range(number)
        ),
        batch_size=2_000,
    )
    version = LibraryVersion.objects.create(
        library=library, number=1, content_hash="0" * 64, published_by=user, published_at=NOW
    )
    PublishedEntry.objects.bulk_create(
        (
            PublishedEntry(
                version=version,
                entry=entry,
                position=place,
                kind=entry.kind,
                query=entry.query,
                answer=entry.answer,
                num_tokens=tokens_of(
                    Entry(entry.pk, entry.kind, entry.query, entry.answer, ""), count=tokens.count
                ),
                model=MODEL,
                vector=vector.tolist(),
            )
            for place, (entry, vector) in enumerate(zip(entries, vectors, strict=True), start=1)
        ),
        batch_size=2_000,
    )
    near = vectors[source.choice(number, size=min(NUM_ASKED, number), replace=False)]
    near = near + 0.02 * source.normal(size=near.shape)
    library.live = version
    library.save()
    return version, (near / np.linalg.norm(near, axis=1, keepdims=True)).tolist()


_WORDS = ("answer", "holds", "what", "reviewers", "wrote", "about", "loans", "and", "renewals")
