"""Pages over 50,000 outputs, beside the bare SQL that they run."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.bench.requesting import measure
from tests.bench.server import ROOT, Web, services

if TYPE_CHECKING:
    from feedback.models import Project, User

NUM_OUTPUTS = 50_000
# Milliseconds, nineteen times of twenty, with one user.
BAR = 100.0
BATCH = 2_000

Record = dict[str, Any]


def run() -> tuple[str, bool]:
    with services() as urls:
        import django

        django.setup()
        project, user = _seed()
        pages = _addresses(project)
        with Web() as web:
            measured = [measure(web, urls.database, user, *page) for page in pages]
    print(f"{'page':<14}{'queries':>9}{'at most':>9}{'p95 ms':>9}{'SQL p95':>9}")
    for one in measured:
        print(
            f"{one.name:<14}{one.num_queries:>9}{one.max_queries:>9}{one.page:>9.1f}{one.sql:>9.1f}"
        )
    slowest = max(measured, key=lambda one: one.page)
    figure = f"slowest p95 {slowest.page:.0f} ms ({slowest.name}), bar {BAR:.0f} ms"
    return figure, all(one.page < BAR and one.num_queries <= one.max_queries for one in measured)


def _addresses(project: Project) -> list[tuple[str, str, int]]:
    """Name, address and most queries of each page."""
    from django.urls import reverse

    from review.models import QueueItem, Theme

    def address(name: str, *parts: object) -> str:
        return reverse(name, args=[project.slug, *parts])

    item = QueueItem.objects.open().order_by("-priority", "pk")[0]
    theme = Theme.objects.order_by("-size")[0]
    return [
        ("queues", address("queue_list"), 14),
        ("queue", address("queue", "negative"), 24),
        ("queue, flat", address("queue", "negative") + "?group=flat", 24),
        ("themes", address("theme_list"), 12),
        ("theme", address("theme", theme.number), 20),
        ("review", address("item", item.pk), 30),
        ("output", address("output", item.output.external_id), 20),
        ("session", address("session", item.output.session.external_id), 20),
        ("reviewed", address("review_list"), 14),
        ("ingestion", address("ingestion"), 9),
    ]


def _seed() -> tuple[Project, User]:
    """The demo's records many times over, each time as other users' under other ids."""
    from django.utils import timezone

    from feedback.embedding import embed_pending, get_encoder
    from feedback.ingestion import ingest
    from feedback.models import Output
    from review import intake, rules, themes
    from tests.factories import make_project, make_user

    project = make_project("bench")
    user = make_user(project, role="admin")
    originals = _originals()
    encoder = get_encoder()

    def store(records: list[Record]) -> None:
        for start in range(0, len(records), BATCH):
            part = records[start : start + BATCH]
            ingest(project=project, records=part, now=timezone.now())

    def timed(what: str, work: Callable[[], object]) -> None:
        started = time.monotonic()
        work()
        print(f"  {what}: {time.monotonic() - started:.0f} s", flush=True)

    def embed() -> None:
        while embed_pending(encoder=encoder, limit=1_000):
            pass

    store(_copy(originals, 0))
    timed("the records once, embedded", embed)
    timed(
        "their themes",
        lambda: themes.refresh(project=project, encoder_model=encoder.model_id, now=timezone.now()),
    )
    copies = -(-NUM_OUTPUTS // Output.objects.count())
    copied = [record for n in range(1, copies) for record in _copy(originals, n)]
    timed(f"{copies} copies", lambda: store(copied))
    timed("their vectors", _spread_vectors)
    timed("their themes", _spread_themes)
    themes.count(project=project)
    for name, saved in (("negative", {"score": "negative"}), ("everything", {})):
        rules.create_queue(
            project=project,
            rules=rules.Rules(name=name, filter=saved),
            by=user,
            now=timezone.now(),
        )
    timed("queues filled", lambda: intake.feed_all(now=timezone.now()))
    _review_some(project, user)
    print(f"  {Output.objects.count():,} outputs")
    return project, user


def _originals() -> list[Record]:
    records: list[Record] = []
    for name in ("qa-feedback", "oasst-trees"):
        lines = gzip.decompress((ROOT / f"feedback/demo/{name}.ndjson.gz").read_bytes())
        records += [json.loads(line) for line in lines.splitlines()]
    return records


def _copy(records: list[Record], number: int) -> list[Record]:
    return [
        record
        | {
            name: f"{number}-{record[name]}"
            for name in ("id", "session", "output")
            if record.get(name)
        }
        for record in records
    ]


def _spread_vectors() -> None:
    """Give each copy of a text its original's vector."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE known AS SELECT DISTINCT ON (text_sha256) text_sha256, vector, model"
            " FROM feedback_embedding; CREATE UNIQUE INDEX ON known (text_sha256); ANALYZE known"
        )
        for table, target, columns in (
            ("feedback_output", "output_id", {"query": "query", "answer": "text"}),
            (
                "feedback_feedback",
                "feedback_id",
                {"comment": "comment", "correction": "correction"},
            ),
        ):
            for part, column in columns.items():
                cursor.execute(
                    f"INSERT INTO feedback_embedding (project_id, {target}, part, model,"
                    " text_sha256, vector, created_at)"
                    " SELECT copy.project_id, copy.id, %s, known.model, known.text_sha256,"
                    f" known.vector, now() FROM {table} copy JOIN known ON known.text_sha256 ="
                    f" encode(sha256(convert_to(copy.{column}, 'UTF8')), 'hex')"
                    f" WHERE copy.embedded_with = '' AND copy.{column} <> ''",
                    [part],
                )
            cursor.execute(
                f"UPDATE {table} SET embedded_with = (SELECT model FROM known LIMIT 1)"
                " WHERE embedded_with = ''"
            )


def _spread_themes() -> None:
    """Give the newest copies their original's theme, as many as a run groups."""
    from django.db import connection

    from review.themes import MOST_FEEDBACK

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO review_thememembership (theme_id, feedback_id, run_id, similarity) "
            "SELECT member.theme_id, copy.id, member.run_id, member.similarity "
            "FROM review_thememembership member "
            "JOIN feedback_feedback original ON original.id = member.feedback_id "
            "JOIN feedback_feedback copy ON copy.id <> original.id "
            "AND regexp_replace(copy.external_id, '^[0-9]+-', '') = "
            "regexp_replace(original.external_id, '^[0-9]+-', '') "
            "ORDER BY copy.at DESC, copy.id DESC LIMIT %s ON CONFLICT DO NOTHING",
            [MOST_FEEDBACK],
        )
        cursor.execute(
            "UPDATE review_theme SET size = counted.size FROM (SELECT theme_id, count(*) AS size "
            "FROM review_thememembership GROUP BY theme_id) counted WHERE counted.theme_id = id"
        )
        cursor.execute("ANALYZE")


def _review_some(project: Project, user: User) -> None:
    from review.models import QueueItem
    from tests.factories import make_review

    for item in QueueItem.objects.open().select_related("output").order_by("pk")[:500]:
        make_review(item.output, user)
